"""`TableStream`: a table that is larger than memory, read in parts, as `fit` takes it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gradus.data.datasets import Dataset
from gradus.data.preprocessing import AUTOMATIC, Preprocessing
from gradus.data.sources.load import load
from gradus.data.streaming import split_rows
from gradus.data.streaming.held_out import HeldOut
from gradus.data.streaming.open_rows import located
from gradus.data.streaming.row_source import Block, RowSource
from gradus.data.streaming.sampled_preprocessor import fit_in_parts
from gradus.data.table_preprocessor import TablePreprocessor
from gradus.data.tables import as_table, no_target_note
from gradus.data.targets import Target, require_target
from gradus.errors import DataError, GradusError, no_column

if TYPE_CHECKING:
    import polars as pl

BLOCK_BYTES = 1 << 25  # of the rows that are read at once, as arrays
BLOCK_ROWS = 1_024, 131_072  # at least, unless there are no more, and at most


@dataclass(frozen=True, eq=False, repr=False)
class TableStream(split_rows.SplitRows):
    """A table that is read in parts, as often as it is needed; `stream` returns it.

    `fit`, `evaluate`, and `predict` take it in place of arrays, encoded by its preprocessor. It has
    a length: the rows of its files.

    Attributes:
        source: the files.
        example: a sample of the rows, as a data set with its formats, target, and task.
        part: which rows of the files these are, in words.
        rules: by which rows are held out, one after another, each some of those that are left.
        training: of rows that the last rule holds out, the others, whose preprocessor they have;
            else None.
        preprocessing: how values are scaled, filled in and encoded.
        keep: columns to use even if they look useless or like a leak.
        drop: columns not to use.
        fitted: a preprocessor that is used instead of one fitted to these rows, or None.
        encode_target: makes of encoded targets those that a loss takes; None leaves them.

    Examples:
        >>> import pathlib, polars, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "rows.parquet")
        >>> table = {"a": [0.3, 0.1, 0.4] * 90, "b": [1.5, 2.5, 3.5] * 90}
        >>> polars.DataFrame(table).write_parquet(path)
        >>> training, held_out = gr.data.stream(path, target="b", keep=["a"]).split(0.1)
        >>> len(training), len(held_out), held_out.preprocessor() is training.preprocessor()
        (243, 27, True)
    """

    source: RowSource
    example: Dataset
    rules: tuple[HeldOut, ...] = ()
    training: TableStream | None = None
    preprocessing: Preprocessing = AUTOMATIC
    keep: Sequence[str] = ()
    drop: Sequence[str] = ()
    fitted: TablePreprocessor | None = None
    encode_target: Callable[[Any], Any] | None = None
    part: str = "all rows"

    def __repr__(self) -> str:
        return f"TableStream({self.source.name}: {len(self):,} rows, {len(self.schema)} columns)"

    @property
    def name(self) -> str:
        """What errors call it."""
        return self.source.name

    @property
    def schema(self) -> dict[str, str]:
        """The kind of each column, as inferred from a sample: "number", "category", …."""
        return {name: str(given.kind) for name, given in self.example.formats.items()}

    def preprocessor(self) -> TablePreprocessor:
        """Return the preprocessor fitted to these rows, which reads all of them once.

        Raises:
            DataError: as `TablePreprocessor.fit`, or for a cell that fits no column of the sample.
        """
        if self.fitted is None and self.training is not None:
            return self.training.preprocessor()
        return self.fitted or self._own[0]

    @functools.cached_property
    def _own(self) -> tuple[TablePreprocessor, Any]:
        """The preprocessor of these rows, and the statistics that it was made from."""
        sample = replace(self._own_sample, notes=self.example.notes)
        dropped = list[int]()
        fitted, statistics = fit_in_parts(
            sample,
            self.frames(dropped=dropped),
            self.preprocessing,
            self.keep,
            self.drop,
            others=(frame for part in self.held_out for frame in part.frames(columns=())),
        )
        if statistics.rows > self._own_sample.x.height:
            note = (
                f"read in parts: medians, quantiles, and which columns are dropped are those of "
                f"{len(self._own_sample):,} of {statistics.rows:,} rows; means, deviations, "
                "ranges, and categories are those of all"
            )
            fitted = replace(fitted, notes=(*fitted.notes, note))
        if count := sum(dropped):
            note = no_target_note(count, self.example.target_columns)
            note = f"of the rows to train on, {note}" if self.rules else note
            fitted = replace(fitted, notes=(*fitted.notes, note))
        return fitted, statistics

    @functools.cached_property
    def _own_sample(self) -> Dataset:
        """The rows of the sample that belong to this part, with a target."""
        return self.sample(split_rows.SAMPLE_ROWS)

    def class_counts(self, target: Target | None = None) -> dict[int, int]:
        """Return how many of these rows have each label, if the target is classes.

        Args:
            target: one of several targets, a part; None for what is learned.
        """
        target = target or self.preprocessor().target
        if target is None or target.task not in ("binary", "multiclass"):
            return {}
        counts = self._own[1].levels[target.name].counts
        return {label: counts[name] for label, name in enumerate(target.class_names)}

    def count_rows(self) -> int:
        """Return how many rows have a target, which may read this column."""
        targets = self.example.target_columns
        if "_own" in vars(self) or not (targets or self.rules):
            return self.expected_rows
        return sum(frame.height for frame in self.frames(columns=targets))

    @property
    def expected_rows(self) -> int:
        """How many rows have a target; about, before the preprocessor is fitted to them."""
        return int(self._own[1].rows) if "_own" in vars(self) else len(self)

    def sample(self, rows: int) -> Dataset:
        """Return at most so many of these rows, spread evenly, as a data set that is in memory."""
        return self._dataset(self.frames(self.source.spread_blocks(rows, split_rows.SAMPLE_PARTS)))

    def load(self) -> Dataset:
        """Return all of these rows as a data set, in memory."""
        return self._dataset(self.frames())

    def frames(
        self,
        blocks: Sequence[Block] | None = None,
        columns: Sequence[str] | None = None,
        dropped: list[int] | None = None,
    ) -> Iterator[pl.DataFrame]:
        """Yield these rows, typed, a block at a time; those without a target are left out.

        Args:
            blocks: what is read; None for all.
            columns: the names of those that are read beside the target; None for all.
            dropped: gets how many rows of each block have no target.
        """
        if columns is not None:
            columns = list(dict.fromkeys([*columns, *self.example.target_columns]))
        for block in self.blocks() if blocks is None else blocks:
            frame = self._typed(block, columns, dropped)
            if frame is not None:
                yield frame

    def parts(self) -> Iterator[Dataset]:
        """Yield these rows as data sets without a target, a block at a time."""
        for frame in self.frames():
            yield replace(
                self.example, x=frame, y=None, task=None, target=None, notes=self.source.notes
            )

    def labeled(self, encode: Callable[[Any], Any] | None = None) -> TableStream:
        """Return these rows with the targets that a loss takes.

        Args:
            encode: makes these of encoded targets; None leaves them.

        Raises:
            DataError: for a table without the target of its preprocessor, with the nearest name.
        """
        for name in require_target(self.preprocessor().target).column_names:
            if name not in self.source.names:
                raise no_column(name, self.source.names, "target column")
        return replace(self, encode_target=encode)

    def inputs(self) -> TableStream:
        """Return these rows without targets: none is left out, whether it has one or not."""
        example = replace(self.example, target=None)
        return replace(self, example=example, fitted=self.preprocessor())

    def width(self) -> int:
        """Return the bytes of an encoded row, about."""
        fitted = self.preprocessor()
        return 4 * len((*fitted.feature_names, *fitted.category_names))

    def encoded(self, block: Block) -> tuple[Any, Any] | None:
        """Return the inputs and targets of the rows of a block; None if it has none of these."""
        preprocessor = self.preprocessor()
        target, used = preprocessor.target, list(preprocessor.formats)
        if target is not None and self.example.target is None:
            used = [name for name in used if name not in target.column_names]
            target = None
        frame = self._typed(block, used)
        if frame is None:
            return None
        try:
            x = preprocessor.encode(frame)
            y = None if target is None else target.transform_frame(frame)
        except GradusError as error:
            raise located(error, block.row, block.size, self.name) from None
        return x, y if y is None or self.encode_target is None else self.encode_target(y)

    def blocks(self, width: int = 0) -> list[Block]:
        """Return all rows of the files in blocks, each of about `BLOCK_BYTES`.

        Args:
            width: the bytes of a row, if they are more than 8 for each column.
        """
        fewest, most = BLOCK_ROWS
        width = max(width, 8 * len(self.example.formats))
        return self.source.blocks(min(max(BLOCK_BYTES // width, fewest), most))

    def _typed(
        self,
        block: Block,
        columns: Sequence[str] | None = None,
        dropped: list[int] | None = None,
    ) -> pl.DataFrame | None:
        """Return these rows of a block with their types, or None if there are none."""
        also = [name for rule in self.rules for name in rule.columns]
        wanted = None if columns is None else list(dict.fromkeys([*columns, *also]))
        frame = self.source.read(block, wanted or None)
        try:
            frame = as_table(frame, self.example.options, self.example.formats).frame
            chosen = self.is_in_part(block, frame)
        except GradusError as error:
            raise located(error, block.row, block.size, self.name) from None
        if chosen is not None:
            frame = frame.filter(chosen)
        height, frame = frame.height, frame.drop_nulls(self.example.target_columns)
        if dropped is not None:
            dropped.append(height - frame.height)
        return frame if frame.height else None

    def _dataset(self, frames: Iterator[pl.DataFrame]) -> Dataset:
        """Return rows as a data set of the kind of the example."""
        import polars as pl

        example, found = self.example, list[pl.DataFrame]()
        for frame in frames:
            found.append(frame)
            self.check_fits(sum(each.height for each in found))
        if not found:
            raise DataError(f"{self.name} has no rows with a target in this part.")
        fitted = self.fitted or ("_own" in vars(self.training or self) and self.preprocessor())
        known = fitted.target if fitted else None
        loaded = load(
            pl.concat(found),
            example.target,
            task=example.task,
            classes=example.class_names if known is None else known.classes,
            options=example.options,
            formats=example.formats,
        )
        return replace(loaded, name=example.name)
