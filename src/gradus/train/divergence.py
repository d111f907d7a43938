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

from gradus.nn import prng
from gradus.nn.layer import Layer, named_children, named_layers
from gradus.nn.network import fresh, recorded, with_weights
from gradus.nn.pytree import canonicalize
from gradus.optim.base import Optimizer
from gradus.train import loop
from gradus.train.batches import Batch, BatchSource, Samples, gather_batch
from gradus.train.program import train_step
from gradus.train.state import Params, StepState, TrainState, without_weights
from gradus.train.task import Accumulators, Task

LARGE = 1e6  # a magnitude that no network that learns passes on


class StepMagnitudes(NamedTuple):
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


def locate_divergence(
    train_state: TrainState,
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    samples: Samples,
    rows: np.ndarray | None,
    config: loop.FitConfig,
) -> str:
    """Return in plain words where the epoch after `train_state` broke, and what to try.

    Args:
        train_state: the last good state, at the epoch's beginning.
        net: the network.
        optimizer: the optimiser.
        task: what is learnt.
        samples: the samples.
        rows: which of them are trained on; None for all.
        config: how was trained.
    """
    samples = jax.device_put(samples)
    count = len(rows) if rows is not None else len(jax.tree.leaves(samples.x)[0])
    shape = dataclasses.replace(loop.program_shape(count, config, False), max_epochs=1)
    epoch, steps = int(train_state.epoch), shape.steps_per_epoch
    order = None
    if config.batch_size is not None:
        rows = np.arange(count) if rows is None else rows
        order = loop.draw_sample_order(rows, shape, config, epoch, 1)
    source = BatchSource(samples, order, np.int32(count))
    batch_of = functools.partial(gather_batch, source, jnp.int32(0))
    key = jax.random.fold_in(prng.make_key(config.seed), epoch)
    net, optimizer, task = canonicalize((without_weights(net), optimizer, task))
    plateau_state = train_state.plateau_state
    rate_scale = jnp.float32(1) if plateau_state is None else plateau_state["scale"]
    step = functools.partial(train_step, net, optimizer, task, batch_of, key, rate_scale)
    broken, step_state = _first_broken(step, task, train_state, steps)
    where = f"Training broke in epoch {epoch + 1}"
    if broken == steps:
        return (
            f"{where}: its mean loss is not finite, though that of each step is. Try a smaller "
            "learning rate or clipnorm=1.0, and check the loss."
        )
    step_key = jax.random.fold_in(key, broken)
    magnitudes = _magnitudes(net, task, batch_of(jnp.int32(broken)), step_key, step_state)
    params, _, opt_states = step_state
    rate = float(optimizer.rate(opt_states[0]["step"]) * rate_scale)
    what, remedy = _explain(magnitudes, dict(named_layers(net)), float(_largest(params)), rate)
    return f"{where}, step {broken + 1} of {steps}, {what}. {remedy}"


def _first_broken(
    step: Callable[[jax.Array, Any], Any], task: Task, train_state: TrainState, steps: int
) -> tuple[int, Any]:
    """Return the first step after which something is not finite, and the state before it."""

    def is_finite(step_state: StepState, accumulators: Accumulators) -> jax.Array:
        finite = jnp.isfinite(task.compute(accumulators)["loss"])
        for weight in step_state[0].values():
            finite &= jnp.all(jnp.isfinite(weight))
        return finite

    def take_step(carry: tuple[Any, StepState, Any]) -> tuple[Any, StepState, Any]:
        index, step_state, _ = carry
        after, accumulators = step(index, step_state)
        finite = is_finite(after, accumulators)
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), after, step_state)
        return index + finite, kept, finite

    @jax.jit
    def run(step_state: StepState) -> Any:
        def goes_on(carry: tuple[Any, StepState, Any]) -> jax.Array:
            return (carry[0] < steps) & carry[2]

        return lax.while_loop(goes_on, take_step, (jnp.int32(0), step_state, jnp.bool_(True)))

    index, step_state, _ = run(
        (train_state.params, train_state.model_state, train_state.opt_states)
    )
    return int(index), step_state


def _magnitudes(
    net: Layer, task: Task, batch: Batch, key: jax.Array, step_state: StepState
) -> StepMagnitudes:
    """Take one step's loss and gradients, with what passes every layer in both directions.

    The gradient of a layer's inputs is that of zeros which are added to them.
    """
    params, model_state, _ = step_state
    order: list[str] = []  # the layers as their calls end; JAX sorts its dicts

    def loss_of(params: Params, zeros: dict[str, Any]) -> Any:
        copy = fresh(with_weights(net, params | model_state), key, training=True, recording=True)
        for path, layer in named_layers(copy):
            if path in zeros:
                _add_to_inputs(layer, zeros[path])
        value, _ = task.measure(copy, batch)
        inputs, outputs = recorded(copy)
        order[:] = outputs
        return value, (inputs, outputs)

    @jax.jit
    def look(params: Params) -> StepMagnitudes:
        inputs, _ = jax.eval_shape(lambda params: loss_of(params, {}), params)[1]
        parts = [
            path
            for path, layer in named_layers(net)
            if path in inputs and not any(named_children(layer))
        ]
        zeros = {path: jax.tree.map(_zeros_for, inputs[path]) for path in parts}
        differentiate = jax.value_and_grad(loss_of, argnums=(0, 1), has_aux=True)
        (value, (inputs, outputs)), (of_weights, of_inputs) = differentiate(params, zeros)
        back: dict[str, list[Any]] = {path: [of_inputs.get(path)] for path in outputs}
        for where, gradient in of_weights.items():
            back.setdefault(where.rpartition("/")[0], []).append(gradient)
        passed = ({path: _largest(v) for path, v in d.items()} for d in (inputs, outputs, back))
        return StepMagnitudes(value, *passed)

    seen = jax.device_get(look(params))
    return StepMagnitudes(
        seen.loss, *({path: float(d.get(path, 0)) for path in order} for d in seen[1:])
    )


def _explain(
    magnitudes: StepMagnitudes, layers: dict[str, Layer], weight: float, rate: float
) -> tuple[str, str]:
    """Return where a step broke and what to try.

    Args:
        magnitudes: what was seen of the step.
        layers: the layers by path.
        weight: the largest magnitude of a weight before the step.
        rate: the learning rate of the step.
    """
    smaller = (
        f"Numbers this large come from steps that are too large: try a learning rate below the "
        f"{rate:g} of this step, or clipnorm=1.0."
    )
    order = list(magnitudes.outputs)
    grown = f"the largest weight is {weight:.3g}"
    for path in order:
        if np.isfinite(magnitudes.inputs[path]) and not np.isfinite(magnitudes.outputs[path]):
            size = magnitudes.inputs[path]
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
    size = max(magnitudes.outputs.values(), default=0.0)
    if not np.isfinite(magnitudes.loss):
        said = (
            f"in the loss: it is not finite, though all layers' outputs, up to {size:.3g}, are "
            f"({grown})"
        )
        own = (
            "Check the loss and the targets: a logarithm of zero or a division by zero. If they "
            "are sound, try a smaller learning rate or clipnorm=1.0."
        )
        return said, smaller if max(size, weight) > LARGE else own
    finite = [v for v in magnitudes.back.values() if np.isfinite(v)]
    gradient = max(finite, default=0.0)
    for path in reversed(order):
        if not np.isfinite(magnitudes.back[path]):
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
    path = max(order, key=lambda path: magnitudes.back[path], default="")
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
