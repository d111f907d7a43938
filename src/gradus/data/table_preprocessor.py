"""Preprocessing of tables: fitted to the training rows, saved as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.column_encoders import (
    BooleanEncoder,
    CategoryEncoder,
    ColumnEncoder,
    DateEncoder,
    NumberEncoder,
    encoder_from_dict,
    encoder_to_dict,
)
from gradus.data.column_values import to_numbers
from gradus.data.preprocessing import AUTOMATIC, Preprocessing
from gradus.data.tables import as_frame, no_column
from gradus.data.targets import Target, optional_target, require_target
from gradus.errors import DataError, SavedError

if TYPE_CHECKING:
    import polars as pl

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

        Raises:
            DataError: if a named column does not exist, a column is free text or has an
                unsupported type, or no column is left.
        """
        preprocessing.check_for("a table", ("scaling", "missing", "indicator", "one_hot_limit"))
        table = as_frame(frame)
        for name in (*keep, *drop, *([target] if target is not None else [])):
            if name not in table.columns:
                raise no_column(name, table.columns)
        notes: list[str] = []
        fitted = None
        if target is not None:
            table, notes = drop_unlabeled(table, target)
            fitted = Target.fit(table[target], task, classes, target)
        if table.height == 0:
            raise DataError("The table has no rows.")
        columns = []
        for series in table.get_columns():
            if series.name == target or series.name in drop:
                continue
            try:
                if series.name not in keep and fitted is not None:
                    _check_no_leak(series, table[fitted.name], fitted)
                columns.append(_fit_column(series, series.name in keep, preprocessing))
            except _DroppedColumn as reason:
                notes.append(f"column {series.name!r} {reason}")
        if not columns:
            reasons = " ".join(f"\n- {note}" for note in notes)
            raise DataError(f"No column is left to learn from:{reasons}")
        return cls(tuple(columns), fitted, tuple(notes))

    def transform(self, frame: Any) -> Any:
        """Return the inputs of the network; other columns, such as the target, are ignored.

        Returns:
            float32 (n, p); or, when categories are embedded, the dict `{"numbers": float32
            (n, p), "categories": int32 (n, k)}`, where p may be 0.

        Raises:
            DataError: if a column is absent (with the nearest name) or of another type.
        """
        table = as_frame(frame)
        for column in self.columns:
            if column.name not in table.columns:
                raise no_column(column.name, table.columns)
        if table.height == 0:
            raise DataError("The table has no rows.")
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
        table = as_frame(values)
        if target.name not in table.columns:
            raise no_column(target.name, table.columns, "target column")
        return target.transform(table[target.name])

    def inverse_target(self, outputs: Any) -> np.ndarray:
        """Return predictions in the target's units, or as class names (`Target.inverse`)."""
        return require_target(self.target).inverse(outputs)

    def xy(self, frame: Any) -> tuple[Any, np.ndarray]:
        """Return the inputs and targets of the rows that have a target."""
        table = as_frame(frame)
        target = require_target(self.target)
        if target.name not in table.columns:
            raise no_column(target.name, table.columns, "target column")
        table, _ = drop_unlabeled(table, target.name)
        return self.transform(table), target.transform(table[target.name])

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

    def describe(self) -> str:
        """Describe each column's encoding, the target and the notes, one line each."""
        width = max(len(column.name) for column in self.columns)
        lines = [f"{c.name:<{width}}  {c.kind:<8}  {c.describe()}" for c in self.columns]
        if self.target is not None:
            lines.append(f"target {self.target.describe()}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that fits into JSON; `from_dict` restores an equal object."""
        return {
            "preprocessor": "table",
            "columns": [encoder_to_dict(column) for column in self.columns],
            "target": None if self.target is None else self.target.to_dict(),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> TablePreprocessor:
        """Restore the object that `to_dict` saved.

        Raises:
            SavedError: if `saved` is not such a dict.
        """
        try:
            columns = tuple(encoder_from_dict(column) for column in saved["columns"])
            return cls(columns, optional_target(saved), tuple(saved["notes"]))
        except (KeyError, TypeError) as error:
            raise SavedError(f"The saved preprocessing cannot be read: {error!r}.") from None


def _is_embedded(column: ColumnEncoder) -> bool:
    return isinstance(column, CategoryEncoder) and column.embedded


def drop_unlabeled(table: pl.DataFrame, target: str) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows that have a target, and a note if others were dropped."""
    missing = table[target].null_count()
    if missing == 0:
        return table, []
    if missing == table.height:
        raise DataError(f"The target column {target!r} is empty.")
    note = f"{missing} rows have no target {target!r} and are not used"
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
        if len(x) < FEW_ROWS or np.ptp(x) <= 1e-100 or np.ptp(y) <= 1e-100:
            return
        x, y = (x - x.mean()) / np.ptp(x), (y - y.mean()) / np.ptp(y)
        leaks = abs(x @ y) > 0.9999 * np.sqrt((x @ x) * (y @ y))
    if leaks:
        raise _DroppedColumn(
            f"determines the target {fitted.name!r}: a leak? It is dropped, because predictions "
            "from it would prove nothing; if it is known before the target, write "
            f"keep={[series.name]!r}"
        )


def _fit_column(series: pl.Series, keep: bool, preprocessing: Preprocessing) -> ColumnEncoder:
    """Infer the kind of a column and fit its encoder.

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
    if distinct == 0:
        raise _DroppedColumn("is empty and was dropped")
    if series.n_unique() == 1:
        raise _DroppedColumn(f"is always {present[0]!r} and was dropped")
    if not keep:
        _check_no_identifier(series, present, distinct)
    if series.dtype == pl.Boolean:
        return BooleanEncoder.fit(series, preprocessing)
    if series.dtype.is_temporal() and distinct > 1:
        return DateEncoder.fit(series, preprocessing)
    if not series.dtype.is_numeric():
        return CategoryEncoder.fit(series, preprocessing.one_hot_limit)
    values = to_numbers(series)
    if distinct == 2 and set(np.unique(values[~np.isnan(values)])) == {0.0, 1.0}:
        return BooleanEncoder.fit(series, preprocessing)
    return NumberEncoder.fit(series.name, values, preprocessing)


def _check_no_identifier(series: pl.Series, present: pl.Series, distinct: int) -> None:
    """Drop a column that identifies the rows; reject free text and dates in a local order."""
    import polars as pl

    rows = len(present)
    if rows < FEW_ROWS:
        return
    if series.dtype.is_integer():
        named = series.name.lower() in ("id", "index") or series.name.lower().endswith("_id")
        counts_up = int(present.max()) - int(present.min()) + 1 == rows  # type: ignore[arg-type]
        if distinct == rows and (counts_up or named or series.name.startswith("unnamed_")):
            raise _DroppedColumn("numbers the rows and was dropped")
    if series.dtype != pl.String or distinct <= rows / 2:
        return
    if present.str.contains(r"^\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b").mean() > 0.9:  # type: ignore[operator]
        raise DataError(
            f"Column {series.name!r} looks like dates of ambiguous order ({present[0]!r}): write "
            f"them as 2024-03-31, or drop the column: drop={[series.name]!r}."
        )
    if present.str.count_matches(r"\s+").mean() >= 4:  # type: ignore[operator]
        raise DataError(
            f"Column {series.name!r} is free text ({present[0][:40]!r}…), which a network for "
            f"tables cannot read: drop it with drop={[series.name]!r}, or convert it to numbers or "
            "categories first."
        )
    if distinct > 0.9 * rows:
        raise _DroppedColumn("differs in nearly every row, like an identifier, and was dropped")
