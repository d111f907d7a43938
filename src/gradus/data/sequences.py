"""Padding of sequences, text as integer codes, and windows of a series."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

from gradus.checks import MAX_INT, as_items, is_word, number, whole_number
from gradus.data.arrays import as_array
from gradus.errors import DataError, GradusError, SavedError, unknown
from gradus.foreign_names.arguments import explain_arguments, explain_methods
from gradus.foreign_names.attributes import refuse_attribute
from gradus.records import as_record

PADDING, UNKNOWN = 0, 1  # the codes of padding and of tokens outside the vocabulary
_SIDES = ("pre", "post")
_MODES = ("words", "characters")
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963"
_MARKS += "\u0981-\u0e4e\u0eb1-\u0ecd\u0f18-\u0fbc\u102b-\u109d\u17b4-\u17d3\u200c\u200d"
_LETTER = rf"[\w{_MARKS}]"  # with accents and vowel signs of their own, which \w leaves out
_WORD = re.compile(rf"{_LETTER}+(?:['’]{_LETTER}+)*")


@explain_arguments
def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    value: float = 0,
    padding: str = "post",
    truncating: str = "post",
) -> np.ndarray:
    """Pad sequences to one array, `(n, maxlen)` or `(n, maxlen, features)`.

    Padding and truncation are at the end; Keras's default is the beginning ("pre").

    Args:
        sequences: n sequences of codes, or n arrays `(steps, features)`; a sequence may be empty.
        maxlen: steps of the result; None for those of the longest sequence.
        value: the padding value.
        padding: the side to pad on: "post" for the end, "pre" for the beginning.
        truncating: the side on which longer sequences are truncated.

    Returns:
        int32 or float32, as the sequences are.

    Raises:
        DataError: if there are no sequences or no steps, for text, or if the numbers of features
            differ.
        GradusError: for a side other than "pre" and "post", or an invalid `maxlen`.

    Examples:
        >>> gr.data.pad_sequences([[1, 2, 3], [4]]).tolist()
        [[1, 2, 3], [4, 0, 0]]
    """
    for name, side in (("padding", padding), ("truncating", truncating)):
        if not is_word(side, _SIDES):
            raise unknown(name, side, _SIDES)
    number("value", value)
    rows = _as_rows(sequences)
    steps = (
        max(map(len, rows))
        if maxlen is None
        else whole_number("maxlen", maxlen, 1, "pad_sequences")
    )
    if steps == 0:
        raise DataError("pad_sequences: all sequences are empty; write maxlen=… for only padding.")
    dtype = rows[0].dtype if float(value).is_integer() and abs(value) <= MAX_INT else np.float32
    padded = np.full((len(rows), steps, *rows[0].shape[1:]), value, dtype)
    for target, row in zip(padded, rows, strict=True):
        kept = row[:steps] if truncating == "post" else row[max(len(row) - steps, 0) :]
        if padding == "post":
            target[: len(kept)] = kept
        else:
            target[steps - len(kept) :] = kept
    return padded


@explain_arguments
def windows(
    series: Any, length: int, horizon: int = 1, stride: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a series into sliding windows, and return them with the values to forecast.

    Window i is `series[s : s + length]` with `s = i · stride`, its target
    `series[s + length + horizon − 1]`: for a horizon of 1, the next value.

    Args:
        series: `(steps,)` or `(steps, features)`, the earliest first.
        length: steps of a window.
        horizon: steps from the last of a window to its target.
        stride: steps from the start of one window to the start of the next.

    Returns:
        x `(n, length, features)` and y `(n, features)`, with
        `n = (steps − length − horizon) // stride + 1`; float64 stays, to be scaled.

    Raises:
        DataError: for a series too short for one window and its target, or with another number
            of axes.
        GradusError: for a length, horizon or stride that is not a whole number of at least 1.

    Examples:
        >>> x, y = gr.data.windows([1, 2, 3, 4, 5], length=3)
        >>> x[..., 0].tolist(), y.tolist()
        ([[1, 2, 3], [2, 3, 4]], [[4], [5]])
    """
    settings = {"length": length, "horizon": horizon, "stride": stride}
    for name, steps in settings.items():
        whole_number(name, steps, 1, "windows")
    values = as_array(series, "series", wide=True)
    if values.ndim > 2:
        raise DataError(
            f"windows: a series has shape (steps,) or (steps, features), not {values.shape}: call "
            "windows for each series."
        )
    values = values[:, None] if values.ndim == 1 else values
    count = (len(values) - length - horizon) // stride + 1
    if count < 1:
        raise DataError(
            f"windows: a window of {length} steps and a target {horizon} later need "
            f"{length + horizon} steps, but the series has {len(values)}."
        )
    starts = np.arange(count) * stride
    return values[starts[:, None] + np.arange(length)], values[starts + length + horizon - 1]


class _SavedVectorizer(Struct):
    mode: str
    vocabulary_size: int | None
    length: int | None
    vocabulary: tuple[str, ...]


