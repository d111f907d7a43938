"""The class `Dataset`: inputs, targets, and facts about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.array_preprocessor import ArrayPreprocessor, Preprocessor, Scaling
from gradus.data.array_trees import check_finite, check_same_length
from gradus.data.arrays import as_array
from gradus.data.columns.formats import ColumnFormat
from gradus.data.columns.labels import regression_notes
from gradus.data.preprocessing import AUTOMATIC, Preprocessing
from gradus.data.table_options import AUTOMATIC_TABLE, TableOptions
from gradus.data.table_preprocessor import TablePreprocessor
from gradus.data.targets import Target
from gradus.drawing.notebook import preformatted
from gradus.errors import DataError
from gradus.foreign_names.arguments import explain_methods
from gradus.foreign_names.attributes import refuse_attribute


@explain_methods
@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Inputs, targets, and facts about them.

    Attributes:
        x: the inputs: an array whose first axis is rows (images uint8 or floats, (n, h, w, c)),
            or, for a table, a Polars frame of typed columns, not encoded, with the target.
        y: int32 labels 0…K-1, shape (n,); int32 flags of several labels, (n, k); or float64 in
            the target's units, (n,) or (n, k); None without a target. Of several columns with a
            task each, it is a dict of labels and numbers. Beside a table whose `target` is None, y
            is no column of it.
        task: "binary", "multiclass", "multilabel", "regression", or "multitask" (each of several
            columns has one of the others); None without a target.
        class_names: in the order of the labels; empty for a regression; of a "multitask", a dict of
            those of each column.
        feature_names: of the columns of x without the target; empty for images.
        name: of the data set, for titles.
        notes: observations from reading it, in sentences.
        test: the test part, if the data set has one.
        validation: its own validation part, beside the test part.
        target: for a table, the target column of x, or several.
        scaling: known constants for x (images: 0 and 255), or None.
        formats: for a table, how its columns were read.
        options: for a table, what was said about reading it.
        weight: of each row in the loss, (n,); None for 1 each.
        files: the names of the rows' files, if they are images from a folder.
        unreadable: the names of the files of a folder that could not be read as images.
        resized: whether images were brought to one size, as later ones must be.

    Examples:
        >>> data = gr.data.load("iris")
        >>> print(data.describe())
        iris: 150 rows, shape (4,)
        target: multiclass, setosa (50), versicolor (50), virginica (50)
        >>> x, y = data.xy(data.preprocessor())
        >>> x.shape, y.shape
        ((150, 4), (150,))
    """

    x: Any
    y: Any = None
    task: str | None = None
    class_names: Any = ()
    feature_names: tuple[str, ...] = ()
    name: str = ""
    notes: tuple[str, ...] = ()
    test: Dataset | None = None
    target: str | tuple[str, ...] | None = None
    scaling: Scaling | None = None
    formats: Mapping[str, ColumnFormat] = field(default_factory=dict)
    options: TableOptions = AUTOMATIC_TABLE
    weight: np.ndarray | None = None
    files: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    resized: bool = False
    validation: Dataset | None = None

    if not TYPE_CHECKING:  # for mypy an unknown attribute stays a fault
        __getattr__ = refuse_attribute

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"Dataset({self.describe()})"

    def _repr_html_(self) -> str:
        """Return for a notebook what the data are, and the first rows of a table."""
        table = self.x.head()._repr_html_() if self.is_table else ""
        return preformatted(self.describe()) + table

    @property
    def is_table(self) -> bool:
        """Whether x is a frame, which `preprocessor` converts to arrays."""
        return hasattr(self.x, "columns")

    @property
    def target_columns(self) -> tuple[str, ...]:
        """The columns of a table that are predicted."""
        if self.target is None:
            return ()
        return (self.target,) if isinstance(self.target, str) else self.target

    def take(self, rows: np.ndarray) -> Dataset:
        """Return the data set of the rows with these numbers, without the other parts.

        Args:
            rows: numbers of rows, or a boolean for each row.

        Raises:
            DataError: if it is neither.
        """
        rows = np.asarray(rows)
        if rows.dtype == bool and rows.shape == (len(self),):
            rows = np.flatnonzero(rows)
        inside = rows.size == 0 or (
            rows.dtype.kind in "iu" and np.abs(rows + 0.5).max() < len(self)
        )
        if rows.ndim != 1 or not inside:
            raise DataError(
                f"take: write the numbers of rows, below {len(self)}, or a boolean for each row."
            )
        rows = rows.astype(np.int64) % len(self)
        weight = None if self.weight is None else self.weight[rows]
        if isinstance(self.y, dict):
            y: Any = {name: values[rows] for name, values in self.y.items()}
        else:
            y = None if self.y is None else self.y[rows]
        files = tuple(self.files[row] for row in rows) if self.files else ()
        some = replace(self, x=self.x[rows], y=y, weight=weight, files=files)
        return replace(some, test=None, validation=None)

    def flat(self) -> Dataset:
        """Return the data set with each input flattened: x has shape (n, d)."""
        if self.is_table:
            return self
        test = None if self.test is None else self.test.flat()
        validation = None if self.validation is None else self.validation.flat()
        names = self.feature_names if self.x.ndim == 2 else ()
        x = self.x.reshape(len(self.x), -1)
        return replace(self, x=x, test=test, validation=validation, feature_names=names)

    def preprocessor(
        self,
        preprocessing: Preprocessing = AUTOMATIC,
        *,
        keep: Sequence[str] = (),
        drop: Sequence[str] = (),
    ) -> Preprocessor:
        """Fit a preprocessor to these rows: call it on the training rows only.

        Args:
            preprocessing: how values are scaled, filled in and encoded.
            keep: for a table, columns to use even if they look useless or like a leak.
            drop: for a table, columns not to use.

        Raises:
            DataError: as `TablePreprocessor.fit` and `ArrayPreprocessor.fit`.
        """
        if self.is_table:
            fitted = TablePreprocessor.fit(
                self.x,
                self.target,
                self.task,
                classes=self.class_names,
                keep=keep,
                drop=drop,
                preprocessing=preprocessing,
                options=self.options,
                formats=self.formats or None,
            )
            return fitted if self._has_target_column else replace(fitted, target=self._target())
        if keep or drop:
            raise DataError("keep and drop name columns of a table, but this data set is arrays.")
        arrays = ArrayPreprocessor.fit(self.x, scaling=self.scaling, preprocessing=preprocessing)
        return replace(arrays, target=self._target())

    @property
    def _has_target_column(self) -> bool:
        """Whether x is a table that has the target among its columns."""
        return self.is_table and self.target is not None

    def _target(self) -> Target | None:
        """Return the target y, which is no column of x."""
        if self.y is not None and self.task == "regression":
            return Target.fit(self.y, "regression", name="y")
        return None if self.task is None else Target("y", self.task, self.class_names)

    def xy(self, preprocessor: Preprocessor) -> tuple[Any, Any]:
        """Return the inputs and encoded targets to train or evaluate a network on.

        Targets are int32 labels (n,), standardized float32 (n, k), a dict of these by column, or
        None without a target.
        """
        x = preprocessor.transform(self.x)
        if self.y is None or preprocessor.target is None:
            return x, None
        if self._has_target_column:
            return x, preprocessor.transform_target(self.x)
        if self.task in ("regression", "multilabel"):
            return x, preprocessor.target.transform(self.y)
        if preprocessor.target.class_names == self.class_names:
            return x, self.y.astype(np.int32)
        return x, preprocessor.target.transform(np.asarray(self.class_names)[self.y])

    def describe(self) -> str:
        """Describe the data set in a few lines."""
        shape = f"{self.x.width} columns" if self.is_table else f"shape {self.x.shape[1:]}"
        lines = [f"{self.name or 'data'}: {len(self):,} rows, {shape}"]
        if self.task == "regression":
            of = ", ".join(self.target_columns)
            lines.append(f"target: regression{f' of {of}' if of else ''}")
        elif self.task == "multitask":
            for name, classes in self.class_names.items():
                kind = f"classes, {_counted(self.y[name], classes)}" if classes else "regression"
                lines.append(f"target {name}: {kind}")
        elif self.task is not None and self.y is not None:
            is_flags = self.task == "multilabel"
            named = "" if is_flags else "".join(self.target_columns)
            shown = _counted(self.y, self.class_names)
            lines.append(f"target{' ' * bool(named)}{named}: {self.task}, {shown}")
        if self.validation is not None:
            lines.append(f"validation: {len(self.validation):,} rows")
        if self.test is not None:
            lines.append(f"test: {len(self.test):,} rows")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def _counted(y: np.ndarray, names: Sequence[str]) -> str:
    """Return the first classes or labels, and how many rows have each."""
    counts = y.sum(axis=0) if y.ndim == 2 else np.bincount(y, minlength=len(names))
    return ", ".join([f"{n} ({c})" for n, c in zip(names, counts, strict=True)][:12])


def labeled_dataset(
    x: Any,
    values: Any,
    task: str | None = None,
    classes: Sequence[str] = (),
    **fields: Any,
) -> Dataset:
    """Return the data set of x and raw target values; infer the task and classes.

    Args:
        x: the inputs, an array.
        values: the targets, (n,) or (n, k).
        task: as in `Target.fit`.
        classes: all class names, if `values` may lack some.
        **fields: other fields of `Dataset`.

    Raises:
        DataError: if the numbers of rows differ, or `Target.fit` rejects the targets.
    """
    values = np.asarray(values)
    check_same_length(x, values)
    if task == "regression":  # even if all are the same, as those of one row to evaluate
        y = as_array(values, "y", wide=True).astype(np.float64)
        check_finite(y, "y")
        return Dataset(x, y, task, **fields)
    target = Target.fit(values, task, classes, "y")
    if target.task == "regression":
        y = as_array(values, "y", wide=True).astype(np.float64)
        more = regression_notes(y, "y")
    else:
        y, more = target.transform(values), target.class_name_notes(are_cells="files" not in fields)
    fields["notes"] = (*fields.get("notes", ()), *more)
    return Dataset(x, y, target.task, target.class_names, **fields)
