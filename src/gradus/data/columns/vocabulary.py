"""The terms of a column of texts, and how often a text has them, weighted: TF-IDF.

Counting and weighting are scikit-learn's; saved is only the list of terms with their weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

from gradus.data.columns.conversions import to_names

if TYPE_CHECKING:
    import polars as pl

WORDS, CHARACTERS = "word", "char_wb"  # scikit-learn's names
SETTINGS: dict[str, dict[str, Any]] = {
    WORDS: {"token_pattern": r"(?u)\b\w\w+\b"},
    CHARACTERS: {"ngram_range": (3, 3)},
}
FEWEST_TEXTS = 2  # that have a term: what occurs in one text says nothing about others
SAMPLE = 20_000  # texts that terms are chosen from
BLOCK = 4096  # texts that are counted at once


class Vocabulary(Struct, frozen=True):
    """The most frequent terms of the training texts, and their weights.

    A text becomes `(1 + ln n) · weight` for each term, where n is how often it has the term, or 0
    if it has not; these numbers are divided by the root of the sum of their squares. The weight of
    a term is `1 + ln((1 + texts) / (1 + texts that have it))`.

    Attributes:
        analyzer: "word" for words of two letters or more, "char_wb" for three characters of a word,
            with a space before and after it.
        terms: in alphabetical order.
        weights: of the terms.

    Examples:
        >>> words = Vocabulary.fit(["a red dress", "a blue dress", "red shoes"], "word", 10)
        >>> words.terms
        ('dress', 'red')
        >>> print(words.encode(["red red dress", "shoes"]).round(2))
        [[0.51 0.86]
         [0.   0.  ]]
    """

    analyzer: str
    terms: tuple[str, ...]
    weights: tuple[float, ...]

    @classmethod
    def fit(cls, texts: Sequence[str], analyzer: str, size: int) -> Vocabulary:
        """Choose the most frequent terms of some texts: those of at least two, but not of all.

        Args:
            texts: in lower case.
            analyzer: "word" or "char_wb".
            size: how many terms at most.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(
            analyzer=analyzer,
            lowercase=False,
            max_features=size,
            min_df=FEWEST_TEXTS,
            max_df=max(FEWEST_TEXTS, len(texts) - 1),
            **SETTINGS[analyzer],
        )
        try:
            vectorizer.fit(texts)
        except ValueError:  # no term is left
            return cls(analyzer, (), ())
        terms = vectorizer.get_feature_names_out().tolist()
        return cls(analyzer, tuple(terms), tuple(vectorizer.idf_.tolist()))

    @property
    def names(self) -> tuple[str, ...]:
        """The terms as they are shown: words as they are, characters in quotes."""
        return self.terms if self.analyzer == WORDS else tuple(map(repr, self.terms))

    def describe(self) -> str:
        """Return "150 words" or "150 character triples"."""
        count, kinds = len(self.terms), {WORDS: "word", CHARACTERS: "character triple"}
        return f"{count} {kinds[self.analyzer]}{'s' * (count != 1)}"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 (n, terms), of length 1 in each row, or zeros if it has no term."""
        encoded = np.zeros((len(texts), len(self.terms)), np.float32)
        if not self.terms:
            return encoded
        vectorizer = _vectorizer(self)
        for start in range(0, len(texts), BLOCK):
            block = slice(start, start + BLOCK)
            encoded[block] = vectorizer.transform(texts[block]).toarray()
        return encoded


@lru_cache(64)
def _vectorizer(vocabulary: Vocabulary) -> Any:
    """Return scikit-learn's vectorizer of a vocabulary."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    analyzer = vocabulary.analyzer
    vectorizer = TfidfVectorizer(
        analyzer=analyzer,
        lowercase=False,
        vocabulary=list(vocabulary.terms),
        sublinear_tf=True,
        **SETTINGS[analyzer],
    )
    vectorizer.idf_ = np.array(vocabulary.weights)
    return vectorizer


def to_texts(column: pl.Series) -> list[str]:
    """Return a column as texts in lower case, "" where missing; forms of accents are one.

    Raises:
        DataError: if its cells are no texts, such as lists.
    """
    names = to_names(column).fill_null("")
    return names.str.normalize("NFC").str.to_lowercase().to_list()


def sample_texts(texts: Sequence[str]) -> Sequence[str]:
    """Return at most `SAMPLE` of some texts, evenly spaced."""
    if len(texts) <= SAMPLE:
        return texts
    rows = np.linspace(0, len(texts) - 1, SAMPLE).astype(int)
    return [texts[row] for row in rows]
