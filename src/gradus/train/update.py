"""One update of the weights: forward, backward, and the rule of the optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax

from gradus.nn.layer import Layer
from gradus.nn.network import fresh, recorded, weights, with_weights
from gradus.optim.base import Optimizer
from gradus.train.batches import Batch
from gradus.train.state import OptState, Params, StepState, params_of
from gradus.train.task import Accumulators, Task, apply_constraints

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Key


class StepTrace(NamedTuple):
    """What an update computed on its way.

    Attributes:
        gradients: of the loss, by the path of the weight.
        outputs: of the layers by path, if they were recorded.
    """

    gradients: Params
    outputs: dict[str, Any]


def update_weights(
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    batch: Batch,
    key: Key[Array, ""],
    rate_scale: Float[Any, ""],
    step_state: StepState,
    recording: bool = False,
) -> tuple[StepState, Accumulators, StepTrace]:
    """Update the weights once, in each update of the task those that belong to it.

    Args:
        net: the network without its weights.
        optimizer: the optimizer.
        task: what is learned.
        batch: the samples.
        key: of everything random in it.
        rate_scale: what the learning rate is multiplied by.
        step_state: trained weights, other weights, and the optimizer state of each update.
        recording: whether the outputs of the layers are kept.

    Returns:
        The new step state, the accumulators of the batch, and what was computed on the way.
    """
    params, model_state, opt_states = step_state
    accumulators: list[Accumulators] = []
    new_opt_states: list[OptState] = []
    gradients: Params = {}
    outputs: dict[str, Any] = {}
    for index, (layer, part) in enumerate(task.updates()):
        own_key = jax.random.fold_in(key, index) if index else key
        own_state = params, model_state, opt_states[index]
        (params, model_state, opt_state), own, trace = _update_layer(
            net, optimizer, part, layer, batch, own_key, rate_scale, own_state, recording
        )
        new_opt_states.append(opt_state)
        accumulators.append(own)
        gradients |= trace.gradients
        outputs |= trace.outputs
    total: Any = accumulators[0] if len(accumulators) == 1 else tuple(accumulators)
    return (params, model_state, tuple(new_opt_states)), total, StepTrace(gradients, outputs)


def _update_layer(
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    layer: str,
    batch: Batch,
    key: jax.Array,
    rate_scale: jax.Array,
    own_state: tuple[Params, Params, OptState],
    recording: bool,
) -> tuple[tuple[Params, Params, OptState], Accumulators, StepTrace]:
    """Move the weights below one layer down the loss of one task."""
    params, model_state, opt_state = own_state

    def loss_of(own: Params) -> tuple[jax.Array, Any]:
        whole_net = with_weights(net, params | own | model_state)
        copy = fresh(whole_net, key, training=True, recording=recording)
        loss, accumulators = task.measure(copy, batch)
        outputs = recorded(copy)[1] if recording else {}
        return loss, (weights(copy, "state"), accumulators, outputs)

    own = params_of(params, layer)
    (loss, (new_model_state, accumulators, outputs)), gradients = jax.value_and_grad(
        loss_of, has_aux=True
    )(own)
    moved, opt_state = optimizer.update(
        gradients,
        opt_state,
        own,
        learning_rate_scale=rate_scale,
        value=loss,
        value_fn=lambda own: loss_of(own)[0],
    )
    moved = apply_constraints(net, params | moved)
    return (moved, new_model_state, opt_state), accumulators, StepTrace(gradients, outputs)
