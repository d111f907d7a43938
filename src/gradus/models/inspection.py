"""Inside a network on one batch: the values and gradients in each layer, and a gradient check."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.checks import as_written, flag, whole_number
from gradus.errors import GradusError
from gradus.foreign_names.arguments import explain_arguments
from gradus.models.inputs.training_data import check_arrays
from gradus.models.model import Model
from gradus.nn import heads, mask_tracking, prng
from gradus.nn.layer import Layer, named_layers
from gradus.nn.network import fresh, join_path, recorded, weights, with_weights
from gradus.nn.pytree import canonicalize
from gradus.rng import host_rng
from gradus.train.batches import Batch
from gradus.train.tasks.base import Supervised, Task

STEP = 1e-5  # of a finite difference, relative to the weight or to 1
MIN_GRADIENT = 1e-6  # below it, differences are only rounding


@dataclasses.dataclass(frozen=True)
class LayerValues:
    """The inputs, outputs, weights and gradients of one layer for a batch.

    Attributes:
        inputs: the layer's inputs, `(batch, ...)`; a tuple if its call takes several.
        outputs: the layer's outputs.
        gradient: of the loss with respect to the outputs, of their shape; None without a loss. If
            the layer ends the network with a softmax or sigmoid, with respect to the logits.
        weights: the layer's weights by name.
        gradients: of the loss with respect to the layer's trained weights.
    """

    inputs: Any
    outputs: Any
    gradient: Any
    weights: dict[str, np.ndarray]
    gradients: dict[str, np.ndarray]


@explain_arguments
def inside(model: Model, x: Any, y: Any = None, training: bool = False) -> dict[str, LayerValues]:
    """Return the inputs, outputs and gradients of each layer of a network, for one batch.

    A layer that is called several times has the first input, the last output, and the gradients of
    all its calls together.

    Args:
        model: a built model.
        x: inputs, `(n, ...)`, all in one batch.
        y: targets; without them there are no gradients.
        training: whether layers behave as in training (dropout, batch normalization).

    Returns:
        The layers by path, in the order in which their calls end: parts before the whole, the
        network itself, "", last.

    Raises:
        GradusError: if the model is not built, or x and y do not fit it.

    Examples:
        >>> x = np.ones((4, 3), np.float32)
        >>> model = gr.Model(gr.mlp([5, 2]), "mse").build(x)
        >>> layers = gr.inside(model, x, np.zeros((4, 2)))
        >>> list(layers), layers["dense"].outputs.shape, layers["dense"].gradients["kernel"].shape
        (['dense', 'dense_1', ''], (4, 5), (3, 5))
    """
    net, task, batch = _prepare(model, x, y, "inside")
    training = flag("training", training)
    zeros, order = _output_zeros(net, batch.x, training, model.seed)
    of_weights: dict[str, Any] = {}
    of_outputs: dict[str, Any] = {}
    if y is None and isinstance(task, Supervised):
        inputs, outputs = _call_recorded(net, batch.x, training, model.seed)
    else:
        params = weights(net, "param")
        (of_weights, of_outputs), (inputs, outputs) = _differentiate_recorded(
            params, zeros, net, task, batch, training, model.seed
        )
    values = jax.tree.map(np.asarray, (weights(net), of_weights, of_outputs, inputs, outputs))
    layers = dict(named_layers(net))
    return {path: _layer_values(layers[path], path, *values) for path in order}


@explain_arguments
def check_gradients(
    model: Model, x: Any, y: Any = None, most: int = 20, training: bool = False
) -> dict[str, float]:
    """Return how far the gradient of each trained weight is from finite differences.

    The central difference `(L(w + h) − L(w − h)) / 2h` has an error of order h²; both it and the
    gradient are computed in float64. The error is the largest difference of the two among the
    checked elements, over the largest magnitude of these elements (at least 1e-6): about 1e-7 or
    less if the gradient is right. At a kink of the loss, such as ReLU at exactly zero, the two
    legitimately differ.

    Args:
        model: a built model.
        x: inputs, `(n, ...)`, all in one batch.
        y: targets.
        most: how many elements of each weight are checked, drawn at random.
        training: whether layers behave as in training; dropout always drops the same units.

    Returns:
        The relative errors by the weight's path.

    Raises:
        GradusError: if the model is not built, or x and y do not fit it.

    Examples:
        >>> x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
        >>> model = gr.Model(gr.mlp([5, 2], "tanh"), "mse").build(x)
        >>> max(gr.check_gradients(model, x, np.zeros((4, 2))).values()) < 1e-6
        True
    """
    net, task, batch = _prepare(model, x, y, "check_gradients")
    most, training = whole_number("most", most, 1), flag("training", training)
    if y is None and isinstance(task, Supervised):
        raise GradusError("check_gradients needs targets: write check_gradients(model, x, y).")
    params = weights(net, "param")
    rng = host_rng(model.seed, "finite differences")
    rows, ends = [], np.cumsum([0, *(weight.size for weight in params.values())])
    for start, weight in zip(ends, params.values(), strict=False):
        rows.append(start + rng.choice(weight.size, min(most, weight.size), replace=False))
    with jax.enable_x64(True):
        arguments = jax.tree.map(_to_float64, (params, net, task, batch))
        exact, differences = _gradient_and_differences(
            *arguments, np.concatenate(rows), training, model.seed
        )
        exact, differences = np.asarray(exact), np.asarray(differences)
    cuts = np.cumsum([len(part) for part in rows])[:-1]
    return {
        path: float(np.abs(g - d).max() / max(np.abs(g).max(), np.abs(d).max(), MIN_GRADIENT))
        for path, g, d in zip(
            params, np.split(exact, cuts), np.split(differences, cuts), strict=True
        )
    }


def _layer_values(
    layer: Layer,
    path: str,
    all_weights: Any,
    of_weights: Any,
    of_outputs: Any,
    inputs: Any,
    outputs: Any,
) -> LayerValues:
    """Return the values of one layer, from those of all layers."""
    paths = {name: join_path(path, name) for name in layer.__dict__.get("_weights", {})}
    return LayerValues(
        inputs=inputs[path][0] if len(inputs[path]) == 1 else inputs[path],
        outputs=outputs[path],
        gradient=of_outputs.get(path),
        weights={name: all_weights[where] for name, where in paths.items()},
        gradients={name: of_weights[where] for name, where in paths.items() if where in of_weights},
    )


def _prepare(model: Model, x: Any, y: Any, verb: str) -> tuple[Layer, Task, Batch]:
    """Return the network, the task and one batch of all samples, after all checks."""
    if not hasattr(model, "check_input"):
        raise GradusError(f"{as_written('model', model, verb)}: write a model, gr.Model(…).")
    if not model.built:
        raise GradusError(f"{verb}: the network has no weights yet; call fit or build(x).")
    x, y, _ = check_arrays(x, y, None)
    model.check_input(x)
    task = model.task if y is None else model.task_for(x, y)
    ones = jnp.ones(len(jax.tree.leaves(x)[0]), jnp.float32)
    net, task = canonicalize((model.net, task))
    return net, task, Batch(x, y, ones, ones)


def _recording_copy(net: Layer, training: bool, seed: int) -> Layer:
    """Return a copy of the network that, when called, records the values in its layers."""
    return fresh(net, prng.make_key(seed), training=training, recording=True)


def _output_zeros(
    net: Layer, x: Any, training: bool, seed: int
) -> tuple[dict[str, Any], list[str]]:
    """Return zeros like the outputs of each layer, and the layers in the order of their calls."""
    order: list[str] = []

    def call(net: Layer, x: Any) -> Any:
        copy = _recording_copy(net, training, seed)
        copy(x)
        order[:] = recorded(copy)[1]
        return recorded(copy)[1]

    return jax.tree.map(_zeros_for, jax.eval_shape(call, net, x)), order


@functools.partial(jax.jit, static_argnames=("training", "seed"))
def _call_recorded(net: Layer, x: Any, training: bool, seed: int) -> Any:
    copy = _recording_copy(net, training, seed)
    copy(x)
    return recorded(copy)


@functools.partial(jax.jit, static_argnames=("training", "seed"))
def _differentiate_recorded(
    params: Any, zeros: Any, net: Layer, task: Task, batch: Batch, training: bool, seed: int
) -> Any:
    """Return the gradients of weights and outputs, and the layers' inputs and outputs.

    The gradient of an output is the gradient of zeros that are added to it.
    """

    def loss_of(params: Any, zeros: dict[str, Any]) -> Any:
        copy = _recording_copy(with_weights(net, params), training, seed)
        for path, layer in named_layers(copy):
            if path in zeros:
                _add_to_outputs(layer, zeros[path])
        value, _ = task.measure(copy, batch)
        return value, recorded(copy)

    return jax.grad(loss_of, argnums=(0, 1), has_aux=True)(params, zeros)


@functools.partial(jax.jit, static_argnames=("training", "seed"))
def _gradient_and_differences(
    params: Any, net: Layer, task: Task, batch: Batch, rows: Any, training: bool, seed: int
) -> Any:
    """Return the gradient and the central differences at some elements of the joined weights."""
    flat = jnp.concatenate([weight.reshape(-1) for weight in params.values()])

    def loss_of(flat: jax.Array) -> jax.Array:
        unflattened, start = {}, 0
        for path, weight in params.items():
            unflattened[path] = flat[start : start + weight.size].reshape(weight.shape)
            start += weight.size
        copy = fresh(with_weights(net, unflattened), prng.make_key(seed), training=training)
        return task.measure(copy, batch)[0]

    def difference(row: jax.Array) -> jax.Array:
        h = STEP * jnp.maximum(1, jnp.abs(flat[row]))
        return (loss_of(flat.at[row].add(h)) - loss_of(flat.at[row].add(-h))) / (2 * h)

    return jax.grad(loss_of)(flat)[rows], jax.lax.map(difference, rows)


def _add_to_outputs(layer: Layer, zeros: Any) -> None:
    """Have one fresh copy of a layer add `zeros` to its outputs, and to the logits behind them.

    The new outputs keep the head and the mask of the old ones.
    """
    call = layer.call

    def add(head: heads.Head, y: Any, zero: jax.Array) -> Any:
        if not _is_float(y):
            return y
        moved, mask = y + zero, mask_tracking.get_mask(y)
        if mask is not None:
            mask_tracking.set_mask(moved, mask)
        if head.activation != "linear":
            heads.record_activation(head.activation, head.logits + zero, moved)
        return moved

    def call_with_zeros(*inputs: Any, **options: Any) -> Any:
        with heads.record_heads() as recorder:
            outputs = call(*inputs, **options)
            leaves = [recorder.head_of(y) for y in jax.tree.leaves(outputs)]
        heads_of = jax.tree.unflatten(jax.tree.structure(outputs), leaves)
        return jax.tree.map(
            add, heads_of, outputs, zeros, is_leaf=lambda p: isinstance(p, heads.Head)
        )

    layer.__dict__["call"] = call_with_zeros


def _zeros_for(y: Any) -> jax.Array:
    return jnp.zeros(y.shape if _is_float(y) else (), jnp.float32)


def _is_float(y: Any) -> bool:
    return bool(jnp.issubdtype(y.dtype, jnp.floating))


def _to_float64(leaf: Any) -> Any:
    """Return a leaf in float64 if it holds floating-point numbers."""
    array = np.asarray(leaf)
    return array.astype(np.float64) if np.issubdtype(array.dtype, np.floating) else leaf
