"""What the training values of a column were, and the later values that are none of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gradus.data.columns.conversions import match_names, to_dates, to_names, to_numbers

if TYPE_CHECKING:
    import polars as pl

CATEGORY, RANGE, MISSING, TEXT = (
    "category",
    "range",
    "missing",
    "text",
)  # the kinds of unseen values
SHOWN = 40  # characters of a text
_MICROSECONDS = "datetime64[us]"


@dataclass(frozen=True)
class TrainingRange:
    """The smallest and the largest training value of a column, and whether any was missing.

    Attributes:
        low: the smallest number, or date in microseconds since 1970; None of categories and texts.
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
            kind: of its encoder: "number", "boolean", "category", "date", or "text".
        """
        missing = column.null_count() > 0
        if kind in ("category", "text"):
            return cls(None, None, missing)
        values = ordered_values(column, kind)
        return cls(float(np.nanmin(values)), float(np.nanmax(values)), missing)

    def excludes(self, values: np.ndarray) -> np.ndarray:
        """Return which numbers, (n,), are outside the range; NaN is not."""
        if self.low is None or self.high is None:
            return np.zeros(len(values), bool)
        return (values < self.low) | (values > self.high)

    def describe(self, kind: str) -> str:
        """Return "20 to 60"."""
        return f"{written(self.low, kind)} to {written(self.high, kind)}"


@dataclass(frozen=True)
class UnseenValues:
    """The cells of a column whose values did not occur in the training data.

    Attributes:
        column: its name.
        kind: "category" for a category that is none of the training data, "text" for a text without
            a known word, "range" for a number or date outside the training range, "missing" where
            no training value was missing.
        count: of the cells.
        row: of the first of them, counted from 0.
        cell: the first of them, as the note writes it.
        fault: what the note says of it.
        others: what the note says of several others.
    """

    column: str
    kind: str
    count: int
    row: int
    cell: str
    fault: str
    others: str = "are"

    @classmethod
    def levels(cls, column: str, cell: str, row: int, count: int, what: str) -> UnseenValues:
        """Return the cells that are no level: how many, the first of them, and its row."""
        fault = f"is no {what} and counts as unknown"
        return cls(column, CATEGORY, count, row, repr(cell), fault, "are none")

    @classmethod
    def texts(cls, column: str, text: str, row: int, count: int) -> UnseenValues:
        """Return the texts without a known word: how many, the first of them, and its row."""
        shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
        fault = "has no word of the training data"
        return cls(column, TEXT, count, row, repr(shown), fault, "have none")

    @classmethod
    def outside(
        cls, column: str, cell: float, row: int, count: int, kind: str, training: TrainingRange
    ) -> UnseenValues:
        """Return the numbers or dates outside the range: how many, the first, and its row."""
        fault = f"is outside the range of the training data, {training.describe(kind)}"
        return cls(column, RANGE, count, row, written(cell, kind), fault)

    @classmethod
    def missing(cls, column: str, row: int, count: int) -> UnseenValues:
        """Return the missing cells where none was missing: how many, and the row of the first."""
        fault = "is missing, as none of the training data was"
        return cls(column, MISSING, count, row, "the value", fault)

    @property
    def note(self) -> str:
        """The first of the cells, and what it counts as, in a sentence."""
        one = self.others.replace("are", "is").replace("have", "has")
        more = {1: "", 2: f"; 1 more cell {one}"}
        rest = more.get(self.count, f"; {self.count - 1:,} more cells {self.others}")
        first = f"{self.cell} in row {self.row} (counted from 0) {self.fault}"
        return f"column {self.column!r}: {first}{rest}"

    def after(self, rows: int) -> UnseenValues:
        """Return the same of a table in which so many other rows come before."""
        return replace(self, row=self.row + rows)


def joined(first: Iterable[UnseenValues], later: Iterable[UnseenValues]) -> list[UnseenValues]:
    """Return the unseen values of some rows and of later ones, those of a kind as one."""
    found = {(each.column, each.kind): each for each in first}
    for each in later:
        known = found.setdefault((each.column, each.kind), each)
        if known is not each:
            found[each.column, each.kind] = replace(known, count=known.count + each.count)
    return list(found.values())


def unseen_levels(column: pl.Series, levels: tuple[str, ...], what: str) -> UnseenValues | None:
    """Return the cells of a column of categories that are none of its levels, or None.

    Args:
        column: the values.
        levels: the categories.
        what: what the note calls a level.
    """
    unseen = column.is_not_null().to_numpy() & (match_names(column, levels) < 0)
    if not unseen.any():
        return None
    row = int(unseen.argmax())
    cell = to_names(column)[row]
    return UnseenValues.levels(column.name, cell, row, int(unseen.sum()), what)


def unseen_texts(column: pl.Series, encoded: np.ndarray) -> UnseenValues | None:
    """Return the texts of a column that have no known word, or None.

    Args:
        column: the values.
        encoded: what they became, (n, terms), zeros without a known word.
    """
    unseen = column.is_not_null().to_numpy() & ~encoded.any(axis=1)
    if not unseen.any():
        return None
    row = int(unseen.argmax())
    return UnseenValues.texts(column.name, to_names(column)[row], row, int(unseen.sum()))


def beyond_range(column: pl.Series, kind: str, training: TrainingRange) -> UnseenValues | None:
    """Return the numbers or dates of a column that are outside the training range, or None."""
    values = ordered_values(column, kind)
    outside = training.excludes(values)
    if not outside.any():
        return None
    row = int(outside.argmax())
    cell, count = float(values[row]), int(outside.sum())
    return UnseenValues.outside(column.name, cell, row, count, kind, training)


def newly_missing(column: pl.Series, training: TrainingRange) -> UnseenValues | None:
    """Return the missing cells of a column of which no training value was missing, or None."""
    if training.missing or not column.null_count():
        return None
    row = int(column.is_null().arg_true()[0])
    return UnseenValues.missing(column.name, row, column.null_count())


def ordered_values(column: pl.Series, kind: str) -> np.ndarray:
    """Return numbers, or dates in microseconds since 1970, as float64 (n,), NaN where missing."""
    import polars as pl

    if kind == "date":
        column = to_dates(column).cast(pl.Int64)
    return to_numbers(column)


def written(value: float | None, kind: str) -> str:
    """Return a number as it is written in tables, or a date without a time of midnight."""
    if value is None:
        return "–"
    if kind == "date":
        written = str(np.array(int(value), np.int64).view(_MICROSECONDS)).replace("T", " ")
        return written.removesuffix(".000000").removesuffix(" 00:00:00")
    return f"{value:.10g}"