@explain_methods
class TextVectorizer:
    """Text as codes: 0 is padding, 1 an unknown token, the others are the vocabulary.

    Words are runs of letters, digits and underscores (with inner apostrophes), in lower case and
    Unicode's form NFC, so `inverse` does not restore punctuation; characters are kept unchanged.
    Codes are ordered by frequency, the most frequent first, then alphabetically.

    Args:
        mode: "words" or "characters".
        vocabulary_size: largest number of codes, including the two special ones; None for no
            limit.
        length: steps of the output of `transform`; None for those of the longest text.

    Attributes:
        vocabulary: the tokens with codes from 2 on, after `fit`.

    Raises:
        GradusError: for an unknown mode, or an invalid size.

    Examples:
        >>> vectorizer = gr.data.TextVectorizer().fit(["the cat", "the dog"])
        >>> vectorizer.transform(["the dog", "bird"]).tolist()
        [[2, 4], [1, 0]]
        >>> vectorizer.inverse([[2, 4], [1, 0]])
        ['the dog', '�']
    """

    if not TYPE_CHECKING:  # for mypy an unknown attribute stays a fault
        __getattr__ = refuse_attribute

    def __init__(
        self, mode: str = "words", vocabulary_size: int | None = None, length: int | None = None
    ) -> None:
        if not is_word(mode, _MODES):
            raise unknown("mode", mode, _MODES)
        if vocabulary_size is not None:
            whole_number("vocabulary_size", vocabulary_size, 3, "TextVectorizer")
        if length is not None:
            whole_number("length", length, 1, "TextVectorizer")
        self.mode = mode
        self.vocabulary_size = vocabulary_size
        self.length = length
        self.vocabulary: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of codes, the `input_dim` of an `Embedding`."""
        return len(self.vocabulary) + 2

    def fit(self, texts: Sequence[str]) -> TextVectorizer:
        """Learn the vocabulary and return the vectorizer.

        Raises:
            DataError: if there are no texts, or none has a token.
        """
        counts = Counter(token for text in _texts(texts) for token in self._tokens(text))
        if not counts:
            raise DataError(f"TextVectorizer: there are no {self.mode} in these texts.")
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        limit = None if self.vocabulary_size is None else self.vocabulary_size - 2
        self.vocabulary = tuple(ranked[:limit])
        return self

    def transform(self, texts: Sequence[str]) -> np.ndarray:
        """Return the codes of texts, `(n, steps)` int32, padded or truncated at the end.

        Raises:
            DataError: before `fit`, or if there are no texts.
        """
        self._require_fitted()
        codes = {token: code for code, token in enumerate(self.vocabulary, 2)}
        rows = [[codes.get(t, UNKNOWN) for t in self._tokens(text)] for text in _texts(texts)]
        return pad_sequences(rows, self.length or max(1, *map(len, rows)), PADDING)

    def inverse(self, codes: Any) -> list[str]:
        """Return the texts of codes `(n, steps)`, with "�" for unknown tokens.

        Raises:
            DataError: before `fit`, or for codes outside the vocabulary.
        """
        self._require_fitted()
        rows = as_array(codes, "codes")
        if rows.ndim != 2 or rows.dtype.kind not in "iu":
            raise DataError(
                f"TextVectorizer.inverse takes whole numbers of shape (n, steps), not "
                f"{rows.dtype} of shape {rows.shape}."
            )
        if rows.size and not 0 <= rows.min() <= rows.max() < self.size:
            raise DataError(
                f"TextVectorizer.inverse: codes run from {rows.min()} to {rows.max()}, but there "
                f"are {self.size}, from 0."
            )
        tokens = ("", "�", *self.vocabulary)
        separator = " " if self.mode == "words" else ""
        return [separator.join(tokens[code] for code in row if code != PADDING) for row in rows]

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that fits into JSON; `from_dict` restores an equal vectorizer."""
        settings = {"mode": self.mode, "vocabulary_size": self.vocabulary_size}
        return {**settings, "length": self.length, "vocabulary": list(self.vocabulary)}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> TextVectorizer:
        """Restore the vectorizer that `to_dict` saved.

        Raises:
            SavedError: if `saved` is not such a dict.
        """
        record = as_record(saved, _SavedVectorizer, "The saved TextVectorizer")
        try:
            vectorizer = cls(record.mode, record.vocabulary_size, record.length)
        except GradusError as error:
            raise SavedError(f"The saved TextVectorizer is damaged: {error}") from None
        vectorizer.vocabulary = record.vocabulary
        return vectorizer

    def _tokens(self, text: str) -> list[str]:
        if self.mode == "characters":
            return list(text)
        return _WORD.findall(unicodedata.normalize("NFC", text.lower()))

    def _require_fitted(self) -> None:
        if not self.vocabulary:
            raise DataError("TextVectorizer has no vocabulary yet: call fit(texts) first.")


def _as_rows(sequences: Any) -> list[np.ndarray]:
    """Convert each sequence to an array; an empty one gets the features of the others."""
    listed = None if isinstance(sequences, str | bytes) else as_items(sequences)
    if not listed:
        raise DataError(
            f"pad_sequences takes a list of sequences, not {sequences!r}; for text "
            "write TextVectorizer().fit(texts).transform(texts)."
        )
    for index, sequence in enumerate(listed):
        if isinstance(sequence, str) or as_items(sequence) is None:
            raise DataError(
                f"pad_sequences: item {index} is {sequence!r}, not a sequence of numbers; for text "
                "write TextVectorizer().fit(texts).transform(texts)."
            )
    rows = [as_array(row, f"sequence {index}") for index, row in enumerate(listed)]
    features = next((row.shape[1:] for row in rows if len(row)), ())
    for index, row in enumerate(rows):
        if len(row) and (row.ndim > 2 or row.shape[1:] != features):
            raise DataError(
                f"pad_sequences: sequence {index} has shape {row.shape}; all must have shape "
                f"{('steps', *features)}, with the same features in each step.".replace("'", "")
            )
    integers = all(row.dtype.kind in "iub" for row in rows if len(row))
    dtype = np.int32 if integers else np.float32
    return [np.asarray(row, dtype).reshape(len(row), *features) for row in rows]


def _texts(texts: Any) -> list[str]:
    listed = None if isinstance(texts, str) else as_items(texts)
    if not listed or not all(isinstance(text, str) for text in listed):
        raise DataError(
            f"TextVectorizer takes a list of texts, at least one, not {str(texts)[:60]!r}: write a "
            "list of strings."
        )
    return listed
