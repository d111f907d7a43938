"""Rows of JSON as the inputs of a network.

`TablePreprocessor.transform` reads columns of any kind with Polars, which takes some milliseconds
for one row as for a thousand. Nearly all cells of a request are numbers, or categories spelled as
in training: these are encoded here directly, with the encoders' own arithmetic, and what is left,
such as dates, goes through the preprocessor's reading.
"""

from __future__ import annotations

import abc
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradus.data import TablePreprocessor
from gradus.data.column_encoders import (
    BooleanEncoder,
    CategoryEncoder,
    DateEncoder,
    NumberEncoder,
    TextEncoder,
)
from gradus.data.columns.conversions import LARGEST, to_numbers
from gradus.data.columns.formats import ColumnFormat
from gradus.data.columns.joining import network_inputs
from gradus.data.columns.unseen import TrainingRange, UnseenValues, ordered_values
from gradus.data.tables import as_table
from gradus.errors import MOST_ABSENT, DataError, nearest
from gradus.experiments.inference import unused_note

CELLS = frozenset((str, int, float, bool, type(None)))
KNOWN_CELLS = 10_000  # spellings of categories that are remembered,
LONGEST_CELL = 200  # and their characters

Row = Mapping[str, Any]


@dataclass(frozen=True)
class UnseenCells:
    """The cells of one column, in some rows, whose values did not occur in the training data.

    Attributes:
        rows: whether each row has such a cell.
        describe: returns what is to be said of them, from the index of the first one among all
            rows, its row in a request, and their number there.
    """

    rows: np.ndarray
    describe: Callable[[int, int, int], UnseenValues]

    def note(self, start: int, stop: int) -> str | None:
        """Return a sentence on these rows, counted from `start`, or None."""
        mask = self.rows[start:stop]
        count = int(np.count_nonzero(mask))
        if not count:
            return None
        first = int(mask.argmax())
        return self.describe(start + first, first, count).note


@dataclass(frozen=True)
class EncodedRows:
    """Rows as a network takes them.

    Attributes:
        inputs: of the network.
        unseen: by column, the cells whose values did not occur in the training data.
        unused: the names in a row that are no column of the training data's, by its number.
    """

    inputs: Any
    unseen: list[UnseenCells]
    unused: dict[int, list[str]]

    def notes(self, start: int, stop: int) -> list[str]:
        """Return what is to be said of some of the rows, counted from `start`, in sentences."""
        notes = [note for cells in self.unseen if (note := cells.note(start, stop)) is not None]
        rows = [row for row in self.unused if start <= row < stop]
        unused = dict.fromkeys(name for row in rows for name in self.unused[row])
        return [*notes, unused_note(list(unused))] if unused else notes


class RowEncoder:
    """Encodes rows as the preprocessor of a run would, in less time.

    Args:
        preprocessor: of the run.
    """

    def __init__(self, preprocessor: TablePreprocessor) -> None:
        self.names = [column.name for column in preprocessor.columns]
        target = preprocessor.target
        self._known = {*self.names, *(() if target is None else target.column_names)}
        self._pick = operator.itemgetter(*self.names)
        self._columns = [
            _KINDS[type(column)](column, preprocessor) for column in preprocessor.columns
        ]

    def encode(self, rows: Sequence[Row]) -> EncodedRows:
        """Return the network's inputs for some rows.

        Raises:
            DataError: naming the row and the column of a cell that is missing or does not fit.
        """
        numbers: list[np.ndarray] = []
        codes: list[np.ndarray] = []
        unseen: list[UnseenCells] = []
        for column, cells in zip(self._columns, self._cells(rows), strict=True):
            encoded = column.encode(cells, unseen)
            (codes if encoded.ndim == 1 else numbers).append(encoded)
        inputs = network_inputs(numbers, codes, len(rows))
        return EncodedRows(inputs, unseen, self._unused(rows))

    def _cells(self, rows: Sequence[Row]) -> list[Sequence[Any]]:
        """Return the cells of each column."""
        try:
            picked = list(map(self._pick, rows))
        except KeyError:
            raise self._absent(rows) from None
        several = len(self.names) > 1
        columns: list[Sequence[Any]] = list(zip(*picked, strict=True)) if several else [picked]
        for name, cells in zip(self.names, columns, strict=True):
            if not CELLS.issuperset(map(type, cells)):
                index = next(k for k, cell in enumerate(cells) if type(cell) not in CELLS)
                kind = "an object" if isinstance(cells[index], Mapping) else "a list"
                raise DataError(
                    f"Column {name!r} is {kind} in row {index} (counted from 0): write a number, "
                    "text, true, false, or null for a missing value."
                )
        return columns

    def _absent(self, rows: Sequence[Row]) -> DataError:
        """Return the error for the first row that lacks a column."""
        index, row = next((k, row) for k, row in enumerate(rows) if not row.keys() >= {*self.names})
        name, *others = (name for name in self.names if name not in row)
        close = nearest(name, [key for key in row if key not in self._known])
        hint = f" Did you mean {close!r}?" if close else ""
        more = ""
        if others:
            listed = ", ".join(map(repr, others[:MOST_ABSENT]))
            more = f" Nor has it {listed}{', …' * (len(others) > MOST_ABSENT)}."
        return DataError(
            f"Row {index} (counted from 0) has no column {name!r}.{hint}{more} Write null for a "
            "missing value."
        )

    def _unused(self, rows: Sequence[Row]) -> dict[int, list[str]]:
        return {
            index: [name for name in row if name not in self._known]
            for index, row in enumerate(rows)
            if not row.keys() <= self._known
        }


