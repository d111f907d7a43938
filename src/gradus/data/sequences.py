"""Sequences in: padded to one length, text as codes, and windows of a series."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.checks import whole_number
from gradus.data.arrays import as_array
from gradus.errors import DataError, SavedError, unknown

PADDING, UNKNOWN = 0, 1  # the codes of no token at all, and of one that was not seen in fitting
_SIDES = ("pre", "post")
_MODES = ("words", "characters")
_WORD = re.compile(r"\w+(?:['’]\w+)*")


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    value: float = 0,
    padding: str = "post",
    truncating: str = "post",
) -> np.ndarray:
    """Return sequences of several lengths as one array, `(n, maxlen)` or `(n, maxlen, features)`.

    Keras pads and cuts at the beginning; here it is the end unless "pre" is given.

    Args:
        sequences: n sequences of codes, or n arrays `(steps, features)`; a sequence may be empty.
        maxlen: the steps of the result; None for those of the longest sequence.
        value: what fills short sequences up.
        padding: where it is put: "post" for the end, "pre" for the beginning.
        truncating: where longer sequences are cut.

    Returns:
        int32 or float32, as the sequences are.

    Raises:
        DataError: for no sequences, no steps, text, or other features in one than in the rest.
        GradusError: for another word than "pre" and "post".
    """
    for name, side in (("padding", padding), ("truncating", truncating)):
        if side not in _SIDES:
            raise unknown(name, side, _SIDES)
    rows = _rows(sequences)
    steps = (
        max(map(len, rows))
        if maxlen is None
        else whole_number("maxlen", maxlen, 1, "pad_sequences")
    )
    if steps == 0:
        raise DataError("pad_sequences: all sequences are empty; write maxlen=… for rows of value.")
    kind = rows[0].dtype if float(value).is_integer() else np.float32
    padded = np.full((len(rows), steps, *rows[0].shape[1:]), value, kind)
    for into, row in zip(padded, rows, strict=True):
        kept = row[:steps] if truncating == "post" else row[max(len(row) - steps, 0) :]
        if padding == "post":
            into[: len(kept)] = kept
        else:
            into[steps - len(kept) :] = kept
    return padded


def windows(
    series: Any, length: int, horizon: int = 1, stride: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return what a series was like, step by step, and what it came to: inputs and targets.

    Window i is `series[s : s + length]` with `s = i · stride`, its target
    `series[s + length + horizon − 1]`: with a horizon of 1 the value that follows.

    Args:
        series: `(steps,)` or `(steps, features)`, the earliest first.
        length: the steps of a window.
        horizon: how many steps after a window's last its target lies.
        stride: from the beginning of one window to that of the next.

    Returns:
        x `(n, length, features)` and y `(n, features)`, with
        `n = (steps − length − horizon) // stride + 1`.

    Raises:
        DataError: for a series too short for one window and its target, or of other axes.
    """
    given = {"length": length, "horizon": horizon, "stride": stride}
    for name, number in given.items():
        whole_number(name, number, 1, "windows")
    values = as_array(series, "series")
    if values.ndim > 2:
        raise DataError(
            f"windows: a series has shape (steps,) or (steps, features), not {values.shape}: take "
            "the windows of each series by itself."
        )
    values = values[:, None] if values.ndim == 1 else values
    count = (len(values) - length - horizon) // stride + 1
    if count < 1:
        raise DataError(
            f"windows: a window of {length} steps and a target {horizon} after it need "
            f"{length + horizon} steps, but the series has {len(values)}."
        )
    starts = np.arange(count) * stride
    return values[starts[:, None] + np.arange(length)], values[starts + length + horizon - 1]


