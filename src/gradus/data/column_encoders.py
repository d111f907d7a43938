"""Encoders of table columns, one class per kind: fitted to the training rows, saved as JSON.

`fit` learns from the training column; `encode` turns any column of that name, with missing and
unseen values, into an array with as many rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from gradus.data.columns.conversions import is_constant, match_names, to_dates, to_names, to_numbers
from gradus.data.columns.vocabulary import (
    CHARACTERS,
    WORDS,
    Vocabulary,
    sample_texts,
    to_texts,
)
from gradus.data.preprocessing import AUTOMATIC, Preprocessing
from gradus.errors import four_digits

if TYPE_CHECKING:
    import polars as pl

HEAVY_TAIL = 10.0  # a normal column's kurtosis is 3, an exponential one's 9
FAR_FROM_NORMAL = 0.15  # distance of two distribution functions; 0.06 for a uniform one
SOME, MANY = 0.1, 1 / 3  # shares of the rows that have the most common value
KNOTS = 256
FEW_KNOTS = 30
LARGEST_FLOAT = 3e38  # of 32 bits
CLIP = 5.0  # largest encoded number, in standard deviations


class Encoder(Struct, frozen=True, tag_field="kind"):
    """What encodes a column; the tag of a subclass is the kind of column."""

    @property
    def kind(self) -> str:
        """The kind of column: "number", "boolean", "category", "date" or "text"."""
        return str(self.__struct_config__.tag)


class NumberEncoder(Encoder, frozen=True, tag="number"):
    """A number, scaled: `(f(x) - mean) / std`, clipped to ±5 unless the scaling is "none".

    `f` is the identity or, for the scaling "normal", a rank-based inverse normal transform with
    mid-ranks: linear between at most 256 knots, constant beyond them. "auto" chooses "normal" if
    the kurtosis is above 10 (heavy tails) or the distribution function is further than 0.15 from
    the normal one (two modes, strong skew), unless one value is common, else "standard". For
    "minmax", `mean` is the smallest value and `std` the range. A missing value is encoded as the
    median or the mean.
    """

    name: str
    fill: float
    mean: float
    std: float
    knots: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()
    indicator: bool = False
    scaling: str = "standard"

    @classmethod
    def fit(
        cls, name: str, values: np.ndarray, preprocessing: Preprocessing = AUTOMATIC
    ) -> NumberEncoder:
        """Fit to float64 values (n,), NaN where missing, at least one of them present.

        Args:
            name: of the column.
            values: the training values.
            preprocessing: how values are scaled and missing ones filled in.
        """
        present = values[~np.isnan(values)]
        method = preprocessing.scaling
        knots, scores = _normal_scores(present)
        if method != "normal" and (method != "auto" or _is_near_normal(present, knots, scores)):
            knots, scores = (), ()
        mapped = np.interp(present, knots, scores) if knots else present
        scaling = method if method in ("minmax", "none") else "standard"
        mean, std = _shift_and_scale(mapped, scaling)
        return cls(
            name,
            fill=float(np.median(present) if preprocessing.missing == "median" else present.mean()),
            mean=mean,
            std=1.0 if is_constant(mapped) else std,
            knots=knots,
            scores=scores,
            indicator=bool(preprocessing.indicator) and len(present) < len(values),
            scaling=scaling,
        )

    def encode(self, column: pl.Series) -> np.ndarray:
        """Return float32 (n, 1), or (n, 2) with a 0/1 column that marks missing values."""
        return self.encode_values(to_numbers(column))

    def encode_values(self, values: np.ndarray) -> np.ndarray:
        """Encode float64 values (n,), NaN where missing, as `encode` does."""
        missing = np.isnan(values)
        filled = np.where(missing, self.fill, values) if missing.any() else values
        mapped = np.interp(filled, self.knots, self.scores) if self.knots else filled
        limit = LARGEST_FLOAT if self.scaling == "none" else CLIP
        scaled = mapped - self.mean
        scaled /= self.std
        np.clip(scaled, -limit, limit, out=scaled)
        return _with_indicator(scaled, missing, self.indicator)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the encoded columns."""
        return (self.name, f"{self.name}=missing") if self.indicator else (self.name,)

    def describe(self) -> str:
        """Describe the encoding in a few words."""
        mapping = "quantiles mapped to normal, " if self.knots else ""
        missing = f", missing become {four_digits(self.fill)} + indicator" if self.indicator else ""
        return f"{mapping}{_SCALED[self.scaling]}{missing}"


