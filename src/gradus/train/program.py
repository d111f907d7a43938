"""Training as one compiled program: epochs, steps, validation, early stopping, layer statistics.

`run_epochs` is a pure function. The host calls it for a few epochs at a time, shows progress, and
calls it again; how the epochs are divided into calls changes no result and recompiles nothing
(callbacks, which need calls of one epoch, have a program of their own, with the same results).
Whatever differs between the members of a population is a leaf of the arguments, so a sweep is
`run_epochs` mapped over those leaves.

    run_epochs → train_epoch → StepLoop → update_weights
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

from gradus.nn.casting import with_standard_promotion
from gradus.nn.layer import Layer
from gradus.nn.network import fresh, with_weights
from gradus.optim.base import Optimizer
from gradus.optim.schedules import ReduceOnPlateau
from gradus.program_cache import cached_program
from gradus.train.batches import Batch, BatchSource, gather_batch
from gradus.train.devices import gather_shards
from gradus.train.early_stopping import EarlyStopping
from gradus.train.layer_statistics import UNRECORDED, layer_statistics
from gradus.train.state import StepState, TrainState
from gradus.train.task import Accumulators, Task
from gradus.train.update import update_weights

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int, Key, PyTree, Shaped

RECORDED_EPOCHS = 10  # the first ones, each with a record of layer statistics
StepCarry = tuple[StepState, Accumulators]  # the state, and the accumulators of all steps
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
        regular = last | ((segment + 1) % self.segments_per_record == 0)
        regular &= epoch % self.epochs_per_record == 0
        return regular | (epoch == 0) | (last & (epoch < RECORDED_EPOCHS))


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
            train_state, net, optimizer, task, batch_of, first_epoch + index, key, shape
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

    logs = jax.eval_shape(run_epoch, train_state, jnp.int32(0))[1]
    history = jax.tree.map(lambda log: jnp.zeros((shape.max_epochs, *log.shape), log.dtype), logs)
    carry = lax.fori_loop(jnp.int32(0), epochs, run_epoch_unless_stopped, (train_state, history))
    return gather_shards(carry, train.mesh)


def train_epoch(
    train_state: TrainState,
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    batch_of: Callable[[Int[Any, ""]], Batch],
    epoch: Int[Any, ""],
    key: Key[Array, ""],
    shape: ProgramShape,
) -> tuple[TrainState, Logs]:
    """Take all steps of one epoch, in segments, and record layer statistics after some of them."""
    key, scale = jax.random.fold_in(key, epoch), train_state.learning_rate_scale
    loop = StepLoop(net, optimizer, task, batch_of, key, scale)
    carry = loop.start((train_state.params, train_state.model_state, train_state.opt_states))
    if not shape.epochs_per_record:
        step_state, total = loop.run(jnp.int32(0), jnp.int32(shape.steps_per_epoch), carry)
        return end_steps(train_state, step_state, total, optimizer, task)

    def run_segment(
        index: Int[Any, ""], carry_and_logs: tuple[StepCarry, Logs]
    ) -> tuple[StepCarry, Logs]:
        carry, logs = carry_and_logs
        # Of the type with which the step was traced; a weak one would trace it anew.
        start = lax.convert_element_type(index, jnp.int32) * shape.steps_per_segment
        end = jnp.minimum(start + shape.steps_per_segment, shape.steps_per_epoch)
        # Added up step by step, the sums do not depend on where segments begin.
        before = carry[1]
        carry, statistics = loop.run_and_record(start, end, carry, shape.is_recorded(epoch, index))
        loss = task.compute(jax.tree.map(jnp.subtract, carry[1], before))["loss"]
        return carry, _write_entry(logs, {"segment_loss": loss, "probes": statistics}, index)

    count = shape.segments
    size = len(loop.unrecorded(carry))
    logs = {"segment_loss": jnp.zeros(count), "probes": jnp.zeros((count, size))}
    (step_state, total), logs = lax.fori_loop(0, count, run_segment, (carry, logs))
    trained, epoch_logs = end_steps(train_state, step_state, total, optimizer, task)
    return trained, epoch_logs | logs


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


@dataclasses.dataclass(frozen=True)
class StepLoop:
    """The steps of an epoch, one after the other, and the statistics of some of them.

    The steps are those of a program that records none: what is recorded is computed beside them,
    from the weights before and after.

    Attributes:
        net: the network without its weights.
        optimizer: the optimizer.
        task: what is learned.
        batch_of: returns the batch of a step.
        key: of everything random in the epoch.
        learning_rate_scale: what the learning rate is multiplied by.
    """

    net: Layer
    optimizer: Optimizer
    task: Task
    batch_of: Callable[[Int[Any, ""]], Batch]
    key: Key[Array, ""]
    learning_rate_scale: Float[Any, ""]

    def start(self, step_state: StepState) -> StepCarry:
        """Return the carry before the first step."""
        return step_state, zeros_like(jax.eval_shape(self.step, jnp.int32(0), step_state)[1])

    def run(self, start: Int[Any, ""], end: Int[Any, ""], carry: StepCarry) -> StepCarry:
        """Take the steps from `start` to before `end`."""

        def add_step(index: Int[Array, ""], carry: StepCarry) -> StepCarry:
            step_state, total = carry
            step_state, accumulators = self.step(index, step_state)
            total = jax.tree.map(jnp.add, total, accumulators)
            return step_state, total

        return lax.fori_loop(start, end, add_step, carry)

    def run_and_record(
        self,
        start: Int[Array, ""],
        end: Int[Array, ""],
        carry: StepCarry,
        is_recorded: Bool[Any, ""],
    ) -> tuple[StepCarry, Float[Array, "statistics"]]:
        """Take steps, and return the layer statistics of the last one if it is recorded."""
        last = end - 1

        # All steps but the last are one part, and the last is the other: so one loop serves both,
        # and only a part, not each step, keeps the weights from before it.
        def run_part(
            part: Int[Array, ""], taken: tuple[StepCarry, Float[Array, "statistics"]]
        ) -> tuple[StepCarry, Float[Array, "statistics"]]:
            carry, unrecorded = taken
            before = carry[0]
            carry = self.run(jnp.where(part, last, start), last + part, carry)
            statistics = lax.cond(
                is_recorded & (part == 1),
                self._record,
                lambda *_: unrecorded,
                last,
                before,
                carry[0],
            )
            return carry, statistics

        parts = jnp.int32(0), jnp.int32(2)
        recorded: tuple[StepCarry, Float[Array, "statistics"]] = lax.fori_loop(
            *parts, run_part, (carry, self.unrecorded(carry))
        )
        return recorded

    def unrecorded(self, carry: StepCarry) -> Float[Array, "statistics"]:
        """Return what stands for statistics that are not recorded."""
        size = jax.eval_shape(self._record, jnp.int32(0), carry[0], carry[0]).shape
        return jnp.full(size, UNRECORDED, jnp.float32)

    # As jitted functions they are traced once: for the shapes of their results and for the loop.

    @functools.cached_property
    def step(self) -> Callable[[Int[Any, ""], StepState], tuple[StepState, Accumulators]]:
        """Take the step of a number."""

        def take(index: Int[Array, ""], step_state: StepState) -> tuple[StepState, Accumulators]:
            batch, key = self.batch_of(index), jax.random.fold_in(self.key, index)
            scale = self.learning_rate_scale
            return update_weights(
                self.net, self.optimizer, self.task, batch, key, scale, step_state
            )

        return jax.jit(take)

    @functools.cached_property
    def _record(self) -> Callable[..., Float[Array, "statistics"]]:
        def record(
            index: Int[Array, ""], before: StepState, after: StepState
        ) -> Float[Array, "statistics"]:
            batch, key = self.batch_of(index), jax.random.fold_in(self.key, index)
            return layer_statistics(self.net, self.task, batch, key, before, after)

        return jax.jit(record)


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

    def add_batch(total: Accumulators, index: Int[Array, ""]) -> tuple[Accumulators, None]:
        return jax.tree.map(jnp.add, total, measure(index)), None

    zeros = zeros_like(jax.eval_shape(measure, jnp.int32(0)))
    steps = 1 if source.rows is None else source.rows.shape[0]
    total, _ = lax.scan(add_batch, zeros, jnp.arange(steps))
    return task.compute(total)


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
    finite = jnp.isfinite(logs["loss"])
    for weight in after.params.values():
        finite &= jnp.all(jnp.isfinite(weight))
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
        lambda buffer, value: lax.dynamic_update_index_in_dim(buffer, value, index, 0),
        buffers,
        values,
    )


def zeros_like(shapes: PyTree[jax.ShapeDtypeStruct]) -> Accumulators:
    """Return accumulators of no batch."""
    return jax.tree.map(lambda array: jnp.zeros(array.shape, array.dtype), shapes)
