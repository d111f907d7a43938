"""Evaluation of a run on data, and its predictions."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gradus.data import Dataset, TablePreprocessor, Target
from gradus.data.columns.formats import ColumnFormat
from gradus.data.table_options import AUTOMATIC_TABLE, TableOptions
from gradus.errors import DataError
from gradus.experiments.evaluation import evaluate_in_units
from gradus.experiments.model_builder import decide_classes
from gradus.experiments.prepare import encode_dataset, load_data
from gradus.experiments.runs import Run
from gradus.experiments.settings.experiment_file import absolute_source
from gradus.objectives import losses

Columns = dict[str, np.ndarray]


def evaluate_run(run: Run, source: str) -> dict[str, Any]:
    """Evaluate a run on data; return `metrics`, `rows`, `part` and `notes`.

    If the data have a test part, only that part is evaluated.

    Raises:
        DataError: if the data cannot be read, or differ in kind from the training data.
    """
    preprocessor, target = run.preprocessor, run.target
    is_table = isinstance(preprocessor, TablePreprocessor)
    column = target.name if is_table else None
    with _readable_source(source) as path:
        data = load_data(path, column, target.task, target.class_names, *_reading(preprocessor))
    _check_kind(data, is_table, source)
    if data.y is None:
        raise DataError(f"{source!r} has no targets to compare predictions to.")
    part = "all rows"
    if data.test is not None:
        data, part = data.test, "its test part"
    loss = losses.get(run.model.settings["loss"])
    metrics = evaluate_in_units(run.model, *encode_dataset(data, preprocessor, loss), target)
    notes = list(data.notes)
    if part == "all rows" and absolute_source(source, Path.cwd()) == run.experiment.data:
        notes.append("the run was trained on most of these rows")
    return {"metrics": metrics, "rows": len(data), "part": part, "notes": notes}


def predict_with_run(run: Run, source: str) -> tuple[Columns, list[str]]:
    """Predict the class and its probabilities, or the value, of each row.

    Returns:
        "prediction"; for classes also "probability_<class>" for each class ("score" if the loss
        has no probabilities); for k values "prediction_1" to "prediction_k". And notes on what the
        training data lacked.

    Raises:
        DataError: as `evaluate_run`; a target column is not needed.
    """
    preprocessor = run.preprocessor
    is_table = isinstance(preprocessor, TablePreprocessor)
    with _readable_source(source) as path:
        options, formats = _reading(preprocessor)
        data = load_data(path, options=options, formats=formats)
    data = data.test if data.test is not None else data
    _check_kind(data, is_table, source)
    outputs = run.model.predict(preprocessor.transform(data.x))
    notes = preprocessor.unseen_levels(data.x) if is_table else []
    return prediction_columns(np.asarray(outputs), run), notes


def _reading(preprocessor: Any) -> tuple[TableOptions, Mapping[str, ColumnFormat] | None]:
    """Return how a table is read, as the training table was."""
    if isinstance(preprocessor, TablePreprocessor):
        return preprocessor.options, preprocessor.formats
    return AUTOMATIC_TABLE, None


def prediction_columns(outputs: np.ndarray, run: Run) -> Columns:
    """Return a network's outputs as columns in the target's units or class names."""
    target = run.target
    if target.task == "regression":
        values = target.inverse(outputs)
        if values.shape[1] == 1:
            return {"prediction": values[:, 0]}
        return {f"prediction_{k + 1}": values[:, k] for k in range(values.shape[1])}
    loss = losses.get(run.model.settings["loss"])
    columns: Columns = {"prediction": target.inverse(decide_classes(outputs, loss, target))}
    if loss.link is None and loss.kind == "flags":  # a hinge's outputs are not probabilities
        return columns | _name_columns("score", outputs, target)
    if outputs.shape[1] == 1:
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    return columns | _name_columns("probability", outputs, target)


def _name_columns(kind: str, outputs: np.ndarray, target: Target) -> Columns:
    if outputs.shape[1] == 1:
        return {kind: outputs[:, 0]}
    return {f"{kind}_{name}": outputs[:, k] for k, name in enumerate(target.class_names)}


@contextlib.contextmanager
def _readable_source(source: str) -> Iterator[str]:
    """Yield the source, or for "-" the path of a file with the CSV from standard input."""
    if source != "-":
        yield source
        return
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None or stream.closed:
        raise DataError('There is no standard input to read: name a file instead of "-".')
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "standard_input.csv")
        path.write_bytes(stream.read())
        yield str(path)


def _check_kind(data: Dataset, is_table: bool, source: str) -> None:
    if data.is_table != is_table:
        expected, actual = ("a table", "arrays") if is_table else ("arrays", "a table")
        raise DataError(f"The run was trained on {expected}, but {source!r} is {actual}.")
