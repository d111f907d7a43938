"""What has more rows than memory holds: files of rows, read in parts."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl


class Block(NamedTuple):
    """Some rows in a row, which are read at once.

    Attributes:
        file: the number of their file.
        start: the first of them, counted in the file.
        size: how many they are.
        row: the number of the first one among all rows.
        group: where the blocks that are decoded together start, counted in the file; None for one
            alone.
    """

    file: int
    start: int
    size: int
    row: int
    group: range | None = None

    @property
    def whole(self) -> Block:
        """All rows that are decoded together."""
        if self.group is None:
            return self
        start, size = self.group.start, self.group.stop - self.group.start
        return Block(self.file, start, size, self.row - self.start + start)

    @property
    def together(self) -> list[Block]:
        """The blocks that are decoded together, this one among them.

        Examples:
            >>> block = Block(0, 4, 4, 104, group=range(0, 10, 4))
            >>> [(each.start, each.size, each.row) for each in block.together]
            [(0, 4, 100), (4, 4, 104), (8, 2, 108)]
        """
        group, first = self.group, self.row - self.start
        if group is None:
            return [self]
        return [
            Block(self.file, start, min(group.step, group.stop - start), first + start, group)
            for start in group
        ]


@dataclass(frozen=True)
class FileState:
    """What a file was like when it was opened, so that a change is seen.

    Attributes:
        path: of the file.
        size: its bytes.
        modified: when it was last written, in nanoseconds.
    """

    path: Path
    size: int
    modified: int

    @classmethod
    def of(cls, path: Path) -> FileState:
        """Return what a file is like now.

        Raises:
            DataError: if it is gone, or cannot be read.
        """
        try:
            found = path.stat()
        except OSError as error:
            raise DataError(f"{str(path)!r} cannot be read any more: {error.strerror}.") from None
        return cls(path, found.st_size, found.st_mtime_ns)

    def check(self) -> None:
        """Check that the file is as it was.

        Raises:
            DataError: if it has changed, or is gone.
        """
        if FileState.of(self.path) != self:
            raise DataError(
                f"{str(self.path)!r} was changed while it was read. Train on a file that stays as "
                "it is, such as a copy."
            )


class BlockSource:
    """Rows in files, of which a block at a time is in memory.

    Attributes:
        name: what errors call it.
        counts: the rows of each file.
        states: the files that a user named, as they were when they were opened.
        notes: what was observed, in sentences.
    """

    name: str
    counts: Sequence[int]
    states: Sequence[FileState]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(self.counts)

    @property
    def identity(self) -> str:
        """A checksum that differs if a file has another name, another size, or a later change."""
        told = [(state.path.name, state.size, state.modified) for state in self.states]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:12]

    def blocks(self, rows: int) -> list[Block]:
        """Return all rows in blocks of at most so many, none across two files."""
        found, first = [], 0
        for file, count in enumerate(self.counts):
            for start in range(0, count, rows):
                found.append(Block(file, start, min(rows, count - start), first + start))
            first += count
        return found

    def spread_blocks(self, rows: int, parts: int) -> list[Block]:
        """Return about so many rows, in parts that are spread evenly; all if there are no more."""
        if len(self) <= rows:
            return self.blocks(max(rows, 1))
        size = max(rows // parts, 1)
        firsts = np.linspace(0, len(self) - size, parts).astype(int)
        ends = np.cumsum(self.counts)
        found = []
        for first in firsts.tolist():
            file = int(np.searchsorted(ends, first, side="right"))
            start = first - int(ends[file]) + self.counts[file]
            found.append(Block(file, start, min(size, self.counts[file] - start), first))
        return found


class RowSource(BlockSource, abc.ABC):
    """Rows of a table in files, of which a few at a time are in memory."""

    @property
    @abc.abstractmethod
    def names(self) -> list[str]:
        """The names of the columns."""

    @abc.abstractmethod
    def read(self, block: Block, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the rows of a block.

        Args:
            block: the rows.
            columns: the names of those that are wanted; None for all.

        Raises:
            DataError: if their file has changed, is gone, or cannot be read.
        """
