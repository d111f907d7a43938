"""Which rows are held out: by their number, by the group they belong to, or the latest ones."""

from __future__ import annotations

import abc
import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradus.data.columns.conversions import to_names
from gradus.data.columns.unseen import ordered_values
from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl

MAX_GROUPS = 1_000_000  # whose rows are counted


class HeldOut(abc.ABC):
    """A rule by which rows are held out, the same ones in whatever parts they are read.

    Attributes:
        share: of the rows that are held out, about.
        columns: what the rule reads.
    """

    share: float
    columns: tuple[str, ...] = ()

    @abc.abstractmethod
    def mask(self, rows: np.ndarray, frame: pl.DataFrame | None) -> np.ndarray:
        """Return whether rows are held out, (n,).

        Args:
            rows: their numbers, uint64 (n,).
            frame: their values; None of arrays.

        Raises:
            DataError: if a value that the rule reads is missing.
        """


@dataclass(frozen=True)
class ByNumber(HeldOut):
    """Rows are held out at random, by a hash of their number.

    Attributes:
        share: of the rows that are held out, about.
        seed: of the choice.
    """

    share: float
    seed: int = 0

    def mask(self, rows: np.ndarray, frame: pl.DataFrame | None) -> np.ndarray:
        """Return whether rows are held out, (n,)."""
        return is_held_out(rows, self.share, self.seed)


@dataclass(frozen=True)
class ByGroup(HeldOut):
    """Whole groups are held out at random, by a hash of what names them.

    Attributes:
        share: of the rows that are held out, about.
        column: what names the group of a row.
        below: groups are held out whose hash is below this.
        seed: of the choice.
    """

    share: float
    column: str
    below: int
    seed: int = 0

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        """The column of the groups."""
        return (self.column,)

    @classmethod
    def fit(
        cls, frames: Iterable[pl.DataFrame], share: float, column: str, seed: int = 0
    ) -> ByGroup:
        """Find the hash below which groups have about a share of the rows, in one pass.

        Of more than `MAX_GROUPS` groups it is the share of them.

        Args:
            frames: the rows.
            share: of the rows, to hold out.
            column: what names the group of a row.
            seed: of the choice.

        Raises:
            DataError: if a name is missing, or all are the same.

        Examples:
            >>> import polars as pl
            >>> frame = pl.DataFrame({"patient": ["a", "b", "c", "a", "b", "c"]})
            >>> rule = ByGroup.fit([frame], 0.5, "patient")
            >>> rule.mask(np.arange(6), frame).tolist()
            [True, False, False, True, False, False]
        """
        counts = Counter[int]()
        for frame in frames:
            groups = to_names(_present(frame, column)).rename("").value_counts(name="rows")
            hashed = _mixed(_numbers_of(groups[""]), seed)
            counts.update(dict(zip(hashed.tolist(), groups["rows"], strict=True)))
            if len(counts) > MAX_GROUPS:
                return cls(share, column, int(share * 2**64), seed)
        if len(counts) < 2:
            raise DataError(
                f"Column {column!r} is the same in all of these rows, so it cannot split them."
            )
        ordered = sorted(counts)
        until = np.cumsum([counts[each] for each in ordered])[:-1]
        last = int(np.abs(until - share * counts.total()).argmin())
        return cls(share, column, ordered[last + 1], seed)

    def mask(self, rows: np.ndarray, frame: pl.DataFrame | None) -> np.ndarray:
        """Return whether rows are held out, (n,)."""
        import polars as pl

        names = to_names(_present(frame, self.column))
        groups = names.unique()
        below = _mixed(_numbers_of(groups), self.seed) < np.uint64(min(self.below, 2**64 - 1))
        return names.is_in(groups.filter(pl.Series(below)).implode()).to_numpy()


