"""From an experiment's settings to a network with its optimizer and loss."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradus.data import TablePreprocessor, Target
from gradus.data.array_preprocessor import Scaling
from gradus.errors import GradusError
from gradus.experiments.preparation.named_settings import (
    apply_settings,
    require_name,
    unknown_setting,
)
from gradus.experiments.preparation.outputs import (
    Losses,
    check_loss,
    fitting_metrics,
    make_losses,
    output_layer,
    several_outputs,
)
from gradus.experiments.settings.experiment import (
    AugmentationSection,
    Experiment,
    ExperimentError,
    NetworkSection,
)
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
        loss = make_losses(experiment.loss)
        check_loss(loss, target)
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
        dense = [*_with_convolutions(first_layers, network), *_dense_layers(network, loss, target)]
        return Model(
            Sequential([*augmentation, *dense]),
            loss=loss,
            optimizer=make_optimizer(experiment, steps),
            metrics=fitting_metrics(experiment.metrics or (), loss, target),
            loss_weights=experiment.loss_weights or None,
            penalty=_penalty(experiment),
            seed=experiment.seed,
        )
    except ExperimentError:
        raise
    except GradusError as error:
        raise ExperimentError(str(error)) from None


def _dense_layers(network: NetworkSection, loss: Losses, target: Target) -> list[Layer]:
    """Return the hidden layers, and the output layer or those of several targets."""
    units, activation = (1, None) if target.parts else output_layer(loss, target)
    layers = mlp(
        [*(network.layers or []), units],
        activation=network.activation,
        output_activation=activation,
        dropout=network.dropout,
        batch_norm=bool(network.batch_norm),
        kernel_initializer=network.initializer,
    ).layers
    if not target.parts:
        return [*layers]
    return [*layers[:-1], several_outputs(loss, target, network.initializer)]


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


def make_optimizer(experiment: Experiment, steps: int) -> Optimizer:
    """Return the optimizer with its settings and learning rate schedule."""
    settings = experiment.optimizer
    default = optimizers.get(require_name(settings, "optimizer"))
    optimizer = apply_settings(default, settings, "optimizer")
    schedule = experiment.schedule
    if require_name(schedule, "schedule") == "none":
        return optimizer
    total = steps * int(experiment.training.epochs or 1)
    rate = _make_schedule(schedule, optimizer.learning_rate, total, steps)
    return dataclasses.replace(optimizer, learning_rate=rate)


def _make_schedule(settings: Mapping[str, Any], rate: Any, total: int, steps: int) -> Any:
    """Return the schedule of a learning rate, over all of training unless its settings differ."""
    chosen = {key: value for key, value in settings.items() if key not in ("name", "warmup_epochs")}
    name = require_name(settings, "schedule")
    parameters = inspect.signature(schedules.REGISTRY.find(name)).parameters
    for key in chosen:
        if key not in parameters:
            raise unknown_setting("schedule", settings, key, [*parameters, "warmup_epochs"])
    warmup = int(settings.get("warmup_epochs", 0) * steps)
    arguments = {key: rate for key in _RATE_ARGUMENTS if key in parameters}
    arguments |= {key: max(total - warmup, 1) for key in _STEP_ARGUMENTS if key in parameters}
    schedule = schedules.get(name, **{**arguments, **chosen})
    return schedules.WarmUp(steps=warmup, target=rate, then=schedule) if warmup else schedule


def _penalty(experiment: Experiment) -> L1L2 | None:
    section = experiment.penalty
    l2 = section.l2 or 0.0
    return L1L2(section.l1, l2) if section.l1 or l2 else None
