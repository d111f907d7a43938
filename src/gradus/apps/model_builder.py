"""From an experiment's settings to a network, an optimiser, a loss and encoded targets."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gradus.apps.experiment_file import AugmentationSection, Experiment, SpecError, suggestion
from gradus.data import TablePreprocessor, Target
from gradus.data.array_preprocessor import Scaling
from gradus.errors import GradusError, unknown
from gradus.models.mlp import mlp
from gradus.models.model import Model
from gradus.nn import activations, initializers
from gradus.nn.layer import Layer
from gradus.nn.layers.augmentation import RandomFlip, RandomRotation, RandomTranslation
from gradus.nn.layers.containers import Sequential
from gradus.nn.layers.embedding import ColumnEmbedding
from gradus.nn.layers.reshaping import Flatten, Rescaling
from gradus.objectives import losses
from gradus.objectives.loss import Loss
from gradus.objectives.penalties import L1L2
from gradus.optim import optimizers, schedules
from gradus.optim.base import Optimizer

# What the schedules call the rate that they begin with, and the number of steps that they take.
_RATES = ("learning_rate", "initial_learning_rate", "maximum", "target")
_STEPS = ("decay_steps", "total_steps")


def build_model(experiment: Experiment, target: Target, entry: list[Layer], steps: int) -> Model:
    """Return the model of a complete experiment.

    Args:
        experiment: with every setting chosen.
        target: what is learnt.
        entry: the layers before the first hidden one, from `input_layers`.
        steps: of an epoch, for schedules that end with the training.

    Raises:
        SpecError: for a setting that cannot be, with the nearest name.
    """
    try:
        loss = make_loss(experiment.loss)
        units, end = output_layer(loss, target)
        network = experiment.network
        if network.layers and activations.has_zero_gradient(activations.get(network.activation)):
            raise SpecError(
                f"activation = {network.activation!r}: its derivative is zero everywhere, so "
                'nothing before it learns; write "relu", "tanh" or "sigmoid".'
            )
        initializers.get(network.initializer or "glorot_uniform")
        body = mlp(
            [*(network.layers or []), units],
            activation=network.activation,
            output_activation=end,
            dropout=network.dropout,
            batch_norm=bool(network.batch_norm),
            kernel_initializer=network.initializer,
        )
        return Model(
            Sequential([*augmentation_layers(experiment.augmentation), *entry, *body.layers]),
            loss=loss,
            optimizer=make_optimizer(experiment, steps),
            metrics=experiment.metrics or (),
            penalty=_penalty(experiment),
            seed=experiment.seed,
        )
    except SpecError:
        raise
    except GradusError as error:
        raise SpecError(str(error)) from None


def input_layers(x: Any, preprocessor: Any, scaling: Scaling | None) -> list[Layer]:
    """Return the layers between the inputs and the first hidden layer.

    Bytes are scaled here, in the network, so that images stay bytes in memory.

    Args:
        x: the inputs as the network gets them.
        preprocessor: of the data.
        scaling: of bytes, or None.
    """
    if isinstance(preprocessor, TablePreprocessor):
        sizes = preprocessor.cardinalities
        return [ColumnEmbedding(sizes)] if sizes else []
    layers: list[Layer] = []
    if scaling is not None:
        mean, std = np.asarray(scaling.mean), np.asarray(scaling.std)
        layers.append(Rescaling(_plain(1 / std), _plain(-mean / std)))
    return [*layers, Flatten()] if x.ndim > 2 else layers


def augmentation_layers(given: AugmentationSection) -> list[Layer]:
    """Return the layers that change images at random, before they are scaled: black comes in."""
    layers: list[Layer] = []
    if given.flip != "none":
        layers.append(RandomFlip(given.flip))
    if given.shift:
        layers.append(RandomTranslation(given.shift, given.shift))
    if given.rotation:
        layers.append(RandomRotation(given.rotation))
    return layers


def _plain(values: np.ndarray) -> Any:
    return float(values[0]) if len(values) == 1 else tuple(values.tolist())


def make_loss(settings: Mapping[str, Any]) -> Loss:
    """Return the loss of `name` with its settings."""
    return _with_settings(losses.get(_name(settings, "loss")), settings, "loss")


def make_optimizer(experiment: Experiment, steps: int) -> Optimizer:
    """Return the optimiser with its settings, and its rate as the schedule says."""
    settings = experiment.optimizer
    made = _with_settings(optimizers.get(_name(settings, "optimizer")), settings, "optimizer")
    schedule = experiment.schedule
    if _name(schedule, "schedule") == "none":
        return made
    total = steps * int(experiment.training.epochs or 1)
    rate = _schedule(schedule, made.learning_rate, total, steps)
    return dataclasses.replace(made, learning_rate=rate)


def _schedule(settings: Mapping[str, Any], rate: Any, total: int, steps: int) -> Any:
    """Return the schedule of a rate, over all of training unless its settings say otherwise."""
    given = {key: value for key, value in settings.items() if key not in ("name", "warmup_epochs")}
    name = _name(settings, "schedule")
    parameters = inspect.signature(schedules.REGISTRY.find(name)).parameters
    for key in given:
        if key not in parameters:
            raise _unknown("schedule", settings, key, [*parameters, "warmup_epochs"])
    warmup = int(settings.get("warmup_epochs", 0) * steps)
    chosen = {key: rate for key in _RATES if key in parameters}
    chosen |= {key: max(total - warmup, 1) for key in _STEPS if key in parameters}
    made = schedules.get(name, **{**chosen, **given})
    return schedules.WarmUp(steps=warmup, target=rate, then=made) if warmup else made


def output_layer(loss: Loss, target: Target) -> tuple[int, str | None]:
    """Return the units and the activation of the last layer, for a loss and a target."""
    if target.task == "regression":
        if loss.kind != "values":
            raise SpecError(
                f"The loss {loss.name!r} is for classes, but the target {target.name!r} is numbers:"
                ' write "mean_squared_error", "mean_absolute_error" or "huber", or '
                'task = "classification".'
            )
        return target.outputs, None
    if loss.kind == "classes":
        return target.outputs, loss.link
    if target.outputs == 2:
        return 1, loss.link or ("sigmoid" if loss.kind == "values" else None)
    return target.outputs, loss.link or ("softmax" if loss.kind == "values" else None)


def encode_targets(y: np.ndarray, loss: Loss, target: Target) -> np.ndarray:
    """Return targets as the loss wants them: labels, flags or one-hot.

    Args:
        y: labels (n,), or standardised numbers (n, k).
        loss: what is trained.
        target: what is learnt.
    """
    if target.task == "regression" or loss.name == "sparse_categorical_crossentropy":
        return y
    units, _ = output_layer(loss, target)
    if units == 1:
        return y[:, None].astype(np.float32)
    return np.eye(units, dtype=np.float32)[y]


def decide_classes(outputs: np.ndarray, loss: Loss, target: Target) -> np.ndarray:
    """Return the labels (n,) that a network's outputs stand for."""
    if outputs.shape[1] == 1:
        outputs = outputs > (0.0 if loss.kind == "flags" and loss.link is None else 0.5)
    return target.labels(outputs)


