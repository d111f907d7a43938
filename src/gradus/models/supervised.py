"""From what a user writes as loss and metrics to the task that is trained, and its checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from gradus.errors import GradusError
from gradus.nn import activations
from gradus.nn.layer import Layer, named_layers
from gradus.nn.network import forward, fresh, weights, with_weights
from gradus.objectives import losses, metrics
from gradus.objectives.activation_advice import activation_warning
from gradus.rng import host_rng
from gradus.train.task import OutputObjective, Supervised, is_head, zip_outputs

DRAWS, SPREAD = 4, 10.0  # weights tried, and their deviation, to see whether an end is bounded


def make_supervised(
    loss: Any, measured: Any = (), loss_weights: Any = None, penalty: Any = None
) -> Supervised:
    """Return the task of a loss and metrics, each given by name, object or function.

    Args:
        loss: one, or a dict or list of them, one for each output.
        measured: metrics: a list for one output; for several a dict of lists, or one for each.
        loss_weights: the share of each output's loss, as `loss` is given; one each by default.
        penalty: a penalty on every kernel, or None.

    Raises:
        GradusError: for an unknown name, or weights and metrics that do not match the losses.
    """
    if isinstance(loss, dict):
        names: list[Any] = list(loss)
        parts = {
            name: _target(
                loss[name], _of(measured, name, "metrics"), _of(loss_weights, name, "loss_weights")
            )
            for name in names
        }
        return Supervised(parts, penalty)
    if isinstance(loss, list | tuple):
        made = tuple(
            _target(one, _of(measured, index, "metrics"), _of(loss_weights, index, "loss_weights"))
            for index, one in enumerate(loss)
        )
        return Supervised(made, penalty)
    return Supervised(_target(loss, measured, loss_weights), penalty)


def _of(given: Any, key: Any, what: str) -> Any:
    if given is None or (not isinstance(given, dict) and not given):
        return None
    try:
        return given.get(key) if isinstance(given, dict) else given[key]
    except (IndexError, TypeError):
        raise GradusError(f"{what}={given!r} has no entry for the output {key!r}.") from None


def _target(loss: Any, measured: Any, weight: Any) -> OutputObjective:
    chosen = losses.get(loss)
    if measured is None:
        measured = ()
    if isinstance(measured, str) or not isinstance(measured, Iterable):
        measured = (measured,)
    found = tuple(metrics.get(metric, chosen) for metric in measured)
    names = ["loss", *(metric.name for metric in found)]
    for name in names:
        if names.count(name) > 1:
            raise GradusError(
                f"Two numbers would be called {name!r}: give each metric once, and a function of "
                "your own another name."
            )
    return OutputObjective(chosen, found, 1.0 if weight is None else weight)


def fit_metrics(task: Supervised, y: Any) -> Supervised:
    """Return the task with metrics fitted to the targets, such as the shift of R²."""

    def fit(name: str, target: OutputObjective, _: Any, values: Any) -> OutputObjective:
        ready = tuple(metric.fit_targets(values) for metric in target.metrics)
        return OutputObjective(target.loss, ready, target.weight)

    fitted = [fit(*one) for one in zip_outputs(task.objectives, None, y)]
    if isinstance(task.objectives, OutputObjective):
        return Supervised(fitted[0], task.penalty)
    if isinstance(task.objectives, dict):
        return Supervised(dict(zip(task.objectives, fitted, strict=True)), task.penalty)
    return Supervised(tuple(fitted), task.penalty)


def check_supervised(net: Layer, task: Supervised, x: Any, y: Any, where: str = "y") -> list[str]:
    """Check a built network, its losses and all targets against each other before training.

    Args:
        net: the built network.
        task: what is trained.
        x: the first inputs, a batch.
        y: all targets.
        where: what the targets are called in an error.

    Returns:
        What trains but hardly as it was meant, in sentences.

    Raises:
        GradusError: if a target cannot be one of its loss, or an activation passes no gradient,
            or an end that nobody recognises makes probabilities where logits are expected.
    """
    _refuse_flat(net)
    kinds, shapes = output_heads(net, x)
    notes = []
    for name, target, head, values in zip_outputs(task.objectives, kinds, y):
        shape = _pick(shapes, task.objectives, name).shape
        target.loss.check(values, shape, where if name == "output" else f"{where}[{name!r}]")
        doubt = activation_warning(target.loss, head.activation, shape)
        if doubt:
            notes.append(doubt)
        if head.activation == "linear" and target.loss.link:
            _refuse_hidden_link(net, task, name, target, x)
    return notes


def _plain(heads: Any) -> Any:
    return jax.tree.map(lambda head: head.logits, heads, is_leaf=is_head)


def output_heads(net: Layer, x: Any) -> tuple[Any, Any]:
    """Return the heads with their kinds alone, and the shapes of the outputs."""
    kinds: list[Any] = []

    def look(net: Layer, x: Any) -> Any:
        heads = forward(fresh(net), x)
        kinds.append(
            jax.tree.map(lambda head: head._replace(logits=(), mask=None), heads, is_leaf=is_head)
        )
        return _plain(heads)

    shapes = jax.eval_shape(look, net, x)
    return kinds[0], shapes


def _pick(tree: Any, targets: Any, name: str) -> Any:
    if isinstance(targets, OutputObjective):
        return tree
    return tree[name] if isinstance(targets, dict) else tree[int(name.removeprefix("output_"))]


def _refuse_flat(net: Layer) -> None:
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
            "derivative is zero everywhere: no gradient passes it and nothing before it learns. "
            "Use 'sigmoid' or 'tanh', or the straight-through estimator "
            f"'{name}_ste', or gr.Perceptron, whose rule needs no gradient."
        )


def _refuse_hidden_link(
    net: Layer, task: Supervised, name: str, target: OutputObjective, x: Any
) -> None:
    """Refuse outputs that are probabilities already and would be squashed once more.

    They stay within [0, 1] whatever the weights are, which logits do not.
    """
    outputs = jax.jit(lambda net, x: _plain(forward(fresh(net), x)))
    draw = host_rng(0, "hidden link")
    for count in range(1 + DRAWS):
        if count:
            shapes = {path: value.shape for path, value in weights(net, "param").items()}
            drawn = {path: draw.normal(0, SPREAD, shape) for path, shape in shapes.items()}
            net = with_weights(
                net, {path: value.astype(np.float32) for path, value in drawn.items()}
            )
        values = np.asarray(_pick(outputs(net, x), task.objectives, name))
        within = bool(((values >= 0) & (values <= 1)).all())
        if target.loss.link == "softmax":
            within = within and np.allclose(values.sum(-1), 1, atol=1e-3)
        if not within:
            return
    link = target.loss.link
    raise GradusError(
        f"The network's outputs are probabilities already, but how it makes them is not seen, so "
        f"{target.loss.name} would apply a {link} once more. End the network with "
        f"activation={link!r}, an Activation({link!r}) layer or gr.{link}(…) in call, or return "
        "the logits."
    )