class TextVectorizer:
    """Text as codes: 0 fills up, 1 is what was not seen in fitting, the rest are tokens.

    Words are runs of letters, digits and underscores (and apostrophes within), in lower case, so
    that `inverse` gives no punctuation back; characters are taken as they are. Codes go by
    frequency, the most frequent first, and by the alphabet among equals.

    Args:
        mode: "words" or "characters".
        vocabulary_size: how many codes there are at most, the two special ones included; None
            for all that occur.
        length: the steps of what `transform` returns; None for those of the longest text.

    Attributes:
        vocabulary: the tokens of the codes from 2 on, once fitted.

    Raises:
        GradusError: for another mode, or sizes that cannot be.
    """

    def __init__(
        self, mode: str = "words", vocabulary_size: int | None = None, length: int | None = None
    ) -> None:
        if mode not in _MODES:
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
        """How many codes there are, the `input_dim` of an `Embedding`."""
        return len(self.vocabulary) + 2

    def fit(self, texts: Sequence[str]) -> TextVectorizer:
        """Learn the vocabulary and return the vectorizer itself.

        Raises:
            DataError: for no texts, or texts without a token.
        """
        counts = Counter(token for text in _texts(texts) for token in self._tokens(text))
        if not counts:
            raise DataError(f"TextVectorizer: there are no {self.mode} in these texts.")
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        most = None if self.vocabulary_size is None else self.vocabulary_size - 2
        self.vocabulary = tuple(ranked[:most])
        return self

    def transform(self, texts: Sequence[str]) -> np.ndarray:
        """Return the codes of texts, `(n, steps)` int32, filled up or cut at the end.

        Raises:
            DataError: before `fit`, or for no texts.
        """
        self._require()
        codes = {token: code for code, token in enumerate(self.vocabulary, 2)}
        rows = [[codes.get(t, UNKNOWN) for t in self._tokens(text)] for text in _texts(texts)]
        return pad_sequences(rows, self.length or max(1, *map(len, rows)), PADDING)

    def inverse(self, codes: Any) -> list[str]:
        """Return the texts of codes `(n, steps)`, what was not known as "�".

        Raises:
            DataError: before `fit`, or for codes that stand for nothing.
        """
        self._require()
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
        between = " " if self.mode == "words" else ""
        return [between.join(tokens[code] for code in row if code != PADDING) for row in rows]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict; `from_dict` gives back an equal vectorizer."""
        settings = {"mode": self.mode, "vocabulary_size": self.vocabulary_size}
        return {**settings, "length": self.length, "vocabulary": list(self.vocabulary)}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> TextVectorizer:
        """Return the vectorizer that `to_dict` saved.

        Raises:
            SavedError: if `saved` is no such dict.
        """
        try:
            made = cls(saved["mode"], saved["vocabulary_size"], saved["length"])
            made.vocabulary = tuple(str(token) for token in saved["vocabulary"])
        except (KeyError, TypeError, ValueError) as error:
            raise SavedError(f"This is no saved TextVectorizer: {error!r}.") from None
        return made

    def _tokens(self, text: str) -> list[str]:
        return list(text) if self.mode == "characters" else _WORD.findall(text.lower())

    def _require(self) -> None:
        if not self.vocabulary:
            raise DataError("TextVectorizer has no vocabulary yet: write fit(texts) first.")


def _rows(sequences: Any) -> list[np.ndarray]:
    """Return each sequence as an array, all with the features of the first that is not empty."""
    if isinstance(sequences, str) or not len(sequences):
        raise DataError(
            f"pad_sequences takes a list of sequences, but was given {sequences!r}; for text "
            "write TextVectorizer().fit(texts).transform(texts)."
        )
    for index, sequence in enumerate(sequences):
        if isinstance(sequence, str) or not hasattr(sequence, "__len__"):
            raise DataError(
                f"pad_sequences: item {index} is {sequence!r}, not a sequence of numbers; for text "
                "write TextVectorizer().fit(texts).transform(texts)."
            )
    rows = [as_array(row, f"sequence {index}") for index, row in enumerate(sequences)]
    features = next((row.shape[1:] for row in rows if len(row)), ())
    for index, row in enumerate(rows):
        if len(row) and (row.ndim > 2 or row.shape[1:] != features):
            raise DataError(
                f"pad_sequences: sequence {index} has shape {row.shape}; all must have shape "
                f"{('steps', *features)}: one code, or as many features, a step.".replace("'", "")
            )
    integers = all(row.dtype.kind in "iub" for row in rows if len(row))
    kind = np.int32 if integers else np.float32
    return [np.asarray(row, kind).reshape(len(row), *features) for row in rows]


def _texts(texts: Any) -> list[str]:
    found = [texts] if isinstance(texts, str) else list(texts)
    if isinstance(texts, str) or not found or not all(isinstance(text, str) for text in found):
        raise DataError(
            f"TextVectorizer takes a list of texts, at least one, but was given "
            f"{str(texts)[:60]!r}: write a list of strings."
        )
    return found
