"""Chunks: some batches in a row, as arrays of one shape that the program takes at once."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import numpy as np

from gradus.data.aligned_arrays import empty_aligned
from gradus.errors import DataError
from gradus.train.batches import Samples

if TYPE_CHECKING:
    from jaxtyping import Float, PyTree, Shaped

T = TypeVar("T")

CHUNK_BYTES = 1 << 25  # of a chunk, unless one batch is larger
CHUNK_STEPS = 64  # at most
AHEAD = 2  # chunks that are made while the program runs


class StepChunk(NamedTuple):
    """The batches of some steps.

    Attributes:
        samples: arrays `(steps, batch, ...)`; weights of None count as 1.
        present: 1 for a sample that counts, 0 for padding.
        steps: how many batches there are; what follows them is padding.
    """

    samples: Samples
    present: Float[Any, "steps batch"]
    steps: int | np.int32


def group_batches(batches: Iterable[Samples], size: int, steps: int | None) -> Iterator[StepChunk]:
    """Yield chunks of one shape.

    Args:
        batches: of at most `size` samples; a smaller one is padded with its own.
        size: samples of a batch.
        steps: how many batches will come; None if unknown.

    Raises:
        DataError: for a larger batch, or one whose arrays have another shape or type than those of
            the first.
    """
    first, length = None, 0
    waiting: list[Samples] = []
    for number, batch in enumerate(batches):
        if first is None:
            first, length = batch, _chunk_length(batch, size, steps)
        _check_like(first, batch, size, number)
        waiting.append(batch)
        if len(waiting) == length:
            yield _stack(waiting, size, length)
            waiting = []
    if waiting:
        yield _stack(waiting, size, length)


def chunk_shapes(batch: Samples, size: int, steps: int | None) -> StepChunk:
    """Return the shapes and types of the chunks of which `batch` is the first batch."""
    length = _chunk_length(batch, size, steps)

    def shape(array: Shaped[np.ndarray, "rows ..."]) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((length, size, *array.shape[1:]), array.dtype)

    present = jax.ShapeDtypeStruct((length, size), np.float32)
    return StepChunk(jax.tree.map(shape, batch), present, np.int32(length))


def _chunk_length(batch: Samples, size: int, steps: int | None) -> int:
    """Return how many batches make a chunk."""
    rows = len(jax.tree.leaves(batch.x)[0])
    own = sum(leaf.nbytes for leaf in jax.tree.leaves(batch)) * size / max(rows, 1)
    most = CHUNK_STEPS if steps is None else min(CHUNK_STEPS, steps)
    return max(1, min(most, int(CHUNK_BYTES // max(own, 1))))


def _check_like(first: Samples, batch: Samples, size: int, number: int) -> None:
    """Check that a batch has the structure and shapes of the first one.

    Raises:
        DataError: if it has not.
    """
    structures: list[Any] = [jax.tree.structure(first), jax.tree.structure(batch)]
    if structures[0] != structures[1]:
        raise DataError(
            f"Batch {number} consists of other parts than the first: {_describe(batch)}, before "
            f"{_describe(first)}."
        )
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(batch), strict=True):
        if one.shape[1:] != other.shape[1:] or one.dtype != other.dtype:
            raise DataError(
                f"Batch {number} has an array of shape {other.shape} ({other.dtype}), the first "
                f"batch one of shape {one.shape} ({one.dtype}): batches may differ in their number "
                "of rows only."
            )
    rows = len(jax.tree.leaves(batch.x)[0])
    if rows > size:
        raise DataError(
            f"Batch {number} has {rows} rows, more than the {size} of the first: yield the largest "
            "first, and smaller ones, such as the last of an epoch, after it."
        )


def _describe(batch: Samples) -> str:
    """Return the shapes of a batch's arrays."""
    return ", ".join(str(leaf.shape) for leaf in jax.tree.leaves(batch))


def _stack(batches: list[Samples], size: int, length: int) -> StepChunk:
    """Return batches as a chunk of `length` steps."""
    present = np.zeros((length, size), np.float32)
    for step, batch in enumerate(batches):
        present[step, : len(jax.tree.leaves(batch.x)[0])] = 1

    def stack(*arrays: Shaped[np.ndarray, "rows ..."]) -> Shaped[np.ndarray, "steps batch ..."]:
        stacked = empty_aligned((length, size, *arrays[0].shape[1:]), arrays[0].dtype)
        stacked[len(arrays) :] = 0
        for step, array in enumerate(arrays):
            stacked[step, : len(array)] = array
            if len(array) < size:  # no values of their own kind, such as zeros for a log
                stacked[step, len(array) :] = np.resize(
                    array, (size - len(array), *array.shape[1:])
                )
        return stacked

    samples: PyTree[Shaped[np.ndarray, "..."]] = jax.tree.map(stack, *batches)
    return StepChunk(samples, present, np.int32(len(batches)))


@contextlib.contextmanager
def read_ahead(source: Iterable[T]) -> Iterator[Iterator[T]]:
    """Yield an iterator over what a thread reads from `source` ahead of its use.

    An error of the source is raised where the item would have been. The thread ends with the block.
    """
    items: queue.Queue[Any] = queue.Queue(AHEAD)
    ended = threading.Event()
    end = object()

    def put(item: Any) -> bool:
        while not ended.is_set():
            with contextlib.suppress(queue.Full):
                items.put(item, timeout=0.1)
                return True
        return False

    def read() -> None:
        try:
            for item in source:
                if not put((item, None)):
                    return
            put((end, None))
        except BaseException as error:
            put((end, error))

    def taken() -> Iterator[T]:
        while True:
            item, error = items.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item

    thread = threading.Thread(target=read, name="gradus-read-ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        ended.set()
        thread.join()
