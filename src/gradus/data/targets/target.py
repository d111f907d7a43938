"""A target: its task, its encoding for a network, and predictions in its units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.arrays import as_array
from gradus.data.columns.cells import MISSING_IN_TYPED
from gradus.data.columns.conversions import is_constant, to_numbers
from gradus.data.columns.decoding import decode_labels, unfit
from gradus.data.columns.formats import texts
from gradus.data.columns.labels import (
    class_names,
    infer_task,
    is_few_words,
    regression_targets,
)
from gradus.data.columns.spellings import spelling_notes
from gradus.data.columns.tasks import check_one_column, check_task
from gradus.data.splitting.strata import class_labels
from gradus.data.targets.encoding import (
    encode_flags,
    encode_labels,
    encode_numbers,
    encode_one_hot,
)
from gradus.data.targets.values import as_column, as_outputs, as_rows, column_names_of, is_wide
from gradus.errors import DataError, four_digits
from gradus.foreign_names.arguments import explain_methods

if TYPE_CHECKING:
    import polars as pl

MOST_LETTERS = 80  # of the names of classes in a description


@explain_methods
@dataclass(frozen=True)
class Target:
    """The task of a target, and the encoding of its values for a network.

    Attributes:
        name: the column, or what errors call the target.
        task: "binary", "multiclass", "multilabel" (any of several labels, each 0 or 1),
            "regression", or "multitask" (several columns, each with a task of its own).
        class_names: the classes or labels, in their order; empty for a regression.
        mean: of each regression output, in the target's units.
        std: likewise.
        columns: the columns of a table, if they are several; `name` has all of them.
        parts: of a "multitask", the target of each column. What is an array of one target is a dict
            of arrays, by column, of several.

    Examples:
        >>> target = gr.data.Target.fit(["no", "yes", "no"])
        >>> target.task, target.transform(["yes", "no"]).tolist()
        ('binary', [1, 0])
        >>> target.inverse(np.array([[0.8, 0.2], [0.3, 0.7]])).tolist()
        ['no', 'yes']
    """

    name: str
    task: str
    class_names: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    columns: tuple[str, ...] = ()
    parts: tuple[Target, ...] = ()

    @classmethod
    def fit(
        cls,
        values: Any,
        task: str | None = None,
        classes: Sequence[str] = (),
        name: str = "target",
    ) -> Target:
        """Infer the task, and learn the classes, or the mean and deviation of the numbers.

        Text, booleans, and integers with at most 20 distinct values are classes. Other numbers
        are a regression; so are integers of which most values are distinct.

        Args:
            values: shape (n,), or (n, k): one-hot rows, flags 0 and 1 of k labels of which a row
                may have any, or other numbers for a regression with k outputs.
            task: one of `TASKS`; inferred by default.
            classes: all class names, if `values` may lack some.
            name: what errors call the target.

        Raises:
            DataError: if the values cannot be a target: constant, free text, dates, missing.
        """
        classes = texts("classes", classes)
        check_task(task)
        values = as_rows(values, name)
        if is_wide(values) and task != "multitask":
            return cls._fit_outputs(values, task, classes, name)
        check_one_column(task, name)
        as_classes = bool(classes) or (task != "regression" and is_few_words(values))
        table = as_column(values, name, as_classes)
        column, levels = table.label_column(name, task, classes), table.formats[name].levels
        return cls.fit_column(column, task, classes, levels)

    @classmethod
    def fit_column(
        cls,
        column: pl.Series,
        task: str | None = None,
        classes: Sequence[str] = (),
        levels: Sequence[str] | None = None,
    ) -> Target:
        """Fit to a column, as `Table.label_column` returns it; otherwise as `fit`.

        `levels` are the order of the classes that occur; by default they are sorted.
        """
        check_task(task)
        check_one_column(task, column.name)
        if classes:
            kind = "binary" if len(classes) == 2 and task != "multiclass" else "multiclass"
            target = cls(column.name, kind, tuple(classes))
            target.transform_column(column)
            return target
        if (task or infer_task(column)) == "regression":
            return cls._fit_regression(column)
        return cls._fit_classes(column, task, levels or ())

    @classmethod
    def _fit_regression(cls, column: pl.Series) -> Target:
        return cls.from_outputs(regression_targets(column)[:, None], column.name)

    @classmethod
    def _fit_outputs(
        cls, values: Any, task: str | None, classes: Sequence[str], name: str
    ) -> Target:
        outputs = as_array(values, name, wide=True)
        if not outputs.size:
            raise DataError(f"The target {name!r} has no rows.")
        if task == "multilabel" and classes:
            return cls(name, task, tuple(classes))
        if len(outputs) == 1 and outputs.ndim == 2:
            raise DataError(
                f"The target {name!r} has shape {outputs.shape}, one row of "
                f"{outputs.shape[1]} outputs; for one target of each row, write {name}.reshape(-1)."
            )
        names = column_names_of(values) or tuple(map(str, range(outputs.shape[-1])))
        if task not in ("regression", "multilabel") and class_labels(outputs) is not None:
            is_binary = len(names) == 2 and task != "multiclass"
            return cls(name, "binary" if is_binary else "multiclass", names)
        is_flags = outputs.ndim == 2 and bool(np.isin(outputs, (0, 1)).all())
        if task == "multilabel" or (task is None and is_flags):
            return cls._fit_flags(outputs, names, name)
        if task not in (None, "regression"):
            raise DataError(
                f"{name} has shape {outputs.shape}, but classes are labels of shape (n,), or "
                "one-hot rows."
            )
        return cls.from_outputs(np.asarray(outputs, np.float64), name)

    @classmethod
    def _fit_flags(cls, flags: np.ndarray, names: tuple[str, ...], name: str) -> Target:
        constant = is_constant(encode_flags(flags, names, name), axis=0)
        if constant.any():
            column = int(constant.argmax())
            raise DataError(
                f"The label {names[column]!r} of the target {name!r} is always "
                f"{flags[0, column]:g}: nothing to learn. Leave it out."
            )
        return cls(name, "multilabel", names)

    @classmethod
    def from_outputs(cls, outputs: np.ndarray, name: str) -> Target:
        """Fit to the numbers of a regression, float64 (n, k).

        Raises:
            DataError: for values that are missing, infinite, too large, or all the same.
        """
        if not np.isfinite(outputs).all():
            raise DataError(f"The target {name!r} has missing or infinite values.")
        if not len(outputs):
            raise DataError("The table has no rows.")
        largest = np.abs(outputs).max()
        if largest > 1e100:
            raise DataError(
                f"The target {name!r} has values as large as {largest:.3g}; rescale it."
            )
        mean, std = outputs.mean(axis=0), outputs.std(axis=0)
        constant = is_constant(outputs, axis=0)
        if constant.all():
            raise DataError(f"The target {name!r} is always {outputs[0, 0]:g}: nothing to learn.")
        std = np.where(constant, 1.0, std)
        return cls(name, "regression", (), tuple(mean.tolist()), tuple(std.tolist()))

    @classmethod
    def _fit_classes(cls, column: pl.Series, task: str | None, levels: Sequence[str]) -> Target:
        names = class_names(column, levels)
        kind = "binary" if len(names) == 2 else "multiclass"
        if task == "binary" and kind != "binary":
            raise DataError(
                f"The target {column.name!r} has {len(names)} classes ({', '.join(names[:5])}, …):"
                " write task='multiclass', not 'binary'."
            )
        return cls(column.name, "multiclass" if task == "multiclass" else kind, tuple(names))

    def class_name_notes(self, are_cells: bool = True) -> list[str]:
        """Return notes on names of classes: such as "NA", and those that differ in case only.

        Args:
            are_cells: whether they stand in cells, which may be missing; folders never are.
        """
        if self.parts:
            return [note for part in self.parts for note in part.class_name_notes()]
        missing = [
            f"the target {self.name!r} has a class {name!r}; if it means a missing value, say so: "
            f"missing=[{name!r}]"
            for name in self.class_names
            if are_cells and name.lower() in MISSING_IN_TYPED
        ]
        if self.task == "multilabel":  # the names of columns
            return missing
        return missing + spelling_notes(self.class_names, f"classes of the target {self.name!r}")

    @property
    def column_names(self) -> tuple[str, ...]:
        """The column, or the several columns, of a table."""
        return self.columns or (self.name,)

    @property
    def classes(self) -> Any:
        """The names of the classes, as `fit` takes them; of several with a task each, a dict."""
        if self.parts:
            return {part.name: part.class_names for part in self.parts}
        return self.class_names

    @property
    def outputs(self) -> int:
        """Number of classes, or of regression outputs."""
        return len(self.class_names) or len(self.mean)

    def transform(self, values: Any) -> np.ndarray:
        """Encode values for a network: int32 labels (n,), or standardized float32 (n, k).

        Raises:
            DataError: if a value is missing, an unknown class, or not a number.
        """
        if self.parts:
            raise DataError(f"The targets {self.name} are columns of a table: pass the table.")
        values = as_rows(values, self.name)
        if is_wide(values):
            if self.task not in ("multilabel", "regression"):
                return encode_one_hot(values, self.class_names, self.name)
            return self._transform_numbers(as_array(values, self.name, wide=True))
        table = as_column(values, self.name, as_classes=self.task != "regression")
        return self.transform_column(table.label_column(self.name, self.task, self.class_names))

    def transform_frame(self, frame: pl.DataFrame) -> Any:
        """Encode the columns of a frame; flags of several labels are int32 (n, k)."""
        if self.parts:
            return {part.name: part.transform_column(frame[part.name]) for part in self.parts}
        if not self.columns:
            return self.transform_column(frame[self.name])
        values = np.stack([to_numbers(frame[name]) for name in self.columns], axis=1)
        return self._transform_numbers(values)

    def transform_column(self, column: pl.Series) -> np.ndarray:
        """Encode a column, as `Table.label_column` returns it; otherwise as `transform`."""
        if self.task == "regression":
            return self._transform_numbers(to_numbers(column)[:, None])
        return encode_labels(column, self.class_names, self.name)

    def _transform_numbers(self, values: np.ndarray) -> np.ndarray:
        """Encode the numbers of a regression, or the flags of several labels, (n, k)."""
        if self.task == "multilabel":
            return encode_flags(values, self.class_names, self.name)
        return encode_numbers(np.asarray(values, np.float64), self.mean, self.std, self.name)

    def inverse(self, outputs: Any) -> Any:
        """Convert predictions of a network to the target's units or class names.

        Args:
            outputs: for a regression, standardized values, (n, k) or (n,); for classes, integer
                labels (n,), probabilities (n, classes), or the probability of the second class,
                (n, 1) or (n,).

        Returns:
            float64 of the same shape, in the target's units; class names, shape (n,); or 0 and 1
            for each of several labels, int32 (n, k).

        Raises:
            DataError: for outputs of another shape, labels that do not exist, probabilities
                beyond 0 and 1, or NaN instead of them.
        """
        if self.parts:
            return {part.name: part.inverse(outputs[part.name]) for part in self.parts}
        outputs = as_outputs(outputs)
        if self.task == "multilabel":
            return (outputs > 0.5).astype(np.int32)
        if self.task != "regression":
            if np.isnan(outputs).any():
                row = int(np.isnan(outputs).reshape(len(outputs), -1).any(axis=1).argmax())
                raise DataError(f"The outputs are NaN in row {row} (counted from 0): no class.")
            labels = self.labels(outputs)
            return labels if labels.ndim == 2 else np.asarray(self.class_names)[labels]
        scale, shift = np.asarray(self.std), np.asarray(self.mean)
        if len(shift) > 1 and (outputs.ndim < 2 or outputs.shape[-1] != len(shift)):
            raise unfit(outputs, f"(n, {len(shift)})")
        return outputs.astype(np.float64) * scale + shift

    def labels(self, outputs: Any) -> np.ndarray:
        """Convert probabilities to labels (n,), or flags (n, k); labels stay unchanged.

        Raises:
            DataError: as `inverse`.
        """
        given = as_outputs(outputs)
        if self.task == "multilabel":
            return (given > 0.5).astype(np.int32)
        return decode_labels(given, len(self.class_names))

    def describe(self) -> str:
        """Describe the target in one line."""
        if self.parts:
            return "; ".join(part.describe() for part in self.parts)
        if self.task == "regression":
            of = [f"{name}: " for name in self.columns] or [""] * len(self.mean)
            parts = [
                f"{name}mean {four_digits(m)}, deviation {four_digits(s)}"
                for name, m, s in zip(of, self.mean, self.std, strict=True)
            ]
            return f"{self.name}: regression ({'; '.join(parts[:3])}), standardized"
        shown = list(self.class_names[:10])
        while len(", ".join(shown)) > MOST_LETTERS and len(shown) > 2:
            shown.pop()
        more = ["…"] * (len(shown) < len(self.class_names))
        kind = "labels" if self.task == "multilabel" else "classes"
        named = ", ".join([*shown, *more])
        return f"{self.name}: {self.task}, {len(self.class_names)} {kind} ({named})"


def require_target(target: Target | None) -> Target:
    """Return the target of a preprocessor.

    Raises:
        DataError: if the preprocessor was fitted without one.
    """
    if target is None:
        raise DataError("This preprocessor was fitted without a target.")
    return target
