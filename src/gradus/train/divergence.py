"""Where a training diverged: the first step and layer with a number that is not finite.

The program only reports that an epoch diverged, and returns the last finite weights. This module
repeats that epoch, with the program's own step, up to the step that diverges; it then inspects that
step layer by layer, forward and backward.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradus.nn import prng
from gradus.nn.layer import Layer, has_sublayers, named_layers
from gradus.nn.network import fresh, recorded, with_weights
from gradus.nn.prng import DerivedKey
from gradus.nn.pytree import canonicalize
from gradus.optim.base import Optimizer
from gradus.train.batches import Batch, BatchSource, Samples, gather_batch
from gradus.train.program import train_step
from gradus.train.state import Params, StepState, TrainState, without_weights
from gradus.train.tasks.base import Accumulators, Task
from gradus.train.training_program import FitConfig, SampleOrder, program_shape
from gradus.train.update import StepTrace

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int, PyTree, Shaped

LARGE = 1e6  # a magnitude that no network passes on while it learns


class StepMagnitudes(NamedTuple):
    """The magnitudes in one step, by layer in the order of the calls.

    Attributes:
        loss: the batch's loss.
        inputs: the largest magnitude of each layer's inputs.
        outputs: the largest magnitude of each layer's outputs.
        gradients: the largest magnitude of the gradient of each layer's inputs and weights.
    """

    loss: Any
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    gradients: dict[str, Any]


def locate_divergence(
    train_state: TrainState,
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    samples: Samples,
    rows: Int[np.ndarray, "train"] | None,
    config: FitConfig,
) -> tuple[str, str]:
    """Return in plain words where the epoch after `train_state` diverged, and what to try.

    Args:
        train_state: the last finite state, at the beginning of the epoch.
        net: the network.
        optimizer: the optimizer.
        task: what is learned.
        samples: the samples.
        rows: which of them are trained on; None for all.
        config: how much was trained, and in which order.
    """
    samples = jax.device_put(samples)
    count = len(rows) if rows is not None else len(jax.tree.leaves(samples.x)[0])
    shape = dataclasses.replace(program_shape(count, config, False), max_epochs=1)
    epoch, steps = int(train_state.epoch), shape.steps_per_epoch
    order = None
    if config.batch_size is not None:
        rows = np.arange(count) if rows is None else rows
        order = SampleOrder(rows, shape, config)(epoch, 1)
    source = BatchSource(samples, order, np.int32(count))
    batch_of = functools.partial(gather_batch, source, jnp.int32(0))
    key = DerivedKey(prng.make_key(config.seed)).fold_in(epoch)
    net, optimizer, task = canonicalize((without_weights(net), optimizer, task))
    learning_rate_scale = train_state.learning_rate_scale
    step = functools.partial(train_step, net, optimizer, task, batch_of, key, learning_rate_scale)
    index, step_state = _first_diverging_step(step, task, train_state, steps)
    epoch_words = f"Training diverged in epoch {epoch + 1}"
    if index == steps:
        return (
            f"{epoch_words}: its mean loss is not finite, though that of each step is.",
            "Try a smaller learning rate or clipnorm=1.0, and check the loss.",
        )
    batch, step_key = batch_of(jnp.int32(index)), key.fold_in(index)
    magnitudes = _step_magnitudes(net, task, batch, step_key, step_state)
    params, _, opt_states = step_state
    rate = float(optimizer.rate(opt_states[0]["step"]) * learning_rate_scale)
    largest_weight = float(_largest(params))
    updated = index > 0 or epoch > 0
    cause, remedy = _explain(magnitudes, dict(named_layers(net)), largest_weight, rate, updated)
    return f"{epoch_words}, step {index + 1} of {steps}, {cause}.", remedy


def _first_diverging_step(
    step: Callable[[Int[Any, ""], StepState], tuple[StepState, Accumulators, StepTrace]],
    task: Task,
    train_state: TrainState,
    steps: int,
) -> tuple[int, StepState]:
    """Return the first step after which something is not finite, and the state before it.

    The step is `steps` if there is none.
    """

    def is_finite(step_state: StepState, accumulators: Accumulators) -> Bool[Array, ""]:
        finite = jnp.isfinite(task.compute(accumulators)["loss"])
        for weight in step_state[0].values():
            finite &= jnp.all(jnp.isfinite(weight))
        return finite

    def take_step(
        carry: tuple[Int[Array, ""], StepState, Bool[Array, ""]],
    ) -> tuple[Int[Array, ""], StepState, Bool[Array, ""]]:
        index, before, _ = carry
        after, accumulators, _ = step(index, before)
        finite = is_finite(after, accumulators)
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), after, before)
        return index + finite, kept, finite

    def continues(carry: tuple[Int[Array, ""], StepState, Bool[Array, ""]]) -> Bool[Array, ""]:
        return (carry[0] < steps) & carry[2]

    @jax.jit
    def run(step_state: StepState) -> tuple[Int[Array, ""], StepState, Bool[Array, ""]]:
        return lax.while_loop(continues, take_step, (jnp.int32(0), step_state, jnp.bool_(True)))

    index, step_state, _ = run(
        (train_state.params, train_state.model_state, train_state.opt_states)
    )
    return int(index), step_state


def _step_magnitudes(
    net: Layer, task: Task, batch: Batch, key: DerivedKey, step_state: StepState
) -> StepMagnitudes:
    """Compute one step's loss and gradients, and return the magnitudes in every layer.

    The gradient of a layer's inputs is the gradient of zeros that are added to them.
    """
    params, model_state, _ = step_state
    order: list[str] = []  # the layers as their calls end; JAX sorts its dicts

    def loss_of(params: Params, zeros: dict[str, Any]) -> tuple[Float[Array, ""], Any]:
        copy = fresh(with_weights(net, params | model_state), key, training=True, recording=True)
        for path, layer in named_layers(copy):
            if path in zeros:
                _add_to_inputs(layer, zeros[path])
        loss, _ = task.measure(copy, batch)
        inputs, outputs = recorded(copy)
        order[:] = outputs
        return loss, (inputs, outputs)

    @jax.jit
    def compute(params: Params) -> StepMagnitudes:
        inputs, _ = jax.eval_shape(lambda params: loss_of(params, {}), params)[1]
        innermost = [
            path for path, layer in named_layers(net) if path in inputs and not has_sublayers(layer)
        ]
        zeros = {path: jax.tree.map(_zeros_for, inputs[path]) for path in innermost}
        differentiate = jax.value_and_grad(loss_of, argnums=(0, 1), has_aux=True)
        (loss, (inputs, outputs)), (of_weights, of_inputs) = differentiate(params, zeros)
        gradients: dict[str, list[Any]] = {path: [of_inputs.get(path)] for path in outputs}
        for path, gradient in of_weights.items():
            gradients.setdefault(path.rpartition("/")[0], []).append(gradient)
        largest = (
            {path: _largest(value) for path, value in values.items()}
            for values in (inputs, outputs, gradients)
        )
        return StepMagnitudes(loss, *largest)

    magnitudes = jax.device_get(compute(params))
    by_layer = ({path: float(values.get(path, 0)) for path in order} for values in magnitudes[1:])
    return StepMagnitudes(float(magnitudes.loss), *by_layer)


def _explain(
    magnitudes: StepMagnitudes,
    layers: dict[str, Layer],
    largest_weight: float,
    rate: float,
    updated: bool,
) -> tuple[str, str]:
    """Return where a step diverged and what to try.

    Args:
        magnitudes: those of the step.
        layers: the layers by path.
        largest_weight: the largest magnitude of a weight before the step.
        rate: the learning rate of the step.
        updated: whether weights had been updated before it.
    """
    order = list(magnitudes.outputs)
    given = magnitudes.inputs[order[0]] if order else 0.0
    smaller_rate = (
        f"Numbers this large come from steps that are too large: try a learning rate below the "
        f"{rate:g} of this step, or clipnorm=1.0."
    )
    large = (
        smaller_rate
        if updated
        else (
            "No weight had been updated before, so the learning rate is not the cause: scale the "
            f"inputs, up to {given:.3g}, and the targets, or use a smaller initializer."
        )
    )
    weight_words = f"the largest weight is {largest_weight:.3g}"
    for path in order:
        size = magnitudes.inputs[path]
        if np.isfinite(size) and not np.isfinite(magnitudes.outputs[path]):
            cause = (
                f"in {_describe(path, layers)}: its output is not finite, though its inputs, up to "
                f"{size:.3g}, are ({weight_words})"
            )
            remedy = (
                "Its inputs and the weights are of ordinary size, so look at its own arithmetic: a "
                "logarithm or root of a negative number, or a division by zero. If it is sound, "
                "try a smaller learning rate or clipnorm=1.0."
            )
            return cause, large if max(size, largest_weight) > LARGE else remedy
    size = max(magnitudes.outputs.values(), default=0.0)
    if not np.isfinite(magnitudes.loss):
        cause = (
            f"in the loss: it is not finite, though all layers' outputs, up to {size:.3g}, are "
            f"({weight_words})"
        )
        remedy = (
            "Check the loss and the targets: a logarithm of zero or a division by zero. If they "
            "are sound, try a smaller learning rate or clipnorm=1.0."
        )
        return cause, large if max(size, largest_weight) > LARGE else remedy
    gradient = max((v for v in magnitudes.gradients.values() if np.isfinite(v)), default=0.0)
    for path in reversed(order):
        if not np.isfinite(magnitudes.gradients[path]):
            cause = (
                f"in the gradient of {_describe(path, layers)}: the loss is finite, and so are the "
                f"gradients of the layers after it, up to {gradient:.3g} ({weight_words})"
            )
            remedy = (
                "Its derivative is not finite where its value is: look for a root or a norm at "
                "zero, or a division inside jnp.where. If it is sound, try a smaller learning "
                "rate or clipnorm=1.0."
            )
            too_large = max(size, largest_weight, gradient) > LARGE
            return cause, large if too_large else remedy
    path = max(order, key=lambda path: magnitudes.gradients[path], default="")
    cause = (
        f"in the update of the weights: loss and gradients are finite, the largest of them, "
        f"{gradient:.3g}, in {_describe(path, layers)}, but the new weights are not "
        f"({weight_words})"
    )
    return cause, smaller_rate


def _describe(path: str, layers: dict[str, Layer]) -> str:
    kind = type(layers[path]).__name__
    return f"layer {path!r} ({kind})" if path else f"the network ({kind})"


def _add_to_inputs(layer: Layer, zeros: PyTree[Float[Array, "..."]]) -> None:
    """Have one fresh copy of a layer add `zeros` to the inputs of its call."""
    call = layer.call

    def add(x: Shaped[Any, "..."], zero: Float[Array, "..."]) -> Shaped[Any, "..."]:
        return x + zero if zero.shape == x.shape and _is_float(x) else x

    def call_with_zeros(*inputs: Any, **options: Any) -> Any:
        return call(*jax.tree.map(add, inputs, zeros), **options)

    layer.__dict__["call"] = call_with_zeros


def _zeros_for(x: Shaped[Any, "..."]) -> Float[Array, "..."]:
    return jnp.zeros(x.shape if _is_float(x) else (), jnp.float32)


def _is_float(x: Shaped[Any, "..."]) -> bool:
    return bool(jnp.issubdtype(x.dtype, jnp.floating))


def _largest(tree: PyTree[Shaped[Any, "..."]]) -> Float[Array, ""]:
    """Return the largest magnitude in a tree; not finite if any number in it is not."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if leaf.size]
    largest = [jnp.max(jnp.abs(leaf.astype(jnp.float32))) for leaf in leaves]
    return jnp.max(jnp.stack(largest)) if largest else jnp.float32(0)
