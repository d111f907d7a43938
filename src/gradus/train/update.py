"""One update of the weights: forward, backward, and the rule of the optimizer."""

from __future__ import annotations

from collections.abc import Callable
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
    """What a step computed on its way.

    Attributes:
        gradients: of the loss, by the path of the weight.
        outputs: of the layers, by path.
    """

    gradients: Params
    outputs: dict[str, Any]


def update_weights(
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    batch: Batch,
    key: Key[Array, ""],
    learning_rate_scale: Float[Any, ""],
    step_state: StepState,
) -> tuple[StepState, Accumulators]:
    """Update the weights once: run the updates of the task (`Task.updates`) one after the other.

    Args:
        net: the network without its weights.
        optimizer: the optimizer.
        task: what is learned.
        batch: the samples.
        key: of everything random in it.
        learning_rate_scale: what the learning rate is multiplied by.
        step_state: trained weights, other weights, and the optimizer state of each update.

    Returns:
        The new step state, and the accumulators of the batch.
    """
    params, model_state, opt_states = step_state
    accumulators: list[Accumulators] = []
    new_opt_states: list[OptState] = []
    for index, (path, subtask) in enumerate(task.updates()):
        update_state = params, model_state, opt_states[index]
        (params, model_state, opt_state), update_accumulators = _run_update(
            net,
            optimizer,
            subtask,
            path,
            batch,
            _update_key(key, index),
            learning_rate_scale,
            update_state,
        )
        new_opt_states.append(opt_state)
        accumulators.append(update_accumulators)
    total = accumulators[0] if len(accumulators) == 1 else tuple(accumulators)
    return (params, model_state, tuple(new_opt_states)), total


def trace_step(
    net: Layer,
    task: Task,
    batch: Batch,
    key: Key[Array, ""],
    before: StepState,
    after: StepState,
) -> StepTrace:
    """Return what a step that was taken computed: it runs forward and backward once more.

    Args:
        net: the network without its weights.
        task: what is learned.
        batch: the samples of the step.
        key: of everything random in it.
        before: the step state before the step.
        after: the step state after it: an update of the task sees what those before it changed.
    """
    params, model_state, _ = before
    gradients: Params = {}
    outputs: dict[str, Any] = {}
    for index, (path, subtask) in enumerate(task.updates()):
        loss_of = _loss_function(
            net, subtask, batch, _update_key(key, index), params, model_state, recording=True
        )
        layer_params = params_of(params, path)
        new, (new_state, _, new_outputs) = jax.grad(loss_of, has_aux=True)(layer_params)
        gradients |= new
        outputs |= new_outputs
        params, model_state = params | params_of(after[0], path), new_state
    return StepTrace(gradients, outputs)


def _loss_function(
    net: Layer,
    task: Task,
    batch: Batch,
    key: Key[Array, ""],
    params: Params,
    model_state: Params,
    recording: bool = False,
) -> Callable[[Params], tuple[Float[Array, ""], Any]]:
    """Return the loss as a function of some weights, with the rest of what a step needs.

    That is the other weights after it, the accumulators, and the outputs of the layers if they are
    recorded.
    """

    def loss_of(layer_params: Params) -> tuple[Float[Array, ""], Any]:
        whole_net = with_weights(net, params | layer_params | model_state)
        copy = fresh(whole_net, key, training=True, recording=recording)
        loss, accumulators = task.measure(copy, batch)
        outputs = recorded(copy)[1] if recording else {}
        return loss, (weights(copy, "state"), accumulators, outputs)

    return loss_of


def _update_key(key: Key[Array, ""], index: int) -> Key[Array, ""]:
    return jax.random.fold_in(key, index) if index else key


def _run_update(
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    path: str,
    batch: Batch,
    key: Key[Array, ""],
    learning_rate_scale: Float[Any, ""],
    update_state: tuple[Params, Params, OptState],
) -> tuple[tuple[Params, Params, OptState], Accumulators]:
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

    Returns:
        The new update state, and the accumulators of the batch.
    """
    params, model_state, opt_state = update_state

    loss_of = _loss_function(net, task, batch, key, params, model_state)
    layer_params = params_of(params, path)
    (loss, (new_model_state, accumulators, _)), gradients = jax.value_and_grad(
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
    return (updated, new_model_state, opt_state), accumulators
