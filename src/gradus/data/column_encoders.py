"""How each kind of table column becomes numbers: one class a kind, learnt once, saved as JSON.

Each class learns from the training column in `fit`, and `encode` turns any column of that name
into an array with one row for each row; missing and unseen values are provided for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradus.data.column_values import LARGEST, to_dates, to_keys, to_numbers
from gradus.data.preprocessing import AUTOMATIC, Preprocessing
from gradus.errors import SavedError

if TYPE_CHECKING:
    import polars as pl

HEAVY_TAIL = 10.0  # a normal column's kurtosis is 3, an exponential one's 9
FAR_FROM_NORMAL = 0.15  # the distance of two distribution functions; a uniform one's is 0.06
KNOTS = 256
FEW_KNOTS = 30
LARGEST_FLOAT = 3e38  # of 32 bits
CLIP = 5.0  # no encoded number is further than this many deviations from the mean


@dataclass(frozen=True)
class NumberEncoder:
    """A number, scaled: `(f(x) - mean) / std`, within ±5 unless the scaling is "none".

    `f` is the identity; or, if the scaling is "normal", or "auto" and the tails are heavy (kurtosis
    above 10) or the distribution function is further than 0.15 from the normal one (two humps,
    strong skew), the map from quantiles to the normal distribution's, linear between at most 256
    knots and constant beyond them (a rank-based inverse normal transform with mid-ranks). With
    "minmax" `mean` and `std` are the smallest value and the span of all. A missing value is encoded
    as the median or the mean.
    """

    kind: ClassVar[str] = "number"
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
        """Learn from float64 values (n,), NaN where missing, at least one present.

        Args:
            name: of the column.
            values: the training values.
            preprocessing: how they are scaled, and what is done where they are missing.
        """
        present = values[~np.isnan(values)]
        how = preprocessing.scaling
        knots, scores = _normal_scores(present)
        if how != "normal" and (how != "auto" or _is_near_normal(present, knots, scores)):
            knots, scores = (), ()
        mapped = np.interp(present, knots, scores) if knots else present
        scaling = how if how in ("minmax", "none") else "standard"
        mean, std = _span(mapped, scaling)
        return cls(
            name,
            fill=float(np.median(present) if preprocessing.missing == "median" else present.mean()),
            mean=mean,
            std=std if std > 1 / LARGEST else 1.0,
            knots=knots,
            scores=scores,
            indicator=bool(preprocessing.indicator) and len(present) < len(values),
            scaling=scaling,
        )

    def encode(self, column: pl.Series) -> np.ndarray:
        """Return float32 (n, 1), or (n, 2) with a 0/1 column that says what is missing."""
        return self.encode_values(to_numbers(column))

    def encode_values(self, values: np.ndarray) -> np.ndarray:
        """Do the same for float64 values (n,), NaN where missing."""
        missing = np.isnan(values)
        filled = np.where(missing, self.fill, values)
        mapped = np.interp(filled, self.knots, self.scores) if self.knots else filled
        limit = LARGEST_FLOAT if self.scaling == "none" else CLIP
        scaled = np.clip((mapped - self.mean) / self.std, -limit, limit)
        return _with_indicator(scaled, missing, self.indicator)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the encoded columns."""
        return (self.name, f"{self.name}=missing") if self.indicator else (self.name,)

    def describe(self) -> str:
        """Say what is done to the column."""
        how = "quantiles mapped to normal, " if self.knots else ""
        missing = f", missing: {self.fill:.4g} + indicator" if self.indicator else ""
        return f"{how}{_SCALED[self.scaling]}{missing}"


_SCALED = {"standard": "standardised", "minmax": "scaled to [0, 1]", "none": "as it is"}


def _span(values: np.ndarray, scaling: str) -> tuple[float, float]:
    """Return what is subtracted from values, and what the rest is divided by."""
    if scaling == "none":
        return 0.0, 1.0
    if scaling == "minmax":
        return float(values.min()), float(np.ptp(values))
    return float(values.mean()), float(values.std())


