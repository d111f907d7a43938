"""One update of the weights: forward, backward, and the rule of the optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax

from gradus.nn.layer import Layer
from gradus.nn.network import fresh, recorded, weights, with_weights
from gradus.nn.prng import DerivedKey
from gradus.optim.base import Optimizer
from gradus.train.batches import Batch
from gradus.train.state import OptState, Params, StepState, params_of
from gradus.train.tasks.base import Accumulators, Task, apply_constraints

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class StepTrace(NamedTuple):
    """What an update computed besides the new weights.

    Attributes:
        gradients: of the loss, by the path of the weight.
        outputs: of the layers that return one array, by path, if they were kept.
    """

    gradients: Params
    outputs: dict[str, Array]


def update_weights(
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    batch: Batch,
    key: DerivedKey,
    learning_rate_scale: Float[Any, ""],
    step_state: StepState,
    keep_outputs: bool = False,
) -> tuple[StepState, Accumulators, StepTrace]:
    """Update the weights once: run the updates of the task (`Task.updates`) one after the other.

    Args:
        net: the network without its weights.
        optimizer: the optimizer.
        task: what is learned.
        batch: the samples.
        key: of everything random in it.
        learning_rate_scale: what the learning rate is multiplied by.
        step_state: trained weights, other weights, and the optimizer state of each update.
        keep_outputs: whether the outputs of the layers are kept.

    Returns:
        The new step state, the accumulators of the batch, and gradients and outputs.
    """
    params, model_state, opt_states = step_state
    accumulators: list[Accumulators] = []
    new_opt_states: list[OptState] = []
    gradients: Params = {}
    outputs: dict[str, Array] = {}
    for index, (path, subtask) in enumerate(task.updates()):
        update_key = key.fold_in(index) if index else key
        update_state = params, model_state, opt_states[index]
        (params, model_state, opt_state), update_accumulators, trace = _run_update(
            net,
            optimizer,
            subtask,
            path,
            batch,
            update_key,
            learning_rate_scale,
            update_state,
            keep_outputs,
        )
        new_opt_states.append(opt_state)
        accumulators.append(update_accumulators)
        gradients |= trace.gradients
        outputs |= trace.outputs
    total = accumulators[0] if len(accumulators) == 1 else tuple(accumulators)
    return (params, model_state, tuple(new_opt_states)), total, StepTrace(gradients, outputs)


def _run_update(
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    path: str,
    batch: Batch,
    key: DerivedKey,
    learning_rate_scale: Float[Any, ""],
    update_state: tuple[Params, Params, OptState],
    keep_outputs: bool,
) -> tuple[tuple[Params, Params, OptState], Accumulators, StepTrace]:
    """Run one update of a step: change the weights of one layer so that a task's loss decreases.

    Args:
        net: the network without its weights.
        optimizer: the optimizer.
        task: the task of this update.
        path: of the layer whose weights change; "" for the whole network.
        batch: the samples.
        key: of everything random in it.
        learning_rate_scale: what the learning rate is multiplied by.
        update_state: all trained weights, all other weights, and the optimizer state of the layer.
        keep_outputs: whether the outputs of the layers are kept.

    Returns:
        The new update state, the accumulators of the batch, and gradients and outputs.
    """
    params, model_state, opt_state = update_state

    def loss_of(layer_params: Params) -> tuple[Float[Array, ""], Any]:
        whole_net = with_weights(net, params | layer_params | model_state)
        copy = fresh(whole_net, key, training=True, recording=keep_outputs)
        loss, accumulators = task.measure(copy, batch)
        outputs = recorded(copy)[1] if keep_outputs else {}
        outputs = {path: out for path, out in outputs.items() if isinstance(out, jax.Array)}
        return loss, (weights(copy, "state"), accumulators, outputs)

    layer_params = params_of(params, path)
    (loss, (new_model_state, accumulators, outputs)), gradients = jax.value_and_grad(
        loss_of, has_aux=True
    )(layer_params)
    updated, opt_state = optimizer.update(
        gradients,
        opt_state,
        layer_params,
        learning_rate_scale=learning_rate_scale,
        value=loss,
        value_fn=lambda layer_params: loss_of(layer_params)[0],
    )
    updated = apply_constraints(net, params | updated)
    return (updated, new_model_state, opt_state), accumulators, StepTrace(gradients, outputs)
