"""Training as one compiled program: epochs, steps, validation, early stopping, layer statistics.

`run_epochs` is a pure function. The host calls it for a few epochs at a time, shows progress, and
calls it again; how the epochs are divided into calls changes no result and recompiles nothing
(callbacks, which need calls of one epoch, have a program of their own, with the same results).
Whatever differs between the members of a population is a leaf of the arguments, so a sweep is
`run_epochs` mapped over those leaves.

    run_epochs → train_epoch → _run_segments → train_step → update_weights
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

from gradus.kernels.finite import all_finite
from gradus.kernels.library import kernels
from gradus.kernels.statistics import UNRECORDED
from gradus.nn.casting import with_standard_promotion
from gradus.nn.layer import Layer
from gradus.nn.network import fresh, with_weights
from gradus.nn.prng import DerivedKey
from gradus.optim.base import Optimizer
from gradus.optim.schedules import ReduceOnPlateau
from gradus.program_cache import cached_program
from gradus.train.batches import Batch, BatchSource, gather_batch
from gradus.train.devices import gather_shards
from gradus.train.early_stopping import EarlyStopping
from gradus.train.layer_statistics import layer_statistics
from gradus.train.state import StepState, TrainState
from gradus.train.tasks.base import Accumulators, Task
from gradus.train.update import StepTrace, update_weights

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int, Key, PyTree, Shaped

RECORDED_EPOCHS = 10  # the first ones, each with a record of layer statistics
Logs = dict[str, Any]  # numbers by name: scalars of one epoch, or arrays with an axis of epochs


@dataclasses.dataclass(frozen=True)
class ProgramShape:
    """The static arguments of the program: other values compile another program.

    Attributes:
        max_epochs: the most epochs of one call, the length of its history.
        steps_per_epoch: batches in an epoch.
        steps_per_segment: steps of a part of an epoch whose loss is recorded.
        segments_per_record: segments from one record of layer statistics to the next.
        epochs_per_record: epochs from one with layer statistics to the next; 0 for no statistics.
        keep_best: whether the best weights are kept.
    """

    max_epochs: int
    steps_per_epoch: int
    steps_per_segment: int
    segments_per_record: int
    epochs_per_record: int
    keep_best: bool

    @property
    def segments(self) -> int:
        """The number of segments in an epoch."""
        return -(-self.steps_per_epoch // self.steps_per_segment)

    def is_recorded(self, epoch: Int[Any, ""], segment: Int[Any, ""]) -> Bool[Any, ""]:
        """Whether a segment ends with a record of layer statistics.

        All of the first epoch do, the last of the next ones, and from then on one in about fifty
        steps. So a training of thirty steps has ten records, too.
        """
        last = segment == self.segments - 1
        regular = last | _is_multiple(segment + 1, self.segments_per_record)
        regular &= _is_multiple(epoch, self.epochs_per_record)
        return regular | (epoch == 0) | (last & (epoch < RECORDED_EPOCHS))


def _is_multiple(number: Int[Any, ""], factor: int) -> Bool[Array, ""]:
    """Whether a number from 0 on is a multiple; `%` takes eight operations, also for negatives."""
    return lax.rem(jnp.int32(number), jnp.int32(factor)) == 0


@cached_program
@functools.partial(jax.jit, static_argnames=("shape",))
@with_standard_promotion
def run_epochs(
    train_state: TrainState,
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    early_stopping: EarlyStopping,
    train: BatchSource,
    validation: BatchSource | None,
    epochs: Int[Any, ""],
    first_epoch: Int[Any, ""],
    key: Key[Array, ""],
    shape: ProgramShape,
) -> tuple[TrainState, Logs]:
    """Train for some epochs.

    Args:
        train_state: the train state.
        net: the network without its weights (`without_weights`).
        optimizer: the optimizer; its numbers are leaves.
        task: what is learned.
        early_stopping: when to stop; its numbers are leaves.
        train: the training samples, in the order of each epoch to run.
        validation: the samples to evaluate after each epoch, or None.
        epochs: how many epochs to run, at most `shape.max_epochs`.
        first_epoch: the number of the first of them, counted from 0. It equals
            `train_state.epoch` but has no population axis, so a condition on it stays a condition.
        key: of everything random except the order of samples and the initial weights.
        shape: the structure of the program.

    Returns:
        The new state, and the logs: for each name an array with an entry for each epoch.
    """

    # As a jitted function it is traced once: for the shapes of its logs and for the loop.
    @jax.jit
    def run_epoch(train_state: TrainState, index: Int[Array, ""]) -> tuple[TrainState, Logs]:
        batch_of = functools.partial(gather_batch, train, index)
        trained, logs = train_epoch(
            train_state, net, optimizer, task, batch_of, first_epoch + index, DerivedKey(key), shape
        )
        logs |= validation_logs(net, trained, task, validation)
        return end_epoch(train_state, trained, logs, optimizer, early_stopping), logs

    def run_epoch_unless_stopped(
        index: Int[Array, ""], carry: tuple[TrainState, Logs]
    ) -> tuple[TrainState, Logs]:
        def run(train_state: TrainState, history: Logs) -> tuple[TrainState, Logs]:
            train_state, logs = run_epoch(train_state, index)
            return train_state, _write_entry(history, logs, index)

        return lax.cond(carry[0].stopped, lambda *unchanged: unchanged, run, *carry)

    with kernels(train.mesh is None):  # they know nothing of devices that share a batch
        logs = jax.eval_shape(run_epoch, train_state, jnp.int32(0))[1]
        history = jax.tree.map(
            lambda log: jnp.zeros((shape.max_epochs, *log.shape), log.dtype), logs
        )
        state = train_state, history
        carry = lax.fori_loop(jnp.int32(0), epochs, run_epoch_unless_stopped, state)
    return gather_shards(carry, train.mesh)


def train_epoch(
    train_state: TrainState,
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    batch_of: Callable[[Int[Any, ""]], Batch],
    epoch: Int[Any, ""],
    key: DerivedKey,
    shape: ProgramShape,
) -> tuple[TrainState, Logs]:
    """Take all steps of one epoch, in segments, and record layer statistics after each segment.

    Statistics come from the same step, taken once more with its result discarded: the step that
    trains is the same with and without them.
    """
    key = key.fold_in(epoch)
    learning_rate_scale = train_state.learning_rate_scale
    has_statistics = shape.epochs_per_record > 0
    arguments = net, optimizer, task, batch_of, key, learning_rate_scale

    # As jitted functions they are traced once: for the shapes of their results, for the loop, and
    # the step also for the statistics.
    step = jax.jit(functools.partial(train_step, *arguments, keep_outputs=has_statistics))

    @jax.jit
    def record(step_state: StepState, index: Int[Array, ""]) -> Float[Array, "statistics"]:
        (updated, _, _), _, trace = step(index, step_state)
        return layer_statistics(net, step_state[0], updated, trace)

    def loss_of(accumulators: Accumulators) -> Float[Array, ""]:
        loss: Float[Array, ""] = task.compute(accumulators)["loss"]
        return loss

    step_state = train_state.params, train_state.model_state, train_state.opt_states
    zeros = zeros_like(jax.eval_shape(step, jnp.int32(0), step_state)[1])
    step_state, total, statistics = _run_segments(
        step, record, loss_of, step_state, zeros, epoch, shape
    )
    trained, logs = end_steps(train_state, step_state, total, optimizer, task)
    return trained, logs | statistics


def end_steps(
    train_state: TrainState,
    step_state: StepState,
    total: Accumulators,
    optimizer: Optimizer,
    task: Task,
) -> tuple[TrainState, Logs]:
    """Return the train state after the last step of an epoch, and the logs of its training.

    Args:
        train_state: the state before the epoch.
        step_state: the state after its last step.
        total: the accumulators of all of its batches.
        optimizer: the optimizer.
        task: what is learned.
    """
    params, model_state, opt_states = step_state
    trained = dataclasses.replace(
        train_state,
        epoch=train_state.epoch + 1,
        params=params,
        model_state=model_state,
        opt_states=opt_states,
    )
    rate = optimizer.rate(opt_states[0]["step"] - 1) * train_state.learning_rate_scale
    return trained, task.compute(total) | {"learning_rate": rate}


def _run_segments(
    step: Callable[[Int[Any, ""], StepState], tuple[StepState, Accumulators, StepTrace]],
    record: Callable[[StepState, Int[Any, ""]], Float[Array, "statistics"]],
    loss_of: Callable[[Accumulators], Float[Array, ""]],
    step_state: StepState,
    zeros: Accumulators,
    epoch: Int[Any, ""],
    shape: ProgramShape,
) -> tuple[StepState, Accumulators, Logs]:
    """Take the steps of an epoch segment by segment, and record statistics after some.

    Args:
        step: takes the step of a number; see `train_step`.
        record: returns the layer statistics on the batch of a step.
        loss_of: returns the loss of accumulators.
        step_state: the state before the epoch.
        zeros: accumulators of no batch.
        epoch: the number of the epoch; in some, no statistics are recorded.
        shape: the structure of the program.

    Returns:
        The state after the epoch, the accumulators of all batches, and the segments' losses and
        layer statistics as log entries; {} if the program records none.
    """
    statistics: Logs = {}
    if shape.epochs_per_record:
        size = jax.eval_shape(record, step_state, jnp.int32(0)).shape
        unrecorded = jnp.full(size, UNRECORDED, jnp.float32)
        statistics = {
            "segment_loss": jnp.zeros(shape.segments, jnp.float32),
            "probes": jnp.zeros((shape.segments, *size), jnp.float32),
        }

    def add_step(
        index: Int[Array, ""], carry: tuple[StepState, Accumulators]
    ) -> tuple[StepState, Accumulators]:
        step_state, total = carry
        step_state, accumulators, _ = step(index, step_state)
        return step_state, jax.tree.map(jnp.add, total, accumulators)

    def run_segment(
        index: Int[Any, ""], carry: tuple[StepState, Accumulators, Logs]
    ) -> tuple[StepState, Accumulators, Logs]:
        step_state, before, statistics = carry
        # int32, as when step and record were traced; a weakly typed index would trace them again.
        start = lax.convert_element_type(index, jnp.int32) * shape.steps_per_segment
        end = jnp.minimum(start + shape.steps_per_segment, shape.steps_per_epoch)
        # Added up step by step, the sums do not depend on where segments begin.
        step_state, total = lax.fori_loop(start, end, add_step, (step_state, before))
        if shape.epochs_per_record:
            recorded = {
                "segment_loss": loss_of(jax.tree.map(jnp.subtract, total, before)),
                "probes": lax.cond(
                    shape.is_recorded(epoch, index),
                    record,
                    lambda *_: unrecorded,
                    step_state,
                    end - 1,
                ),
            }
            statistics = _write_entry(statistics, recorded, index)
        return step_state, total, statistics

    return lax.fori_loop(0, shape.segments, run_segment, (step_state, zeros, statistics))


def train_step(
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    batch_of: Callable[[Int[Any, ""]], Batch],
    key: DerivedKey,
    learning_rate_scale: Float[Any, ""],
    index: Int[Any, ""],
    step_state: StepState,
    keep_outputs: bool = False,
) -> tuple[StepState, Accumulators, StepTrace]:
    """Take one step: forward, backward, update.

    Args:
        net: the network without its weights.
        optimizer: the optimizer.
        task: what is learned.
        batch_of: returns the batch of a step.
        key: of everything random in the epoch.
        learning_rate_scale: what the learning rate is multiplied by.
        index: the number of the step in the epoch.
        step_state: trained weights, other weights, and the optimizer state of each update.
        keep_outputs: whether the outputs of the layers are kept, for layer statistics.

    Returns:
        The new step state, the accumulators of the batch, and gradients and outputs.
    """
    batch, key = batch_of(index), key.fold_in(index)
    return update_weights(
        net, optimizer, task, batch, key, learning_rate_scale, step_state, keep_outputs
    )


def validation_logs(
    net: Layer, train_state: TrainState, task: Task, source: BatchSource | None
) -> Logs:
    """Return the loss and metrics of the validation samples as log entries; {} without any."""
    if source is None:
        return {}
    found = validate(net, train_state, task, source)
    return {f"val_{name}": value for name, value in found.items()}


def validate(
    net: Layer, train_state: TrainState, task: Task, source: BatchSource
) -> dict[str, Shaped[Array, "..."]]:
    """Return the loss and metrics of all batches of a source, without training."""
    whole_net = with_weights(net, train_state.params | train_state.model_state)

    @jax.jit
    def measure(index: Int[Array, ""]) -> Accumulators:
        return task.measure(fresh(whole_net), gather_batch(source, None, index))[1]

    def add_batch(index: Int[Array, ""], total: Accumulators) -> Accumulators:
        return jax.tree.map(jnp.add, total, measure(index))

    zeros = zeros_like(jax.eval_shape(measure, jnp.int32(0)))
    steps = 1 if source.rows is None else source.rows.shape[0]
    return task.compute(lax.fori_loop(jnp.int32(0), jnp.int32(steps), add_batch, zeros))


def end_epoch(
    before: TrainState,
    after: TrainState,
    logs: Logs,
    optimizer: Optimizer,
    early_stopping: EarlyStopping,
) -> TrainState:
    """Return the state after an epoch: early stopping, best weights, and plateau of the rate.

    If the epoch diverged, that is `before`, marked as diverged.
    """
    monitored = logs[early_stopping.monitor]
    finite = all_finite([logs["loss"], *after.params.values()])
    stopping_state, improved, stop = early_stopping.update(
        before.stopping_state, monitored, after.epoch
    )
    best = after.best
    if best is not None:
        current = after.params, after.model_state
        best = lax.cond(improved, lambda: current, lambda: before.best)
    plateau_state, rate = after.plateau_state, optimizer.learning_rate
    if isinstance(rate, ReduceOnPlateau) and plateau_state is not None:
        plateau_state = rate.update(plateau_state, early_stopping.sign * monitored)
    after = dataclasses.replace(
        after, stopping_state=stopping_state, best=best, plateau_state=plateau_state, stopped=stop
    )
    diverged = dataclasses.replace(before, stopped=jnp.bool_(True), diverged=jnp.bool_(True))
    # A condition, not a select: it compiles to copies instead of a kernel for each leaf.
    return lax.cond(finite, lambda: after, lambda: diverged)


def _write_entry(
    buffers: PyTree[Shaped[Array, "entries ..."]],
    values: PyTree[Shaped[Array, "..."]],
    index: Int[Array, ""],
) -> PyTree[Shaped[Array, "entries ..."]]:
    """Write one entry of each buffer; a slice update compiles faster than a scatter."""
    return jax.tree.map(
        lambda buffer, value: lax.dynamic_update_index_in_dim(
            buffer, value, index, 0, allow_negative_indices=False
        ),
        buffers,
        values,
    )


def zeros_like(shapes: PyTree[jax.ShapeDtypeStruct]) -> Accumulators:
    """Return accumulators of no batch."""
    return jax.tree.map(lambda array: jnp.zeros(array.shape, array.dtype), shapes)
