"""Batches of rows that are read in blocks: mixed among the blocks of a window, and read ahead."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from gradus.data.streaming.row_source import Block
from gradus.data.streaming.trees import count_rows, join_rows, take_rows
from gradus.rng import host_rng

WINDOW_BLOCKS = 4  # whose rows are mixed, if they are of full size

Read = Callable[[Block], Any]


def block_batches(
    blocks: Sequence[Block],
    read: Read,
    size: int,
    seed: int | None = None,
    epoch: int = 0,
) -> Iterator[Any]:
    """Yield the rows of blocks in batches, each row once.

    The blocks come in an order of their own in each epoch; the rows of four of them are mixed, and
    the next four are read by a thread meanwhile.

    Args:
        blocks: the rows.
        read: returns the rows of a block, a tree of arrays (dicts and tuples), which may be fewer
            than it has, or None if there are none.
        size: rows of a batch; those that are left in the end are a smaller one.
        seed: of the order; None for that of the file.
        epoch: the number of the epoch.
    """
    rng = None if seed is None else host_rng(seed, "order", str(epoch))
    if rng is not None:
        blocks = [blocks[index] for index in rng.permutation(len(blocks))]
    left: list[Any] = []
    for window in _windows(blocks, read, max((block.size for block in blocks), default=0)):
        rows = join_rows([*left, *window])
        count = count_rows(rows)
        order = np.arange(count) if rng is None else rng.permutation(count)
        full = count - count % size
        for start in range(0, full, size):
            yield take_rows(rows, order[start : start + size])
        left = [take_rows(rows, order[full:])] if full < count else []
    yield from left


def _windows(blocks: Sequence[Block], read: Read, block_rows: int) -> Iterator[list[Any]]:
    """Yield the rows of blocks in windows, of which the next one is read ahead."""
    most = WINDOW_BLOCKS * block_rows
    waiting: collections.deque[tuple[int, Future[Any]]] = collections.deque()
    following = iter(blocks)
    with ThreadPoolExecutor(1, "gradus-read-rows") as pool:

        def fill() -> None:
            ahead = sum(count for count, _ in waiting)
            while ahead < most and (block := next(following, None)) is not None:
                waiting.append((block.size, pool.submit(read, block)))
                ahead += block.size

        try:
            fill()
            while waiting:
                parts, taken = [], 0
                while waiting and taken < most:
                    count, future = waiting.popleft()
                    taken += count
                    parts.append(future.result())
                present = [part for part in parts if part is not None]
                fill()
                if present:
                    yield present
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