class _Column(abc.ABC):
    """A column: its encoder, how its cells are read, and its training range."""

    def __init__(self, encoder: Any, preprocessor: TablePreprocessor) -> None:
        self.encoder, self.name, self.options = encoder, encoder.name, preprocessor.options
        self.format: ColumnFormat = preprocessor.formats[self.name]
        self.training: TrainingRange = preprocessor.ranges[self.name]

    @abc.abstractmethod
    def encode(self, cells: Sequence[Any], unseen: list[UnseenCells]) -> np.ndarray:
        """Return encoded cells, and add those that did not occur in training."""

    def read(self, cells: Sequence[Any]) -> Any:
        """Return cells as the preprocessor reads them, a Polars series."""
        formats = {self.name: self.format}
        return as_table({self.name: list(cells)}, self.options, formats).frame[self.name]

    def told(self, values: np.ndarray, unseen: list[UnseenCells]) -> None:
        """Add the numbers or dates outside the training range, and those that are missing."""
        outside = self.training.excludes(values)
        if outside.any():
            unseen.append(
                UnseenCells(
                    outside,
                    lambda at, row, count: UnseenValues.outside(
                        self.name, float(values[at]), row, count, self.encoder.kind, self.training
                    ),
                )
            )
        self.told_missing(np.isnan(values), unseen)

    def told_missing(self, missing: np.ndarray, unseen: list[UnseenCells]) -> None:
        """Add the missing cells, if no training value was missing."""
        if not self.training.missing and missing.any():
            unseen.append(
                UnseenCells(missing, lambda _, row, n: UnseenValues.missing(self.name, row, n))
            )


class _Numbers(_Column):
    """Numbers and booleans."""

    def encode(self, cells: Sequence[Any], unseen: list[UnseenCells]) -> np.ndarray:
        """Return encoded cells, and add those that did not occur in training."""
        values = self._values(cells)
        self.told(values, unseen)
        encoded: np.ndarray = self.encoder.encode_values(values)
        return encoded

    def _values(self, cells: Sequence[Any]) -> np.ndarray:
        """Return float64 values, NaN where missing; text is read as in a table."""
        if any(type(cell) is str for cell in cells):
            texts = [cell if type(cell) is str else None for cell in cells]
            read = to_numbers(self.read(texts))
            plain = self._values([None if type(cell) is str else cell for cell in cells])
            return np.where([type(cell) is str for cell in cells], read, plain)
        if self.format.missing is not None:  # some numbers may mean a missing value
            return to_numbers(self.read([None if cell is None else float(cell) for cell in cells]))
        try:
            values = np.array([math.nan if cell is None else cell for cell in cells], np.float64)
        except OverflowError:  # a whole number of more than 308 digits
            return to_numbers(self.read(cells))
        return np.clip(values, -LARGEST, LARGEST)


class _Categories(_Column):
    """Categories, whose spellings are remembered with their codes."""

    def __init__(self, encoder: Any, preprocessor: TablePreprocessor) -> None:
        super().__init__(encoder, preprocessor)
        self._codes: dict[tuple[type, Any], int] = {
            (str, level): code + 1 for code, level in enumerate(encoder.levels)
        }

    def encode(self, cells: Sequence[Any], unseen: list[UnseenCells]) -> np.ndarray:
        """Return encoded cells, and add those that did not occur in training."""
        codes = np.empty(len(cells), np.int32)
        missing = np.zeros(len(cells), bool)
        for index, cell in enumerate(cells):
            code = self._codes.get((type(cell), cell))
            code = self._code(cell) if code is None else code
            codes[index], missing[index] = max(code, 0), code < 0
        strange = (codes == 0) & ~missing
        if strange.any():
            unseen.append(
                UnseenCells(
                    strange,
                    lambda at, row, n: UnseenValues.levels(
                        self.name, str(cells[at]), row, n, self.encoder.known
                    ),
                )
            )
        if self.encoder.missing:
            codes[missing] = self.encoder.cardinality - 1
        self.told_missing(missing, unseen)
        encoded: np.ndarray = self.encoder.encode_codes(codes)
        return encoded

    def _code(self, cell: Any) -> int:
        """Return the code of a cell alone, and remember it; -1 for a missing value."""
        column = self.read([cell])
        code = -1 if column.null_count() else int(self.encoder.codes(column)[0])
        if len(self._codes) < KNOWN_CELLS and len(str(cell)) <= LONGEST_CELL:
            self._codes[type(cell), cell] = code
        return code


class _Dates(_Column):
    """Dates, which Polars reads."""

    def encode(self, cells: Sequence[Any], unseen: list[UnseenCells]) -> np.ndarray:
        """Return encoded cells, and add those that did not occur in training."""
        column = self.read(cells)
        self.told(ordered_values(column, "date"), unseen)
        encoded: np.ndarray = self.encoder.encode(column)
        return encoded


class _Texts(_Column):
    """Texts, which Polars reads."""

    def encode(self, cells: Sequence[Any], unseen: list[UnseenCells]) -> np.ndarray:
        """Return encoded cells, and add those that did not occur in training."""
        column = self.read(cells)
        encoded: np.ndarray = self.encoder.encode(column)
        missing = column.is_null().to_numpy()
        strange = ~encoded.any(axis=1) & ~missing
        if strange.any():
            unseen.append(
                UnseenCells(
                    strange,
                    lambda at, row, n: UnseenValues.texts(self.name, str(cells[at]), row, n),
                )
            )
        self.told_missing(missing, unseen)
        return encoded


_KINDS: dict[type, type[_Column]] = {
    NumberEncoder: _Numbers,
    BooleanEncoder: _Numbers,
    CategoryEncoder: _Categories,
    DateEncoder: _Dates,
    TextEncoder: _Texts,
}
