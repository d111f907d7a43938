"""One update of the weights: forward, backward, and the optimiser's rule."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from gradus.nn.layer import Layer
from gradus.nn.network import fresh, recorded, replace, weights
from gradus.optim.base import Optimizer
from gradus.train.task import Batch, Task, constrain

Params = dict[str, jax.Array]
# Trained weights and other weights by path, and the optimiser's memory of each turn.
Inner = tuple[Params, Params, tuple[Any, ...]]


class Seen(NamedTuple):
    """What an update saw on its way.

    Attributes:
        gradients: of the loss, by the weight's path.
        outputs: of the layers by path, if they were recorded.
    """

    gradients: Params
    outputs: dict[str, Any]


def begin(optimizer: Optimizer, task: Task, params: Params) -> tuple[Any, ...]:
    """Return the optimiser's memory before the first step, one of each turn of the task."""
    return tuple(optimizer.init(_under(params, layer)) for layer, _ in task.turns())


def update(
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    batch: Batch,
    key: jax.Array,
    scale: jax.Array,
    inner: Inner,
    recording: bool = False,
) -> tuple[Inner, Any, Seen]:
    """Move the weights once, in each turn of the task those that are its own.

    Args:
        net: the network without its weights.
        optimizer: the optimiser.
        task: what is learnt.
        batch: the samples.
        key: of all that is random in it.
        scale: what the learning rate is multiplied by.
        inner: where training stands.
        recording: whether the outputs of the layers are kept.

    Returns:
        `inner` afterwards, the batch's sums, and what was seen.
    """
    params, state, memories = inner
    sums: list[Any] = []
    kept: list[Any] = []
    gradients: Params = {}
    outputs: dict[str, Any] = {}
    for number, (layer, part) in enumerate(task.turns()):
        own = jax.random.fold_in(key, number) if number else key
        standing = params, state, memories[number]
        (params, state, memory), added, seen = _turn(
            net, optimizer, part, layer, batch, own, scale, standing, recording
        )
        kept.append(memory)
        sums.append(added)
        gradients |= seen.gradients
        outputs |= seen.outputs
    total = sums[0] if len(sums) == 1 else tuple(sums)
    return (params, state, tuple(kept)), total, Seen(gradients, outputs)


def _turn(
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    layer: str,
    batch: Batch,
    key: jax.Array,
    scale: jax.Array,
    standing: tuple[Params, Params, Any],
    recording: bool,
) -> tuple[tuple[Params, Params, Any], Any, Seen]:
    """Move the weights under one layer down the loss of one task."""
    params, state, memory = standing

    def loss_of(own: Params) -> tuple[jax.Array, Any]:
        whole = replace(net, params | own | state)
        copy = fresh(whole, key, training=True, recording=recording)
        value, sums = task.measure(copy, batch)
        outputs = recorded(copy)[1] if recording else {}
        return value, (weights(copy, "state"), sums, outputs)

    own = _under(params, layer)
    (value, (after, sums, outputs)), gradients = jax.value_and_grad(loss_of, has_aux=True)(own)
    moved, memory = optimizer.update(
        gradients,
        memory,
        own,
        learning_rate_scale=scale,
        value=value,
        value_fn=lambda own: loss_of(own)[0],
    )
    moved = constrain(net, params | moved)
    return (moved, after, memory), sums, Seen(gradients, outputs)


def _under(params: Params, layer: str) -> Params:
    """Return the weights under the path of a layer; "" is the whole network."""
    return {path: w for path, w in params.items() if not layer or path.startswith(f"{layer}/")}
