"""Blocks of rows, encoded once and kept in a temporary file, from which later epochs read them."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gradus.data.streaming.row_source import Block
from gradus.data.streaming.trees import leaves_of, with_leaves

DISK_SHARE = 0.5  # of what is free when the first block is kept


class _Kept(NamedTuple):
    """Where the arrays of a block are: their structure, and offset, type, and shape of each."""

    tree: Any
    places: list[tuple[int, np.dtype[Any], tuple[int, ...]]]


class BlockCache:
    """Reads blocks, and keeps what was read in a file as long as half of the free disk lasts.

    The file has no name, so nothing of it is left, however the process ends. Blocks that are
    decoded together are kept together, when the first of them is read. Those for which there is no
    room are read anew each time.

    Args:
        read: returns the rows of a block, a tree of arrays, or None.
        most: bytes of the file; by default half of what is free.

    Examples:
        >>> cache = BlockCache(lambda block: np.arange(block.size), most=24)
        >>> block = Block(file=0, start=0, size=3, row=0)
        >>> cache.read(block).tolist(), cache.read(block).tolist(), cache.size
        ([0, 1, 2], [0, 1, 2], 24)
    """

    def __init__(self, read: Callable[[Block], Any], most: int | None = None) -> None:
        folder = tempfile.gettempdir()
        self.size, self._is_full = 0, False
        self._most = DISK_SHARE * shutil.disk_usage(folder).free if most is None else most
        self._read, self._kept, self._lock = read, dict[Block, _Kept | None](), threading.Lock()
        self._file = tempfile.TemporaryFile(prefix="gradus-", dir=folder)  # noqa: SIM115 - it lasts
        weakref.finalize(self, self._file.close)

    def read(self, block: Block) -> Any:
        """Return the rows of a block: those that are kept, or else as they are read."""
        if block in self._kept:
            return self._read_kept(self._kept[block])
        rows = self._read(block)
        self._keep(block, rows)
        for other in block.together:
            if not self._is_full and other not in self._kept:
                self._keep(other, self._read(other))
        return rows

    def _read_kept(self, kept: _Kept | None) -> Any:
        if kept is None:
            return None
        arrays = []
        with self._lock:
            for offset, dtype, shape in kept.places:
                array = np.empty(shape, dtype)
                self._file.seek(offset)
                self._file.readinto(array.reshape(-1).view(np.uint8).data)  # type: ignore[attr-defined]
                arrays.append(array)
        return with_leaves(kept.tree, arrays)

    def _keep(self, block: Block, rows: Any) -> None:
        """Append the arrays of a block, unless there is no room for it."""
        places, arrays = [], leaves_of(rows)
        with self._lock:
            start = self.size
            if start + sum(array.nbytes for array in arrays) > self._most:
                self._is_full = True
                return
            try:
                self._file.seek(start)
                for array in arrays:
                    places.append((self.size, array.dtype, array.shape))
                    self._file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
                    self.size += array.nbytes
                self._file.flush()
            except OSError:
                self.size, self._most, self._is_full = start, start, True
                return
            self._kept[block] = None if rows is None else _Kept(places_in(rows), places)


def places_in(rows: Any) -> Any:
    """Return a tree with the place of each array instead of it."""
    return with_leaves(rows, list(range(len(leaves_of(rows)))))
