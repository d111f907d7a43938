"""What the training values of a column were, and the later values that are none of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradus.data.columns.conversions import match_names, to_dates, to_names, to_numbers

if TYPE_CHECKING:
    import polars as pl

CATEGORY, RANGE, MISSING = "category", "range", "missing"  # the kinds of unseen values
_MICROSECONDS = "datetime64[us]"


@dataclass(frozen=True)
class TrainingRange:
    """The smallest and the largest training value of a column, and whether any was missing.

    Attributes:
        low: the smallest number, or date in microseconds since 1970; None of categories.
        high: the largest.
        missing: whether a training value was missing.

    Examples:
        >>> import polars as pl
        >>> TrainingRange.fit(pl.Series("age", [20, None, 60]), "number")
        TrainingRange(low=20.0, high=60.0, missing=True)
    """

    low: float | None
    high: float | None
    missing: bool

    @classmethod
    def fit(cls, column: pl.Series, kind: str) -> TrainingRange:
        """Return the range of the training values of a column.

        Args:
            column: the values.
            kind: of its encoder: "number", "boolean", "category", or "date".
        """
        missing = column.null_count() > 0
        if kind == "category":
            return cls(None, None, missing)
        values = _ordered(column, kind)
        return cls(float(np.nanmin(values)), float(np.nanmax(values)), missing)

    def describe(self, kind: str) -> str:
        """Return "20 to 60"."""
        return f"{_written(self.low, kind)} to {_written(self.high, kind)}"


@dataclass(frozen=True)
class UnseenValues:
    """The cells of a column that the training data had no like of.

    Attributes:
        column: its name.
        kind: "category" for a category that is none of the training data, "range" for a number or
            date outside the training range, "missing" where no training value was missing.
        count: of the cells.
        note: the first of them, and what it counts as, in a sentence.
    """

    column: str
    kind: str
    count: int
    note: str


def unseen_levels(
    column: pl.Series, levels: tuple[str, ...], what: str = "category of the training data"
) -> UnseenValues | None:
    """Return the cells of a column of categories that are none of its levels, or None.

    Args:
        column: the values.
        levels: the categories.
        what: what errors call a level.
    """
    unseen = column.is_not_null().to_numpy() & (match_names(column, levels) < 0)
    if not unseen.any():
        return None
    count, row = int(unseen.sum()), int(unseen.argmax())
    note = (
        f"column {column.name!r}: {to_names(column)[row]!r} in row {row} (counted from 0) is no "
        f"{what} and counts as unknown" + f"; {count - 1} more cells are none" * (count > 1)
    )
    return UnseenValues(column.name, CATEGORY, count, note)


def beyond_range(column: pl.Series, kind: str, training: TrainingRange) -> UnseenValues | None:
    """Return the numbers or dates of a column that are outside the training range, or None."""
    if training.low is None or training.high is None:
        return None
    values = _ordered(column, kind)
    outside = (values < training.low) | (values > training.high)
    if not outside.any():
        return None
    count, row = int(outside.sum()), int(outside.argmax())
    note = (
        f"column {column.name!r}: {_written(float(values[row]), kind)} in row {row} (counted from "
        f"0) is outside the range of the training data, {training.describe(kind)}"
        + f"; {count - 1} more cells are"
        * (count > 1)
    )
    return UnseenValues(column.name, RANGE, count, note)


def newly_missing(column: pl.Series, training: TrainingRange) -> UnseenValues | None:
    """Return the missing cells of a column of which no training value was missing, or None."""
    count = column.null_count()
    if training.missing or not count:
        return None
    row = int(column.is_null().arg_true()[0])
    note = (
        f"column {column.name!r}: the value in row {row} (counted from 0) is missing, as none of "
        "the training data was" + f"; {count - 1} more cells are" * (count > 1)
    )
    return UnseenValues(column.name, MISSING, count, note)


def _ordered(column: pl.Series, kind: str) -> np.ndarray:
    """Return numbers, or dates in microseconds since 1970, as float64 (n,), NaN where missing."""
    import polars as pl

    if kind == "date":
        column = to_dates(column).cast(pl.Int64)
    return to_numbers(column)


def _written(value: float | None, kind: str) -> str:
    """Return a number as it is written in tables, or a date without a time of midnight."""
    if value is None:
        return "–"
    if kind == "date":
        written = str(np.array(int(value), np.int64).view(_MICROSECONDS)).replace("T", " ")
        return written.removesuffix(".000000").removesuffix(" 00:00:00")
    return f"{value:.10g}"
