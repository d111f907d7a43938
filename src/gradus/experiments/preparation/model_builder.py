"""From an experiment's settings to a network, an optimizer, a loss and encoded targets."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from gradus.data import TablePreprocessor, Target
from gradus.data.array_preprocessor import Scaling
from gradus.diagnosis.record_entries import RELATIVE
from gradus.errors import GradusError, ShapeError, unknown
from gradus.experiments.settings.experiment import (
    AugmentationSection,
    Experiment,
    ExperimentError,
    NetworkSection,
)
from gradus.experiments.settings.experiment_file import suggest_choice
from gradus.models.mlp import mlp
from gradus.models.model import Model
from gradus.nn import activations, initializers
from gradus.nn.layer import Layer
from gradus.nn.layers.activation import Activation
from gradus.nn.layers.augmentation import (
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from gradus.nn.layers.containers import Sequential
from gradus.nn.layers.conv import Conv2D
from gradus.nn.layers.embedding import ColumnEmbedding
from gradus.nn.layers.normalization import BatchNormalization
from gradus.nn.layers.pooling import MaxPooling2D
from gradus.nn.layers.reshaping import Flatten, Rescaling
from gradus.nn.penalties import L1L2
from gradus.objectives import losses, metrics
from gradus.objectives.loss import REGISTRY as LOSSES
from gradus.objectives.loss import Loss
from gradus.objectives.metric import REGISTRY as METRICS
from gradus.objectives.metric import Metric
from gradus.optim import optimizers, schedules
from gradus.optim.base import Optimizer

# The schedules' arguments for the initial rate, and for the number of steps.
_RATE_ARGUMENTS = ("learning_rate", "initial_learning_rate", "maximum", "target")
_STEP_ARGUMENTS = ("decay_steps", "total_steps")


def build_model(
    experiment: Experiment, target: Target, first_layers: list[Layer], steps: int
) -> Model:
    """Build the model of a complete experiment.

    Args:
        experiment: with every setting chosen.
        target: the fitted target.
        first_layers: the layers before the first hidden one, from `input_layers`.
        steps: per epoch, for schedules that end with the training.

    Raises:
        ExperimentError: for an invalid setting, with the nearest name.
    """
    try:
        loss = make_loss(experiment.loss)
        units, output_activation = output_layer(loss, target)
        network = experiment.network
        if (network.conv or network.layers) and activations.has_zero_gradient(
            activations.get(network.activation)
        ):
            raise ExperimentError(
                f"activation = {network.activation!r}: its derivative is zero everywhere, so "
                'no layer before it learns; write "relu", "tanh" or "sigmoid".'
            )
        initializers.get(network.initializer or "glorot_uniform")
        augmentation = augmentation_layers(experiment.augmentation)
        body = mlp(
            [*(network.layers or []), units],
            activation=network.activation,
            output_activation=output_activation,
            dropout=network.dropout,
            batch_norm=bool(network.batch_norm),
            kernel_initializer=network.initializer,
        )
        return Model(
            Sequential([*augmentation, *_with_convolutions(first_layers, network), *body.layers]),
            loss=loss,
            optimizer=make_optimizer(experiment, steps),
            metrics=experiment.metrics or (),
            penalty=_penalty(experiment),
            seed=experiment.seed,
        )
    except ExperimentError:
        raise
    except GradusError as error:
        raise ExperimentError(str(error)) from None


def input_layers(x: Any, preprocessor: Any, scaling: Scaling | None) -> list[Layer]:
    """Return the layers between the inputs and the first hidden layer.

    The network scales bytes, so that images stay bytes in memory.

    Args:
        x: the inputs of the network.
        preprocessor: of the data.
        scaling: of bytes, or None.
    """
    if isinstance(preprocessor, TablePreprocessor):
        sizes = preprocessor.cardinalities
        return [ColumnEmbedding(sizes)] if sizes else []
    layers: list[Layer] = []
    if scaling is not None:
        mean, std = np.asarray(scaling.mean), np.asarray(scaling.std)
        layers.append(Rescaling(_to_floats(1 / std), _to_floats(-mean / std)))
    return [*layers, Flatten()] if x.ndim > 2 else layers


def augmentation_layers(section: AugmentationSection) -> list[Layer]:
    """Return the layers that augment images; before scaling, so that they fill in black."""
    layers: list[Layer] = []
    if section.flip != "none":
        layers.append(RandomFlip(section.flip))
    if section.shift:
        layers.append(RandomTranslation(section.shift, section.shift))
    if section.rotation:
        layers.append(RandomRotation(section.rotation))
    if section.zoom:
        layers.append(RandomZoom(section.zoom))
    return layers


def _with_convolutions(first_layers: list[Layer], network: NetworkSection) -> list[Layer]:
    """Return the first layers with convolutions before the last of them, which flattens images.

    Each convolution is followed by max-pooling, which rounds odd sizes up, down to one pixel.
    """
    layers: list[Layer] = []
    for filters in network.conv or ():
        layers.append(
            Conv2D(
                filters,
                3,
                padding="same",
                use_bias=not network.batch_norm,
                activation=None if network.batch_norm else network.activation,
                kernel_initializer=network.initializer,
            )
        )
        if network.batch_norm:
            layers += [BatchNormalization(), Activation(network.activation)]
        layers.append(MaxPooling2D(2, padding="same"))
    return [*first_layers[:-1], *layers, *first_layers[-1:]] if layers else first_layers


def _to_floats(values: np.ndarray) -> Any:
    return float(values[0]) if len(values) == 1 else tuple(values.tolist())


def make_loss(settings: Mapping[str, Any]) -> Loss:
    """Return the loss called `name` with its settings."""
    return _replace_settings(losses.get(_require_name(settings, "loss")), settings, "loss")


def make_optimizer(experiment: Experiment, steps: int) -> Optimizer:
    """Return the optimizer with its settings and learning rate schedule."""
    settings = experiment.optimizer
    default = optimizers.get(_require_name(settings, "optimizer"))
    optimizer = _replace_settings(default, settings, "optimizer")
    schedule = experiment.schedule
    if _require_name(schedule, "schedule") == "none":
        return optimizer
    total = steps * int(experiment.training.epochs or 1)
    rate = _make_schedule(schedule, optimizer.learning_rate, total, steps)
    return dataclasses.replace(optimizer, learning_rate=rate)


def _make_schedule(settings: Mapping[str, Any], rate: Any, total: int, steps: int) -> Any:
    """Return the schedule of a learning rate, over all of training unless its settings differ."""
    chosen = {key: value for key, value in settings.items() if key not in ("name", "warmup_epochs")}
    name = _require_name(settings, "schedule")
    parameters = inspect.signature(schedules.REGISTRY.find(name)).parameters
    for key in chosen:
        if key not in parameters:
            raise _unknown_setting("schedule", settings, key, [*parameters, "warmup_epochs"])
    warmup = int(settings.get("warmup_epochs", 0) * steps)
    arguments = {key: rate for key in _RATE_ARGUMENTS if key in parameters}
    arguments |= {key: max(total - warmup, 1) for key in _STEP_ARGUMENTS if key in parameters}
    schedule = schedules.get(name, **{**arguments, **chosen})
    return schedules.WarmUp(steps=warmup, target=rate, then=schedule) if warmup else schedule


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


def check_metrics(names: Iterable[str], loss: Loss, target: Target, y: np.ndarray) -> None:
    """Check that metrics apply to the targets, before any training.

    Args:
        names: of the metrics.
        loss: the training loss.
        target: the fitted target.
        y: some targets, encoded for the loss.

    Raises:
        ExperimentError: for one that is unknown or does not apply, with those that do.
    """
    units, _ = output_layer(loss, target)
    applies = functools.partial(_applies, target=target, y=y, units=units)
    try:
        unfit = [name for name in names if not applies(metrics.get(name, loss))]
    except GradusError as error:
        raise ExperimentError(str(error)) from None
    if unfit:
        fitting = [name for name in _metric_names() if applies(metrics.get(name, loss))]
        several = "labels" if target.task == "multilabel" else "classes"
        kind = "numbers" if target.task == "regression" else f"{target.outputs} {several}"
        raise ExperimentError(
            f"metrics={unfit[0]!r} does not apply to {kind} with the loss {loss.name!r}. Those "
            f"that do: {', '.join(fitting)}."
        )


def _applies(metric: Metric, target: Target, y: np.ndarray, units: int) -> bool:
    """Whether a metric can be computed from targets and outputs, and means something."""
    if target.task == "regression":
        if not isinstance(metric, metrics.LossMetric):
            return isinstance(metric, metrics.R2Score)
        return metric.loss.kind == "values" and metric.loss.name not in RELATIVE
    count = len(y)
    try:
        jax.eval_shape(metric.update, y, np.ones((count, units), np.float32), np.ones(count))
    except ShapeError:
        return False
    return True


def _metric_names() -> list[str]:
    """Return the names of all metrics and losses, without aliases."""
    registries = (METRICS, LOSSES)
    return sorted(n for known in registries for n in known if known.name_of(known.find(n)) == n)


def encode_targets(y: np.ndarray, loss: Loss, target: Target) -> np.ndarray:
    """Encode targets for the loss: labels, flags or one-hot.

    Args:
        y: labels (n,), standardized numbers (n, k), or flags of several labels (n, k).
        loss: the training loss.
        target: the fitted target.
    """
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


def _penalty(experiment: Experiment) -> L1L2 | None:
    section = experiment.penalty
    l2 = section.l2 or 0.0
    return L1L2(section.l1, l2) if section.l1 or l2 else None


def _require_name(settings: Mapping[str, Any], kind: str) -> str:
    name = settings.get("name")
    if not isinstance(name, str):
        raise ExperimentError(f'[{kind}] has no name: write name = "…".')
    return name


def _replace_settings(default: Any, settings: Mapping[str, Any], kind: str) -> Any:
    """Return an optimizer or a loss with the settings of its section."""
    known = [field.name for field in dataclasses.fields(default)]
    changes = {key: value for key, value in settings.items() if key != "name"}
    for key, value in changes.items():
        if key not in known:
            raise _unknown_setting(kind, settings, key, known)
        former = getattr(default, key)
        is_numeric = isinstance(former, int | float) or former is None
        if is_numeric and not isinstance(value, int | float):
            hint = suggest_choice(key, value) if isinstance(value, list) else ""
            raise ExperimentError(f"{kind}: {key} = {value!r}: write a number.{hint}")
    return dataclasses.replace(default, **changes)


def _unknown_setting(
    kind: str, settings: Mapping[str, Any], key: str, known: Iterable[str]
) -> GradusError:
    """Return the error for an unknown setting, or for a table of a name that is not chosen."""
    name = settings["name"]
    if isinstance(settings[key], Mapping):
        return ExperimentError(
            f'[{kind}.{key}] applies only if the name is a choice with "{key}": write '
            f'name = {{choice = ["{name}", "{key}"]}} in [{kind}], or leave out the table.'
        )
    return unknown(f"setting of the {kind} {name!r}:", key, known)
