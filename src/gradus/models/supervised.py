"""The task of a loss and metrics, and its checks against the network and the data."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from gradus.checks import as_items, number
from gradus.errors import GradusError, ShapeError, unknown
from gradus.nn import activations, penalties
from gradus.nn.layer import Layer, named_layers
from gradus.nn.layers.containers import Sequential
from gradus.nn.layers.dense import Dense
from gradus.nn.network import forward, fresh, weights, with_weights
from gradus.objectives import losses
from gradus.objectives.loss import Loss
from gradus.objectives.metrics import LossMetric
from gradus.objectives.metrics import get as get_metric
from gradus.rng import host_rng
from gradus.train.inference import predict_batches
from gradus.train.tasks.base import OutputObjective, Supervised, is_head, zip_outputs

# Random weights that are tried to see whether outputs are bounded, and their deviation.
WEIGHT_DRAWS, WEIGHT_DEVIATION = 4, 10.0


def make_supervised(
    loss: Any, metrics: Any = (), loss_weights: Any = None, penalty: Any = None
) -> Supervised:
    """Return the task of a loss and metrics, each given by name, object or function.

    Args:
        loss: one, or a dict or list of them, one for each output.
        metrics: a list for one output; for several outputs a dict or list of lists.
        loss_weights: the weight of each output's loss, structured like `loss`; 1 by default.
        penalty: a penalty on every kernel, or None.

    Raises:
        GradusError: for an unknown name, or weights and metrics that do not match the losses.
    """
    several: dict[Any, Any] | None = None
    if isinstance(loss, dict):
        several = loss
    elif isinstance(loss, list | tuple):
        several = dict(enumerate(loss))
    given = {"loss_weights": loss_weights, "metrics": metrics}
    for argument, values in given.items():
        _check_entries(values, several, argument)

    def objective(key: Any, part: Any) -> OutputObjective:
        weight, measured = (_entry_of(values, key, name) for name, values in given.items())
        return _make_objective(part, measured, weight)

    penalty = None if penalty is None else penalties.get(penalty)
    if several is None:
        return Supervised(_make_objective(loss, metrics, loss_weights), penalty)
    objectives = {key: objective(key, part) for key, part in several.items()}
    return Supervised(objectives if several is loss else tuple(objectives.values()), penalty)


def _check_entries(values: Any, several: dict[Any, Any] | None, argument: str) -> None:
    """Check that every entry of weights or metrics is that of an output with a loss.

    An entry of another name would be left out without a word.
    """
    if isinstance(values, dict) and values and several is None:
        raise GradusError(
            f"{argument}={values!r} has entries for several outputs, but there is one loss: leave "
            "out the names, or give a dict of losses, one for each output."
        )
    if several is None:
        return
    if isinstance(values, dict):
        for key in values:
            if key not in several:
                raise unknown(f"output in {argument}", key, map(str, several))
    elif isinstance(values, list | tuple) and len(values) > len(several):
        raise GradusError(
            f"{argument} has {len(values)} entries, but there are {len(several)} losses: write one "
            "for each."
        )


def _entry_of(values: Any, key: Any, argument: str) -> Any:
    if values is None or (not isinstance(values, dict) and not values):
        return None
    try:
        return values.get(key) if isinstance(values, dict) else values[key]
    except (IndexError, TypeError):
        raise GradusError(f"{argument}={values!r} has no entry for the output {key!r}.") from None


def _make_objective(loss: Any, metrics: Any, weight: Any) -> OutputObjective:
    loss = losses.get(loss)
    several = [] if metrics is None else as_items(metrics)
    if isinstance(metrics, str) or several is None:
        several = [metrics]
    metrics = tuple(get_metric(metric, loss) for metric in several)
    names = ["loss", *(metric.name for metric in metrics)]
    for name in names:
        if names.count(name) > 1:
            raise GradusError(
                f"Two numbers would be called {name!r}: give each metric once, and your own "
                "function another name."
            )
    if weight is None:
        weight = 1.0
    elif not hasattr(weight, "shape"):
        weight = number("loss_weights", weight, 0)
    return OutputObjective(loss, metrics, weight)


def fit_metrics(task: Supervised, y: Any) -> Supervised:
    """Return the task with metrics fitted to the targets, such as the shift of R²."""

    def fit(objective: OutputObjective, values: Any) -> OutputObjective:
        fitted = tuple(metric.fit_targets(values) for metric in objective.metrics)
        return OutputObjective(objective.loss, fitted, objective.weight)

    outputs = zip_outputs(task.objectives, None, y)
    fitted = [fit(objective, values) for _, objective, _, values in outputs]
    if isinstance(task.objectives, OutputObjective):
        return Supervised(fitted[0], task.penalty)
    if isinstance(task.objectives, dict):
        return Supervised(dict(zip(task.objectives, fitted, strict=True)), task.penalty)
    return Supervised(tuple(fitted), task.penalty)


def check_supervised(net: Layer, task: Supervised, x: Any, y: Any, where: str = "y") -> None:
    """Check a built network, its losses and all targets against each other before training.

    Args:
        net: the built network.
        task: what is learned.
        x: the first inputs, a batch.
        y: all targets.
        where: what the targets are called in an error.

    Raises:
        GradusError: if the loss does not accept a target, an activation passes no gradient, or
            outputs are probabilities, in a way that is not recognized, where a loss needs logits.
    """
    _check_activations(net)
    heads, shapes = output_heads(net, x)
    outputs = list(zip_outputs(task.objectives, heads, y))
    check_targets(task, shapes, y, where)
    for name, objective, head, _ in outputs:
        if head.activation == "linear" and objective.loss.link and not _ends_in_logits(net):
            _check_outputs_are_logits(net, task, name, objective, x)


def check_targets(task: Supervised, shapes: Any, y: Any, where: str = "y") -> None:
    """Check targets against their losses.

    Args:
        task: what is learned.
        shapes: of the outputs, as of `output_heads`.
        y: the targets.
        where: what they are called in an error.

    Raises:
        GradusError: if a loss does not accept its target.
    """
    for name, objective, _, given in zip_outputs(task.objectives, None, y):
        shape = _output_named(shapes, task.objectives, name).shape
        named = where if name == "output" else f"{where}[{name!r}]"
        values = objective.loss.align(given, shape) if hasattr(given, "shape") else given
        objective.loss.check(values, shape, named)
        for loss in (objective.loss, *_losses_of(objective.metrics)):
            _check_samples_stay_apart(loss, values, shape, named)


def _losses_of(metrics: Iterable[Any]) -> list[Loss]:
    return [metric.loss for metric in metrics if isinstance(metric, LossMetric)]


def _check_samples_stay_apart(loss: Loss, y: Any, shape: Any, where: str) -> None:
    """Check that a user's own loss does not compare the target of a sample with others' outputs.

    This happens if targets `(n,)` and outputs `(n, 1)` broadcast to `(n, n)`: the loss of a sample
    then depends on another's target. It also happens if the function itself makes such shapes.
    """
    y, outputs = np.asarray(y), tuple(shape[1:])
    if not loss.is_custom:
        return
    problem = f"{loss.name} compares every sample with every other, since"
    shapes = f"{where} has shape {y.shape} and an output {(len(y), *outputs)}"
    if (*y.shape[1:], 1) == outputs or (*outputs, 1) == y.shape[1:]:
        y_true = np.resize(y, (3, *y.shape[1:]))
        changed = y_true.copy()
        changed[0] = ~y_true[0] if y.dtype == bool else y_true[0] + 1
        y_pred = host_rng(0, "samples apart").normal(size=(3, *outputs)).astype(np.float32)
        before, after = (np.asarray(loss(target, y_pred))[1:] for target in (y_true, changed))
        if not np.array_equal(before, after, equal_nan=True):
            index = "[..., None]" if (*y.shape[1:], 1) == outputs else "[..., 0]"
            raise ShapeError(f"{problem} {shapes}: write {where}{index}.")
    if all(_second_axis(loss, y, outputs, count) == (count,) for count in (3, 4)):
        raise ShapeError(
            f"{problem} it returns (n, n) values for n samples ({shapes}): keep y_true and y_pred "
            "as they are in it, or index both alike, such as y_true[:, 0] and y_pred[:, 0]."
        )


def _second_axis(loss: Loss, y: np.ndarray, outputs: tuple[int, ...], count: int) -> Any:
    """Return the length of the second axis of what a loss returns for some samples, if any."""
    shapes = ((count, *y.shape[1:]), y.dtype), ((count, *outputs), np.float32)
    try:
        values = jax.eval_shape(loss.values, *(jax.ShapeDtypeStruct(*of) for of in shapes))
    except GradusError:
        raise
    except (TypeError, ValueError) as error:
        if "broadcasting" not in str(error):
            raise
        raise ShapeError(
            f"{loss.name} cannot compare a target of shape {y.shape[1:]} with an output of shape "
            f"{outputs}: give both one shape."
        ) from None
    return values.shape[1:2]


def _logits(heads: Any) -> Any:
    return jax.tree.map(lambda head: head.logits, heads, is_leaf=is_head)


def output_heads(net: Layer, x: Any) -> tuple[Any, Any]:
    """Return the heads with only their activations, and the shapes of the outputs of a few samples.

    How many samples `x` has makes no difference, and no other trace.
    """
    net_types, few = jax.tree.map(jax.typeof, net), jax.tree.map(_type_of_few, x)
    leaves, structure = jax.tree.flatten((net_types, few))
    return _trace_heads(structure, tuple(leaves))


def _type_of_few(array: Any) -> Any:
    """Return the type of at most two samples of an array."""
    aval = jax.typeof(array)
    return aval.update(shape=(min(aval.shape[0], 2), *aval.shape[1:]))


@functools.lru_cache(64)
def _trace_heads(structure: jax.tree_util.PyTreeDef, avals: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return the same for a network and inputs of that structure and types."""
    activation_heads: list[Any] = []

    def call(net: Layer, x: Any) -> Any:
        heads = forward(fresh(net), x)
        activation_heads.append(
            jax.tree.map(lambda head: head._replace(logits=(), mask=None), heads, is_leaf=is_head)
        )
        return _logits(heads)

    shapes = jax.eval_shape(call, *jax.tree.unflatten(structure, avals))
    return activation_heads[0], shapes


