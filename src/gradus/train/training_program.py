"""The training program of one network, with everything that it takes but the train state."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from gradus.nn import prng
from gradus.nn.layer import Layer
from gradus.nn.pytree import canonicalize
from gradus.optim.base import Optimizer
from gradus.rng import host_rng
from gradus.train.batches import BatchSource, Samples
from gradus.train.devices import put_on_device, replicate
from gradus.train.early_stopping import EarlyStopping
from gradus.train.program import Logs, ProgramShape, run_epochs
from gradus.train.state import TrainState, without_weights
from gradus.train.tasks.base import Task

if TYPE_CHECKING:
    from jaxtyping import Array, Int, Key

MAX_EPOCHS_PER_CALL = 64  # the history and the order of samples of a call have a fixed size
MAX_ROWS_PER_CALL = 1 << 20  # row numbers, 4 MB, which each call copies
STEPS_PER_RECORD = 50  # layer statistics are recorded about once in so many steps
SEGMENTS_PER_EPOCH = 10, 40  # at least, if it has as many steps, and at most


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """How much is trained, and in which order.

    Attributes:
        epochs: the number of the last epoch, counted from 1 over all calls of `fit`.
        batch_size: samples of a step; None for all of them.
        seed: of dropout and noise.
        shuffle_seed: of the order of samples.
        shuffle: whether each epoch has an order of its own; else it is that of the samples.
        probes: whether layer statistics are recorded.
        one_epoch_per_call: whether every call is one epoch long, for callbacks.
        mesh: the devices that share each batch, or None for one device.
    """

    epochs: int
    batch_size: int | None
    seed: int
    shuffle_seed: int
    probes: bool = True
    one_epoch_per_call: bool = False
    mesh: Mesh | None = None
    shuffle: bool = True


class Components(NamedTuple):
    """What the training program is made of; the numbers in it are arrays.

    Attributes:
        net: the network, without its weights.
        optimizer: the optimizer.
        task: what is learned.
        early_stopping: when training ends early.
    """

    net: Any
    optimizer: Any
    task: Any
    early_stopping: Any


@dataclasses.dataclass
class TrainingProgram:
    """The training program with all of its arguments but the train state.

    Attributes:
        components: network, optimizer, task, and early stopping.
        key: of everything random except the weights and the order of samples.
        samples: in the host's memory or on the device.
        rows: which of them are trained on.
        validation: what is evaluated after each epoch, or None.
        config: how much is trained, and in which order.
        shape: the structure of the program.
        run_epochs: the jitted function, or one mapped over a population.
        sample_order: returns the rows of every step of some epochs, given the number of the first
            and their count.
    """

    components: Components
    key: Key[Array, "..."]
    samples: Samples
    rows: Int[np.ndarray, "train"]
    validation: BatchSource | None
    config: FitConfig
    shape: ProgramShape
    run_epochs: Any
    sample_order: Callable[[int, int], Any]

    @classmethod
    def create(
        cls,
        net: Layer,
        optimizer: Optimizer,
        task: Task,
        early_stopping: EarlyStopping,
        samples: Samples,
        rows: Int[np.ndarray, "train"] | None,
        validation: BatchSource | None,
        config: FitConfig,
        train_state: TrainState,
    ) -> TrainingProgram:
        """Return the training of one network.

        Args:
            net: the built network.
            optimizer: the optimizer.
            task: what is learned.
            early_stopping: when to stop.
            samples: all samples.
            rows: which of them are trained on; None for all.
            validation: what is evaluated after each epoch, or None.
            config: how much is trained, and in which order.
            train_state: the state before the first epoch.
        """
        all_rows = np.arange(len(jax.tree.leaves(samples.x)[0])) if rows is None else rows
        shape = program_shape(len(all_rows), config, train_state.best is not None)
        components = canonicalize(Components(without_weights(net), optimizer, task, early_stopping))
        sample_order = SampleOrder(all_rows, shape, config)
        key = _make_key(config.seed)
        if config.mesh is not None:  # the program is compiled for arrays on those devices
            components, key = replicate((components, key), config.mesh)
            samples, validation = put_on_device((samples, validation), config.mesh)
            validation = validation and dataclasses.replace(validation, mesh=config.mesh)
        return cls(
            components,
            key,
            samples,
            all_rows,
            validation,
            config,
            shape,
            run_epochs,
            sample_order,
        )

    @property
    def max_epochs(self) -> int:
        """The most epochs of one call."""
        return self.shape.max_epochs

    def lowered(self, train_state: TrainState) -> list[jax.stages.Lowered]:
        """Return the one program of the training, to be compiled or read from the cache."""
        return [self.run_epochs.lower(*self._arguments(train_state, 0, 0), shape=self.shape)]

    def put_on_device(self) -> None:
        """Put the samples on the device."""
        if self.config.mesh is None:
            self.samples, self.validation = put_on_device((self.samples, self.validation))

    def run(
        self,
        train_state: TrainState,
        first_epoch: int,
        epochs: int,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> tuple[TrainState, Logs]:
        """Train for some epochs, at most `max_epochs`, the first of them `first_epoch`.

        A call on arrays is short, and not interrupted.
        """
        arguments = self._arguments(train_state, first_epoch, epochs)
        trained: tuple[TrainState, Logs] = self.run_epochs(*arguments, shape=self.shape)
        if isinstance(self.sample_order, SampleOrder):  # while the device is busy
            self.sample_order.draw_ahead(first_epoch + epochs, epochs)
        return trained

    def _arguments(self, train_state: TrainState, first_epoch: int, epochs: int) -> tuple[Any, ...]:
        """Return the arguments of `run_epochs`, in its order."""
        mesh = self.config.mesh
        order, count = self.sample_order(first_epoch, epochs), np.int32(len(self.rows))
        numbers = order, count, np.int32(epochs), np.int32(first_epoch)
        order, count, *epoch_numbers = replicate(numbers, mesh)
        train = BatchSource(self.samples, order, count, mesh)
        return (
            train_state,
            *self.components,
            train,
            self.validation,
            *epoch_numbers,
            self.key,
        )


@functools.lru_cache(64)
def _make_key(seed: int) -> Key[Array, ""]:
    """Return the key of a seed; cached, as members of a sweep often have the same seed."""
    return prng.make_key(seed)


def program_shape(count: int, config: FitConfig, keep_best: bool) -> ProgramShape:
    """Return the structure of the program for `count` training samples."""
    steps = 1 if config.batch_size is None else math.ceil(count / config.batch_size)
    least, most = SEGMENTS_PER_EPOCH
    segment = max(math.ceil(steps / most), min(STEPS_PER_RECORD, math.ceil(steps / least)))
    epochs = max(1, min(MAX_EPOCHS_PER_CALL, MAX_ROWS_PER_CALL // max(count, 1)))
    return ProgramShape(
        max_epochs=1 if config.one_epoch_per_call else epochs,
        steps_per_epoch=steps,
        steps_per_segment=segment,
        segments_per_record=max(1, round(STEPS_PER_RECORD / segment)),
        epochs_per_record=math.ceil(STEPS_PER_RECORD / steps) if config.probes else 0,
        keep_best=keep_best,
    )


class SampleOrder:
    """The rows of every step, drawn for some epochs at a time, and ahead of them.

    The order of an epoch depends on the shuffle seed and the number of the epoch alone; without
    shuffling it is that of `rows`. The last batch is padded from the beginning of the epoch;
    padding has weight zero.

    Args:
        rows: the rows that are trained on.
        shape: the structure of the program.
        config: how much is trained, and in which order.
    """

    def __init__(
        self, rows: Int[np.ndarray, "rows"], shape: ProgramShape, config: FitConfig
    ) -> None:
        self.rows, self.shape, self.config = rows, shape, config
        self._drawn: dict[int, Int[np.ndarray, "rows"]] = {}  # by epoch

    def __call__(
        self, first_epoch: int, epochs: int
    ) -> Int[np.ndarray, "epochs steps batch"] | None:
        """Return the rows of every step of some epochs; None for full batches.

        The axis of epochs is `shape.max_epochs` long, whatever `epochs` is.
        """
        if self.config.batch_size is None:
            return None
        size = self.shape.steps_per_epoch * self.config.batch_size
        order = np.zeros((self.shape.max_epochs, size), np.int32)
        for index in range(epochs):
            drawn = self._drawn.pop(first_epoch + index, None)
            rows = self._draw(first_epoch + index) if drawn is None else drawn
            order[index] = np.resize(rows, size)
        return order.reshape(self.shape.max_epochs, self.shape.steps_per_epoch, -1)

    def draw_ahead(self, first_epoch: int, epochs: int) -> None:
        """Draw the order of some epochs, as far as there are so many, before they are asked for."""
        if self.config.batch_size is not None and self.config.shuffle:
            for epoch in range(first_epoch, min(first_epoch + epochs, self.config.epochs)):
                self._drawn[epoch] = self._draw(epoch)

    def _draw(self, epoch: int) -> Int[np.ndarray, "rows"]:
        if not self.config.shuffle:
            return self.rows
        rng = host_rng(self.config.shuffle_seed, "order", str(epoch))
        return rng.permutation(self.rows)
