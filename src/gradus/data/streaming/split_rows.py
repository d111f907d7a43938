"""Rows that are read in parts, some of which may be held out."""

from __future__ import annotations

import abc
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from gradus.checks import is_number, shown, whole_number
from gradus.data.array_preprocessor import Preprocessor
from gradus.data.datasets import Dataset
from gradus.data.streaming.batch_stream import BatchStream, RowStream
from gradus.data.streaming.block_cache import BlockCache
from gradus.data.streaming.held_out import ByNumber, HeldOut
from gradus.data.streaming.row_source import Block, BlockSource
from gradus.data.streaming.shuffling import block_batches
from gradus.data.targets import Target
from gradus.errors import DataError
from gradus.rng import host_rng

SAMPLE_ROWS, SAMPLE_PARTS = 100_000, 32  # from which formats are inferred
MOST_HELD_OUT = 100_000  # rows that are validated after each epoch, which stay in memory
FAR = 10  # times as many rows as should be held out, which groups and times may have
READ_ROWS = 8_192  # of a batch that is not trained on


class SplitRows(RowStream):
    """Rows of files that are read in parts, encoded by a preprocessor.

    A subclass is a dataclass with these attributes.

    Attributes:
        source: the files.
        example: a sample of the rows, as a data set with its target and task.
        part: which rows of the files these are, in words.
        rules: by which rows are held out, one after another, each some of those that are left.
        training: of rows that the last rule holds out, the others, whose preprocessor they have;
            else None.
        fitted: a preprocessor that is used instead of one fitted to these rows, or None.
        encode_target: makes of encoded targets those that a loss takes; None leaves them.
    """

    source: BlockSource
    example: Dataset
    part: str
    rules: tuple[HeldOut, ...]
    training: Self | None
    fitted: Any
    encode_target: Callable[[Any], Any] | None

    @abc.abstractmethod
    def preprocessor(self) -> Preprocessor:
        """Return the preprocessor fitted to these rows, which may read all of them once."""

    @abc.abstractmethod
    def encoded(self, block: Block) -> tuple[Any, Any] | None:
        """Return the inputs and targets of the rows of a block; None if it has none of these."""

    @abc.abstractmethod
    def blocks(self, width: int = 0) -> list[Block]:
        """Return all rows of the files in blocks."""

    @abc.abstractmethod
    def count_rows(self) -> int:
        """Return how many of these rows have a target."""

    @abc.abstractmethod
    def sample(self, rows: int) -> Dataset:
        """Return at most so many of these rows, spread evenly, as a data set that is in memory."""

    @abc.abstractmethod
    def load(self) -> Dataset:
        """Return all of these rows as a data set, in memory."""

    @abc.abstractmethod
    def parts(self) -> Iterator[Dataset]:
        """Yield these rows as data sets, a block at a time."""

    @abc.abstractmethod
    def labeled(self, encode: Callable[[Any], Any] | None = None) -> Self:
        """Return these rows with the targets that a loss takes.

        Args:
            encode: makes these of encoded targets; None leaves them.

        Raises:
            DataError: if there are none.
        """

    @abc.abstractmethod
    def class_counts(self, target: Target | None = None) -> dict[int, int]:
        """Return how many of these rows have each label, if the target is classes."""

    def __len__(self) -> int:
        count = len(self.source)
        for rule in self.rules[:-1]:
            count -= round(rule.share * count)
        held_out = round(self.rules[-1].share * count) if self.rules else 0
        return count - held_out if self.training is None else held_out

    @property
    def expected_rows(self) -> int:
        """How many of these rows have a target, about."""
        return len(self)

    @property
    def encoding(self) -> str:
        """A checksum of the preprocessor: a network takes rows as those it was trained on."""
        plain = json.dumps(self.preprocessor().to_dict(), sort_keys=True, default=str)
        return hashlib.sha256(plain.encode()).hexdigest()[:12]

    @property
    def identity(self) -> str:
        """A checksum of the files and of how they are encoded, for checkpoints."""
        part = f"{self.rules!r}{self.training is None}{self.encoding}"
        return hashlib.sha256(f"{self.source.identity}{part}".encode()).hexdigest()[:12]

    def split(
        self, share: float = 0.1, seed: int = 0, most: int = MOST_HELD_OUT
    ) -> tuple[Self, Self]:
        """Hold out rows by their number, at random; return the others and the rows held out.

        Both have one preprocessor, that of the others. These can be split again.

        Args:
            share: of the rows, between 0 and 1.
            seed: of the rows.
            most: rows held out, about; `fit` keeps those of validation in memory.

        Raises:
            DataError: if the share is none.
        """
        return self.split_by(ByNumber(self.share_of(share, most), self.split_seed(seed)))

    def hold_out(self, share: float, seed: int) -> tuple[Self, Self]:
        """Return the others, and rows held out by their number, all encoded as these are."""
        return self.encoded_by(self.preprocessor()).split(share, seed, len(self.source))

    def split_by(self, rule: HeldOut) -> tuple[Self, Self]:
        """Hold out rows by a rule; return the others and the rows held out.

        Raises:
            DataError: of rows that are held out themselves.
        """
        if self.training is not None:
            raise DataError(f"{self.name}: these rows are held out already: split the others.")
        training = replace(self, rules=(*self.rules, rule))  # type: ignore[type-var]
        return training, replace(training, training=training)  # type: ignore[type-var]

    def split_seed(self, seed: int) -> int:
        """Return the seed of the hash that holds out more of these rows.

        Of rows that a split left, it is another: with the same one, none of them has a small hash.
        """
        if not self.rules:
            return seed
        return int(host_rng(seed, "split", str(len(self.rules))).integers(2**63))

    def share_of(self, share: float, most: int) -> float:
        """Return a share of the rows that is at most so many.

        Raises:
            DataError: if it is none.
        """
        if not is_number(share) or not 0 < share < 1:
            raise DataError(
                f"share must be the fraction held out, between 0 and 1, not {shown(share)}."
            )
        return min(share, whole_number("most", most, 1) / len(self.source))

    def encoded_by(self, preprocessor: Preprocessor) -> Self:
        """Return these rows encoded by a preprocessor that may be that of others."""
        return replace(self, fitted=preprocessor)  # type: ignore[type-var]

    def batched(self, size: int | None, seed: int | None) -> RowBatches:
        """Return these rows in batches, encoded.

        Args:
            size: rows of a batch; None for as many as are read at once.
            seed: of their order; None for that of the file.
        """
        return RowBatches(self, size or READ_ROWS, seed)

    @functools.cached_property
    def cache(self) -> BlockCache:
        """What reads the rows of a block, encoded, and keeps them for the next epoch."""
        return BlockCache(self.encoded)

    def width(self) -> int:
        """Return the bytes of an encoded row, about; 0 if they are those of its columns."""
        return 0

    def is_in_part(self, block: Block, frame: Any) -> np.ndarray | None:
        """Return which rows of a block are among these, (n,); None for all of them."""
        if not self.rules:
            return None
        return self.chosen(np.arange(block.row, block.row + block.size, dtype=np.uint64), frame)

    def chosen(self, numbers: np.ndarray, frame: Any) -> np.ndarray:
        """Return which rows are among these, (n,), by their numbers and values."""
        *before, last = [rule.mask(numbers, frame) for rule in self.rules]
        mine: np.ndarray = last == (self.training is not None)
        return functools.reduce(lambda left, held: left & ~held, before, mine)

    @property
    def held_out(self) -> list[Self]:
        """What each rule holds out of the rows that are left."""
        return [
            replace(self, rules=self.rules[: number + 1], training=self)  # type: ignore[type-var]
            for number in range(len(self.rules))
        ]

    def check_fits(self, rows: int) -> None:
        """Check that rows that are held out fit into memory: one group may have most of them.

        Raises:
            DataError: if they are many more than should be held out.
        """
        if self.training is not None and rows > FAR * max(MOST_HELD_OUT, len(self)):
            by = ", ".join(map(repr, self.rules[-1].columns))
            raise DataError(
                f"{self.name}: more than {rows:,} rows are held out by {by} instead of about "
                f"{len(self):,}, as none of its values is divided, and they stay in memory: split "
                "by another column, or leave it out."
            )


class RowBatches(BatchStream):
    """Rows in batches, encoded; in a new order in each epoch, if there is a seed.

    Args:
        rows: the rows.
        size: of a batch.
        seed: of their order; None for that of the file.
    """

    takes_batch_size = True

    def __init__(self, rows: SplitRows, size: int, seed: int | None) -> None:
        self.name, self.identity = rows.name, rows.identity
        self.steps = -(-rows.expected_rows // size)
        self._rows, self._size, self._seed = rows, size, seed

    def epoch(self, number: int) -> Iterator[Any]:
        """Yield the batches of an epoch, counted from 0."""
        blocks: Sequence[Block] = self._rows.blocks(self._rows.width())
        return block_batches(blocks, self._rows.cache.read, self._size, self._seed, number)