def _is_near_normal(
    values: np.ndarray, knots: tuple[float, ...], scores: tuple[float, ...]
) -> bool:
    """Whether standardising is enough: no heavy tails, and a shape not far from normal.

    The kurtosis E[(x - μ)⁴] / σ⁴ is small, and (where there are enough distinct values to speak
    of a shape) |F(x) - Φ((x - μ) / σ)| too, at every knot.
    """
    deviation = values - values.mean()
    largest = np.abs(deviation).max()
    if largest <= 1 / LARGEST:
        return True
    unit = deviation / largest  # so that the fourth power cannot overflow
    variance = np.mean(unit**2)
    if np.mean(unit**4) > HEAVY_TAIL * variance**2:
        return False
    if len(knots) < FEW_KNOTS:
        return True
    normal = NormalDist()
    standard = (np.array(knots) - values.mean()) / largest / np.sqrt(variance)
    pairs = zip(standard.tolist(), scores, strict=True)
    return all(abs(normal.cdf(z) - normal.cdf(s)) <= FAR_FROM_NORMAL for z, s in pairs)


def _normal_scores(values: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return at most `KNOTS` distinct values and the normal quantiles of their mid-ranks."""
    distinct, counts = np.unique(values, return_counts=True)
    share = (np.cumsum(counts) - counts / 2) / len(values)
    # Evenly spaced in rank, so that the map is fine where the data are dense; the ends always.
    chosen = np.searchsorted(share, np.linspace(0, 1, KNOTS)).clip(0, len(distinct) - 1)
    chosen = np.unique(chosen)
    normal = NormalDist()
    scores = tuple(normal.inv_cdf(float(s)) for s in share[chosen])
    return tuple(distinct[chosen].tolist()), scores


def _with_indicator(values: np.ndarray, missing: np.ndarray, indicator: bool) -> np.ndarray:
    return np.stack([values, missing] if indicator else [values], axis=1).astype(np.float32)


@dataclass(frozen=True)
class BooleanEncoder:
    """A truth value, as -1 or 1; missing as 0, with an indicator where there is to be one."""

    kind: ClassVar[str] = "boolean"
    name: str
    indicator: bool

    @classmethod
    def fit(cls, column: pl.Series, preprocessing: Preprocessing = AUTOMATIC) -> BooleanEncoder:
        """Learn from booleans, or the numbers 0 and 1."""
        return cls(column.name, bool(preprocessing.indicator) and column.null_count() > 0)

    def encode(self, column: pl.Series) -> np.ndarray:
        """Return float32 (n, 1) or (n, 2)."""
        values = to_numbers(column)
        missing = np.isnan(values)
        signs = np.where(missing, 0.0, np.where(values > 0.5, 1.0, -1.0))
        return _with_indicator(signs, missing, self.indicator)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the encoded columns."""
        return (self.name, f"{self.name}=missing") if self.indicator else (self.name,)

    def describe(self) -> str:
        """Say what is done to the column."""
        return "-1 or 1" + (", missing: 0 + indicator" if self.indicator else "")


@dataclass(frozen=True)
class CategoryEncoder:
    """One of several names: a 0/1 column each, or an integer code for an embedding.

    A category that the training data lacked has all zeros, or code 0; so has a missing value,
    unless the training data had some: then missing is a category of its own, the last one.
    """

    kind: ClassVar[str] = "category"
    name: str
    levels: tuple[str, ...]
    missing: bool
    embedded: bool

    @classmethod
    def fit(cls, column: pl.Series, one_hot_limit: int) -> CategoryEncoder:
        """Learn the levels; beyond `one_hot_limit` they are embedded, except those seen once."""
        keys = to_keys(column)
        counts = keys.drop_nulls().value_counts(name="count")
        embedded = counts.height > one_hot_limit
        if embedded:
            frequent = counts.filter(counts["count"] > 1)
            counts = frequent if frequent.height else counts
        levels = sorted(counts[column.name].to_list())
        return cls(column.name, tuple(levels), keys.null_count() > 0, embedded)

    def encode(self, column: pl.Series) -> np.ndarray:
        """Return float32 (n, levels) of zeros and ones; or, embedded, int32 codes (n,)."""
        keys = to_keys(column)
        names = [*self.levels, None] if self.missing else [*self.levels]
        code_of = {name: code for code, name in enumerate(names, start=1)}
        codes = np.array([code_of.get(key, 0) for key in keys.to_list()], np.int32)
        if self.embedded:
            return codes
        return (codes[:, None] == np.arange(1, len(names) + 1)).astype(np.float32)

    @property
    def cardinality(self) -> int:
        """The number of codes, code 0 (unseen) included."""
        return 1 + len(self.levels) + self.missing

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the encoded columns."""
        if self.embedded:
            return (self.name,)
        names = (*self.levels, "missing") if self.missing else self.levels
        return tuple(f"{self.name}={name}" for name in names)

    def describe(self) -> str:
        """Say what is done to the column."""
        how = "codes for an embedding" if self.embedded else "one-hot"
        return f"{len(self.levels)} levels, {how}" + (", missing is a level" * self.missing)


@dataclass(frozen=True)
class DateEncoder:
    """A date or time, as scaled numbers: days since 1970, year, month, day, weekday, hour.

    Parts that are constant in the training data are left out.
    """

    kind: ClassVar[str] = "date"
    name: str
    parts: tuple[NumberEncoder, ...]
    indicator: bool

    @classmethod
    def fit(cls, column: pl.Series, preprocessing: Preprocessing = AUTOMATIC) -> DateEncoder:
        """Learn from a Date or Datetime column with at least two distinct values."""
        values = _date_parts(to_dates(column))
        parts = [
            NumberEncoder.fit(part, array, replace(preprocessing, indicator=False))
            for part, array in values.items()
            if np.nanmax(array) > np.nanmin(array)
        ]
        return cls(
            column.name, tuple(parts), bool(preprocessing.indicator) and column.null_count() > 0
        )

    def encode(self, column: pl.Series) -> np.ndarray:
        """Return float32 (n, parts), and one 0/1 column more if missing values are indicated."""
        values = _date_parts(to_dates(column))
        blocks = [part.encode_values(values[part.name]) for part in self.parts]
        if self.indicator:
            blocks.append(np.isnan(values["days"])[:, None].astype(np.float32))
        return np.concatenate(blocks, axis=1)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the encoded columns."""
        names = [part.name for part in self.parts] + ["missing"] * self.indicator
        return tuple(f"{self.name}.{name}" for name in names)

    def describe(self) -> str:
        """Say what is done to the column."""
        missing = f", missing: {self.parts[0].fill:.4g} + indicator" if self.indicator else ""
        how = _SCALED[self.parts[0].scaling]
        return f"{', '.join(part.name for part in self.parts)}, {how}{missing}"


def _date_parts(column: pl.Series) -> dict[str, np.ndarray]:
    """Return the numbers that a Datetime column stands for, float64 (n,), NaN where missing."""
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


Column = NumberEncoder | BooleanEncoder | CategoryEncoder | DateEncoder

_KINDS: dict[
    str, type[NumberEncoder] | type[BooleanEncoder] | type[CategoryEncoder] | type[DateEncoder]
] = {
    column.kind: column for column in (NumberEncoder, BooleanEncoder, CategoryEncoder, DateEncoder)
}


def column_to_dict(column: Column) -> dict[str, Any]:
    """Return a JSON-able dict of a column's kind and what it learnt."""
    return {"kind": column.kind, **_lists(asdict(column))}


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(entry) for key, entry in value.items()}
    return [_lists(entry) for entry in value] if isinstance(value, tuple) else value


def column_from_dict(saved: dict[str, Any]) -> Column:
    """Return the column that `column_to_dict` saved.

    Raises:
        SavedError: if `saved` is no such dict.
    """
    try:
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in saved.items()
            if key != "kind"
        }
        if saved["kind"] == DateEncoder.kind:
            parts = [{**part, "kind": NumberEncoder.kind} for part in fields["parts"]]
            fields["parts"] = tuple(column_from_dict(part) for part in parts)
        return _KINDS[saved["kind"]](**fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise SavedError(f"A saved table column cannot be read: {error!r}.") from None
