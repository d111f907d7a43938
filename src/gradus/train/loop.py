"""Training on the host: calls the program again and again, and records the history."""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import jax

from gradus.program_cache import release_programs
from gradus.train import memory
from gradus.train.devices import replicate, unreplicate
from gradus.train.distributed import max_over_processes
from gradus.train.history import History
from gradus.train.program import Logs
from gradus.train.state import TrainState
from gradus.train.training_program import FitConfig

LONG = 0.1  # seconds of compiling a program, or of reading it, after which memory is returned
CALL_SECONDS = 0.5  # how long a call should last, so that progress and Ctrl-C are timely

# Called after each call of the program; returns True to end the training.
Listener = Callable[[TrainState, History], bool]


@runtime_checkable
class EpochProgram(Protocol):
    """The training program, on arrays or on a stream, with all of its arguments."""

    config: FitConfig

    @property
    def max_epochs(self) -> int:
        """The most epochs of one call."""

    def lowered(self, train_state: TrainState) -> list[jax.stages.Lowered]:
        """Return the programs that calls run, to be compiled or read from the cache."""

    def put_on_device(self) -> None:
        """Put the samples that stay there on the device."""

    def run(
        self,
        train_state: TrainState,
        first_epoch: int,
        epochs: int,
        interrupted: Callable[[], bool],
    ) -> tuple[TrainState, Logs]:
        """Train for some epochs, the first of them `first_epoch`."""


def run_training(
    training: EpochProgram,
    train_state: TrainState,
    listeners: Sequence[Listener],
    history: History,
    interrupted: Callable[[], bool] = lambda: False,
) -> TrainState:
    """Train until the last epoch, or until early stopping, divergence, or a listener ends it.

    Args:
        training: the program with all of its arguments.
        train_state: the state before the first epoch.
        listeners: called after each call of the program; one that returns True ends the training.
        history: the record, which is extended.
        interrupted: whether Ctrl-C was pressed, which ends an epoch on a stream early.

    Returns:
        The state after the last epoch. Ctrl-C ends training after the call that it interrupted.
    """
    config = training.config
    pace = EpochsPerCall(1 if config.one_epoch_per_call else training.max_epochs)
    train_state = replicate(train_state, config.mesh)
    history.compile_seconds += _compile(training, train_state)
    while int(train_state.epoch) < config.epochs and not bool(train_state.stopped):
        started = time.perf_counter()
        first_epoch = int(train_state.epoch)
        epochs = min(pace.epochs, config.epochs - first_epoch)
        train_state, logs = training.run(train_state, first_epoch, epochs, interrupted)
        jax.block_until_ready(train_state)
        seconds = time.perf_counter() - started
        epochs_run = train_state.epochs_begun - first_epoch
        if not epochs_run:  # a stream broke
            break
        history.extend(jax.device_get(logs), epochs_run)
        history.seconds.append(seconds)
        local_state = unreplicate(train_state, config.mesh)
        stops = [listener(local_state, history) for listener in listeners]  # all are called
        seconds, stop = max_over_processes(config.mesh, seconds, any(stops))
        if stop:
            break
        pace.observe(epochs_run, seconds)
    return unreplicate(train_state, config.mesh)


def _compile(training: EpochProgram, train_state: TrainState) -> float:
    """Compile the programs, check their memory, and put the samples on the device; return seconds.

    Compiling before the samples are copied keeps the peak memory low.
    """
    started = time.perf_counter()
    release_programs()
    config: Any = jax.config
    programs = [] if config.jax_disable_jit else training.lowered(train_state)
    for program in programs:
        memory.check_program(memory.program_bytes(program.compile()), memory.free_bytes())
    if time.perf_counter() - started > LONG:
        _release_free_memory()
    training.put_on_device()
    return time.perf_counter() - started


def _release_free_memory() -> None:
    """Return to the system what compiling has freed, before samples are copied.

    That is some 200 MB, or 20 to 30 where a program was read from the cache. glibc would keep it
    for small allocations; other C libraries are left alone.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


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
