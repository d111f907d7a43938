"""The outputs of a network for a target: their loss and metrics, and from targets to both."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from gradus.data import Target
from gradus.diagnosis.record_entries import RELATIVE
from gradus.errors import GradusError, ShapeError, nearest, unknown
from gradus.experiments.preparation.named_settings import apply_settings, require_name
from gradus.experiments.settings.experiment import ExperimentError
from gradus.models.model import Model
from gradus.nn.layer import Layer
from gradus.nn.layers.containers import Parallel
from gradus.nn.layers.dense import Dense
from gradus.objectives import losses, metrics
from gradus.objectives.loss import REGISTRY as LOSSES
from gradus.objectives.loss import Loss
from gradus.objectives.metric import REGISTRY as METRICS
from gradus.objectives.metric import Metric

Losses = Any
"""The loss of a target; of several that have a task each a dict of losses, by column."""


def make_loss(settings: Mapping[str, Any]) -> Loss:
    """Return the loss called `name` with its settings."""
    return apply_settings(losses.get(require_name(settings, "loss")), settings, "loss")


def make_losses(settings: Mapping[str, Any]) -> Losses:
    """Return the loss of a section, or of one that has a section for each of several targets."""
    if isinstance(settings.get("name"), str) or not all_sections(settings):
        return make_loss(settings)
    return {name: make_loss(section) for name, section in settings.items()}


def all_sections(settings: Mapping[str, Any]) -> bool:
    """Whether a section has sections alone."""
    return bool(settings) and all(isinstance(value, Mapping) for value in settings.values())


def losses_of(model: Model) -> Losses:
    """Return the training loss of a model, or of each of several targets."""
    given = model.settings["loss"]
    if isinstance(given, Mapping):
        return {name: losses.get(loss) for name, loss in given.items()}
    return losses.get(given)


def check_loss(loss: Losses, target: Target) -> None:
    """Check that there is one loss, or one for each of several targets that have a task each.

    Raises:
        ExperimentError: with what to write instead.
    """
    if not target.parts:
        if isinstance(loss, Mapping):
            names = ", ".join(map(repr, loss))
            raise ExperimentError(
                f"[loss] has sections for {names}, but there is one loss for the target "
                f'{target.name!r}: write name = "…" in [loss].'
            )
        return
    columns = [part.name for part in target.parts]
    if taken := next((name for name in columns if f"{name}_".startswith("val_")), None):
        raise ExperimentError(
            f"The target {taken!r} has metrics such as '{taken}_loss', which would be taken for "
            "those of the validation rows: rename the column."
        )
    if not isinstance(loss, Mapping):
        raise ExperimentError(
            f"The loss {loss.name!r} is one, but the targets {target.name} have a loss each: leave "
            f'it out, or write in an experiment file: name = "{loss.name}" in [loss.{columns[0]}].'
        )
    for name in loss:
        if name not in columns:
            close = nearest(name, columns)
            hint = f" Did you mean {close!r}?" if close else f" They are {', '.join(columns)}."
            raise ExperimentError(f"[loss.{name}] is the loss of no target.{hint}")


def check_loss_weights(weights: Mapping[str, float], target: Target) -> None:
    """Check that weights of losses are those of targets that have a loss each.

    Raises:
        ExperimentError: with what to write instead.
    """
    columns = [part.name for part in target.parts]
    for name, weight in weights.items():
        if not columns:
            of = "are one task, with one loss" if target.columns else "is one, with one loss"
            hint = ', or give each a loss of its own: task = "multitask"' * bool(target.columns)
            raise ExperimentError(
                f"loss_weights has {name} = {weight:g}, but the target {target.name} {of}: leave "
                f"it out{hint}."
            )
        if name not in columns:
            raise ExperimentError(str(unknown("target in loss_weights", name, columns)))
    if weights and not sum(weights.get(name, 1.0) for name in columns):
        raise ExperimentError("loss_weights are all 0, so nothing would be learned.")


def output_layer(loss: Loss, target: Target) -> tuple[int, str | None]:
    """Return the units and the activation of the output layer for a loss and a target."""
    if target.task == "regression":
        if loss.kind != "values":
            raise ExperimentError(
                f"The loss {loss.name!r} is for classes, but the target {target.name!r} is numbers:"
                ' write "mean_squared_error", "mean_absolute_error" or "huber", or '
                'task = "classification".'
            )
        if loss.name in RELATIVE:
            raise ExperimentError(
                f"The loss {loss.name!r} depends on where zero is, but the target {target.name!r} "
                'is standardized: write "mean_squared_error", "mean_absolute_error" or "huber", or '
                "use gr.Model in Python."
            )
        return target.outputs, None
    if target.task == "multilabel":
        if loss.kind == "classes":
            raise ExperimentError(
                f"The loss {loss.name!r} is for one class of each row, but {target.name!r} has "
                'several labels: write "binary_crossentropy" or "binary_focal_crossentropy".'
            )
        return target.outputs, loss.link or ("sigmoid" if loss.kind == "values" else None)
    if loss.kind == "classes":
        return target.outputs, loss.link
    if target.outputs == 2:
        return 1, loss.link or ("sigmoid" if loss.kind == "values" else None)
    return target.outputs, loss.link or ("softmax" if loss.kind == "values" else None)


def several_outputs(loss: Losses, target: Target, initializer: str | None) -> Parallel:
    """Return the output layers of several targets that have a task each."""
    heads: dict[str, Layer] = {}
    for part in target.parts:
        units, activation = output_layer(loss[part.name], part)
        heads[part.name] = Dense(units, activation, kernel_initializer=initializer)
    return Parallel(heads)


def fitting_metrics(names: Sequence[str], loss: Losses, target: Target) -> Any:
    """Return the names of metrics as a model takes them; of several targets, those of each.

    Args:
        names: of the metrics.
        loss: the training loss.
        target: the fitted target.

    Raises:
        ExperimentError: for one that is unknown or does not apply, with those that do.
    """
    if not target.parts:
        return check_metrics(names, loss, target)
    fitting = {
        part.name: [
            name
            for name in names
            if _is_fit(name, loss[part.name], part)
            and (part.task == "regression" or metrics.get(name) != metrics.R2Score())
        ]
        for part in target.parts
    }
    for name in names:
        if not any(name in of for of in fitting.values()):
            raise ExperimentError(
                f"metrics={name!r} does not apply to any of the targets {target.name}."
            )
    return fitting


def check_metrics(names: Sequence[str], loss: Loss, target: Target) -> Sequence[str]:
    """Return the names of metrics, which apply to a target.

    Raises:
        ExperimentError: for one that is unknown or does not apply, with those that do.
    """
    unfit = [name for name in names if not _is_fit(name, loss, target)]
    if unfit:
        fitting = [name for name in _metric_names() if _is_fit(name, loss, target)]
        several = "labels" if target.task == "multilabel" else "classes"
        kind = "numbers" if target.task == "regression" else f"{target.outputs} {several}"
        raise ExperimentError(
            f"metrics={unfit[0]!r} does not apply to {kind} with the loss {loss.name!r}. Those "
            f"that do: {', '.join(fitting)}."
        )
    return names


def _is_fit(name: str, loss: Loss, target: Target) -> bool:
    """Whether a metric can be computed from targets and outputs, and means something.

    Raises:
        ExperimentError: for an unknown one, with the nearest.
    """
    try:
        metric = metrics.get(name, loss)
    except GradusError as error:
        raise ExperimentError(str(error)) from None
    if target.task == "regression":
        if not isinstance(metric, metrics.LossMetric):
            return isinstance(metric, metrics.R2Score)
        return metric.loss.kind == "values" and metric.loss.name not in RELATIVE
    return _computes(metric, loss, target)


def _computes(metric: Metric, loss: Loss, target: Target) -> bool:
    """Whether a metric takes the labels of a target, and outputs for them."""
    units, _ = output_layer(loss, target)
    shape = (2, target.outputs) if target.task == "multilabel" else (2,)
    y = encode_targets(np.zeros(shape, np.int32), loss, target)
    return _takes(metric, y.shape, y.dtype, units)


@functools.lru_cache(1024)  # a trace takes milliseconds
def _takes(metric: Metric, shape: tuple[int, ...], dtype: np.dtype[Any], units: int) -> bool:
    """Whether a metric takes targets of a shape and a type, and outputs of some units."""
    y = np.zeros(shape, dtype)
    try:
        jax.eval_shape(metric.update, y, np.ones((2, units), np.float32), np.ones(2))
    except ShapeError:
        return False
    return True


def _metric_names() -> list[str]:
    """Return the names of all metrics and losses, without aliases."""
    registries: Iterable[Any] = (METRICS, LOSSES)
    return sorted(n for known in registries for n in known if known.name_of(known.find(n)) == n)


def encode_targets(y: Any, loss: Losses, target: Target) -> Any:
    """Encode targets for the loss: labels, flags or one-hot.

    Args:
        y: labels (n,), standardized numbers (n, k), or flags of several labels (n, k); of several
            targets that have a task each, a dict.
        loss: the training loss.
        target: the fitted target.
    """
    if target.parts:
        return {p.name: encode_targets(y[p.name], loss[p.name], p) for p in target.parts}
    if target.task == "multilabel":
        return y.astype(np.float32)
    if target.task == "regression" or loss.name == "sparse_categorical_crossentropy":
        return y
    units, _ = output_layer(loss, target)
    if units == 1:
        return y[:, None].astype(np.float32)
    return np.eye(units, dtype=np.float32)[y]


def decide_classes(outputs: np.ndarray, loss: Loss, target: Target) -> np.ndarray:
    """Convert a network's outputs to labels (n,), or to flags (n, k) of several labels."""
    threshold = 0.0 if loss.kind == "flags" and loss.link is None else 0.5
    if target.task == "multilabel":
        return (outputs > threshold).astype(np.int32)
    return target.labels(outputs > threshold if outputs.shape[1] == 1 else outputs)