def check_has_classes(net: Layer, loss: Loss, x: Any) -> None:
    """Refuse to tell classes from the one output of a regression.

    Args:
        net: the built network.
        loss: its loss.
        x: some inputs.

    Raises:
        GradusError: with what to call instead.
    """
    if loss.kind != "values" or loss.is_custom:
        return
    head, shape = output_heads(net, x)
    if shape.shape[-1] == 1 and head.activation == "linear":
        raise GradusError(
            f"predict_classes: the loss {loss.name} and a last layer without activation predict "
            "values, which predict returns. For two classes end the network with "
            'Dense(1, "sigmoid") and use binary_crossentropy.'
        )


def _output_named(outputs: Any, objectives: Any, name: str) -> Any:
    if isinstance(objectives, OutputObjective):
        return outputs
    return outputs[name if isinstance(objectives, dict) else int(name.removeprefix("output_"))]


def _check_activations(net: Layer) -> None:
    """Check that every activation passes a gradient."""
    for path, layer in named_layers(net):
        activation = layer.__dict__.get("activation")
        if isinstance(activation, Layer) or not activations.has_zero_gradient(activation):
            continue
        name = (
            activation
            if isinstance(activation, str)
            else getattr(activation, "__name__", activation)
        )
        raise GradusError(
            f"Layer {path!r} ({type(layer).__name__}) has the activation {name!r}, whose "
            "derivative is zero everywhere: no gradient passes it and no layer before it learns. "
            "Use 'sigmoid' or 'tanh', or the straight-through estimator "
            f"'{name}_ste', or gr.Perceptron, whose rule needs no gradient."
        )


