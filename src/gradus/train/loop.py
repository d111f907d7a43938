"""The host's side of training: draws the order of samples, calls the program, keeps the record."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from gradus.data.arrays import aligned
from gradus.nn import randomness
from gradus.nn.layer import Layer
from gradus.nn.network import generator
from gradus.nn.tree import canonical
from gradus.optim.base import Optimizer
from gradus.train import memory
from gradus.train.devices import everywhere, here
from gradus.train.distributed import agree
from gradus.train.history import History
from gradus.train.program import Carry, Data, Feed, Plan, run, skeleton
from gradus.train.stopping import Stopping
from gradus.train.task import Task

MOST_EPOCHS = 64  # of one call, whose history and order of samples have a fixed size
MOST_ROWS = 1 << 20  # row numbers of one call, 4 MB, which each call copies
PROBED_STEPS = 50  # at most one step in so many is probed
PROBES_AN_EPOCH = 40
CALL_SECONDS = 0.5  # how long a call should last, so that progress is seen and Ctrl-C heard
VALIDATION_BATCH = 1024

Watcher = Callable[[Carry, History], bool]
# Arrays and what they are on the device, by identity; the array is held, so that its `id` stays.
Places = dict[int, tuple[Any, Any]]


@dataclasses.dataclass(frozen=True)
class Regime:
    """How much is trained and in which order.

    Attributes:
        epochs: the number of the last epoch, counted from 1, over the network's whole life.
        batch_size: samples of a step; None for all of them.
        seed: of dropout and noise.
        shuffle_seed: of the order of samples.
        probes: whether the vital signs are recorded.
        each: whether a call is one epoch long, for who wants to see every one.
        mesh: the devices that share each batch, or None for one.
    """

    epochs: int
    batch_size: int | None
    seed: int
    shuffle_seed: int
    probes: bool = True
    each: bool = False
    mesh: Mesh | None = None


def train(course: Course, carry: Carry, watchers: Sequence[Watcher], history: History) -> Carry:
    """Train until the last epoch, or until stopping, divergence or a watcher ends it.

    Args:
        course: the program with everything in place.
        carry: where training stands.
        watchers: called after each call of the program with carry and history; one that returns
            True ends the training.
        history: the record, which grows.

    Returns:
        The carry after the last epoch. Ctrl-C ends training after the call that it interrupted.
    """
    regime = course.regime
    calls = Pace(1 if regime.each else course.plan.epochs)
    carry = everywhere(carry, regime.mesh)
    began = time.perf_counter()
    memory.check_program(memory.working(course.lower(carry).compile()), memory.free())
    _give_back_memory()
    course.place()
    history.compile_seconds += time.perf_counter() - began
    while int(carry.epoch) < regime.epochs and not bool(carry.stopped):
        began = time.perf_counter()
        first = int(carry.epoch)
        epochs = min(calls.epochs, regime.epochs - first)
        carry, logs = course.run(carry, first, epochs)
        jax.block_until_ready(carry)
        took = time.perf_counter() - began
        done = int(carry.epoch) - first + int(carry.failed)
        history.extend(jax.device_get(logs), done)
        history.seconds.append(took)
        seen = here(carry, regime.mesh)
        ends = [watch(seen, history) for watch in watchers]  # all are called
        took, ended = agree(regime.mesh, took, any(ends))
        if ended:
            break
        calls.note(done, took)
    return here(carry, regime.mesh)


@dataclasses.dataclass
class Course:
    """The training program with everything in place but where training stands.

    Attributes:
        settings: network without weights, optimiser, task and stopping, their numbers arrays.
        key: of all that is random but weights and order.
        data: the samples, in the host's memory or on the device.
        rows: which of them are trained on.
        validation: what is measured after each epoch, or None.
        regime: how much is trained, and in which order.
        plan: the structure.
        program: `run`, or `run` mapped over a population.
        order: the rows of every step of some epochs, given their first number and their count.
    """

    settings: tuple[Any, ...]
    key: Any
    data: Data
    rows: np.ndarray
    validation: Feed | None
    regime: Regime
    plan: Plan
    program: Any
    order: Callable[[int, int], Any]

    @classmethod
    def of(
        cls,
        net: Layer,
        optimizer: Optimizer,
        task: Task,
        stopping: Stopping,
        data: Data,
        rows: np.ndarray | None,
        validation: Feed | None,
        regime: Regime,
        carry: Carry,
    ) -> Course:
        """Return the course of one network's training."""
        numbers = np.arange(len(jax.tree.leaves(data.x)[0])) if rows is None else rows
        plan = make_plan(len(numbers), regime, carry.best is not None)
        settings = canonical((skeleton(net), optimizer, task, stopping))
        order = functools.partial(draw_order, numbers, plan, regime)
        key = _key(regime.seed)
        if regime.mesh is not None:  # a program over several devices is compiled for arrays there
            settings, key = everywhere((settings, key), regime.mesh)
            data, validation = placed((data, validation), regime.mesh)
            validation = validation and dataclasses.replace(validation, mesh=regime.mesh)
        return cls(settings, key, data, numbers, validation, regime, plan, run, order)

    def lower(self, carry: Carry) -> Any:
        """Return the program as XLA takes it, to be compiled or read from the compilation cache."""
        return self.program.lower(*self._arguments(carry, 0, 0), plan=self.plan)

    def place(self) -> None:
        """Put the samples on the device."""
        if self.regime.mesh is None:
            self.data, self.validation = placed((self.data, self.validation))

    def run(self, carry: Carry, first: int, epochs: int) -> tuple[Carry, dict[str, Any]]:
        """Train for some epochs, at most `plan.epochs`, the first of them number `first`."""
        done: tuple[Carry, dict[str, Any]]
        done = self.program(*self._arguments(carry, first, epochs), plan=self.plan)
        return done

    def _arguments(self, carry: Carry, first: int, epochs: int) -> tuple[Any, ...]:
        mesh = self.regime.mesh
        order, count = self.order(first, epochs), np.int32(len(self.rows))
        numbers = order, count, np.int32(epochs), np.int32(first)
        order, count, last, begin = everywhere(numbers, mesh)
        feeds = Feed(self.data, order, count, mesh), self.validation
        return carry, *self.settings, *feeds, last, begin, self.key


