"""What a table or an array asks a network to learn: classes, or numbers in their own units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.column_values import to_keys, to_numbers
from gradus.data.tables import as_frame
from gradus.errors import DataError, SavedError, nearest, unknown

if TYPE_CHECKING:
    import polars as pl

TASKS = ("binary", "multiclass", "classification", "regression")
MOST_INTEGER_CLASSES = 20


@dataclass(frozen=True)
class Target:
    """The kind of a target, and how its values become what a network is trained on and back.

    Attributes:
        name: the column, or what to call the target in an error.
        task: "binary", "multiclass" or "regression".
        class_names: the classes, in the order of their labels; empty for a regression.
        mean: of each regression output, in the target's own units.
        std: likewise.
    """

    name: str
    task: str
    class_names: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @classmethod
    def fit(
        cls,
        values: Any,
        task: str | None = None,
        classes: Sequence[str] = (),
        name: str = "target",
    ) -> Target:
        """Infer the task and learn the classes, or the mean and deviation of the numbers.

        Text, booleans, and integers of at most 20 distinct values are classes, other numbers a
        regression; so are integers of which most values are distinct.

        Args:
            values: shape (n,), or (n, k) numbers for a regression with k outputs.
            task: one of `TASKS`, to overrule what is inferred.
            classes: the classes' names, where `values` may lack some of them.
            name: what to call the target in an error.

        Raises:
            DataError: if the values cannot be a target: constant, free text, dates, missing.
        """
        if task is not None and task not in TASKS:
            raise unknown("task", task, TASKS)
        if _axes(values) == 2 and np.shape(values)[1] != 1:
            return cls._fit_outputs(values, task, name)
        column = _column(values, name)
        if classes:
            kind = "binary" if len(classes) == 2 and task != "multiclass" else "multiclass"
            target = cls(name, kind, tuple(str(label) for label in classes))
            target.transform(column)
            return target
        if (task or _inferred(column)) == "regression":
            return cls._fit_regression(column)
        return cls._fit_classes(column, task)

    @classmethod
    def _fit_regression(cls, column: pl.Series) -> Target:
        if not (column.dtype.is_numeric() or column.dtype == bool):
            raise DataError(
                f"The target {column.name!r} is not numbers: it cannot be a regression."
            )
        return cls._of_numbers(to_numbers(column)[:, None], column.name)

    @classmethod
    def _fit_outputs(cls, values: Any, task: str | None, name: str) -> Target:
        outputs = np.asarray(values, np.float64)
        if task not in (None, "regression"):
            raise DataError(
                f"{name} has shape {outputs.shape}; classes are given as labels, shape (n,): "
                f"for one-hot rows write {name}.argmax(axis=1)."
            )
        return cls._of_numbers(outputs, name)

    @classmethod
    def _of_numbers(cls, outputs: np.ndarray, name: str) -> Target:
        if not np.isfinite(outputs).all():
            raise DataError(f"The target {name!r} has missing or infinite values.")
        largest = np.abs(outputs).max()
        if largest > 1e100:
            raise DataError(
                f"The target {name!r} has values as large as {largest:.3g}; rescale it."
            )
        mean, std = outputs.mean(axis=0), outputs.std(axis=0)
        if not (std > 1e-100).any():
            raise DataError(f"The target {name!r} is always {outputs[0, 0]:g}: nothing to learn.")
        std = np.where(std > 1e-100, std, 1.0)
        return cls(name, "regression", (), tuple(mean.tolist()), tuple(std.tolist()))

    @classmethod
    def _fit_classes(cls, column: pl.Series, task: str | None) -> Target:
        if column.dtype.is_temporal() or column.dtype.is_nested():
            raise DataError(
                f"The target {column.name!r} is {column.dtype}; give classes or numbers."
            )
        names = _sorted_names(to_keys(column).drop_nulls().unique().to_list())
        if len(names) < 2:
            raise DataError(f"The target {column.name!r} has one class, {names}: nothing to learn.")
        if len(names) > MOST_INTEGER_CLASSES and len(names) > len(column) / 2:
            raise DataError(
                f"The target {column.name!r} has {len(names)} different values in {len(column)} "
                "rows: too many for classes. Choose another target, or task='regression' for "
                "numbers."
            )
        kind = "binary" if len(names) == 2 else "multiclass"
        if task == "binary" and kind != "binary":
            raise DataError(
                f"The target {column.name!r} has {len(names)} classes ({', '.join(names[:5])}, …):"
                " write task='multiclass', not 'binary'."
            )
        return cls(column.name, "multiclass" if task == "multiclass" else kind, tuple(names))

    @property
    def outputs(self) -> int:
        """The number of classes, or of regression outputs."""
        return len(self.class_names) or len(self.mean)

    def transform(self, values: Any) -> np.ndarray:
        """Return what a network learns: int32 labels (n,), or standardised float32 (n, k).

        Raises:
            DataError: if a value is missing, is an unknown class, or is not a number.
        """
        if self.task == "regression":
            return self._standardise(values)
        keys = to_keys(_column(values, self.name))
        label_of = {name: label for label, name in enumerate(self.class_names)}
        labels = np.array([label_of.get(key, -1) for key in keys.to_list()], np.int32)
        if (labels < 0).any():
            row = int(labels.argmin())
            raise self._no_class(keys[row], row)
        return labels

    def _no_class(self, key: str | None, row: int) -> DataError:
        if key is None:
            return DataError(f"The target {self.name!r} is missing in row {row} (from 0).")
        close = nearest(key, self.class_names)
        hint = f" Did you mean {close!r}?" if close else ""
        return DataError(
            f"The target {self.name!r} is {key!r} in row {row} (from 0), which is none of the "
            f"classes {', '.join(self.class_names)}.{hint}"
        )

    def _standardise(self, values: Any) -> np.ndarray:
        if _axes(values) == 2:
            outputs = np.asarray(values, np.float64)
        else:
            outputs = to_numbers(_column(values, self.name))[:, None]
        if outputs.shape[1] != len(self.mean):
            raise DataError(
                f"The target {self.name!r} has {outputs.shape[1]} columns, not {len(self.mean)}."
            )
        if not np.isfinite(outputs).all():
            row = int(np.argmin(np.isfinite(outputs).all(axis=1)))
            raise DataError(f"The target {self.name!r} is missing or infinite in row {row}.")
        scaled = (outputs - np.asarray(self.mean)) / np.asarray(self.std)
        return np.clip(scaled, -1e30, 1e30).astype(np.float32)

    def inverse(self, outputs: Any) -> np.ndarray:
        """Return predictions in the target's own terms.

        Args:
            outputs: for a regression standardised values, (n, k) or (n,); for classes labels (n,)
                as integers, probabilities (n, classes), or the probability of the second class,
                (n, 1) or (n,).

        Returns:
            float64 of the shape given, in the target's units; or the classes' names, shape (n,).
        """
        outputs = np.asarray(outputs)
        if self.task == "regression":
            scale, shift = np.asarray(self.std), np.asarray(self.mean)
            return outputs.astype(np.float64) * scale + shift
        return np.asarray(self.class_names)[self.labels(outputs)]

    def labels(self, outputs: Any) -> np.ndarray:
        """Return the labels (n,) that probabilities, or labels themselves, stand for."""
        outputs = np.asarray(outputs)
        if outputs.dtype.kind in "iub" and outputs.ndim == 1:
            return outputs.astype(np.int32)
        if outputs.ndim == 2 and outputs.shape[1] > 1:
            return outputs.argmax(axis=1).astype(np.int32)
        return (outputs.reshape(len(outputs)) > 0.5).astype(np.int32)

    def describe(self) -> str:
        """Say in one line what is learnt."""
        if self.task == "regression":
            parts = [
                f"mean {m:.4g}, deviation {s:.4g}" for m, s in zip(self.mean, self.std, strict=True)
            ]
            return f"{self.name}: regression ({'; '.join(parts[:3])}), standardised"
        shown = ", ".join(self.class_names[:10]) + (", …" if len(self.class_names) > 10 else "")
        return f"{self.name}: {self.task}, {len(self.class_names)} classes ({shown})"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict; `from_dict` gives back an equal object."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Target:
        """Return the object that `to_dict` saved.

        Raises:
            SavedError: if `saved` is no such dict.
        """
        try:
            fields: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in saved.items()
            }
            return cls(**fields)
        except (TypeError, AttributeError) as error:
            raise SavedError(f"The saved target cannot be read: {error}.") from None


def optional_target(saved: dict[str, Any]) -> Target | None:
    """Return the target that a saved preprocessor has, if it has one."""
    return None if saved["target"] is None else Target.from_dict(saved["target"])


def _axes(values: Any) -> int:
    return len(getattr(values, "shape", (0,)))


def _column(values: Any, name: str) -> pl.Series:
    """Return target values as one Polars series with inferred type, by the name of the target."""
    if _axes(values) == 2:
        values = np.asarray(values)[:, 0]
    if not hasattr(values, "__len__") or _axes(values) != 1:
        raise DataError(f"The target {name!r} must have shape (n,) or (n, 1).")
    if len(values) == 0:
        raise DataError(f"The target {name!r} has no rows.")
    if hasattr(values, "__array__") and not hasattr(values, "dtype"):
        values = np.asarray(values)
    return as_frame({name: values}).to_series()


def _inferred(column: pl.Series) -> str:
    """Return "regression" or "classification", from a column's type and distinct values."""
    present = column.drop_nulls()
    if not column.dtype.is_numeric():
        return "classification"
    distinct = present.n_unique()
    if column.dtype.is_float():
        whole = present.is_finite() & (present == present.round())
        two_whole = distinct == 2 and bool(whole.all())
        return "classification" if two_whole else "regression"
    few = distinct <= MOST_INTEGER_CLASSES and distinct <= max(2, len(present) / 2)
    return "classification" if few else "regression"


def _sorted_names(names: list[str]) -> list[str]:
    """Sort the classes' names, as numbers if all of them are."""
    try:
        return sorted(names, key=float)
    except ValueError:
        return sorted(names)
