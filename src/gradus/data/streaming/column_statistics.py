"""Statistics of the columns of a table that is read in parts, exact over all of its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gradus.data.column_encoders import numbers_of_dates
from gradus.data.columns.conversions import to_dates, to_names, to_numbers
from gradus.data.columns.unseen import ordered_values

if TYPE_CHECKING:
    import polars as pl

MAX_LEVELS = 100_000  # of a column, which are counted


@dataclass
class Moments:
    """Count, mean, and sum of squared deviations of numbers that come in parts, and their range.

    Examples:
        >>> moments = Moments()
        >>> for part in ([1.0, 2.0, np.nan], [6.0]):
        ...     moments.add(np.array(part))
        >>> moments.count, moments.mean, moments.std ** 2, moments.low, moments.high
        (3, 3.0, 4.666666666666667, 1.0, 6.0)
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    def add(self, values: np.ndarray) -> None:
        """Add float64 numbers (n,), NaN where missing (Chan, Golub & LeVeque 1983)."""
        missing = np.isnan(values)
        present = values[~missing] if missing.any() else values
        if not len(present):
            return
        count, mean = len(present), float(present.mean())
        distance, total = mean - self.mean, self.count + count
        deviations = present - mean
        self.squares += float(np.square(deviations, out=deviations).sum())
        self.squares += distance**2 * self.count * count / total
        self.mean += distance * count / total
        self.count = total
        self.low, self.high = (
            min(self.low, float(present.min())),
            max(self.high, float(present.max())),
        )

    @property
    def std(self) -> float:
        """The standard deviation."""
        return float(np.sqrt(self.squares / self.count)) if self.count else 0.0


@dataclass
class LevelCounts:
    """How often each category of a column occurs, up to `MAX_LEVELS` of them.

    Attributes:
        counts: by category; none if there are more of them.
        exceeded: whether there are more.
    """

    counts: Counter[str] = field(default_factory=Counter)
    exceeded: bool = False

    def add(self, names: pl.Series) -> None:
        """Add the cells of a column of text, null where missing."""
        if self.exceeded:
            return
        counted = names.drop_nulls().rename("name").value_counts(name="count")
        self.counts.update(dict(zip(counted["name"], counted["count"], strict=True)))
        if len(self.counts) > MAX_LEVELS:
            self.counts, self.exceeded = Counter(), True


@dataclass
class SeenRange:
    """The smallest and the largest number or date of a column so far, and whether one is missing.

    Attributes:
        low: the smallest; dates count in microseconds since 1970.
        high: the largest.
        missing: whether a cell is missing.
    """

    low: float = np.inf
    high: float = -np.inf
    missing: bool = False

    def widen(self, column: pl.Series) -> dict[str, int]:
        """Add the cells of a part; return the rows beyond the range so far, by what they show."""
        import polars as pl

        found = {}
        if not self.missing and column.null_count():
            self.missing = True
            found["missing"] = int(column.is_null().arg_true()[0])
        if column.dtype == pl.String or column.null_count() == len(column):
            return found
        if column.dtype.is_float():  # a pass less over what is no wider, as most parts are
            low, high = column.min(), column.max()
            if self.low <= float(low) and float(high) <= self.high:  # type: ignore[arg-type]
                return found
        values = ordered_values(column, "date" if column.dtype.is_temporal() else "number")
        lowest, highest = int(np.nanargmin(values)), int(np.nanargmax(values))
        if values[lowest] < self.low:
            self.low, found["low"] = float(values[lowest]), lowest
        if values[highest] > self.high:
            self.high, found["high"] = float(values[highest]), highest
        return found


class TableStatistics:
    """The statistics of all columns of a table, and rows that show what a sample of it lacks.

    Args:
        sample: rows that are known already.
        categories: the columns of numbers or booleans whose values are categories.

    Attributes:
        rows: how many rows were added.
        moments: of each column of numbers or dates; of each part of dates, by name.
        levels: of each column of categories.
    """

    def __init__(self, sample: pl.DataFrame, categories: Collection[str]) -> None:
        self.rows = 0
        self.moments: dict[str, dict[str, Moments]] = {}
        self.levels: dict[str, LevelCounts] = {}
        self._categories = categories
        self._seen = {name: SeenRange() for name in sample.columns if is_countable(sample[name])}
        for name, seen in self._seen.items():
            seen.widen(sample[name])
        self._telling: dict[tuple[str, str], pl.DataFrame] = {}

    def add(self, frame: pl.DataFrame) -> None:
        """Add the rows of a part."""
        import polars as pl

        self.rows += frame.height
        for name, seen in self._seen.items():
            column = frame[name]
            for what, row in seen.widen(column).items():
                # Anew, as a slice would keep its whole part in memory.
                cells = frame[row].to_dict(as_series=False)
                self._telling[name, what] = pl.DataFrame(cells, schema=frame.schema)
            if column.dtype == pl.String or name in self._categories:
                self.levels.setdefault(name, LevelCounts()).add(to_names(column))
            if column.dtype == pl.String:
                continue
            moments = self.moments.setdefault(name, {})
            is_date = column.dtype.is_temporal()
            parts = numbers_of_dates(to_dates(column)) if is_date else {"": to_numbers(column)}
            for part, values in parts.items():
                moments.setdefault(part, Moments()).add(values)

    def telling_rows(self) -> list[pl.DataFrame]:
        """Return rows with missing cells, or numbers beyond the range, that the sample lacks."""
        return list(self._telling.values())


def is_countable(column: pl.Series) -> bool:
    """Return whether a column is text, numbers, booleans, or dates."""
    import polars as pl

    dtype = column.dtype
    simple = dtype.is_numeric() or dtype in (pl.String, pl.Boolean, pl.Date)
    return simple or isinstance(dtype, pl.Datetime)