@functools.lru_cache(64)
def _key(seed: int) -> Any:
    """Return the key of a seed; members of a sweep often have the same."""
    return randomness.key(seed)


def _give_back_memory() -> None:
    """Return to the system what compiling has freed, some 200 MB, before the samples are copied.

    The C library would keep it for small things to come; where it is not glibc, it may.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def placed(tree: Any, mesh: Mesh | None = None, known: Places | None = None) -> Any:
    """Return the tree with its arrays on the device, or on all of a mesh.

    An array that stands in it twice is one.

    Args:
        tree: of arrays.
        mesh: the devices, or None for one.
        known: what earlier calls for these devices have placed; it grows.
    """
    there: Places = {} if known is None else known

    def place(array: Any) -> Any:
        if id(array) not in there:
            # A CPU takes an aligned array as it is; copying one ourselves is twice as fast.
            ours = aligned(array) if jax.default_backend() == "cpu" else array
            there[id(array)] = array, everywhere(ours, mesh) if mesh else jax.device_put(ours)
        return there[id(array)][1]

    return jax.tree.map(place, tree)


def make_plan(count: int, regime: Regime, keep_best: bool) -> Plan:
    """Return the structure of the program for `count` training samples."""
    steps = 1 if regime.batch_size is None else math.ceil(count / regime.batch_size)
    segment = max(PROBED_STEPS, math.ceil(steps / PROBES_AN_EPOCH))
    return Plan(
        epochs=1 if regime.each else max(1, min(MOST_EPOCHS, MOST_ROWS // max(count, 1))),
        steps=steps,
        segment=min(segment, steps),
        probe_every=math.ceil(PROBED_STEPS / steps) if regime.probes else 0,
        keep_best=keep_best,
    )


def draw_order(
    rows: np.ndarray, plan: Plan, regime: Regime, first: int, epochs: int
) -> np.ndarray | None:
    """Return the rows of every step of some epochs, `(plan.epochs, steps, batch)`, int32.

    Each epoch's order depends on the shuffle seed and the epoch's number alone. The last batch is
    filled up from the epoch's beginning; what fills has weight zero. None for full batches.
    """
    if regime.batch_size is None:
        return None
    size = plan.steps * regime.batch_size
    order = np.zeros((plan.epochs, size), np.int32)
    for index in range(epochs):
        draw = generator(regime.shuffle_seed, "order", str(first + index))
        order[index] = np.resize(draw.permutation(rows), size)
    return order.reshape(plan.epochs, plan.steps, -1)


def validation_feed(data: Data, rows: np.ndarray | None) -> Feed:
    """Return the samples of a validation in batches, the last of them filled up."""
    count = len(rows) if rows is not None else len(jax.tree.leaves(data.x)[0])
    numbers = np.arange(count, dtype=np.int32) if rows is None else rows.astype(np.int32)
    batch = min(VALIDATION_BATCH, count)
    steps = math.ceil(count / batch)
    return Feed(data, np.resize(numbers, (steps, batch)), np.int32(count))


class Pace:
    """How many epochs the next call should run, from how long the last ones took.

    Args:
        most: the most epochs of a call.
    """

    def __init__(self, most: int) -> None:
        self.most, self.epochs = most, 1

    def note(self, epochs: int, seconds: float) -> None:
        """Take into account that a call of so many epochs took so long."""
        fit = CALL_SECONDS * epochs / max(seconds, 1e-6)
        self.epochs = max(1, min(self.most, int(fit), self.epochs * 8))
