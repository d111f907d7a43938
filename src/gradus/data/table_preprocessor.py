"""Preprocessing of tables: fitted to the training rows, saved as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.column_encoders import (
    CategoryEncoder,
    ColumnEncoder,
    TextEncoder,
)
from gradus.data.columns.conversions import to_numbers
from gradus.data.columns.formats import ColumnFormat, texts
from gradus.data.columns.joining import network_inputs
from gradus.data.columns.missing_codes import code_note
from gradus.data.columns.unseen import (
    TrainingRange,
    UnseenValues,
    beyond_range,
    newly_missing,
    unseen_levels,
    unseen_texts,
)
from gradus.data.encoder_choice import (
    check_readable,
    fit_encoder,
    holds_texts,
    leak_of,
    value_notes,
)
from gradus.data.frames import column_name
from gradus.data.preprocessing import AUTOMATIC, SAVED_AS, Preprocessing, check_preprocessing
from gradus.data.table_options import AUTOMATIC_TABLE, TableOptions
from gradus.data.tables import Table, as_table
from gradus.data.targets import Classes, SeveralTargets, Target, require_target
from gradus.drawing.notebook import html_table
from gradus.errors import DataError, TooLargeError, no_column
from gradus.foreign_names.arguments import explain_methods
from gradus.foreign_names.attributes import refuse_attribute
from gradus.host_memory import host_free_bytes, readable
from gradus.records import as_plain, as_record

if TYPE_CHECKING:
    import polars as pl

COPIES = 3  # of the numbers of texts that exist while they are joined with those of other columns


@explain_methods
@dataclass(frozen=True)
class TablePreprocessor:
    """Preprocessing learned from a table's training rows: encoders of its columns and the target.

    Attributes:
        columns: the encoders of the columns used, in the order of the table.
        target: the target's kind and scale, or None.
        notes: what was dropped, and other observations, in sentences.
        formats: how the columns used, and the target, are read.
        options: how a file of the same kind is read.
        ranges: the range of the training values of each column used.

    Examples:
        >>> table = {"age": [20, 30, None], "job": ["cook", "judge", "cook"], "pay": [3, 5, 4]}
        >>> preprocessor = gr.data.TablePreprocessor.fit(table, target="pay")
        >>> preprocessor.feature_names
        ('age', 'age=missing', 'job=cook', 'job=judge')
        >>> preprocessor.transform({"age": [25], "job": ["judge"]}).tolist()
        [[0.0, 0.0, 0.0, 1.0]]
    """

    columns: tuple[ColumnEncoder, ...]
    target: Target | None = None
    notes: tuple[str, ...] = ()
    formats: Mapping[str, ColumnFormat] = field(default_factory=dict)
    options: TableOptions = AUTOMATIC_TABLE
    ranges: Mapping[str, TrainingRange] = field(default_factory=dict)

    if not TYPE_CHECKING:  # for mypy an unknown attribute stays a fault
        __getattr__ = refuse_attribute

    @classmethod
    def fit(
        cls,
        frame: Any,
        target: str | Sequence[str] | None = None,
        task: str | None = None,
        *,
        classes: Sequence[str] | Classes = (),
        keep: Sequence[str] = (),
        drop: Sequence[str] = (),
        preprocessing: Preprocessing = AUTOMATIC,
        options: TableOptions = AUTOMATIC_TABLE,
        formats: Mapping[str, ColumnFormat] | None = None,
    ) -> TablePreprocessor:
        """Fit to the training rows.

        Columns are dropped, with a note, if they are constant, empty, identifiers, or leak the
        target (one-to-one with its classes, or correlated by more than 0.9999).

        Args:
            frame: a Polars or pandas frame, a dict of columns, or a path.
            target: the column to predict, or several, or None. Rows where one is missing are not
                used.
            task: as in `Target.fit`; inferred from the target by default.
            classes: all classes of the target, if the training rows may lack some; of several
                targets a dict.
            keep: columns to use even if they look useless or like a leak.
            drop: columns not to use.
            preprocessing: how numbers are scaled, missing values filled in, categories encoded.
            options: how the table is read.
            formats: of the columns, if they are known.

        Raises:
            DataError: if a named column does not exist, the target is dropped, a column has an
                unsupported type, or no column is left.
        """
        keep, drop = texts("keep", keep), texts("drop", drop)
        classes = classes if isinstance(classes, Mapping) else texts("classes", classes)
        check_preprocessing(preprocessing).check_for(
            "a table", ("scaling", "missing", "indicator", "one_hot_limit", "text_features")
        )
        table = as_table(frame, options, formats)
        targets = _target_names(target, table.frame.columns)
        for name in (*keep, *drop, *targets):
            if name not in table.frame.columns:
                raise no_column(name, table.frame.columns)
        for name in set(targets) & set(drop):
            raise DataError(f"Column {name!r} is the target, so it cannot be dropped.")
        table, fitted, notes = _fit_target(table, targets, task, classes)
        if table.frame.height == 0:
            raise DataError("The table has no rows.")
        columns: list[ColumnEncoder] = []
        known = dict(table.formats)
        inputs = [s for s in table.frame.get_columns() if s.name not in {*targets, *drop}]
        check_readable(inputs)
        for series in inputs:
            name = series.name
            told = options.format_of(name).kind is not None
            if not told and holds_texts(series, known[name]):
                known[name] = replace(known[name], kind="text")
            kept = told or name in keep
            leak = None if kept or fitted is None else leak_of(series, table, fitted)
            kept = kept or (len(inputs) == 1 and series.dtype.is_numeric())  # it is meant
            encoder = leak or fit_encoder(series, known[name], kept, preprocessing)
            if isinstance(encoder, str):
                notes.append(f"column {name!r} {encoder}")
            else:
                columns.append(encoder)
                notes += value_notes(series, encoder, known[name])
        if not columns:
            reasons = " ".join(f"\n- {note}" for note in notes)
            if not inputs:
                names = ", ".join(map(repr, table.frame.columns))
                reasons = f" the table has only {names}, which is the target or dropped."
            raise DataError(f"No column is left to learn from:{reasons}")
        used = [*(column.name for column in columns), *targets]
        known = {name: known[name] for name in used}
        ranges = {c.name: TrainingRange.fit(table.frame[c.name], c.kind) for c in columns}
        return cls(tuple(columns), fitted, tuple(notes), known, table.options, ranges)

    def transform(self, frame: Any) -> Any:
        """Return the inputs of the network; other columns, such as the target, are ignored.

        Returns:
            float32 (n, p); or, when categories are embedded, the dict `{"numbers": float32
            (n, p), "categories": int32 (n, k)}`, without "numbers" if p is 0.

        Raises:
            DataError: if a column is absent (with the nearest name) or of another type.
            TooLargeError: if the numbers that texts become do not fit into memory.
        """
        return self.encode(self._read(frame, (column.name for column in self.columns)).frame)

    def unseen_values(self, frame: Any) -> list[UnseenValues]:
        """Return the cells whose values did not occur in the training data, by column and kind.

        These are categories that it lacked, texts without any of its words, numbers and dates
        outside its range, and missing values where it had none.
        """
        table = self._read(frame, (column.name for column in self.columns)).frame
        found: list[UnseenValues | None] = []
        for column in self.columns:
            values, training = table[column.name], self.ranges[column.name]
            if isinstance(column, CategoryEncoder):
                found.append(unseen_levels(values, column.levels, column.known))
            elif isinstance(column, TextEncoder):
                found.append(unseen_texts(values, column.encode(values)))
            else:
                found.append(beyond_range(values, column.kind, training))
            found.append(newly_missing(values, training))
        return [unseen for unseen in found if unseen is not None]

    def _read(self, frame: Any, names: Iterable[str]) -> Table:
        """Return a table with the columns of these names, read as in training."""
        known = {name: self.formats[name] for name in names}
        table = as_table(frame, self.options, known)
        absent = [name for name in known if name not in table.frame.columns]
        if absent:
            targets = () if self.target is None else self.target.column_names
            kind = "target column" if absent[0] in targets else "column"
            raise DataError(f"{no_column(absent, table.source.columns, kind)}{self._unnamed()}")
        if table.frame.height == 0:
            raise DataError("The table has no rows.")
        return table

    def _unnamed(self) -> str:
        """Return what to do about names that are absent, if those of training were given by us."""
        if self.options.header is not False:
            return ""
        return (
            " The columns of training had no names, so they are column_1, column_2, …: name yours "
            "so, or pass the path of a file."
        )

    def encode(self, table: pl.DataFrame) -> Any:
        """Return the inputs of the network for typed columns, as `as_table` returns them.

        Otherwise as `transform`, which reads columns of any type.
        """
        self._check_memory(table.height)
        numbers: list[np.ndarray] = []
        codes: list[np.ndarray] = []
        for column in self.columns:
            (codes if _is_embedded(column) else numbers).append(column.encode(table[column.name]))
        return network_inputs(numbers, codes, table.height)

    def _check_memory(self, rows: int) -> None:
        """Refuse texts that become more numbers than fit into memory."""
        texts = [column for column in self.columns if isinstance(column, TextEncoder)]
        if not texts:
            return
        size, free = 4 * rows * len(self.feature_names), host_free_bytes()
        if COPIES * size > free:
            raise TooLargeError(
                f"{rows:,} rows become {size / 1e9:.1f} GB of numbers, most of them from the text "
                f"{texts[0].name!r}, and only {readable(free)} of memory are free: write a smaller "
                f"text_features, or leave texts out: drop={[text.name for text in texts]!r}."
            )

    def transform_target(self, values: Any) -> Any:
        """Return int32 labels (n,), or flags (n, k), or the standardized target, float32 (n, k).

        Targets that have a task each are a dict of these, by column.

        Args:
            values: a table with the target column, or the values themselves.

        Raises:
            DataError: if a value is missing or an unknown class, or there is no such column.
        """
        target = require_target(self.target)
        if not isinstance(values, str | Path | dict) and not hasattr(values, "columns"):
            return target.transform(values)
        return target.transform_frame(self._read(values, target.column_names).frame)

    def inverse_target(self, outputs: Any) -> Any:
        """Return predictions in the target's units, or as class names (`Target.inverse`)."""
        return require_target(self.target).inverse(outputs)

    def xy(self, frame: Any) -> tuple[Any, Any]:
        """Return the inputs and targets of the rows that have a target."""
        target = require_target(self.target)
        table = self._read(frame, self.formats)
        for name in target.column_names:
            table, _ = table.with_target(name)
        return self.encode(table.frame), target.transform_frame(table.frame)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the p columns of numbers, such as "age", "age=missing", "sex=male"."""
        plain = [column for column in self.columns if not _is_embedded(column)]
        return tuple(name for column in plain for name in column.feature_names)

    @property
    def category_names(self) -> tuple[str, ...]:
        """Names of the k embedded columns."""
        return tuple(column.name for column in self.columns if _is_embedded(column))

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes of each embedded column; code 0 is unseen."""
        return tuple(
            c.cardinality for c in self.columns if isinstance(c, CategoryEncoder) and c.embedded
        )

    def column_rows(self) -> list[tuple[str, str, str]]:
        """Return the name, the kind, and the encoding in words of each column used."""
        return [(column.name, column.kind, column.describe()) for column in self.columns]

    def describe(self) -> str:
        """Describe each column's encoding, the target and the notes, one line each."""
        width = max(len(column.name) for column in self.columns)
        lines = [f"{name:<{width}}  {kind:<8}  {how}" for name, kind, how in self.column_rows()]
        if self.target is not None:
            lines.append(f"target {self.target.describe()}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        """Return for a notebook what `describe` says, with the columns as a table."""
        target = "" if self.target is None else f"target {self.target.describe()}"
        table = html_table(["column", "kind", "encoding"], self.column_rows(), target)
        return table + "".join(f"<p>note: {escape(note)}</p>" for note in self.notes)

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that fits into JSON; `from_dict` restores an equal object."""
        return {"preprocessor": "table", **as_plain(self)}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> TablePreprocessor:
        """Restore the object that `to_dict` saved.

        Raises:
            SavedError: if `saved` is not such a dict.
        """
        return as_record(saved, cls, SAVED_AS)


def _target_names(target: Any, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns to predict; a tuple may be the name of one."""
    if target is None:
        return ()
    is_one = not isinstance(target, list | tuple) or column_name(target) in columns
    return tuple(map(column_name, [target] if is_one else target))


def _fit_target(
    table: Table, targets: tuple[str, ...], task: str | None, classes: Sequence[str] | Classes
) -> tuple[Table, Target | None, list[str]]:
    """Return the rows that have the targets, what was learned of these, and the notes."""
    if not targets:
        return table, None, list(table.notes)
    if len(targets) > 1:
        several = SeveralTargets.of(table, targets, task, classes)
        fitted = several.fit()
        notes = [*several.table.notes, *several.notes, *fitted.class_name_notes()]
        return several.table, fitted, notes
    if isinstance(classes, Mapping):
        raise DataError(f"classes={dict(classes)!r} is of several targets: write a list.")
    name = targets[0]
    table, more = table.with_labels(name, task, classes).with_target(name)
    fitted = Target.fit_column(table.frame[name], task, classes, table.formats[name].levels)
    notes = [*table.notes, *more, *fitted.class_name_notes()]
    code = None
    if fitted.task == "regression":
        code = code_note(name, to_numbers(table.frame[name]))
    return table, fitted, notes if code is None else [*notes, code]


def _is_embedded(column: ColumnEncoder) -> bool:
    return isinstance(column, CategoryEncoder) and column.embedded
