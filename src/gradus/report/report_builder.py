"""Builds the report of a run from a trained model and test data."""

from __future__ import annotations

import datetime
import importlib.metadata
import inspect
import os
import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from gradus.nn.layer import Layer, has_sublayers, named_layers
from gradus.objectives.ranking_metrics import roc_area
from gradus.optional import installed_version
from gradus.report import predictions, score_curves, trained_network
from gradus.report.page import Panel, Report, format_duration
from gradus.report.reconstruction_panels import (
    GENERATED,
    generated_panels,
    reconstruction_panels,
)
from gradus.train.history import History
from gradus.train.inference import penalty_of
from gradus.train.tasks.base import OutputObjective, Supervised
from gradus.train.tasks.reconstruction import Reconstruction

if TYPE_CHECKING:
    from gradus.models.model import Model

MAX_CLASSES = 40  # up to which there are figures by class
MANY_CLASSES = 12  # whose names need more room than a phone has


def build_report(
    model: Model,
    x: Any = None,
    y: Any = None,
    *,
    title: str = "A training",
    data: Sequence[str] = (),
    class_names: Sequence[object] | None = None,
    column_names: Sequence[str] = (),
    unit: str = "",
    settings: Mapping[str, Any] | str | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """Build the report of a trained model, evaluated on test data.

    An autoencoder, whose targets are its inputs, has no `y`; its report shows reconstructions. That
    of a GAN, or of a variational autoencoder, shows generated samples beside the data.

    Args:
        model: a trained model.
        x: test inputs, `(n, ...)`; None omits test results.
        y: test targets, `(n, ...)`.
        title: the run's name.
        data: lines about the data.
        class_names: names of the labels 0, 1, ….
        column_names: names of the columns of a table that an autoencoder reproduces.
        unit: the unit of a regression's targets.
        settings: the experiment; by default the model's own settings.
        notes: findings, in sentences.
    """
    metrics = training_metrics(model.history)
    figures: list[Panel] = []
    inside: list[Panel] = []
    reproduces = isinstance(model.task, Reconstruction)
    if x is not None and (y is not None or reproduces):
        test = model.evaluate(x, y)
        metrics["test"] = {name: value for name, value in test.items() if np.ndim(value) == 0}
        if reproduces:
            noisy = model.add_noise(x) if hasattr(model, "add_noise") else None
            outputs = model.predict(x if noisy is None else noisy)
            figures = reconstruction_panels(x, outputs, noisy, column_names)
        else:
            kind, predicted = _target_kind(model), model.predict(x)
            figures = result_panels(kind, y, predicted, class_names, unit)
            if "auc" in metrics["test"] and _has_roc_curve(kind, y, predicted):
                scores = np.asarray(predicted).reshape(len(predicted), -1)[:, -1]
                metrics["test"]["auc"] = roc_area(np.asarray(y).reshape(-1), scores)
        inside.append(
            Panel(
                "Outputs of each layer",
                "The distribution of each layer's outputs on test samples, first layer on top.",
                trained_network.activation_histograms(model, x),
                wide=True,
            )
        )
    if x is not None and hasattr(model, "sample"):
        figures = [*figures, *generated_panels(x, model.sample(min(GENERATED, len(x))))]
    return Report(
        title=title,
        data=data,
        metrics=metrics,
        history=model.history,
        figures=figures,
        inside=inside,
        settings=model_settings(model) if settings is None else settings,
        environment=environment(model.history),
        notes=notes,
        diagnosis=model.diagnose() if model.history.epochs else None,
        penalized=_is_penalized(model),
        shown="test" if "test" in metrics else "",
    )


def _is_penalized(model: Model) -> bool:
    """Return whether penalties of the weights are in the loss of a built model."""
    task = model.task
    if isinstance(task, Reconstruction):
        task = task.supervised
    return bool(model.history.epochs) and penalty_of(model.net, task) != 0


def result_panels(
    kind: str, y_true: Any, y_pred: Any, class_names: Sequence[object] | None = None, unit: str = ""
) -> list[Panel]:
    """Return the figures that compare predictions with targets.

    Args:
        kind: the kind of the targets, as in a loss: "classes", "flags" or "values".
        y_true: targets `(n,)`, or one-hot rows.
        y_pred: predictions: probabilities, or values in the unit of the targets.
        class_names: names of the labels 0, 1, ….
        unit: the unit of the values.

    Returns:
        For up to 40 classes, the confusion matrix, scores by class, and the calibration of
        probabilities; for two, also the ROC and the precision-recall curve; for one value per
        sample, predicted against true; for several outputs or flags, nothing.
    """
    if isinstance(y_true, dict | tuple) or isinstance(y_pred, dict | tuple):
        return []
    true, predicted = np.asarray(y_true), np.asarray(y_pred)
    columns = predicted.size // max(len(predicted), 1)
    if kind == "values":
        return (
            _value_panels(true, predicted, unit) if columns == true.size // len(true) == 1 else []
        )
    if predicted.ndim > 2 or (kind == "flags" and columns > 1) or columns > MAX_CLASSES:
        return []
    labels = predicted.argmax(-1) if columns > 1 else (predicted.reshape(-1) > 0.5).astype(int)
    if class_names is None:
        class_names = range(max(columns, 2))
    panels = [
        Panel(
            "Confusion matrix",
            "How often each true class (row) was predicted as each class (column): blue is right, "
            "orange is wrong.",
            predictions.confusion_matrix(true, labels, class_names),
            min_width=150 + 12 * columns if columns > MANY_CLASSES else 0,
        ),
        Panel(
            "Precision and recall",
            "Precision: the right predictions among all predictions of the class; recall: the "
            "right predictions among all samples of the class.",
            predictions.scores_by_class(true, labels, class_names),
        ),
    ]
    if _has_roc_curve(kind, true, predicted):
        panels.append(
            Panel(
                "ROC curve",
                f"{class_names[1]} is the positive class, {class_names[0]} the negative one: the "
                "true positive rate against the false positive rate, over all thresholds.",
                score_curves.roc_curve(true, predicted),
            )
        )
        panels.append(
            Panel(
                "Precision-recall curve",
                f"Of what is predicted as {class_names[1]}, how much is; against how much of all "
                f"{class_names[1]} is found, over all thresholds.",
                score_curves.precision_recall_curve(true, predicted),
            )
        )
    if bool((predicted >= 0).all() and (predicted <= 1).all()):
        claim = "How often predictions are right, against how probable the network said they are"
        if columns <= 2:
            claim = (
                f"How often a sample is {class_names[1]}, against how probable the network said "
                "that is"
            )
        panels.append(
            Panel(
                "Calibration",
                f"{claim}: on the line, its probabilities can be taken at their word. Larger "
                "points stand for more samples.",
                score_curves.calibration(true, predicted, class_names[1]),
            )
        )
    return panels


def _has_roc_curve(kind: str, true: Any, predicted: Any) -> bool:
    """Return whether targets are labels of two classes, which both occur."""
    if kind == "values" or isinstance(true, dict | tuple) or isinstance(predicted, dict | tuple):
        return False
    labels, scores = np.asarray(true), np.asarray(predicted)
    return (
        scores.size <= 2 * len(scores)
        and labels.size == len(labels)
        and len(np.unique(labels)) == 2
    )


def training_metrics(history: History) -> dict[str, dict[str, float]]:
    """Return training and validation metrics at the epoch whose weights the model has."""
    if not history.epochs:
        return {}
    failed = history.stopped == "diverged" and history.epochs > 1
    row = (history.best_epoch or history.epochs - failed) - 1
    splits: dict[str, dict[str, float]] = {}
    for name, values in history.items():
        if values.ndim == 1 and name != "learning_rate":
            split = "validation" if name.startswith("val_") else "training"
            splits.setdefault(split, {})[name.removeprefix("val_")] = float(values[row])
    return {split: splits[split] for split in ("training", "validation") if split in splits}


def model_settings(model: Model) -> dict[str, Any]:
    """Return the network layer by layer, and the other settings of the model."""
    layers = {
        path or "network": _describe(layer) + _weight_count(layer)
        for path, layer in named_layers(model.net)
        if not has_sublayers(layer)
    }
    rest = {
        name: _format_value(value)
        for name, value in model.settings.items()
        if name != "net" and value is not None and value != ()
    }
    return {"layer": layers, **rest}


def environment(history: History | None = None) -> dict[str, str]:
    """Return versions, device, processor cores, training time and date of the run."""
    devices = jax.devices()
    details = {"gradus": installed_version()}
    details |= {name: importlib.metadata.version(name) for name in ("jax", "optax", "numpy")}
    details["python"] = platform.python_version()
    details["system"] = f"{platform.system()} {platform.machine()}"
    details["device"] = f"{len(devices)} × {devices[0].device_kind}"
    details["processor cores"] = str(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    )
    if history is not None and history.seconds:
        details["training time"] = format_duration(sum(history.seconds))
    details["date"] = f"{datetime.datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"
    return details


def _value_panels(true: np.ndarray, predicted: np.ndarray, unit: str) -> list[Panel]:
    return [
        Panel(
            "Predicted against true",
            "Above: the points of a perfect network lie on the line. Below: the residuals, which "
            "should show no pattern.",
            predictions.predicted_against_true(true, predicted, unit),
            wide=True,
        )
    ]


def _target_kind(model: Model) -> str:
    """Return the kind of the model's only target; "" for several, or a custom task."""
    targets = model.task.objectives if isinstance(model.task, Supervised) else None
    return targets.loss.kind if isinstance(targets, OutputObjective) else ""


def _describe(component: Any) -> str:
    """Return a layer, optimizer or loss as source text, without default arguments."""
    arguments = []
    for name, parameter in inspect.signature(type(component)).parameters.items():
        value = _as_written(getattr(component, name, parameter.default))
        default = _as_written(parameter.default)
        if value is parameter.default or _format_value(value) == _format_value(default):
            continue
        required = parameter.default is inspect.Parameter.empty
        arguments.append(_format_value(value) if required else f"{name}={_format_value(value)}")
    return f"{type(component).__name__}({', '.join(arguments)})"


def _as_written(value: Any) -> Any:
    """Return a float32 as it was written in source: 0.2, not 0.20000000298."""
    if isinstance(value, np.generic | np.ndarray | jax.Array) and np.ndim(value) == 0:
        value = float(f"{float(value):.6g}")
        return int(value) if value.is_integer() else value
    return value


def _format_value(value: Any) -> str:
    if getattr(type(value), "has_leaves", False):
        return _describe(value)
    if isinstance(value, list | tuple):
        return ", ".join(_format_value(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_format_value(item)}" for name, item in value.items())
    return getattr(value, "__name__", None) or (value if isinstance(value, str) else repr(value))


def _weight_count(layer: Layer) -> str:
    count = sum(np.size(getattr(layer, name)) for name in layer.__dict__.get("_weights", {}))
    return f", {count:,} weights" if count else ""
