"""Inside a network on one batch: what passes each layer, forward and back, and is it right."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.errors import GradusError
from gradus.models.model import Model
from gradus.models.training_data import check_arrays
from gradus.nn import heads, mask_tracking, prng
from gradus.nn.layer import Layer, named_layers
from gradus.nn.network import fresh, join_path, recorded, weights, with_weights
from gradus.nn.pytree import canonicalize
from gradus.rng import host_rng
from gradus.train.batches import Batch
from gradus.train.task import Supervised, Task

STEP = 1e-5  # of a finite difference, in units of the weight or of 1
NOTHING = 1e-6  # a gradient below which differences are only rounding


@dataclasses.dataclass(frozen=True)
class LayerValues:
    """What one layer did with a batch.

    Attributes:
        inputs: what it was given, `(batch, ...)`; a tuple where its call takes several.
        outputs: what it made of it.
        gradient: of the loss by the outputs, of their shape; None without a loss. Where the layer
            ends the network in a softmax or sigmoid, by what that was given, its logits.
        weights: the layer's weights by name.
        gradients: of the loss by those of them that are trained.
    """

    inputs: Any
    outputs: Any
    gradient: Any
    weights: dict[str, np.ndarray]
    gradients: dict[str, np.ndarray]


def inside(model: Model, x: Any, y: Any = None, training: bool = False) -> dict[str, LayerValues]:
    """Return what passes each layer of a network, forward and back, for one batch.

    Of a layer that is called several times it is the first input and the last output, and the
    gradients of all its calls together.

    Args:
        model: a built model.
        x: inputs, `(n, ...)`, all in one batch.
        y: targets; without them there are no gradients.
        training: whether layers behave as in training (dropout, batch normalisation).

    Returns:
        The layers by path, in the order in which their calls end: parts before the whole, the
        network itself, "", last.

    Raises:
        GradusError: if the model is not built, or x and y do not fit it.
    """
    net, task, batch = _prepared(model, x, y, "inside")
    zeros, order = _zeros(net, batch.x, training, model.seed)
    by_weight: dict[str, Any] = {}
    by_output: dict[str, Any] = {}
    if y is None and isinstance(task, Supervised):
        inputs, outputs = _forward(net, batch.x, training, model.seed)
    else:
        params = weights(net, "param")
        (by_weight, by_output), (inputs, outputs) = _back(
            params, zeros, net, task, batch, training, model.seed
        )
    seen = _arrays((weights(net), by_weight, by_output, inputs, outputs))
    layers = dict(named_layers(net))
    return {path: _of_layer(layers[path], path, *seen) for path in order}


def check_gradients(
    model: Model, x: Any, y: Any = None, most: int = 20, training: bool = False
) -> dict[str, float]:
    """Return how far the gradient is from finite differences, for each trained weight.

    The central difference `(L(w + h) − L(w − h)) / 2h` has an error of order h²; both it and the
    gradient are computed in float64. The error is the largest difference of the two among the
    elements looked at, over the largest of these elements' magnitudes (at least 1e-6): some 1e-7
    or less where the gradient is right. Where a loss has a kink, such as ReLU at exactly zero, the
    two rightly differ.

    Args:
        model: a built model.
        x: inputs, `(n, ...)`, all in one batch.
        y: targets.
        most: how many elements of each weight are looked at, drawn at random.
        training: whether layers behave as in training, dropout always of the same units.

    Returns:
        The relative errors by the weight's path.

    Raises:
        GradusError: if the model is not built, or x and y do not fit it.
    """
    net, task, batch = _prepared(model, x, y, "check_gradients")
    if y is None and isinstance(task, Supervised):
        raise GradusError("check_gradients needs targets: write check_gradients(model, x, y).")
    params = weights(net, "param")
    draw = host_rng(model.seed, "finite differences")
    rows, ends = [], np.cumsum([0, *(weight.size for weight in params.values())])
    for start, weight in zip(ends, params.values(), strict=False):
        rows.append(start + draw.choice(weight.size, min(most, weight.size), replace=False))
    with jax.enable_x64(True):
        wide = jax.tree.map(_widened, (params, net, task, batch))
        exact, differences = _compared(*wide, np.concatenate(rows), training, model.seed)
        exact, differences = np.asarray(exact), np.asarray(differences)
    cuts = np.cumsum([len(own) for own in rows])[:-1]
    return {
        path: float(np.abs(g - d).max() / max(np.abs(g).max(), np.abs(d).max(), NOTHING))
        for path, g, d in zip(
            params, np.split(exact, cuts), np.split(differences, cuts), strict=True
        )
    }


def _of_layer(
    layer: Layer, path: str, shown: Any, by_weight: Any, by_output: Any, inputs: Any, outputs: Any
) -> LayerValues:
    """Return what concerns one layer, from what was seen of all."""
    own = {name: join_path(path, name) for name in layer.__dict__.get("_weights", {})}
    given = inputs[path]
    return LayerValues(
        inputs=given[0] if len(given) == 1 else given,
        outputs=outputs[path],
        gradient=by_output.get(path),
        weights={name: shown[where] for name, where in own.items()},
        gradients={name: by_weight[where] for name, where in own.items() if where in by_weight},
    )


# --- the arithmetic ----------------------------------------------------------------------------


def _prepared(model: Model, x: Any, y: Any, verb: str) -> tuple[Layer, Task, Batch]:
    """Return the network, the task and one batch of all samples, after all checks."""
    if not model.built:
        raise GradusError(f"{verb}: the network has no weights yet; call fit or build(x).")
    x, y, _ = check_arrays(x, y, None)
    model.check_input(x)
    task = model.task if y is None else model.task_for(x, y)
    ones = jnp.ones(len(jax.tree.leaves(x)[0]), jnp.float32)
    net, task = canonicalize((model.net, task))
    return net, task, Batch(x, y, ones, ones)


def _called(net: Layer, training: bool, seed: int) -> Layer:
    """Return a copy of the network to be called, which keeps what passes its layers."""
    return fresh(net, prng.make_key(seed), training=training, recording=True)


def _zeros(net: Layer, x: Any, training: bool, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Return zeros like the outputs of each layer, and the layers in the order of their calls."""
    order: list[str] = []

    def call(net: Layer, x: Any) -> Any:
        copy = _called(net, training, seed)
        copy(x)
        order[:] = recorded(copy)[1]
        return recorded(copy)[1]

    return jax.tree.map(_zeros_for, jax.eval_shape(call, net, x)), order


