"""Training on batches as they are read: the steps of `program.py`, a chunk of them in each call.

With batches in the order of a training on arrays, the weights are the same.

    StreamProgram.run → EpochSteps.take → run_chunk (again and again) → end_stream_epoch
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradus.errors import DataError
from gradus.kernels.library import kernels
from gradus.kernels.statistics import UNRECORDED
from gradus.nn import prng
from gradus.nn.casting import with_standard_promotion
from gradus.nn.layer import Layer
from gradus.nn.prng import DerivedKey
from gradus.nn.pytree import canonicalize
from gradus.optim.base import Optimizer
from gradus.program_cache import cached_program
from gradus.train.batches import Batch, BatchSource, Samples, entry
from gradus.train.devices import put_on_device
from gradus.train.early_stopping import EarlyStopping
from gradus.train.history import History
from gradus.train.layer_statistics import layer_statistics
from gradus.train.loop import EpochProgram, Listener
from gradus.train.program import (
    RECORDED_EPOCHS,
    Logs,
    end_epoch,
    end_steps,
    train_step,
    validation_logs,
    zeros_like,
)
from gradus.train.state import StepState, TrainState, without_weights
from gradus.train.streaming.chunks import StepChunk, chunk_shapes, group_batches, read_ahead
from gradus.train.tasks.base import Accumulators, Task
from gradus.train.training_program import STEPS_PER_RECORD, Components, FitConfig

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int, Key

FIRST_RECORDS = 40  # chunks of the first epoch, each of which ends with layer statistics


@dataclasses.dataclass
class StreamProgram:
    """The training on a stream of batches, with all of its arguments but the train state.

    Attributes:
        components: network, optimizer, task, and early stopping.
        key: of everything random except the weights and the order of samples.
        batches: returns the batches of an epoch, given its number.
        first: the first batch, for its shapes.
        steps: the batches of an epoch; None if only its end tells.
        validation: what is evaluated after each epoch, or None.
        config: how much is trained; each call is one epoch.
        error: what ended the training, if it was a batch.
        was_cut: whether Ctrl-C ended the last epoch before its last batch.
    """

    components: Components
    key: Key[Array, ""]
    batches: Callable[[int], Iterator[Samples]]
    first: Samples
    steps: int | None
    validation: BatchSource | None
    config: FitConfig
    error: Exception | None = None
    was_cut: bool = False

    @classmethod
    def create(
        cls,
        net: Layer,
        optimizer: Optimizer,
        task: Task,
        early_stopping: EarlyStopping,
        batches: Callable[[int], Iterator[Samples]],
        first: Samples,
        steps: int | None,
        validation: BatchSource | None,
        config: FitConfig,
    ) -> StreamProgram:
        """Return the training of one network.

        Args:
            net: the built network.
            optimizer: the optimizer.
            task: what is learned.
            early_stopping: when to stop.
            batches: returns the batches of an epoch, given its number.
            first: the first batch.
            steps: the batches of an epoch, or None.
            validation: what is evaluated after each epoch, or None.
            config: how much is trained.
        """
        components = canonicalize(Components(without_weights(net), optimizer, task, early_stopping))
        key = prng.make_key(config.seed)
        return cls(components, key, batches, first, steps, validation, config)

    @property
    def max_epochs(self) -> int:
        """The most epochs of one call."""
        return 1

    @property
    def batch_size(self) -> int:
        """The samples of a batch."""
        return len(jax.tree.leaves(self.first.x)[0])

    @property
    def shape(self) -> tuple[int, int | None]:
        """What the shapes of chunks depend on, besides those of the samples."""
        return self.batch_size, self.steps

    def chunks(self, epoch: int) -> AbstractContextManager[Iterator[StepChunk]]:
        """Return the chunks of an epoch, which a thread reads ahead of their use."""
        return read_ahead(group_batches(self.batches(epoch), self.batch_size, self.steps))

    def lowered(self, train_state: TrainState) -> list[jax.stages.Lowered]:
        """Return the programs of a chunk and of an epoch's end, to be compiled."""
        chunk = chunk_shapes(self.first, self.batch_size, self.steps)
        step_state = _step_state(train_state)
        arguments = self.chunk_arguments(train_state, chunk, np.int32(0), record=True)
        step_state, total, _ = jax.eval_shape(run_chunk, step_state, *arguments)
        end = end_stream_epoch.lower(
            train_state, step_state, total, *self.components, self.validation
        )
        return [run_chunk.lower(_step_state(train_state), *arguments), end]

    def put_on_device(self) -> None:
        """Put the validation samples on the device; those of training go there chunk by chunk."""
        self.validation = put_on_device(self.validation)

    def run(
        self,
        train_state: TrainState,
        first_epoch: int,
        epochs: int,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> tuple[TrainState, Logs]:
        """Train for the epoch `first_epoch`; `epochs` is 1.

        Args:
            train_state: the state before it.
            first_epoch: its number.
            epochs: 1.
            interrupted: whether the epoch should end after the current chunk.

        Returns:
            The state after the epoch and its logs; the state before it and none if reading fails,
            and then `raise_error` says why.
        """
        steps = EpochSteps(self, train_state, first_epoch)
        try:
            with self.chunks(first_epoch) as chunks:
                for chunk in chunks:
                    steps.take(chunk)
                    if interrupted():
                        self.was_cut = True
                        break
            steps.check_any()
        except Exception as error:
            self.error = error
            return train_state, {}
        return steps.end()

    def raise_error(self) -> None:
        """Raise what ended the training, if it was a batch."""
        if self.error is not None:
            raise self.error

    def chunk_arguments(
        self, train_state: TrainState, chunk: StepChunk, first_step: Int[Any, ""], record: bool
    ) -> tuple[Any, ...]:
        """Return the arguments of `run_chunk` after the first, in its order."""
        record_or_none = np.bool_(record) if self.config.probes else None
        made = self.components
        return (
            made.net,
            made.optimizer,
            made.task,
            chunk,
            first_step,
            np.int32(train_state.epoch),
            self.key,
            train_state.learning_rate_scale,
            record_or_none,
        )


class EpochSteps:
    """The steps of one training in an epoch on a stream, taken a chunk at a time.

    Args:
        training: the training.
        train_state: the state before the epoch.
        epoch: its number.
    """

    def __init__(self, training: StreamProgram, train_state: TrainState, epoch: int) -> None:
        self._training, self._before, self._epoch = training, train_state, epoch
        self._step_state, self._statistics = _step_state(train_state), list[Logs]()
        self._total: Accumulators | None = None
        self._count = self._unrecorded = 0  # steps

    def take(self, chunk: StepChunk) -> None:
        """Take the steps of the next chunk."""
        number = len(self._statistics)
        self._unrecorded += int(chunk.steps)
        early = self._epoch < RECORDED_EPOCHS and number < (1 if self._epoch else FIRST_RECORDS)
        record = early or self._unrecorded >= STEPS_PER_RECORD
        first = np.int32(self._count)
        arguments = self._training.chunk_arguments(self._before, chunk, first, record)
        # One chunk runs while the next one is sent: more would only fill the memory.
        jax.block_until_ready(self._total)
        self._step_state, added, recorded = run_chunk(self._step_state, *arguments)
        before = self._total
        self._total = added if before is None else jax.tree.map(jnp.add, before, added)
        self._statistics.append(recorded)
        self._count += int(chunk.steps)
        if record:
            self._unrecorded = 0

    def check_any(self) -> None:
        """Check that there was a chunk.

        Raises:
            DataError: if there was none.
        """
        if self._total is None:
            raise DataError(f"There are no batches in epoch {self._epoch + 1}.")

    def end(self) -> tuple[TrainState, Logs]:
        """Return the state after the epoch, and its logs."""
        training = self._training
        train_state, logs = end_stream_epoch(
            self._before, self._step_state, self._total, *training.components, training.validation
        )
        segments = jax.tree.map(lambda *values: jnp.stack(values), *self._statistics)
        return train_state, jax.tree.map(lambda value: value[None], logs | segments)


def of_whole_epochs(writer: Listener, training: EpochProgram) -> Listener:
    """Return what writes checkpoints, but none of an epoch on a stream that Ctrl-C cut short.

    A training that is resumed trains that epoch again, so that it equals one never interrupted.
    """
    if not isinstance(training, StreamProgram):
        return writer

    def write(train_state: TrainState, history: History) -> bool:
        # A writer keeps the last history to write it in the end, and that of a cut epoch is longer.
        return not training.was_cut and writer(train_state, copy.deepcopy(history))

    return write


def _step_state(train_state: TrainState) -> StepState:
    return train_state.params, train_state.model_state, train_state.opt_states


@cached_program
@jax.jit
@with_standard_promotion
def run_chunk(
    step_state: StepState,
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    chunk: StepChunk,
    first_step: Int[Any, ""],
    epoch: Int[Any, ""],
    key: Key[Array, ""],
    learning_rate_scale: Float[Any, ""],
    record: Bool[Any, ""] | None,
) -> tuple[StepState, Accumulators, Logs]:
    """Take the steps of a chunk.

    Args:
        step_state: the state before the first of them.
        net: the network without its weights.
        optimizer: the optimizer.
        task: what is learned.
        chunk: the batches.
        first_step: the number of the first step in the epoch.
        epoch: the number of the epoch, counted from 0.
        key: of everything random.
        learning_rate_scale: what the learning rate is multiplied by.
        record: whether layer statistics are recorded after the last step; None for never.

    Returns:
        The state after the last step, the accumulators of the batches, and the loss and the layer
        statistics of the chunk as log entries; {} if none are ever recorded.
    """
    step_key = DerivedKey(key).fold_in(epoch)

    def batch_of(index: Int[Array, ""]) -> Batch:
        def take(array: Any) -> Any:
            return entry(array, index - first_step)

        (x, y, weight), present = jax.tree.map(take, (chunk.samples, chunk.present))
        return Batch(x, y, present if weight is None else present * weight, present)

    # As a jitted function it is traced once: for the shapes of its results, for the loop, and for
    # the statistics.
    arguments = net, optimizer, task, batch_of, step_key, learning_rate_scale
    step = jax.jit(functools.partial(train_step, *arguments, keep_outputs=record is not None))

    def add_step(
        index: Int[Array, ""], carry: tuple[StepState, Accumulators]
    ) -> tuple[StepState, Accumulators]:
        step_state, total = carry
        step_state, accumulators, _ = step(index, step_state)
        return step_state, jax.tree.map(jnp.add, total, accumulators)

    def statistics(step_state: StepState) -> Float[Array, "statistics"]:
        (updated, _, _), _, trace = step(end - 1, step_state)
        return layer_statistics(net, step_state[0], updated, trace)

    end = first_step + chunk.steps
    with kernels():
        zeros = zeros_like(jax.eval_shape(step, jnp.int32(0), step_state)[1])
        step_state, total = lax.fori_loop(first_step, end, add_step, (step_state, zeros))
        if record is None:
            return step_state, total, {}
        size = jax.eval_shape(statistics, step_state).shape
        recorded = lax.cond(
            record, statistics, lambda _: jnp.full(size, UNRECORDED, jnp.float32), step_state
        )
    return step_state, total, {"segment_loss": task.compute(total)["loss"], "probes": recorded}


@cached_program
@jax.jit
@with_standard_promotion
def end_stream_epoch(
    train_state: TrainState,
    step_state: StepState,
    total: Accumulators,
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    early_stopping: EarlyStopping,
    validation: BatchSource | None,
) -> tuple[TrainState, Logs]:
    """Return the state after an epoch, and its logs.

    Args:
        train_state: the state before the epoch.
        step_state: the state after its last step.
        total: the accumulators of all of its batches.
        net: the network without its weights.
        optimizer: the optimizer.
        task: what is learned.
        early_stopping: when to stop.
        validation: what is evaluated, or None.
    """
    trained, logs = end_steps(train_state, step_state, total, optimizer, task)
    logs |= validation_logs(net, trained, task, validation)
    return end_epoch(train_state, trained, logs, optimizer, early_stopping), logs