_SCALED = {"standard": "standardized", "minmax": "scaled to [0, 1]", "none": "unchanged"}


def _shift_and_scale(values: np.ndarray, scaling: str) -> tuple[float, float]:
    """Return the number to subtract from values and the one to divide the difference by."""
    if scaling == "none":
        return 0.0, 1.0
    if scaling == "minmax":
        return float(values.min()), float(np.ptp(values))
    return float(values.mean()), float(values.std())


def _is_near_normal(
    values: np.ndarray, knots: tuple[float, ...], scores: tuple[float, ...]
) -> bool:
    """Whether standardizing is enough: no heavy tails, and a shape close to normal.

    The kurtosis E[(x - μ)⁴] / σ⁴ is small and, if there are enough distinct values to judge the
    shape, so is |F(x) - Φ((x - μ) / σ)| at every knot. Where one value is common, as zero often is,
    ranks squeeze the other values together: a shape is not judged from `SOME` of the rows on, and
    from `MANY` on standardizing is better even for heavy tails.
    """
    most = np.unique(values, return_counts=True)[1].max() / len(values)
    if most >= MANY:
        return True
    deviation = values - values.mean()
    largest = np.abs(deviation).max()
    if is_constant(values):
        return True
    unit = deviation / largest  # so that the fourth power cannot overflow
    variance = np.mean(unit**2)
    if np.mean(unit**4) > HEAVY_TAIL * variance**2:
        return False
    if len(knots) < FEW_KNOTS or most >= SOME:
        return True
    normal = NormalDist()
    standard = (np.array(knots) - values.mean()) / largest / np.sqrt(variance)
    pairs = zip(standard.tolist(), scores, strict=True)
    return all(abs(normal.cdf(z) - normal.cdf(s)) <= FAR_FROM_NORMAL for z, s in pairs)