@functools.partial(jax.jit, static_argnames=("training", "seed"))
def _forward(net: Layer, x: Any, training: bool, seed: int) -> Any:
    copy = _called(net, training, seed)
    copy(x)
    return recorded(copy)


@functools.partial(jax.jit, static_argnames=("training", "seed"))
def _back(
    params: Any, zeros: Any, net: Layer, task: Task, batch: Batch, training: bool, seed: int
) -> Any:
    """Return the loss's gradients by weights and outputs, and what passed the layers.

    The gradient of an output is that of zeros which are added to it.
    """

    def loss_of(params: Any, zeros: dict[str, Any]) -> Any:
        copy = _called(with_weights(net, params), training, seed)
        for path, layer in named_layers(copy):
            if path in zeros:
                _add_to_outputs(layer, zeros[path])
        value, _ = task.measure(copy, batch)
        return value, recorded(copy)

    return jax.grad(loss_of, argnums=(0, 1), has_aux=True)(params, zeros)


@functools.partial(jax.jit, static_argnames=("training", "seed"))
def _compared(
    params: Any, net: Layer, task: Task, batch: Batch, rows: Any, training: bool, seed: int
) -> Any:
    """Return the gradient and the central differences at some elements of all weights in a row."""
    flat = jnp.concatenate([weight.reshape(-1) for weight in params.values()])

    def loss_of(flat: jax.Array) -> jax.Array:
        moved, start = {}, 0
        for path, weight in params.items():
            moved[path] = flat[start : start + weight.size].reshape(weight.shape)
            start += weight.size
        copy = fresh(with_weights(net, moved), prng.make_key(seed), training=training)
        return task.measure(copy, batch)[0]

    def difference(row: jax.Array) -> jax.Array:
        h = STEP * jnp.maximum(1, jnp.abs(flat[row]))
        return (loss_of(flat.at[row].add(h)) - loss_of(flat.at[row].add(-h))) / (2 * h)

    return jax.grad(loss_of)(flat)[rows], jax.lax.map(difference, rows)


def _add_to_outputs(layer: Layer, zeros: Any) -> None:
    """Have one fresh copy of a layer add `zeros` to its outputs, and to the logits behind them.

    The new outputs keep what is known of the old ones: their head and their mask.
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
            made = [recorder.head_of(y) for y in jax.tree.leaves(outputs)]
        made = jax.tree.unflatten(jax.tree.structure(outputs), made)
        return jax.tree.map(add, made, outputs, zeros, is_leaf=lambda p: isinstance(p, heads.Head))

    layer.__dict__["call"] = call_with_zeros


def _zeros_for(y: Any) -> jax.Array:
    return jnp.zeros(y.shape if _is_float(y) else (), jnp.float32)


def _is_float(y: Any) -> bool:
    return bool(jnp.issubdtype(y.dtype, jnp.floating))


def _widened(leaf: Any) -> Any:
    """Return a leaf in float64 if it holds floating-point numbers."""
    array = np.asarray(leaf)
    return array.astype(np.float64) if np.issubdtype(array.dtype, np.floating) else leaf


def _arrays(tree: Any) -> Any:
    return jax.tree.map(np.asarray, tree)
