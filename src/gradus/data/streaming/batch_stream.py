"""What yields batches, epoch after epoch: a generator, a loader, or a data set of items.

No other package is imported: a `DataLoader` of PyTorch or a `Dataset` of `tf.data` is something to
iterate over, a `Dataset` of PyTorch something with a length and items, and a `PyDataset` of Keras
something with a length whose items are batches.
"""

from __future__ import annotations

import abc
import functools
import inspect
import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from gradus.data.array_trees import check_same_length
from gradus.data.arrays import as_array
from gradus.data.containers import (
    dense,
    fits_when_dense,
    has_array_protocol,
    is_container,
    is_sparse,
    refuse_no_data,
)
from gradus.data.splitting.splits import split
from gradus.data.streaming.batch_functions import batch_function
from gradus.data.streaming.trees import stack_items
from gradus.errors import DataError, warn
from gradus.rng import host_rng

MANY_BATCHES = 10_000  # after which it is said that no end is in sight


class BatchStream(abc.ABC):
    """Batches that are read in every epoch, each `x`, `(x, y)`, or `(x, y, weight)`.

    Attributes:
        name: what it is called in an error: "x (a DataLoader)".
        steps: the batches of an epoch; None if only its end tells.
        identity: what differs if they become other batches; "" if that cannot be told.
        takes_batch_size: whether it was told how many samples a batch has.
    """

    name: str
    steps: int | None
    identity: str = ""
    takes_batch_size: bool = False

    @abc.abstractmethod
    def epoch(self, number: int) -> Iterator[Any]:
        """Yield the batches of an epoch, counted from 0."""


class RowStream(abc.ABC):
    """Rows that are read in parts, of which batches of any size are made."""

    @property
    def encoding(self) -> str:
        """What differs if values become other inputs of a network; "" if they stay as they are."""
        return ""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What errors call it."""

    def inputs(self) -> RowStream:
        """Return the rows to predict, without targets: each of them, whether it has one or not."""
        return self

    @abc.abstractmethod
    def hold_out(self, share: float, seed: int) -> tuple[RowStream, RowStream]:
        """Return the others, and rows held out by their number; values stay the same inputs.

        Args:
            share: of the rows that are held out, about.
            seed: of the choice.
        """

    @abc.abstractmethod
    def batched(self, size: int | None, seed: int | None) -> BatchStream:
        """Return the rows in batches.

        Args:
            size: rows of a batch; None for as many as are read at once.
            seed: of their order in each epoch; None for that of the rows.
        """


class Loader(BatchStream):
    """What is iterated over for its batches.

    Args:
        start: returns an iterator from the beginning; None if there is no way back to it.
        iterator: where the first epoch begins.
        name: what it is called.
        steps_per_epoch: batches of an epoch, each of which goes on where the last one ended; None
            if an epoch is all there is.
        steps: how many batches there are; None if unknown.
    """

    def __init__(
        self,
        start: Callable[[], Iterator[Any]] | None,
        iterator: Iterator[Any],
        name: str,
        steps_per_epoch: int | None,
        steps: int | None,
    ) -> None:
        self.name, self.steps = name, steps_per_epoch or steps
        self._start, self._iterator, self._steps_per_epoch = start, iterator, steps_per_epoch
        self._begun = False

    def epoch(self, number: int) -> Iterator[Any]:
        """Yield the batches of an epoch, counted from 0."""
        if self._steps_per_epoch is None:
            if self._begun and self._start is not None:
                self._iterator = self._start()
            self._begun = True
            for count, batch in enumerate(self._iterator, 1):
                if count == MANY_BATCHES and self.steps is None:
                    warn(
                        f"{self.name} has yielded {count:,} batches and not ended. If it never "
                        "does, train with steps_per_epoch=…, and evaluate some of its batches, "
                        "lambda: itertools.islice(batches(), 20).",
                        RuntimeWarning,
                    )
                yield batch
            return
        for count in range(self._steps_per_epoch):
            batch = next(self._iterator, self)
            if batch is self and self._start is not None:
                self._iterator = self._start()
                batch = next(self._iterator, self)
            if batch is self:
                if count:
                    warn(
                        f"{self.name} ended after {count} of {self._steps_per_epoch} batches of "
                        f"epoch {number + 1}.",
                        RuntimeWarning,
                    )
                return
            yield batch


class IndexedBatches(BatchStream):
    """Batches by their number, such as those of Keras's `PyDataset`, in a new order each epoch.

    Args:
        batches: has a length and items.
        name: what it is called.
        shuffle_seed: of the order; None for their own.
    """

    def __init__(self, batches: Any, name: str, shuffle_seed: int | None) -> None:
        self.name, self.steps = name, len(batches)
        self._batches, self._shuffle_seed = batches, shuffle_seed

    def epoch(self, number: int) -> Iterator[Any]:
        """Yield the batches of an epoch, counted from 0."""
        for index in sample_order(self.steps or 0, self._shuffle_seed, number):
            yield self._batches[int(index)]
        end = getattr(self._batches, "on_epoch_end", None)
        if end is not None:
            end()


class Items(BatchStream):
    """Samples by their number, such as those of PyTorch's `Dataset`, in a new order each epoch.

    Args:
        items: has a length and items, each `x`, `(x, y)`, or `(x, y, weight)`.
        name: what it is called.
        batch_size: samples of a batch.
        shuffle_seed: of the order; None for their own.
        numbers: of the items that are used; None for all.
    """

    takes_batch_size = True

    def __init__(
        self,
        items: Any,
        name: str,
        batch_size: int | None,
        shuffle_seed: int | None,
        numbers: np.ndarray | None = None,
    ) -> None:
        self._numbers = np.arange(len(items)) if numbers is None else numbers
        count = len(self._numbers)
        if count == 0:
            raise DataError(f"{name} has no items.")
        self._size = count if batch_size is None else min(batch_size, count)
        self.name, self.steps = name, -(-count // self._size)
        self._items, self._shuffle_seed = items, shuffle_seed

    def split(self, share: float, seed: int) -> tuple[Items, Items]:
        """Return the items without a random share of them, and that share, in their own order."""
        rows, held_out = split(len(self._numbers), share, seed)
        training = Items(self._items, self.name, self._size, self._shuffle_seed, rows)
        return training, Items(self._items, self.name, self._size, None, held_out)

    def epoch(self, number: int) -> Iterator[Any]:
        """Yield the batches of an epoch, counted from 0."""
        order = self._numbers[sample_order(len(self._numbers), self._shuffle_seed, number)]
        for start in range(0, len(order), self._size):
            yield stack_items(self._fetch([int(i) for i in order[start : start + self._size]]))

    def _fetch(self, numbers: list[int]) -> list[Any]:
        """Return some items: at once, where the data set can, as PyTorch's loader does."""
        several = getattr(self._items, "__getitems__", None)
        return [self._items[i] for i in numbers] if several is None else list(several(numbers))


