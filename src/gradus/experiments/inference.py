"""Data as the network of a run takes them, and its outputs in the target's names and units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gradus.checks import is_number
from gradus.data import Dataset, TablePreprocessor, Target
from gradus.data.array_preprocessor import Preprocessor
from gradus.data.arrays import as_array
from gradus.data.columns.formats import ColumnFormat
from gradus.data.columns.unseen import UnseenValues
from gradus.data.sources.load import has_own_target
from gradus.data.sources.npz_files import array_dataset
from gradus.data.table_options import AUTOMATIC_TABLE, TableOptions
from gradus.errors import DataError, GradusError, no_column
from gradus.experiments import image_inputs
from gradus.experiments.preparation.outputs import Losses, decide_classes
from gradus.experiments.preparation.prepare_in_memory import integers_to_floats, is_bytes, load_data
from gradus.models.model import Model
from gradus.objectives.loss import Loss

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class PredictedRows:
    """The outputs of a run's network for some rows.

    Attributes:
        outputs: of the network, (n, k), or a dict of several.
        data: the rows.
        unseen: the cells whose values did not occur in the training data.
        unused: the columns that are not used.
    """

    outputs: Any
    data: Dataset
    unseen: list[UnseenValues]
    unused: list[str]

    @property
    def notes(self) -> list[str]:
        """What cannot be trusted, and what was done to image files, in sentences."""
        about_files = self.data.notes if self.data.files else ()
        return [*about_files, *(unseen.note for unseen in self.unseen)]


# --- data ---------------------------------------------------------------------------------------


def read_data(
    data: Any, preprocessor: Preprocessor, model: Model, y: Any = None, labeled: bool = False
) -> Dataset:
    """Return data as a data set of the kind that a run was trained on.

    Args:
        data: a path, or "-" for a table on standard input; a list of paths of images; a table in
            memory, if the run was trained on a table, else an array.
        preprocessor: of the run.
        model: of the run.
        y: the targets of an array, or None.
        labeled: whether targets are read, which a table has in a column.

    Raises:
        DataError: if the data cannot be read, or are of another kind than those of training.
    """
    is_table = isinstance(preprocessor, TablePreprocessor)
    target = preprocessor.target if labeled else None
    if is_table and y is not None:
        raise DataError(
            f"The run was trained on a table, whose targets are its column {_target_name(target)}: "
            "leave out y, and give the table with this column."
        )
    if isinstance(data, str | Path):
        if y is not None:
            raise DataError(f"{str(data)!r} has its own targets: leave out y.")
        return _read_source(str(data), preprocessor, model, target)
    if image_inputs.takes_images(model) and _is_list_of_paths(data):
        return image_inputs.read_image_files(data, model, target)
    if not is_table:
        return _array_rows(data, y, target, model)
    _check_table(data)
    return load_data(data, *_expected(target, is_table), *_reading(preprocessor))


def _is_list_of_paths(data: Any) -> bool:
    return isinstance(data, list | tuple) and image_inputs.are_image_files(data)


def _read_source(
    source: str, preprocessor: Preprocessor, model: Model, target: Target | None
) -> Dataset:
    is_table = isinstance(preprocessor, TablePreprocessor)
    image_inputs.check_kind(source, model, is_table)
    if is_table and target is not None and has_own_target(source):
        kind = "a folder without a table" if Path(source).expanduser().is_dir() else "arrays"
        raise of_other_kind(source, is_table, kind)
    if image_inputs.takes_images(model) and image_inputs.are_image_files(source):
        return image_inputs.read_image_files(source, model, target)
    data = load_data(source, *_expected(target, is_table), *_reading(preprocessor))
    if data.is_table != is_table:
        raise of_other_kind(source, is_table, "images" if data.files else "arrays")
    return data


def of_other_kind(source: Any, is_table: bool, arrays: str = "arrays") -> DataError:
    """Return the error for arrays where a run was trained on a table, or a table where on arrays.

    Args:
        source: the data.
        is_table: whether the run was trained on a table.
        arrays: what arrays are called, such as "images".
    """
    expected, actual = ("a table", arrays) if is_table else (arrays, "a table")
    return DataError(f"The run was trained on {expected}, but {str(source)!r} is {actual}.")


def _expected(target: Target | None, is_table: bool) -> tuple[Any, Any, Any]:
    """Return the target's column, its task, and its classes, as `load_data` takes them."""
    if target is None:
        return None, None, ()
    return (target.columns or target.name if is_table else None), target.task, target.classes


def _reading(preprocessor: Any) -> tuple[TableOptions, Mapping[str, ColumnFormat] | None]:
    """Return how a table is read, as the training table was."""
    if isinstance(preprocessor, TablePreprocessor):
        return preprocessor.options, preprocessor.formats
    return AUTOMATIC_TABLE, None


