"""`ArrayStream`: the arrays of an .npz file that is larger than memory, read in parts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gradus.data.array_preprocessor import ArrayPreprocessor, byte_scaling
from gradus.data.array_trees import check_finite
from gradus.data.arrays import as_array
from gradus.data.datasets import Dataset
from gradus.data.images import resize_images
from gradus.data.preprocessing import AUTOMATIC, Preprocessing
from gradus.data.streaming import split_rows
from gradus.data.streaming.column_ranges import ColumnRanges
from gradus.data.streaming.held_out import HeldOut
from gradus.data.streaming.open_rows import located
from gradus.data.streaming.row_source import Block, BlockSource, FileState
from gradus.data.targets import Target
from gradus.errors import DataError, GradusError

BLOCK_BYTES = 1 << 25  # of the rows that are read at once


class MappedRows(BlockSource):
    """The rows of inputs that are a memory map.

    Args:
        x: the inputs, (n, …).
        path: of their file.
        name: what errors call them.
    """

    def __init__(self, x: np.ndarray, path: Path, name: str) -> None:
        self.x, self.name, self.counts, self.states = x, name, [len(x)], [FileState.of(path)]

    def read(self, block: Block) -> np.ndarray:
        """Return the rows of a block, in memory.

        Raises:
            DataError: if the file has changed, or is gone.
        """
        self.states[0].check()
        return np.array(self.x[block.start : block.start + block.size])


@dataclass(frozen=True, eq=False, repr=False)
class ArrayStream(split_rows.SplitRows):
    """Inputs that are read in parts, and their targets, which are in memory.

    Attributes:
        source: the inputs.
        example: a sample of the rows, as a data set with its task.
        y: the targets of all rows, as those of a `Dataset`; None without.
        part: which rows of the file these are.
        test: the test part of the file, if it has one.
        rules: by which rows are held out, one after another, each some of those that are left.
        training: of rows that the last rule holds out, the others, whose preprocessor they have;
            else None.
        preprocessing: how inputs are scaled.
        fitted: a preprocessor that is used instead of one fitted to these rows, or None.
        encode_target: makes of encoded targets those that a loss takes; None leaves them.
    """

    source: MappedRows
    example: Dataset
    y: np.ndarray | None = None
    part: str = "all rows"
    test: ArrayStream | None = None
    rules: tuple[HeldOut, ...] = ()
    training: ArrayStream | None = None
    preprocessing: Preprocessing = AUTOMATIC
    fitted: ArrayPreprocessor | None = None
    encode_target: Callable[[np.ndarray], np.ndarray] | None = None

    def __repr__(self) -> str:
        return f"ArrayStream({self.source.name}: {len(self):,} rows)"

    @property
    def name(self) -> str:
        """What errors call it."""
        return self.source.name

    def preprocessor(self) -> ArrayPreprocessor:
        """Return the preprocessor fitted to these rows, which reads all of them once."""
        if self.fitted is None and self.training is not None:
            return self.training.preprocessor()
        return self.fitted or self._own

    @functools.cached_property
    def _own(self) -> ArrayPreprocessor:
        sample = self.sample(split_rows.SAMPLE_ROWS)
        fitted: Any = sample.preprocessor(self.preprocessing)
        if self.y is not None and sample.task == "regression":
            fitted = replace(fitted, target=Target.fit(self.y[self._numbers()], "regression"))
            fitted = replace(fitted, target=replace(fitted.target, name="y"))
        if fitted.scaling is None:
            return fitted
        ranges = ColumnRanges()
        for part in self.parts():
            x = part.x if fitted.size is None else resize_images(part.x, fitted.size)
            ranges.add(x if x.ndim > 1 else x[:, None])
        if fitted.scaling is sample.scaling:  # bytes
            exact, _ = byte_scaling(np.array([ranges.high.max()]), "x")
        elif self.preprocessing.scaling == "minmax":
            exact = ranges.between()
        else:
            exact = ranges.standard(self.name)
        return replace(fitted, scaling=exact)

    def _numbers(self) -> np.ndarray:
        """Return the numbers of these rows among all."""
        numbers = np.arange(len(self.source), dtype=np.uint64)
        return numbers[self.chosen(numbers, None)] if self.rules else numbers

    def class_counts(self, target: Target | None = None) -> dict[int, int]:
        """Return how many of these rows have each label, if the target is classes."""
        if self.y is None or self.example.task not in ("binary", "multiclass"):
            return {}
        classes = len(self.example.class_names)
        return dict(enumerate(np.bincount(self.y[self._numbers()], minlength=classes).tolist()))

    def count_rows(self) -> int:
        """Return how many rows these are."""
        return len(self._numbers())

    def sample(self, rows: int) -> Dataset:
        """Return at most so many of these rows, spread evenly, as a data set that is in memory."""
        return self._joined(self.source.spread_blocks(rows, split_rows.SAMPLE_PARTS))

    def load(self) -> Dataset:
        """Return all of these rows as a data set, in memory."""
        return self._joined(self.blocks())

    def labeled(self, encode: Callable[[np.ndarray], np.ndarray] | None = None) -> ArrayStream:
        """Return these rows with the targets that a loss takes.

        Args:
            encode: makes these of encoded targets; None leaves them.

        Raises:
            DataError: if there are none.
        """
        if self.y is None:
            raise DataError(f"{self.name} has no targets to compare predictions to.")
        return replace(self, encode_target=encode)

    def inputs(self) -> ArrayStream:
        """Return these rows without targets."""
        return replace(self, y=None, fitted=self.preprocessor())

    def parts(self) -> Iterator[Dataset]:
        """Yield these rows as data sets, a block at a time."""
        for block in self.blocks():
            part = self._part(block)
            if part is not None:
                yield part

    def blocks(self, width: int = 0) -> list[Block]:
        """Return all rows of the file in blocks, each of about `BLOCK_BYTES`."""
        row = max(width, self.source.x[:1].nbytes, 4 * self.example.x[:1].size, 1)
        return self.source.blocks(max(BLOCK_BYTES // row, 1))

    def encoded(self, block: Block) -> tuple[Any, np.ndarray | None] | None:
        """Return the inputs and targets of the rows of a block; None if it has none of these."""
        part = self._part(block)
        if part is None:
            return None
        try:
            x, y = part.xy(self.preprocessor())
        except GradusError as error:
            raise located(error, block.row, block.size, self.name) from None
        return x, y if y is None or self.encode_target is None else self.encode_target(y)

    def _part(self, block: Block) -> Dataset | None:
        """Return these rows of a block as a data set like the example, or None if it has none."""
        rows = slice(block.row, block.row + block.size)
        x, y = self.source.read(block), None if self.y is None else self.y[rows]
        chosen = self.is_in_part(block, None)
        if chosen is not None:
            x, y = x[chosen], None if y is None else y[chosen]
        if not len(x):
            return None
        try:
            x = like_example(x, self.example.x)
        except GradusError as error:
            raise located(error, block.row, block.size, self.name) from None
        return replace(self.example, x=x, y=y, notes=self.source.notes)

    def _joined(self, blocks: Sequence[Block]) -> Dataset:
        parts: list[Dataset] = []
        for block in blocks:
            part = self._part(block)
            if part is not None:
                parts.append(part)
                self.check_fits(sum(map(len, parts)))
        if not parts:
            raise DataError(f"{self.name} has no rows in this part.")
        x = np.concatenate([part.x for part in parts])
        ys = [part.y for part in parts if part.y is not None]
        return replace(self.example, x=x, y=np.concatenate(ys) if ys else None)


def like_example(x: np.ndarray, example: np.ndarray) -> np.ndarray:
    """Return rows with the axes, the type, and the size of images of the example.

    Raises:
        DataError: for numbers that are not finite, or not bytes where those of the example are.
    """
    x = as_array(x, "x", wide=True)
    check_finite(x)
    if x.ndim == 4 and x.shape[-1] != example.shape[-1]:  # channels come first
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    if x.ndim == example.ndim - 1:  # gray images
        x = x[..., None]
    if example.dtype == np.uint8 and x.dtype != np.uint8:
        if x.min() < 0 or x.max() > 255:
            raise DataError(
                f"x has whole numbers from {x.min()} to {x.max()}, but those of the sample are the "
                "bytes of images, from 0 to 255: save them as floats."
            )
        x = x.astype(np.uint8)
    elif example.dtype != np.uint8:
        x = x.astype(example.dtype, copy=False)
    return x if x.shape[1:] == example.shape[1:] else resize_images(x, example.shape[1:3])