def _ends_in_logits(net: Layer) -> bool:
    """Return whether a network ends with a Dense layer alone, whose outputs may be any numbers."""
    last: Any = net
    while type(last) is Sequential and last.layers:
        last = last.layers[-1]
    return type(last) is Dense and last.activation in (None, "linear")


def _check_outputs_are_logits(
    net: Layer, task: Supervised, name: str, objective: OutputObjective, x: Any
) -> None:
    """Check that a loss would not apply its softmax or sigmoid to outputs that are probabilities.

    Probabilities stay within [0, 1] whatever the weights are; logits do not.
    """
    link, rng = objective.loss.link, host_rng(0, "hidden link")
    for draw in range(1 + WEIGHT_DRAWS):
        if draw:  # first the network's own weights
            drawn = {
                path: rng.normal(0, WEIGHT_DEVIATION, value.shape).astype(np.float32)
                for path, value in weights(net, "param").items()
            }
            net = with_weights(net, drawn)
        logits = predict_batches(net, task, x, logits=True)
        outputs = _output_named(logits, task.objectives, name)
        bounded = bool(((outputs >= 0) & (outputs <= 1)).all())
        if link == "softmax":
            bounded = bounded and np.allclose(outputs.sum(-1), 1, atol=1e-3)
        if not bounded:
            return
    raise GradusError(
        f"The network's outputs are probabilities already, but how it computes them is not "
        f"recognized, so {objective.loss.name} would apply {link} again. End the network with "
        f"activation={link!r}, an Activation({link!r}) layer or gr.{link}(…) in call, or return "
        "the logits."
    )