@dataclass(frozen=True)
class ByTime(HeldOut):
    """The latest rows are held out.

    Attributes:
        share: of the rows that are held out, about.
        column: of dates or numbers.
        last: the latest one that is not held out; dates count in microseconds since 1970.
    """

    share: float
    column: str
    last: float

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        """The column of the times."""
        return (self.column,)

    @classmethod
    def fit(cls, frames: Iterable[pl.DataFrame], share: float, rows: int, column: str) -> ByTime:
        """Find the time after which about a share of the rows lie, in one pass.

        Only as many of the latest times as rows are held out are kept. No time is divided: rows of
        the earliest of these are not held out, unless no later one is there.

        Args:
            frames: the rows.
            share: of the rows, to hold out.
            rows: how many there are.
            column: of dates or numbers.

        Raises:
            DataError: if a time is missing, is text, or all are the same.
        """
        count = max(round(share * rows), 1)
        kept, earliest = np.empty(0), np.inf
        for frame in frames:
            times = _times(_present(frame, column))
            earliest = min(earliest, float(times.min()))
            kept = np.concatenate(
                [kept, times[times >= kept.min()] if len(kept) == count else times]
            )
            if len(kept) > count:
                kept = np.partition(kept, len(kept) - count)[-count:]
        last = kept.min()
        if last == kept.max():  # the latest time has more rows than the share
            last = np.nextafter(last, -np.inf)
        if not earliest <= last:
            raise DataError(
                f"Column {column!r} is the same in all of these rows, so it cannot split them."
            )
        return cls(share, column, float(last))

    def mask(self, rows: np.ndarray, frame: pl.DataFrame | None) -> np.ndarray:
        """Return whether rows are held out, (n,)."""
        return _times(_present(frame, self.column)) > self.last


def is_held_out(rows: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return whether rows are held out, each with the probability `share`.

    A row is, if a hash of its number and the seed (SplitMix64; Steele, Lea & Flood 2014) is small:
    the same rows in whatever parts they are read.

    Args:
        rows: their numbers, uint64 (n,).
        share: the fraction held out.
        seed: of the choice.

    Examples:
        >>> rows = np.arange(1000, dtype=np.uint64)
        >>> int(is_held_out(rows, 0.25, seed=0).sum())
        251
    """
    return _mixed(rows, seed) < np.uint64(int(share * 2**64))


def _mixed(numbers: np.ndarray, seed: int) -> np.ndarray:
    """Return a hash of numbers, uint64 (n,), and a seed."""
    mixed = numbers + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _numbers_of(names: Iterable[str]) -> np.ndarray:
    """Return a number for each name, uint64 (n,), which is the same in every process."""
    hashed = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names]
    return np.frombuffer(b"".join(hashed), "<u8").astype(np.uint64)


def _present(frame: pl.DataFrame | None, name: str) -> pl.Series:
    """Return a column to split by, in which no value is missing.

    Raises:
        DataError: if one is.
    """
    if frame is None:
        raise DataError(f"Rows of arrays cannot be split by a column, {name!r}.")
    column = frame[name]
    missing = column.is_null()
    if column.dtype.is_float():
        missing = missing | column.is_nan()
    if missing.any():
        rows = "a row" if missing.sum() == 1 else f"at least {missing.sum():,} rows"
        raise DataError(
            f"Column {name!r} is empty in {rows}, so rows cannot be split by it: fill it in, or "
            "leave these rows out."
        )
    return column


def _times(column: pl.Series) -> np.ndarray:
    """Return dates or numbers as float64, which tells microseconds of this century apart.

    Raises:
        DataError: for text.
    """
    if not (column.dtype.is_temporal() or column.dtype.is_numeric()):
        raise DataError(
            f"Column {column.name!r} is read as text, such as {column[0]!r}, and a split by time "
            'needs dates or numbers. If it holds dates, say how they are written: --column "'
            f'{column.name}=date;date=%d/%m/%Y".'
        )
    return ordered_values(column, "date" if column.dtype.is_temporal() else "number")