class SparseRows(BatchStream):
    """Rows of a sparse matrix, dense in their batch alone, in a new order each epoch.

    Args:
        x: the matrix, (n, p).
        y: the targets of the rows, or None.
        weight: of the rows, or None; not without targets.
        name: what it is called.
        batch_size: rows of a batch; None for all.
        shuffle_seed: of the order; None for their own.

    Raises:
        DataError: if not even a batch fits into memory, or the numbers of rows differ.
    """

    takes_batch_size = True

    def __init__(
        self,
        x: Any,
        y: Any,
        weight: Any,
        name: str,
        batch_size: int | None,
        shuffle_seed: int | None,
    ) -> None:
        given = {"y": y, "sample_weight": weight}
        others = [as_array(part, key) for key, part in given.items() if part is not None]
        self._count, self._shuffle_seed = x.shape[0], shuffle_seed
        check_same_length(np.empty(self._count, np.bool_), *others)
        self._size = self._count if batch_size is None else min(batch_size, self._count)
        self._parts = [x.tocsr(), *others]
        if not fits_when_dense(self._parts[0][: self._size]):
            dense(x, name)  # raises
        self.name, self.steps = name, -(-self._count // max(self._size, 1))

    def epoch(self, number: int) -> Iterator[Any]:
        """Yield the batches of an epoch, counted from 0."""
        order = sample_order(self._count, self._shuffle_seed, number)
        for start in range(0, self._count, self._size):
            rows = order[start : start + self._size]
            x, *rest = (part[rows] for part in self._parts)
            yield (x.toarray().astype(np.float32), *rest)


def as_stream(
    x: Any,
    name: str = "x",
    *,
    batch_size: int | None = None,
    steps_per_epoch: int | None = None,
    epochs: int = 1,
    shuffle_seed: int | None = None,
) -> BatchStream | None:
    """Return what yields the batches of data, or None if they are arrays.

    Args:
        x: data as users pass them.
        name: what errors call them.
        batch_size: samples of a batch, where `x` has single samples.
        steps_per_epoch: batches of an epoch, where `x` is something to iterate over.
        epochs: how many epochs will be read.
        shuffle_seed: of the order, where `x` has numbered items; None for their own.

    Raises:
        DataError: if it can be read only once, but several epochs are wanted; has no items;
            repeats them without end; or is no data.
    """
    if isinstance(x, RowStream):
        if steps_per_epoch is not None:
            raise DataError(
                f"steps_per_epoch={steps_per_epoch}: an epoch is all of {x.name}: leave it out."
            )
        return x.batched(batch_size, shuffle_seed)
    if x is None:
        return None
    refuse_no_data(x, name)
    if is_container(x) or has_array_protocol(x) or is_sparse(x) or hasattr(x, "columns"):
        return None
    called = f"{name} (a {type(x).__name__})"
    if hasattr(x, "__len__") and hasattr(x, "__getitem__"):
        if _is_buffer(x):
            return None
        if steps_per_epoch is not None:
            raise DataError(
                f"steps_per_epoch={steps_per_epoch}: {called} has {len(x)} items, which are an "
                "epoch: leave it out."
            )
        if _yields_batches(x):
            return IndexedBatches(x, called, shuffle_seed)
        return Items(x, called, batch_size, shuffle_seed)
    if inspect.isroutine(x) or isinstance(x, functools.partial):
        start, called = batch_function(x, name), f"{name} (a function)"
        batches = start()
        _refuse_endless(batches, called, steps_per_epoch)
        return Loader(start, batches, called, steps_per_epoch, None)
    if isinstance(x, Iterator):
        _refuse_endless(x, called, steps_per_epoch)
        if epochs > 1 and steps_per_epoch is None:
            raise DataError(
                f"{called} can be read once, but epochs={epochs}. Pass a function that returns it "
                "anew, or steps_per_epoch=… if it never ends."
            )
        return Loader(None, x, called, steps_per_epoch, None)
    if isinstance(x, Iterable):
        _refuse_endless(x, called, steps_per_epoch)
        return Loader(lambda: iter(x), iter(x), called, steps_per_epoch, _length(x))
    return None


def sample_order(count: int, seed: int | None, epoch: int) -> np.ndarray:
    """Return the numbers of samples in the order of an epoch, that of a training on arrays."""
    if seed is None:
        return np.arange(count)
    return host_rng(seed, "order", str(epoch)).permutation(np.arange(count))


def head_of(stream: BatchStream, epoch: int, rows: int) -> tuple[list[Any], Iterator[Any]]:
    """Return the first batches of an epoch, with `rows` rows if there are as many.

    Returns:
        The batches, and an iterator over all batches of the epoch, these included.
    """
    batches, found, rest = [], 0, stream.epoch(epoch)
    while found < rows:
        batch = next(rest, None)
        if batch is None:
            break
        batches.append(batch)
        part = batch[0] if isinstance(batch, tuple | list) else batch
        while isinstance(part, tuple | dict):
            part = next(iter(part.values() if isinstance(part, dict) else part))
        found += max(len(part), 1) if hasattr(part, "__len__") else rows
    return batches, itertools.chain(batches, rest)


def _yields_batches(x: Any) -> bool:
    """Whether the items of a data set of Keras, whose items are batches."""
    return any(
        base.__name__ in ("PyDataset", "Sequence") and base.__module__.startswith("keras")
        for base in type(x).__mro__
    )


def _is_buffer(x: Any) -> bool:
    try:
        memoryview(x)
    except TypeError:
        return False
    return True


def _refuse_endless(x: Any, called: str, steps_per_epoch: int | None) -> None:
    """Refuse what never ends by its kind, or says so, as a `tf.data.Dataset` after `repeat()`."""
    if steps_per_epoch is not None:
        return
    cardinality = getattr(x, "cardinality", None)
    if callable(cardinality) and cardinality() == -1:
        raise DataError(
            f"{called} repeats its batches without end: pass steps_per_epoch=… to fit, or leave "
            "its repeat() out."
        )
    endless_repeat = isinstance(x, itertools.repeat) and operator.length_hint(x, -1) < 0
    if endless_repeat or isinstance(x, itertools.count | itertools.cycle):
        raise DataError(
            f"{called} never ends: pass steps_per_epoch=… to fit, and some of its batches as "
            "other data, itertools.islice(batches, 20)."
        )


def _length(x: Any) -> int | None:
    try:
        count = len(x)
    except TypeError:  # such as a loader of an endless data set
        return None
    return count if count > 0 else None
