"""Training on the host: draws the order of samples, calls the program, records the history."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.sharding import Mesh

from gradus.data.arrays import aligned
from gradus.nn import prng
from gradus.nn.layer import Layer
from gradus.nn.pytree import canonicalize
from gradus.optim.base import Optimizer
from gradus.rng import host_rng
from gradus.train import memory
from gradus.train.batches import BatchSource, Samples
from gradus.train.devices import replicate, unreplicate
from gradus.train.distributed import max_over_processes
from gradus.train.early_stopping import EarlyStopping
from gradus.train.history import History
from gradus.train.program import Logs, ProgramShape, run_epochs
from gradus.train.program_cache import release_programs
from gradus.train.state import TrainState, without_weights
from gradus.train.task import Task

if TYPE_CHECKING:
    from jaxtyping import Array, Int, Key, PyTree, Shaped

MAX_EPOCHS_PER_CALL = 64  # the history and the order of samples of a call have a fixed size
MAX_ROWS_PER_CALL = 1 << 20  # row numbers, 4 MB, which each call copies
STEPS_PER_SEGMENT = 50  # layer statistics are recorded at most once in so many steps
SEGMENTS_PER_EPOCH = 40
CALL_SECONDS = 0.5  # how long a call should last, so that progress and Ctrl-C are timely
VALIDATION_BATCH = 1024

# Called after each call of the program; returns True to end the training.
Listener = Callable[[TrainState, History], bool]
# Arrays and their copies on the device, by `id`; the array is held, so its `id` stays valid.
DeviceArrays = dict[int, tuple[Any, Any]]


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """How much is trained, and in which order.

    Attributes:
        epochs: the number of the last epoch, counted from 1 over all calls of `fit`.
        batch_size: samples of a step; None for all of them.
        seed: of dropout and noise.
        shuffle_seed: of the order of samples.
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


@dataclasses.dataclass
class TrainingProgram:
    """The training program with all of its arguments but the train state.

    Attributes:
        settings: network without weights, optimizer, task, and early stopping; numbers are arrays.
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

    settings: tuple[Any, ...]
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
        settings = canonicalize((without_weights(net), optimizer, task, early_stopping))
        sample_order = functools.partial(draw_sample_order, all_rows, shape, config)
        key = _make_key(config.seed)
        if config.mesh is not None:  # the program is compiled for arrays on those devices
            settings, key = replicate((settings, key), config.mesh)
            samples, validation = put_on_device((samples, validation), config.mesh)
            validation = validation and dataclasses.replace(validation, mesh=config.mesh)
        return cls(
            settings,
            key,
            samples,
            all_rows,
            validation,
            config,
            shape,
            run_epochs,
            sample_order,
        )

    def lower(self, train_state: TrainState) -> jax.stages.Lowered:
        """Return the lowered program, to be compiled or read from the cache."""
        return self.run_epochs.lower(*self._arguments(train_state, 0, 0), shape=self.shape)

    def put_on_device(self) -> None:
        """Put the samples on the device."""
        if self.config.mesh is None:
            self.samples, self.validation = put_on_device((self.samples, self.validation))

    def run(
        self, train_state: TrainState, first_epoch: int, epochs: int
    ) -> tuple[TrainState, Logs]:
        """Train for some epochs, at most `shape.max_epochs`, the first of them `first_epoch`."""
        arguments = self._arguments(train_state, first_epoch, epochs)
        trained: tuple[TrainState, Logs] = self.run_epochs(*arguments, shape=self.shape)
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
            *self.settings,
            train,
            self.validation,
            *epoch_numbers,
            self.key,
        )


def run_training(
    training: TrainingProgram,
    train_state: TrainState,
    listeners: Sequence[Listener],
    history: History,
) -> TrainState:
    """Train until the last epoch, or until early stopping, divergence, or a listener ends it.

    Args:
        training: the program with all of its arguments.
        train_state: the state before the first epoch.
        listeners: called after each call of the program; one that returns True ends the training.
        history: the record, which is extended.

    Returns:
        The state after the last epoch. Ctrl-C ends training after the call that it interrupted.
    """
    config = training.config
    pace = EpochsPerCall(1 if config.one_epoch_per_call else training.shape.max_epochs)
    train_state = replicate(train_state, config.mesh)
    history.compile_seconds += _compile(training, train_state)
    while int(train_state.epoch) < config.epochs and not bool(train_state.stopped):
        started = time.perf_counter()
        first_epoch = int(train_state.epoch)
        epochs = min(pace.epochs, config.epochs - first_epoch)
        train_state, logs = training.run(train_state, first_epoch, epochs)
        jax.block_until_ready(train_state)
        seconds = time.perf_counter() - started
        recorded = int(train_state.epoch) - first_epoch + int(train_state.diverged)
        history.extend(jax.device_get(logs), recorded)
        history.seconds.append(seconds)
        local_state = unreplicate(train_state, config.mesh)
        stops = [listener(local_state, history) for listener in listeners]  # all are called
        seconds, stop = max_over_processes(config.mesh, seconds, any(stops))
        if stop:
            break
        pace.observe(recorded, seconds)
    return unreplicate(train_state, config.mesh)


def _compile(training: TrainingProgram, train_state: TrainState) -> float:
    """Compile the program, check its memory, and put the samples on the device; return seconds.

    Compiling before the samples are copied keeps the peak memory low.
    """
    started = time.perf_counter()
    release_programs()
    compiled = training.lower(train_state).compile()
    memory.check_program(memory.program_bytes(compiled), memory.free_bytes())
    _release_free_memory()
    training.put_on_device()
    return time.perf_counter() - started


@functools.lru_cache(64)
def _make_key(seed: int) -> Key[Array, ""]:
    """Return the key of a seed; cached, as members of a sweep often have the same seed."""
    return prng.make_key(seed)


def _release_free_memory() -> None:
    """Return to the system what compiling has freed, some 200 MB, before samples are copied.

    glibc would keep it for small allocations; other C libraries are left alone.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def put_on_device(
    tree: PyTree[Shaped[Any, "..."]], mesh: Mesh | None = None, known: DeviceArrays | None = None
) -> PyTree[Shaped[Array, "..."]]:
    """Return the tree with its arrays on the device, or on all devices of a mesh.

    An array that occurs twice is copied once.

    Args:
        tree: of arrays.
        mesh: the devices, or None for one.
        known: the copies of earlier calls for these devices; new ones are added.
    """
    copies: DeviceArrays = {} if known is None else known

    def put(array: Shaped[Any, "..."]) -> Shaped[Array, "..."]:
        if id(array) not in copies:
            # JAX uses an aligned array on a CPU without a copy; aligning it here is twice as fast.
            host = aligned(array) if jax.default_backend() == "cpu" else array
            copies[id(array)] = array, replicate(host, mesh) if mesh else jax.device_put(host)
        return copies[id(array)][1]

    return jax.tree.map(put, tree)


