"""Loss, metrics, optimizer, and schedule of a model, as Keras compiles them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from gradus.bridges.keras.objects import short_float
from gradus.bridges.keras.writing import keras_twin
from gradus.errors import GradusError
from gradus.models.model import Model
from gradus.objectives.loss import Loss, takes_logits
from gradus.objectives.metric import REGISTRY as METRICS
from gradus.optim import schedules
from gradus.optim.base import Optimizer
from gradus.optim.optimizers import SGD, Adam, AdamW
from gradus.train.tasks.base import OutputObjective, Supervised


def compile_keras(
    keras: Any, written: Any, model: Model, heads: Any, paths: dict[int, str], notes: list[str]
) -> None:
    """Compile a Keras model with the loss, the metrics, and the optimizer of a model, if it can.

    Args:
        keras: the package.
        written: the Keras model.
        model: the model of gradus.
        heads: what made each output of its network.
        paths: those of gradus's weights by the id of Keras's variables.
        notes: where a sentence is added about what is not carried.
    """
    try:
        if not isinstance(model.task, Supervised):
            raise GradusError(f"its task, {type(model.task).__name__}, is gradus's own")
        parts = _by_output(keras, model.task.objectives, heads, notes)
        optimizer = _optimizer(keras, model.optimizer)
    except GradusError as error:
        notes.append(f"the Keras model is not compiled: {error}".rstrip("."))
        return
    if model.task.penalty is not None:
        notes.append("the penalty of the Model on every kernel is not carried")
    loss, metrics, loss_weights = parts
    written.compile(optimizer, loss, loss_weights=loss_weights, metrics=metrics)
    if model.train_state is not None and not _carry_state(written, model, paths):
        notes.append("the optimizer begins anew, without the state of gradus's")


def _carry_state(written: Any, model: Model, paths: dict[int, str]) -> bool:
    """Give Keras's optimizer the steps and moments of gradus's; return whether it takes them."""
    optimizer, theirs = model.optimizer, written.optimizer
    plain = type(optimizer) is SGD and optimizer.momentum is None
    if (not plain and type(optimizer) not in (Adam, AdamW)) or model.train_state is None:
        return False
    (state,) = model.train_state.opt_states
    theirs.build(written.trainable_variables)
    theirs.iterations.assign(int(state["step"]))
    if plain:
        return True
    names = [paths[id(variable)] for variable in written.trainable_variables]
    moments = [np.asarray(each[name]) for name in names for each in state["inner"]]
    variables = theirs.variables[-len(moments) :]
    for variable, moment in zip(variables, moments, strict=True):
        variable.assign(moment.reshape(variable.shape))
    return True


def _by_output(keras: Any, objectives: Any, heads: Any, notes: list[str]) -> tuple[Any, Any, Any]:
    """Return the losses, the metrics, and the weights of the losses, as Keras takes them."""

    def parts(objective: OutputObjective, head: Any) -> tuple[Any, Any, float]:
        metrics = [_metric(metric, notes) for metric in objective.metrics]
        loss = _loss(keras, objective.loss, head.activation)
        return loss, [m for m in metrics if m is not None], float(objective.weight)

    if isinstance(objectives, OutputObjective):
        return (*parts(objectives, heads)[:2], None)
    if isinstance(objectives, dict):
        columns = [parts(objectives[name], heads[name]) for name in objectives]
        named = [
            dict(zip(objectives, column, strict=True)) for column in zip(*columns, strict=True)
        ]
        return named[0], named[1], named[2]
    columns = [parts(*pair) for pair in zip(objectives, heads, strict=True)]
    listed = [list(column) for column in zip(*columns, strict=True)]
    return listed[0], listed[1], listed[2]


def _loss(keras: Any, loss: Loss, activation: str) -> Any:
    """Return Keras's loss, which is told whether it takes logits."""
    probabilities = {"softmax": "softmax", "sigmoid": "sigmoid"}.get(activation)
    if loss.link is None or not takes_logits(loss.link, activation):
        told = {}
    else:
        told = {"from_logits": probabilities != loss.link}
    return keras_twin(keras.losses, loss, "The loss", **told)


def _metric(metric: Any, notes: list[str]) -> str | None:
    """Return the name of a metric that Keras computes in the same way."""
    loss = getattr(metric, "loss", None)
    if isinstance(loss, Loss) and not loss.is_custom and loss.name != "root_mean_squared_error":
        return loss.name
    name = METRICS.name_of(type(metric))
    if name == "accuracy":
        return "binary_accuracy" if metric.flags else name
    said = f"the metric {metric.name!r} is not carried"
    notes += [said] * (said not in notes)
    return None


def _optimizer(keras: Any, optimizer: Optimizer) -> Any:
    """Return Keras's optimizer with the same numbers."""
    name = type(optimizer).__name__
    where = f"the optimizer {name}"
    if name == "Muon":
        raise GradusError(f"{where} chooses its matrices in another way in Keras")
    told = {"learning_rate": _rate(keras, optimizer.learning_rate)}
    if getattr(optimizer, "momentum", 0.0) is None:
        told["momentum"] = 0.0
    excluded = optimizer.exclude_from_weight_decay
    plain = dataclasses.replace(optimizer, exclude_from_weight_decay=())
    written = keras_twin(keras.optimizers, plain, where, **told)
    if excluded:
        written.exclude_from_weight_decay(var_names=list(excluded))
    return written


def _rate(keras: Any, rate: Any) -> Any:
    """Return a learning rate as Keras takes it: a number, or its own schedule."""
    if not isinstance(rate, schedules.Schedule):
        return short_rate(rate)
    known = keras.optimizers.schedules
    where = "the learning rate"
    if isinstance(rate, schedules.Constant):
        return short_rate(rate.learning_rate)
    if isinstance(rate, schedules.StepDecay):
        return known.ExponentialDecay(
            short_rate(rate.initial_learning_rate), int(rate.every), float(rate.factor), True
        )
    if isinstance(rate, schedules.PiecewiseConstant):  # Keras's changes after the boundary
        bounds = [int(bound) - 1 for bound in rate.boundaries]
        return known.PiecewiseConstantDecay(bounds, [short_rate(value) for value in rate.values])
    if isinstance(rate, schedules.WarmUp) and isinstance(rate.then, schedules.CosineDecay):
        peak, cosine = short_rate(rate.target), rate.then
        if short_rate(cosine.initial_learning_rate) == peak:
            return known.CosineDecay(
                short_rate(rate.start),
                int(cosine.decay_steps),
                float(cosine.alpha),
                warmup_target=peak,
                warmup_steps=int(rate.steps),
            )
    return keras_twin(known, rate, where)


def short_rate(rate: Any) -> float:
    """Return a learning rate, which may be an array, as a short float."""
    return short_float(float(rate))
