"""Memory maps that are larger than memory, read in parts as a table is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gradus.data.array_trees import check_same_length
from gradus.data.streaming.batch_stream import BatchStream, RowStream
from gradus.data.streaming.held_out import is_held_out
from gradus.data.streaming.row_source import Block, FileState
from gradus.data.streaming.shuffling import block_batches

MAPPED_BLOCK_BYTES = 1 << 25  # of the rows that are read at once


class MappedArrays(RowStream):
    """The rows of `x` and `y`, of which one is a memory map (`np.load(path, mmap_mode="r")`).

    Args:
        x: the inputs, (n, …).
        y: the targets, (n, …), or None.
        chosen: which rows are used, (n,); None for all.

    Raises:
        DataError: if the numbers of rows differ.

    Examples:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "x.npy")
        >>> np.save(path, np.arange(12.0).reshape(6, 2))
        >>> rows = MappedArrays(np.load(path, mmap_mode="r"), np.arange(6))
        >>> [y.tolist() for x, y in rows.batched(4, None).epoch(0)]
        [[0, 1, 2, 3], [4, 5]]
    """

    def __init__(
        self, x: np.ndarray, y: np.ndarray | None, chosen: np.ndarray | None = None
    ) -> None:
        self.x, self.y, self.chosen = x, y, chosen
        count = check_same_length(x, y)
        self.rows = count if chosen is None else int(chosen.sum())

    @property
    def name(self) -> str:
        """What errors call it."""
        return "x (a memory map)"

    @property
    def identity(self) -> str:
        """A checksum of the files, by their size and last change, for checkpoints."""
        maps = [each for each in (self.x, self.y) if isinstance(each, np.memmap)]
        states = [FileState.of(Path(each.filename)) for each in maps if each.filename is not None]
        told: list[Any] = [(state.path.name, state.size, state.modified) for state in states]
        if self.chosen is not None:
            told.append(hashlib.sha256(np.packbits(self.chosen).tobytes()).hexdigest())
        return hashlib.sha256(repr(told).encode()).hexdigest()[:12]

    def hold_out(self, share: float, seed: int) -> tuple[MappedArrays, MappedArrays]:
        """Return the others, and rows held out by their number."""
        held = is_held_out(np.arange(len(self.x), dtype=np.uint64), share, seed)
        return MappedArrays(self.x, self.y, ~held), MappedArrays(self.x, self.y, held)

    def batched(self, size: int | None, seed: int | None) -> BatchStream:
        """Return the rows in batches; `size` and `seed` as in `RowStream`."""
        return _MappedBatches(self, size or self.rows, seed)

    def blocks(self) -> list[Block]:
        """Return all rows in blocks of about `MAPPED_BLOCK_BYTES`."""
        width = sum(each[:1].nbytes for each in (self.x, self.y) if each is not None)
        size = max(MAPPED_BLOCK_BYTES // max(width, 1), 1)
        starts = range(0, len(self.x), size)
        return [Block(0, start, min(size, len(self.x) - start), start) for start in starts]

    def read(self, block: Block) -> tuple[np.ndarray, np.ndarray | None] | None:
        """Return the rows of a block, in memory; None if it has none that are used."""
        part = slice(block.start, block.start + block.size)
        chosen = slice(None) if self.chosen is None else np.flatnonzero(self.chosen[part])
        x, y = self.x[part], None if self.y is None else self.y[part]
        rows = np.array(x[chosen]), None if y is None else np.array(y[chosen])
        return rows if len(rows[0]) else None


class _MappedBatches(BatchStream):
    takes_batch_size = True

    def __init__(self, arrays: MappedArrays, size: int, seed: int | None) -> None:
        self.name, self.identity = arrays.name, arrays.identity
        self.steps = -(-arrays.rows // size)
        self._arrays, self._size, self._seed = arrays, size, seed

    def epoch(self, number: int) -> Iterator[Any]:
        blocks = self._arrays.blocks()
        return block_batches(blocks, self._arrays.read, self._size, self._seed, number)


def is_larger_than(x: Any, y: Any, free: int) -> bool:
    """Return whether arrays, of which one is a memory map, take more than half of some bytes."""
    given = [each for each in (x, y) if each is not None]
    if not all(isinstance(each, np.ndarray) for each in given):
        return False
    mapped = any(isinstance(each, np.memmap) for each in given)
    return mapped and 2 * sum(each.nbytes for each in given) > free