def _normal_scores(values: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return at most `KNOTS` distinct values and the normal quantiles of their mid-ranks."""
    distinct, counts = np.unique(values, return_counts=True)
    share = (np.cumsum(counts) - counts / 2) / len(values)
    # Evenly spaced in rank, so that knots are close where the data are dense; always the ends.
    chosen = np.searchsorted(share, np.linspace(0, 1, KNOTS)).clip(0, len(distinct) - 1)
    chosen = np.unique(chosen)
    normal = NormalDist()
    scores = tuple(normal.inv_cdf(float(s)) for s in share[chosen])
    return tuple(distinct[chosen].tolist()), scores


def _with_indicator(values: np.ndarray, missing: np.ndarray, indicator: bool) -> np.ndarray:
    if not indicator:
        return values.astype(np.float32)[:, None]
    return np.stack([values, missing], axis=1).astype(np.float32)


class BooleanEncoder(Encoder, frozen=True, tag="boolean"):
    """A boolean, as -1 or 1; a missing value as 0, with an indicator if one is wanted.

    Other numbers x that a column of 0 and 1 has after training are 2x - 1, clipped to ±5.
    """

    name: str
    indicator: bool

    @classmethod
    def fit(cls, column: pl.Series, preprocessing: Preprocessing = AUTOMATIC) -> BooleanEncoder:
        """Fit to booleans, or the numbers 0 and 1."""
        return cls(column.name, bool(preprocessing.indicator) and column.null_count() > 0)

    def encode(self, column: pl.Series) -> np.ndarray:
        """Return float32 (n, 1) or (n, 2)."""
        return self.encode_values(to_numbers(column))

    def encode_values(self, values: np.ndarray) -> np.ndarray:
        """Encode float64 values (n,), NaN where missing, as `encode` does."""
        missing = np.isnan(values)
        signs = np.where(missing, 0.0, np.clip(2 * values - 1, -CLIP, CLIP))
        return _with_indicator(signs, missing, self.indicator)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the encoded columns."""
        return (self.name, f"{self.name}=missing") if self.indicator else (self.name,)

    def describe(self) -> str:
        """Describe the encoding in a few words."""
        return "-1 or 1" + (", missing become 0 + indicator" if self.indicator else "")


class CategoryEncoder(Encoder, frozen=True, tag="category"):
    """A category: one-hot, or an integer code for an embedding.

    A category absent from the training data is all zeros, or code 0. So is a missing value, unless
    the training data has some: then "missing" is the last category.
    """

    name: str
    levels: tuple[str, ...]
    missing: bool
    embedded: bool

    @classmethod
    def fit(
        cls, column: pl.Series, one_hot_limit: int, levels: Sequence[str] | None = None
    ) -> CategoryEncoder:
        """Fit the levels; more than `one_hot_limit` are embedded, except those that occur once.

        Args:
            column: the training values.
            one_hot_limit: the largest number of levels that are one-hot.
            levels: all levels in their order; by default those found, sorted.
        """
        names = to_names(column)
        counts = names.drop_nulls().value_counts(name="count")
        embedded = (counts.height if levels is None else len(levels)) > one_hot_limit
        if embedded and levels is None:
            frequent = counts.filter(counts["count"] > 1)
            counts = frequent if frequent.height else counts
        if levels is None:
            levels = sorted(counts[column.name].to_list())
        return cls(column.name, tuple(levels), names.null_count() > 0, embedded)

    def encode(self, column: pl.Series) -> np.ndarray:
        """Return float32 (n, levels), one-hot; or int32 codes (n,) if embedded."""
        return self.encode_codes(self.codes(column))

    def codes(self, column: pl.Series) -> np.ndarray:
        """Return int32 codes (n,): 0 is unseen, then the levels, then what is missing."""
        codes = match_names(column, self.levels) + np.int32(1)
        if self.missing:
            codes[column.is_null().to_numpy()] = len(self.levels) + 1
        return codes

    def encode_codes(self, codes: np.ndarray) -> np.ndarray:
        """Encode codes (n,), as `encode` does."""
        if self.embedded:
            return codes
        return (codes[:, None] == np.arange(1, self.cardinality)).astype(np.float32)

    @property
    def known(self) -> str:
        """What a level is, in words: those that occur once are not embedded."""
        often = ", or occurs there once," if self.embedded else ""
        return f"category of the training data{often}"

    @property
    def cardinality(self) -> int:
        """Number of codes, including 0 (unseen)."""
        return 1 + len(self.levels) + self.missing

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the encoded columns."""
        if self.embedded:
            return (self.name,)
        names = (*self.levels, "missing") if self.missing else self.levels
        return tuple(f"{self.name}={name}" for name in names)

    def describe(self) -> str:
        """Describe the encoding in a few words."""
        encoding = "codes for an embedding" if self.embedded else "one-hot"
        return f"{len(self.levels)} levels, {encoding}" + (", missing is a level" * self.missing)


class DateEncoder(Encoder, frozen=True, tag="date"):
    """A date or time, as scaled numbers: days since 1970, year, month, day, weekday, hour.

    Parts that are constant in the training data are dropped.
    """

    name: str
    parts: tuple[NumberEncoder, ...]
    indicator: bool

    @classmethod
    def fit(cls, column: pl.Series, preprocessing: Preprocessing = AUTOMATIC) -> DateEncoder:
        """Fit to a Date or Datetime column with at least two distinct values."""
        values = numbers_of_dates(to_dates(column))
        parts = [
            NumberEncoder.fit(part, array, replace(preprocessing, indicator=False))
            for part, array in values.items()
            if np.nanmax(array) > np.nanmin(array)
        ]
        return cls(
            column.name, tuple(parts), bool(preprocessing.indicator) and column.null_count() > 0
        )

    def encode(self, column: pl.Series) -> np.ndarray:
        """Return float32 (n, parts), plus a 0/1 column if missing values have an indicator."""
        values = numbers_of_dates(to_dates(column))
        blocks = [part.encode_values(values[part.name]) for part in self.parts]
        if self.indicator:
            blocks.append(np.isnan(values["days"])[:, None].astype(np.float32))
        return np.concatenate(blocks, axis=1)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the encoded columns."""
        names = [part.name for part in self.parts] + ["missing"] * self.indicator
        return tuple(f"{self.name}.{name}" for name in names)

    def describe(self) -> str:
        """Describe the encoding in a few words."""
        fill: object = four_digits(self.parts[0].fill)
        if self.parts[0].name == "days":  # since 1970-01-01
            fill = np.datetime64(round(self.parts[0].fill), "D")
        missing = f", missing become {fill} + indicator" if self.indicator else ""
        scaled = _SCALED[self.parts[0].scaling]
        return f"{', '.join(part.name for part in self.parts)}, {scaled}{missing}"


def numbers_of_dates(column: pl.Series) -> dict[str, np.ndarray]:
    """Return the parts of a Datetime column, each float64 (n,), NaN where missing."""
    import polars as pl

    date = column.dt
    parts = {
        "days": column.cast(pl.Int64).cast(pl.Float64) / 86_400e6,  # from microseconds
        "year": date.year(),
        "month": date.month(),
        "day": date.day(),
        "weekday": date.weekday(),
        "hour": date.hour().cast(pl.Float64) + date.minute().cast(pl.Float64) / 60,
    }
    return {
        name: part.cast(pl.Float64).fill_null(np.nan).to_numpy() for name, part in parts.items()
    }


class TextEncoder(Encoder, frozen=True, tag="text"):
    """A text, as weighted numbers: the most frequent words and characters of the training texts.

    Words, and three characters of a word, are counted apart (`Vocabulary`). A missing text is
    zeros, with an indicator if one is wanted; so is a text that has none of them.
    """

    name: str
    parts: tuple[Vocabulary, ...]
    indicator: bool

    @classmethod
    def fit(cls, column: pl.Series, preprocessing: Preprocessing = AUTOMATIC) -> TextEncoder:
        """Fit to the training texts, or to a sample of them."""
        texts, size = sample_texts(to_texts(column.drop_nulls())), int(preprocessing.text_features)
        words = Vocabulary.fit(texts, WORDS, size - size // 2)
        characters = Vocabulary.fit(texts, CHARACTERS, size - len(words.terms))
        indicator = bool(preprocessing.indicator) and column.null_count() > 0
        return cls(column.name, (words, characters), indicator)

    def encode(self, column: pl.Series) -> np.ndarray:
        """Return float32 (n, terms), plus a 0/1 column if missing values have an indicator."""
        index: dict[str, int] = {}  # of each text: one that is repeated is encoded once
        rows = [index.setdefault(text, len(index)) for text in to_texts(column)]
        blocks = [part.encode(list(index))[rows] for part in self.parts]
        if self.indicator:
            blocks.append(column.is_null().to_numpy()[:, None].astype(np.float32))
        return np.concatenate(blocks, axis=1)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the encoded columns: words as they are, characters in quotes."""
        names = [f"{self.name}={term}" for part in self.parts for term in part.names]
        return (*names, *[f"{self.name}.missing"] * self.indicator)

    def describe(self) -> str:
        """Describe the encoding in a few words."""
        counts = " and ".join(part.describe() for part in self.parts if part.terms)
        return f"{counts}, TF-IDF" + (", missing become 0 + indicator" * self.indicator)


ColumnEncoder = NumberEncoder | BooleanEncoder | CategoryEncoder | DateEncoder | TextEncoder