def _check_table(data: Any) -> None:
    """Refuse what is no table, with what to write instead.

    Raises:
        DataError: for an array, or a single row.
    """
    is_list = isinstance(data, list | tuple)
    if is_list and not data:
        raise DataError("The list has no rows.")
    is_rows = is_list and all(isinstance(row, Mapping) for row in data)
    if (isinstance(data, np.ndarray) and not data.dtype.names) or (is_list and not is_rows):
        raise DataError(
            "The run was trained on a table, and an array or list of numbers does not name its "
            "columns: pass a frame, a dict of columns, or a list of dicts."
        )
    single = isinstance(data, Mapping) and data and all(map(_is_cell, data.values()))
    if single:
        raise DataError("This is one row: write a list of rows, [{…}], or a column for each name.")
    if hasattr(data, "index") and hasattr(data, "iloc") and not hasattr(data, "columns"):
        raise DataError("This is a series of pandas: for one row write frame.iloc[[0]], a frame.")


def _is_cell(value: Any) -> bool:
    return value is None or isinstance(value, str | bytes) or not hasattr(value, "__len__")


def _array_rows(data: Any, y: Any, target: Target | None, model: Model) -> Dataset:
    """Return arrays in memory as a data set; whole numbers are bytes where training had bytes."""
    if isinstance(data, Mapping):
        raise DataError("The run was trained on one array, not on a table: pass the array.")
    x = as_array(data, "x", wide=True)
    if all(map(is_bytes, jax.tree.leaves(model.example))):
        x = _as_bytes(x)
    elif x.dtype.kind in "iu":  # in training, too, whole numbers became floats
        x = x.astype(np.float64)
    if target is not None and y is None:
        raise DataError("There are no targets to compare predictions to: write evaluate(x, y).")
    task, classes = (None, ()) if target is None else (target.task, target.class_names)
    _check_named(y, classes)
    return integers_to_floats(array_dataset(x, y, task, classes))


def _check_named(y: Any, classes: Sequence[str]) -> None:
    """Check that targets are classes by name, not the labels 0, 1, … of named classes.

    Raises:
        DataError: with what makes names of labels.
    """
    labels = np.asarray(y)
    if not classes or labels.dtype.kind not in "iu" or any(map(str.isdecimal, classes)):
        return
    raise DataError(
        f"y holds labels, but the classes of the run have names, {', '.join(classes[:3])}"
        f"{', …' if len(classes) > 3 else ''}: write evaluate(x, np.array(run.classes)[y])."
    )


def _as_bytes(x: np.ndarray) -> np.ndarray:
    """Return images as bytes, whatever the type of their whole numbers.

    Raises:
        DataError: for other numbers.
    """
    if not x.size or (x.min() >= 0 and x.max() <= 255 and (x % 1 == 0).all()):
        return x.astype(np.uint8)
    advice = "multiply them by 255, and round" if x.min() >= 0 and x.max() <= 1 else "convert them"
    raise DataError(
        f"The images of training were bytes, whole numbers from 0 to 255, but x has numbers from "
        f"{x.min():g} to {x.max():g}: {advice}."
    )


def _target_name(target: Target | None) -> str:
    return "of the target" if target is None else repr(target.name)


def unused_columns(data: Dataset, preprocessor: Any, kept: Sequence[str] = ()) -> list[str]:
    """Return the columns of a table that a run does not use: neither inputs, nor the target.

    Args:
        data: the rows.
        preprocessor: of the run.
        kept: columns that are used otherwise.
    """
    if not data.is_table:
        return []
    used = {*(column.name for column in preprocessor.columns), *kept}
    used |= set() if preprocessor.target is None else set(preprocessor.target.column_names)
    return [name for name in data.x.columns if name not in used]


def unused_note(columns: Sequence[str]) -> str:
    """Return which columns of a table are not used, in a sentence without its end."""
    verb = "column is" if len(columns) == 1 else "columns are"
    return f"{len(columns)} {verb} not used: {', '.join(columns)}"


def kept_columns(data: Dataset, names: Sequence[str]) -> Any:
    """Return the columns of a table that are carried through to its predictions, a frame.

    Raises:
        DataError: for a column that the table lacks, with the nearest, or data without columns.
    """
    if not data.is_table:
        raise DataError(f"{', '.join(names)}: these data are arrays, which have no columns.")
    for name in names:
        if name not in data.x.columns:
            raise no_column(name, data.x.columns)
    return data.x.select(list(dict.fromkeys(names)))


# --- outputs ------------------------------------------------------------------------------------


def has_probabilities(loss: Loss) -> bool:
    """Whether a network trained with a loss for classes gives probabilities; a hinge's does not."""
    return not (loss.link is None and loss.kind == "flags")