def program_shape(count: int, config: FitConfig, keep_best: bool) -> ProgramShape:
    """Return the structure of the program for `count` training samples."""
    steps = 1 if config.batch_size is None else math.ceil(count / config.batch_size)
    segment = max(STEPS_PER_SEGMENT, math.ceil(steps / SEGMENTS_PER_EPOCH))
    epochs = max(1, min(MAX_EPOCHS_PER_CALL, MAX_ROWS_PER_CALL // max(count, 1)))
    return ProgramShape(
        max_epochs=1 if config.one_epoch_per_call else epochs,
        steps_per_epoch=steps,
        steps_per_segment=min(segment, steps),
        statistics_every=math.ceil(STEPS_PER_SEGMENT / steps) if config.probes else 0,
        keep_best=keep_best,
    )


def draw_sample_order(
    rows: Int[np.ndarray, "train"],
    shape: ProgramShape,
    config: FitConfig,
    first_epoch: int,
    epochs: int,
) -> Int[np.ndarray, "epochs steps batch"] | None:
    """Return the rows of every step of some epochs; None for full batches.

    The order of an epoch depends on the shuffle seed and the number of the epoch alone. The last
    batch is padded from the beginning of the epoch; padding has weight zero. The axis of epochs is
    `shape.max_epochs` long, whatever `epochs` is.
    """
    if config.batch_size is None:
        return None
    size = shape.steps_per_epoch * config.batch_size
    order = np.zeros((shape.max_epochs, size), np.int32)
    for index in range(epochs):
        rng = host_rng(config.shuffle_seed, "order", str(first_epoch + index))
        order[index] = np.resize(rng.permutation(rows), size)
    return order.reshape(shape.max_epochs, shape.steps_per_epoch, -1)


def validation_source(samples: Samples, rows: Shaped[np.ndarray, "held"] | None) -> BatchSource:
    """Return the validation batches, the last of them padded."""
    count = len(rows) if rows is not None else len(jax.tree.leaves(samples.x)[0])
    numbers = np.arange(count, dtype=np.int32) if rows is None else rows.astype(np.int32)
    batch = min(VALIDATION_BATCH, count)
    steps = math.ceil(count / batch)
    return BatchSource(samples, np.resize(numbers, (steps, batch)), np.int32(count))


class EpochsPerCall:
    """Chooses how many epochs the next call runs, from how long the last calls took.

    Args:
        most: the most epochs of a call.
    """

    def __init__(self, most: int) -> None:
        self.most, self.epochs = most, 1

    def observe(self, epochs: int, seconds: float) -> None:
        """Record how long a call of `epochs` epochs took."""
        fitting = int(CALL_SECONDS * epochs / max(seconds, 1e-6))
        self.epochs = max(1, min(self.most, fitting, self.epochs * 8))
