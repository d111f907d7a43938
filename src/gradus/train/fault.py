"""Where a training broke: the first step and layer with a number that is not finite.

The program only reports that an epoch broke, and hands back the last good weights. Here that
epoch is run again, by the program's own step, up to the step that breaks; that step is then
looked at layer by layer, forward and backward.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradus.nn import randomness
from gradus.nn.layer import Layer, children, walk
from gradus.nn.network import fresh, recorded, replace
from gradus.nn.tree import canonical
from gradus.optim.base import Optimizer
from gradus.train import loop
from gradus.train.program import Carry, Data, Feed, gather, skeleton, train_step
from gradus.train.task import Batch, Task
from gradus.train.update import Params

LARGE = 1e6  # a magnitude that no network that learns passes on


class Look(NamedTuple):
    """What a look at one step sees.

    Attributes:
        loss: the batch's loss.
        inputs: the largest magnitude of each layer's inputs, in the order of the calls.
        outputs: the largest magnitude of each layer's outputs, in the order of the calls.
        back: the largest magnitude of the gradient of each layer's inputs and weights.
    """

    loss: Any
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    back: dict[str, Any]


def locate(
    carry: Carry,
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    data: Data,
    rows: np.ndarray | None,
    regime: loop.Regime,
) -> str:
    """Return in plain words where the epoch after `carry` broke, and what to try.

    Args:
        carry: the last good state, at the epoch's beginning.
        net: the network.
        optimizer: the optimiser.
        task: what is learnt.
        data: the samples.
        rows: which of them are trained on; None for all.
        regime: how was trained.
    """
    data = jax.device_put(data)
    count = len(rows) if rows is not None else len(jax.tree.leaves(data.x)[0])
    plan = dataclasses.replace(loop.make_plan(count, regime, False), epochs=1)
    number = int(carry.epoch)
    order = None
    if regime.batch_size is not None:
        rows = np.arange(count) if rows is None else rows
        order = loop.draw_order(rows, plan, regime, number, 1)
    feed = Feed(jax.device_put(data), order, np.int32(count))
    batches = functools.partial(gather, feed, jnp.int32(0))
    key = jax.random.fold_in(randomness.key(regime.seed), number)
    net, optimizer, task = canonical((skeleton(net), optimizer, task))
    scale = carry.plateau["scale"] if carry.plateau is not None else jnp.float32(1)
    step = functools.partial(train_step, net, optimizer, task, batches, key, scale)
    broken, inner = _first_broken(step, task, carry, plan.steps)
    where = f"Training broke in epoch {number + 1}"
    if broken == plan.steps:
        return (
            f"{where}: its mean loss is not finite, though that of each step is. Try a smaller "
            "learning rate or clipnorm=1.0, and check the loss."
        )
    look = _look(net, task, batches(jnp.int32(broken)), jax.random.fold_in(key, broken), inner)
    rate = float(optimizer.rate(inner[2][0]["step"]) * scale)
    said, remedy = _explain(look, dict(walk(net)), float(_largest(inner[0])), rate)
    return f"{where}, step {broken + 1} of {plan.steps}, {said}. {remedy}"


def _first_broken(
    step: Callable[[jax.Array, Any], Any], task: Task, carry: Carry, steps: int
) -> tuple[int, Any]:
    """Return the first step after which something is not finite, and what stood before it."""

    def fine(inner: Any, sums: Any) -> jax.Array:
        found = jnp.isfinite(task.finish(sums)["loss"])
        for weight in inner[0].values():
            found &= jnp.all(jnp.isfinite(weight))
        return found

    def go_on(state: Any) -> Any:
        index, inner, _ = state
        after, sums = step(index, inner)
        good = fine(after, sums)
        kept = jax.tree.map(lambda new, old: jnp.where(good, new, old), after, inner)
        return index + good, kept, good

    @jax.jit
    def run(inner: Any) -> Any:
        more = lambda state: (state[0] < steps) & state[2]  # noqa: E731
        return lax.while_loop(more, go_on, (jnp.int32(0), inner, jnp.bool_(True)))

    index, inner, _ = run((carry.params, carry.state, carry.optimizer))
    return int(index), inner


def _look(net: Layer, task: Task, batch: Batch, key: jax.Array, inner: Any) -> Look:
    """Take one step's loss and gradients, with what passes every layer in both directions.

    The gradient of a layer's inputs is that of zeros which are added to them.
    """
    params, state, _ = inner
    order: list[str] = []  # the layers as their calls end; JAX sorts its dicts

    def loss_of(params: Params, zeros: dict[str, Any]) -> Any:
        copy = fresh(replace(net, params | state), key, training=True, recording=True)
        for path, layer in walk(copy):
            if path in zeros:
                _add_to_inputs(layer, zeros[path])
        value, _ = task.measure(copy, batch)
        inputs, outputs = recorded(copy)
        order[:] = outputs
        return value, (inputs, outputs)

    @jax.jit
    def look(params: Params) -> Look:
        inputs, _ = jax.eval_shape(lambda params: loss_of(params, {}), params)[1]
        parts = [path for path, layer in walk(net) if path in inputs and not any(children(layer))]
        zeros = {path: jax.tree.map(_zeros_for, inputs[path]) for path in parts}
        differentiate = jax.value_and_grad(loss_of, argnums=(0, 1), has_aux=True)
        (value, (inputs, outputs)), (of_weights, of_inputs) = differentiate(params, zeros)
        back: dict[str, list[Any]] = {path: [of_inputs.get(path)] for path in outputs}
        for where, gradient in of_weights.items():
            back.setdefault(where.rpartition("/")[0], []).append(gradient)
        passed = ({path: _largest(v) for path, v in d.items()} for d in (inputs, outputs, back))
        return Look(value, *passed)

    seen = jax.device_get(look(params))
    return Look(seen.loss, *({path: float(d.get(path, 0)) for path in order} for d in seen[1:]))


def _explain(look: Look, layers: dict[str, Layer], weight: float, rate: float) -> tuple[str, str]:
    """Return where a step broke and what to try.

    Args:
        look: what was seen of the step.
        layers: the layers by path.
        weight: the largest magnitude of a weight before the step.
        rate: the learning rate of the step.
    """
    smaller = (
        f"Numbers this large come from steps that are too large: try a learning rate below the "
        f"{rate:g} of this step, or clipnorm=1.0."
    )
    order = list(look.outputs)
    grown = f"the largest weight is {weight:.3g}"
    for path in order:
        if np.isfinite(look.inputs[path]) and not np.isfinite(look.outputs[path]):
            size = look.inputs[path]
            said = (
                f"in {_called(path, layers)}: its output is not finite, though its inputs, up to "
                f"{size:.3g}, are ({grown})"
            )
            own = (
                "Its inputs and the weights are of ordinary size, so look at its own arithmetic: a "
                "logarithm or root of a negative number, or a division by zero. If it is sound, "
                "try a smaller learning rate or clipnorm=1.0."
            )
            return said, smaller if max(size, weight) > LARGE else own
    size = max(look.outputs.values(), default=0.0)
    if not np.isfinite(look.loss):
        said = (
            f"in the loss: it is not finite, though all layers' outputs, up to {size:.3g}, are "
            f"({grown})"
        )
        own = (
            "Check the loss and the targets: a logarithm of zero or a division by zero. If they "
            "are sound, try a smaller learning rate or clipnorm=1.0."
        )
        return said, smaller if max(size, weight) > LARGE else own
    finite = [v for v in look.back.values() if np.isfinite(v)]
    gradient = max(finite, default=0.0)
    for path in reversed(order):
        if not np.isfinite(look.back[path]):
            said = (
                f"in the gradient of {_called(path, layers)}: the loss is finite, and so are the "
                f"gradients of the layers after it, up to {gradient:.3g} ({grown})"
            )
            own = (
                "Its derivative is not finite where its value is: look for a root or a norm at "
                "zero, or a division inside jnp.where. If it is sound, try a smaller learning "
                "rate or clipnorm=1.0."
            )
            return said, smaller if max(size, weight, gradient) > LARGE else own
    path = max(order, key=lambda path: look.back[path], default="")
    said = (
        f"in the update of the weights: loss and gradients are finite, the largest of them, "
        f"{gradient:.3g}, in {_called(path, layers)}, but the new weights are not ({grown})"
    )
    return said, smaller


def _called(path: str, layers: dict[str, Layer]) -> str:
    kind = type(layers[path]).__name__
    return f"layer {path!r} ({kind})" if path else f"the network ({kind})"


def _add_to_inputs(layer: Layer, zeros: Any) -> None:
    """Have one fresh copy of a layer add `zeros` to the inputs of its call."""
    call = layer.call

    def add(x: Any, zero: jax.Array) -> Any:
        return x + zero if zero.shape == x.shape and _is_float(x) else x

    def call_with_zeros(*inputs: Any, **options: Any) -> Any:
        return call(*jax.tree.map(add, inputs, zeros), **options)

    layer.__dict__["call"] = call_with_zeros


def _zeros_for(x: Any) -> jax.Array:
    return jnp.zeros(x.shape if _is_float(x) else (), jnp.float32)


def _is_float(x: Any) -> bool:
    return bool(jnp.issubdtype(x.dtype, jnp.floating))


def _largest(tree: Any) -> jax.Array:
    """Return the largest magnitude in a tree; not finite if any number in it is not."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if leaf.size]
    found = [jnp.max(jnp.abs(leaf.astype(jnp.float32))) for leaf in leaves]
    return jnp.max(jnp.stack(found)) if found else jnp.float32(0)