def check_probabilities(loss: Losses, target: Target) -> None:
    """Check that a network's outputs are probabilities of classes.

    Raises:
        GradusError: saying what to call instead.
    """
    if target.parts:
        for part in target.parts:
            if part.task != "regression":
                check_probabilities(loss[part.name], part)
        return
    if target.task == "regression":
        raise GradusError(
            f"The target {target.name!r} is numbers, which have no probabilities: call predict."
        )
    if not has_probabilities(loss):
        other = "binary_crossentropy" if target.outputs == 2 else "sparse_categorical_crossentropy"
        raise GradusError(
            f"A network trained with the loss {loss.name!r} gives scores, not probabilities: call "
            f'predict for the classes, or train with loss="{other}".'
        )


def class_probabilities(outputs: np.ndarray) -> np.ndarray:
    """Return probabilities (n, classes) of a network's outputs, one of which is that of class 1."""
    if outputs.shape[1] == 1:
        return np.concatenate([1 - outputs, outputs], axis=1)
    return outputs


def predicted_values(
    outputs: Any, loss: Losses, target: Target, threshold: float | None = None
) -> Any:
    """Return a network's outputs as class names (n,), or values in their own units, (n,) or (n, k).

    Of several labels it is 0 or 1 for each, int32 (n, k); of several targets that have a task each,
    it is a dict.

    Args:
        outputs: of the network, (n, k), or a dict of several.
        loss: the training loss.
        target: the fitted target.
        threshold: of two classes, the second is predicted where its probability is more than this,
            and so is each of several labels; None for what is more probable.
    """
    if target.parts:
        return {p.name: predicted_values(outputs[p.name], loss[p.name], p) for p in target.parts}
    if target.task == "multilabel":
        if threshold is None:
            return decide_classes(outputs, loss, target)
        return (outputs > threshold).astype(np.int32)
    if target.task == "regression":
        values = target.inverse(outputs)
        return values[:, 0] if values.shape[1] == 1 else values
    if threshold is None:
        return target.inverse(decide_classes(outputs, loss, target))
    return np.asarray(target.class_names)[(class_probabilities(outputs)[:, 1] > threshold) * 1]


def check_threshold(threshold: Any, loss: Losses, target: Target) -> None:
    """Check a threshold, which divides the probabilities of two classes.

    Raises:
        GradusError: if it is no number between 0 and 1, or the run has not two classes.
    """
    if threshold is None:
        return
    if not is_number(threshold) or not 0 < threshold < 1:
        raise GradusError(f"threshold={threshold!r}: write a probability between 0 and 1.")
    if target.parts:
        reason = f"the targets {target.name} are several"
    elif target.task == "regression":
        reason = f"the target {target.name!r} is numbers"
    elif target.outputs != 2 and target.task != "multilabel":
        reason = f"the target {target.name!r} has {target.outputs} classes"
    elif not has_probabilities(loss):
        reason = f"the loss {loss.name!r} gives scores"
    else:
        return
    raise GradusError(
        f"threshold={threshold!r} divides the probabilities of two classes, but {reason}: leave it "
        "out."
    )


def columns_of_targets(outputs: Any, loss: Losses, target: Target) -> dict[str, Columns]:
    """Return the columns of each of several targets that have a task each."""
    return {
        part.name: prediction_columns(outputs[part.name], loss[part.name], part)
        for part in target.parts
    }


def prediction_columns(
    outputs: Any, loss: Losses, target: Target, threshold: float | None = None
) -> Columns:
    """Return a network's outputs as columns in the target's units or class names.

    Returns:
        "prediction"; for classes also "probability_<class>" for each class ("score" if the loss
        has no probabilities); for several target columns "prediction_<column>", and of labels
        "probability_<column>"; for k values without names "prediction_1" to "prediction_k". Targets
        that have a task each have "prediction_<column>", and "probability_<column>_<class>".
    """
    if target.parts:
        return {
            "_".join([kind, name, *rest]): values
            for name, columns in columns_of_targets(outputs, loss, target).items()
            for (kind, *rest), values in ((key.split("_", 1), v) for key, v in columns.items())
        }
    values = predicted_values(outputs, loss, target, threshold)
    if values.ndim == 2:
        names = target.columns or target.class_names or range(1, values.shape[1] + 1)
        several = {f"prediction_{name}": values[:, k] for k, name in enumerate(names)}
        if target.task == "regression":
            return several
        kind = "probability" if has_probabilities(loss) else "score"
        return several | _name_columns(kind, outputs, target)
    columns: Columns = {"prediction": values}
    if target.task == "regression":
        return columns
    if not has_probabilities(loss):
        return columns | _name_columns("score", outputs, target)
    return columns | _name_columns("probability", class_probabilities(outputs), target)


def _name_columns(kind: str, outputs: np.ndarray, target: Target) -> Columns:
    if outputs.shape[1] == 1:
        return {kind: outputs[:, 0]}
    return {f"{kind}_{name}": outputs[:, k] for k, name in enumerate(target.class_names)}
