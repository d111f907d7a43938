"""The rows of a table in an .npy file, as a memory map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gradus.data.reading.array_files import array_columns, names_of_columns, unnamed_notes
from gradus.data.streaming.mapped_files import map_npy
from gradus.data.streaming.row_source import Block, FileState, RowSource

if TYPE_CHECKING:
    import polars as pl


class MappedTable(RowSource):
    """The rows of an .npy file, of shape (n, columns), or (n,) with named columns.

    Args:
        path: of the file.

    Raises:
        DataError: if it is damaged, or of another shape.
    """

    def __init__(self, path: Path) -> None:
        self.name, self._array = repr(str(path)), map_npy(path)
        self._names = names_of_columns(self._array, self.name)
        self.counts, self.states = [len(self._array)], [FileState.of(path)]
        self.notes = unnamed_notes(self._array)

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return self._names

    def read(self, block: Block, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the rows of a block."""
        import polars as pl

        self.states[0].check()
        rows = np.array(self._array[block.start : block.start + block.size])
        wanted = self._names if columns is None else list(columns)
        return pl.DataFrame(array_columns(rows, wanted), nan_to_null=True)