def _penalty(experiment: Experiment) -> L1L2 | None:
    given = experiment.penalty
    return L1L2(given.l1, given.l2) if given.l1 or given.l2 else None


def _name(settings: Mapping[str, Any], kind: str) -> str:
    name = settings.get("name")
    if not isinstance(name, str):
        raise SpecError(f'[{kind}] has no name: write name = "…".')
    return name


def _with_settings(made: Any, settings: Mapping[str, Any], kind: str) -> Any:
    """Return an optimiser or a loss with the settings given beside its name."""
    known = [field.name for field in dataclasses.fields(made)]
    given = {key: value for key, value in settings.items() if key != "name"}
    for key, value in given.items():
        if key not in known:
            raise _unknown(kind, settings, key, known)
        default = getattr(made, key)
        numeric = isinstance(default, int | float) or default is None
        if numeric and not isinstance(value, int | float):
            tried = suggestion(key, value) if isinstance(value, list) else ""
            raise SpecError(f"{kind}: {key} = {value!r}: write a number.{tried}")
    return dataclasses.replace(made, **given)


def _unknown(kind: str, settings: Mapping[str, Any], key: str, known: Iterable[str]) -> GradusError:
    """Return the error for a setting that a name does not have, or for a table of another name."""
    name = settings["name"]
    if isinstance(settings[key], Mapping):
        return SpecError(
            f'[{kind}.{key}] counts only where the name is a choice with "{key}": write '
            f'name = {{choice = ["{name}", "{key}"]}} in [{kind}], or leave the table out.'
        )
    return unknown(f"setting of the {kind} {name!r}:", key, known)
