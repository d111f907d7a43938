"""From a trained model and data to the report of its run."""

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

from gradus.nn.layer import Layer, named_children, named_layers
from gradus.report import predictions, trained_network
from gradus.report.page import Panel, Report, format_duration
from gradus.train.history import History
from gradus.train.task import OutputObjective, Supervised

if TYPE_CHECKING:
    from gradus.models.model import Model

MOST_CLASSES = 40  # up to which there are figures by class


def build_report(
    model: Model,
    x: Any = None,
    y: Any = None,
    *,
    title: str = "A training",
    data: Sequence[str] = (),
    class_names: Sequence[object] | None = None,
    unit: str = "",
    settings: Mapping[str, Any] | str | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """Return the report of a trained model, measured on test data.

    Args:
        model: a trained model.
        x: test inputs, `(n, ...)`; None leaves the results on test data out.
        y: test targets, `(n, ...)`.
        title: the run's name.
        data: lines on the data.
        class_names: what the labels 0, 1, … stand for.
        unit: of the values that a regression predicts.
        settings: the experiment; by default the model's own settings.
        notes: findings, in sentences.
    """
    measured = training_metrics(model.history)
    figures: list[Panel] = []
    inside: list[Panel] = []
    if x is not None and y is not None:
        found = model.evaluate(x, y)
        measured["test"] = {name: value for name, value in found.items() if np.ndim(value) == 0}
        figures = result_panels(_kind(model), y, model.predict(x), class_names, unit)
        inside.append(
            Panel(
                "Outputs of each layer",
                "How the outputs of each trained layer are spread on test samples, first layer on "
                "top.",
                trained_network.activation_histograms(model, x),
                wide=True,
            )
        )
    return Report(
        title=title,
        data=data,
        metrics=measured,
        history=model.history,
        figures=figures,
        inside=inside,
        settings=model_settings(model) if settings is None else settings,
        environment=environment(model.history),
        notes=notes,
    )


def result_panels(
    kind: str, y_true: Any, y_pred: Any, class_names: Sequence[object] | None = None, unit: str = ""
) -> list[Panel]:
    """Return the figures of predictions against targets.

    Args:
        kind: what the targets are, as a loss says: "classes", "flags" or "values".
        y_true: targets `(n,)`, or one-hot rows.
        y_pred: predictions: probabilities, or values in the targets' own unit.
        class_names: what the labels 0, 1, … stand for.
        unit: of the values.

    Returns:
        Confusion matrix and scores by class for up to 40 classes, with the ROC curve for two;
        predicted against true for one value a sample; nothing for several outputs or flags.
    """
    if isinstance(y_true, dict | tuple) or isinstance(y_pred, dict | tuple):
        return []
    true, guess = np.asarray(y_true), np.asarray(y_pred)
    columns = guess.size // max(len(guess), 1)
    if kind == "values":
        return _value_panels(true, guess, unit) if columns == true.size // len(true) == 1 else []
    if guess.ndim > 2 or (kind == "flags" and columns > 1) or columns > MOST_CLASSES:
        return []
    labels = guess.argmax(-1) if columns > 1 else (guess.reshape(-1) > 0.5).astype(int)
    if class_names is None:
        class_names = range(max(columns, 2))
    panels = [
        Panel(
            "Confusion matrix",
            "How often each true class (row) was taken for each class (column): blue is right, "
            "orange is wrong.",
            predictions.confusion_matrix(true, labels, class_names),
        ),
        Panel(
            "Precision and recall",
            "Precision: of all answers that named the class, the right ones; recall: of all "
            "samples of the class, those found.",
            predictions.scores_by_class(true, labels, class_names),
        ),
    ]
    if columns <= 2 and true.size == len(true) and len(np.unique(true)) == 2:
        panels.append(
            Panel(
                f"{class_names[1]} or not",
                "The share found against the share of false alarms, for all thresholds on the "
                "probability.",
                predictions.roc_curve(true, guess),
            )
        )
    return panels


def training_metrics(history: History) -> dict[str, dict[str, float]]:
    """Return the numbers of training and validation at the epoch whose weights the model has."""
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
    """Return the network layer by layer, and how it was trained, as far as the model knows."""
    layers = {
        path or "network": _brief(layer) + _count(layer)
        for path, layer in named_layers(model.net)
        if not any(named_children(layer))
    }
    rest = {
        name: _plain(value)
        for name, value in model.settings.items()
        if name != "net" and value is not None and value != ()
    }
    return {"layer": layers, **rest}


def environment(history: History | None = None) -> dict[str, str]:
    """Return what the run ran on: versions, device, processor cores, time taken and date."""
    devices = jax.devices()
    found = {name: importlib.metadata.version(name) for name in ("gradus", "jax", "optax", "numpy")}
    found["python"] = platform.python_version()
    found["system"] = f"{platform.system()} {platform.machine()}"
    found["device"] = f"{len(devices)} × {devices[0].device_kind}"
    found["processor cores"] = str(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    )
    if history is not None and history.seconds:
        found["training time"] = format_duration(sum(history.seconds))
    found["date"] = datetime.datetime.now().astimezone().isoformat(" ", "minutes")
    return found


def _value_panels(true: np.ndarray, guess: np.ndarray, unit: str) -> list[Panel]:
    return [
        Panel(
            "Predicted against true",
            "Above: a perfect network lies on the line. Below: what was left over, which should "
            "show no pattern.",
            predictions.predicted_against_true(true, guess, unit),
            wide=True,
        )
    ]


def _kind(model: Model) -> str:
    """Return the kind of the model's only target; "" for several, or a task of one's own."""
    targets = model.task.objectives if isinstance(model.task, Supervised) else None
    return targets.loss.kind if isinstance(targets, OutputObjective) else ""


def _brief(thing: Any) -> str:
    """Return a layer, optimiser or loss as one would write it, its defaults left out."""
    shown = []
    for name, parameter in inspect.signature(type(thing)).parameters.items():
        value = _number(getattr(thing, name, parameter.default))
        if value is parameter.default or _plain(value) == _plain(_number(parameter.default)):
            continue
        alone = parameter.default is inspect.Parameter.empty
        shown.append(_plain(value) if alone else f"{name}={_plain(value)}")
    return f"{type(thing).__name__}({', '.join(shown)})"


def _number(value: Any) -> Any:
    """Return a float32 as the number that was written: 0.2, not 0.20000000298."""
    if isinstance(value, np.generic | np.ndarray | jax.Array) and np.ndim(value) == 0:
        value = float(f"{float(value):.6g}")
        return int(value) if value.is_integer() else value
    return value


def _plain(value: Any) -> str:
    if getattr(type(value), "has_leaves", False):
        return _brief(value)
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_plain(item)}" for name, item in value.items())
    return getattr(value, "__name__", None) or (value if isinstance(value, str) else repr(value))


def _count(layer: Layer) -> str:
    count = sum(np.size(getattr(layer, name)) for name in layer.__dict__.get("_weights", {}))
    return f", {count:,} weights" if count else ""
