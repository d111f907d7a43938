"""Preprocessing of tables: fitted to the training rows, saved as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.column_encoders import (
    BooleanEncoder,
    CategoryEncoder,
    ColumnEncoder,
    DateEncoder,
    NumberEncoder,
)
from gradus.data.columns.conversions import is_constant, match_names, to_names, to_numbers
from gradus.data.columns.formats import ColumnFormat, texts
from gradus.data.preprocessing import AUTOMATIC, SAVED_AS, Preprocessing, check_preprocessing
from gradus.data.table_options import AUTOMATIC_TABLE, TableOptions
from gradus.data.tables import Table, as_table
from gradus.data.targets import Target, label_column, missing_labels, require_target
from gradus.errors import DataError, no_column
from gradus.records import as_plain, as_record

if TYPE_CHECKING:
    import polars as pl

TEXT_WORDS = 5  # words of a cell on average, from which a column is text
FEW_ROWS = 20  # fewer rows are too few to tell an identifier or a leak


class _DroppedColumn(Exception):  # noqa: N818 - it says why a column is dropped; it is no error
    """A column is dropped; the message says why."""


@dataclass(frozen=True)
class TablePreprocessor:
    """Preprocessing learned from a table's training rows: encoders of its columns and the target.

    Attributes:
        columns: the encoders of the columns used, in the order of the table.
        target: the target's kind and scale, or None.
        notes: what was dropped, and other observations, in sentences.
        formats: how the columns used, and the target, are read.
        options: how a file of the same kind is read.

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

    @classmethod
    def fit(
        cls,
        frame: Any,
        target: str | None = None,
        task: str | None = None,
        *,
        classes: Sequence[str] = (),
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
            target: the column to predict, or None. Rows where it is missing are not used.
            task: "binary", "multiclass", "classification" or "regression"; inferred from the
                target by default.
            classes: all classes of the target, if the training rows may lack some.
            keep: columns to use even if they look useless or like a leak.
            drop: columns not to use.
            preprocessing: how numbers are scaled, missing values filled in, categories encoded.
            options: how the table is read.
            formats: of the columns, if they are known.

        Raises:
            DataError: if a named column does not exist, a column has an unsupported type, or no
                column is left.
        """
        keep, drop = texts("keep", keep), texts("drop", drop)
        check_preprocessing(preprocessing).check_for(
            "a table", ("scaling", "missing", "indicator", "one_hot_limit")
        )
        table = as_table(frame, options, formats)
        for name in (*keep, *drop, *([target] if target is not None else [])):
            if name not in table.frame.columns:
                raise no_column(name, table.frame.columns)
        fitted, notes = None, list(table.notes)
        if target is not None:
            table = with_labels(table, target, task, classes)
            frame, more = drop_unlabeled(table.frame, target)
            notes += more
            levels = table.formats[target].levels
            fitted = Target.fit_column(frame[target], task, classes, levels)
            notes += fitted.missing_word_notes()
        else:
            frame = table.frame
        if frame.height == 0:
            raise DataError("The table has no rows.")
        columns = []
        for series in frame.get_columns():
            name = series.name
            if name == target or name in drop:
                continue
            kept = name in keep or options.format_of(name).kind is not None
            try:
                if not kept and fitted is not None:
                    _check_no_leak(series, frame[fitted.name], fitted)
                columns.append(_fit_column(series, table.formats[name], kept, preprocessing))
            except _DroppedColumn as reason:
                notes.append(f"column {name!r} {reason}")
        if not columns:
            reasons = " ".join(f"\n- {note}" for note in notes)
            raise DataError(f"No column is left to learn from:{reasons}")
        used = [column.name for column in columns] + ([] if target is None else [target])
        known = {name: table.formats[name] for name in used}
        return cls(tuple(columns), fitted, tuple(notes), known, table.options)

    def transform(self, frame: Any) -> Any:
        """Return the inputs of the network; other columns, such as the target, are ignored.

        Returns:
            float32 (n, p); or, when categories are embedded, the dict `{"numbers": float32
            (n, p), "categories": int32 (n, k)}`, where p may be 0.

        Raises:
            DataError: if a column is absent (with the nearest name) or of another type.
        """
        return self._encode(self._read(frame, (column.name for column in self.columns)).frame)

    def unseen_levels(self, frame: Any) -> list[str]:
        """Return a note on each column with categories that the training data lacked."""
        table = self._read(frame, (column.name for column in self.columns)).frame
        notes = []
        for column in self.columns:
            if isinstance(column, CategoryEncoder):
                values = table[column.name]
                unseen = values.is_not_null().to_numpy() & (match_names(values, column.levels) < 0)
                if count := int(unseen.sum()):
                    row = int(unseen.argmax())
                    notes.append(
                        f"column {column.name!r}: {to_names(values)[row]!r} in row {row} (counted "
                        "from 0) is no category of the training data and counts as unknown"
                        + f"; {count - 1} more cells are none"
                        * (count > 1)
                    )
        return notes

    def _read(self, frame: Any, names: Iterable[str]) -> Table:
        """Return a table with the columns of these names, read as in training."""
        known = {name: self.formats[name] for name in names}
        table = as_table(frame, self.options, known)
        for name in known:
            if name not in table.frame.columns:
                target = self.target is not None and name == self.target.name
                raise no_column(name, table.source.columns, "target column" if target else "column")
        if table.frame.height == 0:
            raise DataError("The table has no rows.")
        return table

    def _encode(self, table: pl.DataFrame) -> Any:
        numbers: list[np.ndarray] = []
        codes: list[np.ndarray] = []
        for column in self.columns:
            (codes if _is_embedded(column) else numbers).append(column.encode(table[column.name]))
        matrix = np.concatenate(numbers, axis=1) if numbers else np.empty((table.height, 0), "f4")
        return {"numbers": matrix, "categories": np.stack(codes, axis=1)} if codes else matrix

    def transform_target(self, values: Any) -> np.ndarray:
        """Return int32 labels (n,), or the standardized target, float32 (n, 1).

        Args:
            values: a table with the target column, or the values themselves.

        Raises:
            DataError: if a value is missing or an unknown class, or there is no such column.
        """
        target = require_target(self.target)
        if not isinstance(values, str | Path | dict) and not hasattr(values, "columns"):
            return target.transform(values)
        return target.transform_column(self._read(values, [target.name]).frame[target.name])

    def inverse_target(self, outputs: Any) -> np.ndarray:
        """Return predictions in the target's units, or as class names (`Target.inverse`)."""
        return require_target(self.target).inverse(outputs)

    def xy(self, frame: Any) -> tuple[Any, np.ndarray]:
        """Return the inputs and targets of the rows that have a target."""
        target = require_target(self.target)
        table = self._read(frame, self.formats).frame
        table, _ = drop_unlabeled(table, target.name)
        return self._encode(table), target.transform_column(table[target.name])

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


def _is_embedded(column: ColumnEncoder) -> bool:
    return isinstance(column, CategoryEncoder) and column.embedded


def with_labels(
    table: Table, target: str, task: str | None = None, classes: Sequence[str] = ()
) -> Table:
    """Return a table whose target column is numbers, or classes as they are spelled."""
    import polars as pl

    column, given = label_column(table, target, task, classes), table.formats[target]
    if column.dtype != pl.String or table.source[target].dtype != pl.String:
        return table
    words = missing_labels(table, target)
    labels = ColumnFormat("category", levels=given.levels, missing=words)
    formats = {**table.formats, target: labels}
    return replace(table, frame=table.frame.with_columns(column), formats=formats)


def drop_unlabeled(table: pl.DataFrame, target: str) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows that have a target, and a note if others were dropped."""
    missing = table[target].null_count()
    if missing == 0:
        return table, []
    if missing == table.height:
        raise DataError(f"The target column {target!r} is empty.")
    rows = "1 row has" if missing == 1 else f"{missing} rows have"
    note = f"{rows} no target {target!r} and {'is' if missing == 1 else 'are'} not used"
    return table.filter(table[target].is_not_null()), [note]


def _check_no_leak(series: pl.Series, target: pl.Series, fitted: Target) -> None:
    """Drop a column that determines the target: predictions from it would prove nothing."""
    import polars as pl

    if len(series) < FEW_ROWS or series.dtype.is_nested():
        return
    if fitted.task != "regression":
        distinct = series.n_unique()
        if distinct != len(fitted.class_names) or distinct != target.n_unique():
            return
        leaks = pl.DataFrame({"column": series, "target": target}).n_unique() == distinct
    else:
        if not series.dtype.is_numeric():
            return
        x, y = to_numbers(series), to_numbers(target)
        present = ~np.isnan(x)
        x, y = x[present], y[present]
        if len(x) < FEW_ROWS or is_constant(x) or is_constant(y):
            return
        x, y = (x - x.mean()) / np.ptp(x), (y - y.mean()) / np.ptp(y)
        leaks = abs(x @ y) > 0.9999 * np.sqrt((x @ x) * (y @ y))
    if leaks:
        raise _DroppedColumn(
            f"determines the target {fitted.name!r}: a leak? It is dropped, because predictions "
            "from it would prove nothing; if it is known before the target, write "
            f"keep={[series.name]!r}"
        )


def _fit_column(
    series: pl.Series,
    given: ColumnFormat,
    keep: bool,
    preprocessing: Preprocessing,
) -> ColumnEncoder:
    """Fit the encoder of a column.

    Args:
        series: the training values.
        given: its format.
        keep: whether it is used even if it looks like an identifier or text.
        preprocessing: how it is encoded.

    Raises:
        _DroppedColumn: if the column is useless.
        DataError: if it cannot be used and the user must decide.
    """
    import polars as pl

    present = series.drop_nulls()
    if series.dtype.is_nested() or series.dtype == pl.Binary:
        raise DataError(
            f"Column {series.name!r} has type {series.dtype}, which a network cannot read: convert "
            f"it to numbers or categories, or drop it: drop={[series.name]!r}."
        )
    distinct = present.n_unique()
    if given.kind in ("text", "identifier"):
        raise _DroppedColumn(f"is {_ARTICLES[given.kind]}, and was dropped")
    if distinct == 0:
        raise _DroppedColumn("is empty and was dropped")
    if distinct > 1 and series.dtype.is_integer() and _is_always_one(series):
        raise _DroppedColumn(
            f"has whole numbers near {present[0]}, so large that float64 cannot tell them apart, "
            "and was dropped: subtract a constant"
        )
    if series.n_unique() == 1 or (series.dtype.is_numeric() and _is_always_one(series)):
        raise _DroppedColumn(f"is always {present[0]!r} and was dropped")
    if not keep:
        _check_no_identifier(series, present, distinct)
    if given.kind == "category" or (given.kind == "date" and distinct == 1):
        return CategoryEncoder.fit(series, preprocessing.one_hot_limit, given.levels)
    if given.kind == "boolean":
        return BooleanEncoder.fit(series, preprocessing)
    if given.kind == "date":
        return DateEncoder.fit(series, preprocessing)
    values = to_numbers(series)
    if distinct == 2 and set(np.unique(values[~np.isnan(values)])) == {0.0, 1.0}:
        return BooleanEncoder.fit(series, preprocessing)
    return NumberEncoder.fit(series.name, values, preprocessing)


_ARTICLES = {"text": "text", "identifier": "an identifier"}


def _is_always_one(series: pl.Series) -> bool:
    """Return whether a column without missing values is one number, up to rounding."""
    return series.null_count() == 0 and bool(is_constant(to_numbers(series)))


def _check_no_identifier(series: pl.Series, present: pl.Series, distinct: int) -> None:
    """Drop a column that identifies the rows, or is free text."""
    import polars as pl

    rows = len(present)
    if rows < FEW_ROWS:
        return
    if series.dtype.is_integer():
        named = series.name.lower() in ("id", "index") or series.name.lower().endswith("_id")
        counts_up = int(present.max()) - int(present.min()) + 1 == rows  # type: ignore[arg-type]
        if distinct == rows and (counts_up or named or series.name.startswith("unnamed_")):
            raise _DroppedColumn("numbers the rows and was dropped")
    if series.dtype != pl.String:
        return
    words = float(1 + present.str.count_matches(r"\s+").mean())  # type: ignore[operator]
    once = int((present.value_counts(name="count")["count"] == 1).sum())
    if distinct > 0.9 * rows and words < TEXT_WORDS:
        raise _DroppedColumn("differs in nearly every row, like an identifier, and was dropped")
    sentences = words >= TEXT_WORDS and distinct > max(FEW_ROWS, rows / 5)
    if sentences or (words >= 2 and once > 0.4 * rows):
        raise _DroppedColumn(
            f"is free text ({present[0][:40]!r}…), which a network for tables cannot read, and was "
            "dropped"
        )
