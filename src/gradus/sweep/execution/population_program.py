"""A population: members that share one compiled program.

The networks, optimizers, and tasks that the program takes are pytrees of one structure (with branch
fusion, that of `BranchFusion`), and all numbers in them are arguments of the program. To train
several members in one call, their train states and the numbers in which they differ are stacked and
the program is vectorized over them; other numbers and the samples are shared. Sharded over devices,
each device trains some of the members.
"""

from __future__ import annotations

import dataclasses
import operator
import threading
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from gradus.program_cache import release_programs
from gradus.sweep.execution.vectorize import (
    Parallelism,
    leaves_differ,
    population_mesh,
    stack_leaves,
    stack_trees,
    take_member,
    vectorized_program,
)
from gradus.sweep.members import cost_model
from gradus.sweep.members.member import Member
from gradus.train import memory
from gradus.train.batches import VALIDATION_BATCH, BatchSource, Samples
from gradus.train.devices import put_on_device
from gradus.train.training_program import TrainingProgram

MAX_CALL_SECONDS = 2.0  # expected seconds of a program call at most, as Ctrl-C waits for its end


@dataclasses.dataclass
class ProgramStats:
    """What is known about a program, independent of its members.

    Attributes:
        parallelism: how many members a call trains.
        bytes_per_call: the memory of a call on a device without the samples (on a CPU of all
            devices, which share its memory).
        flops: the floating-point operations of a step and a validation batch.
        varying: in which leaves of components and key members have differed so far.
    """

    parallelism: Parallelism
    bytes_per_call: int = 0
    flops: float = 0.0
    varying: tuple[bool, ...] = ()


class PopulationProgram:
    """The program that members with the same `Member.program_key` share.

    Args:
        first: one of the members.
        parallelism: how many members a call trains.

    Attributes:
        stats: what is known about the program.
    """

    def __init__(self, first: Member, parallelism: Parallelism | None = None) -> None:
        self.first, self.stats = first, ProgramStats(parallelism or Parallelism())
        self._varying_lock = threading.Lock()
        self._orders: dict[tuple[int, int], Any] = {}
        self._draw = first.training.sample_order

    @property
    def parallelism(self) -> Parallelism:
        """How many members a call trains."""
        return self.stats.parallelism

    @property
    def bytes_per_call(self) -> int:
        """The memory of a call."""
        return self.stats.bytes_per_call

    def compile(self) -> jax.stages.Lowered:
        """Compile the program, so that training threads need not, and measure it (`stats`).

        Returns:
            The program before XLA compiled it, whose text identifies it.
        """
        release_programs()
        training, train_state = self.training_of([self.first])
        lowered = training.lower(train_state)
        compiled = lowered.compile()
        shared = jax.default_backend() == "cpu"
        devices = self.parallelism.devices
        state_bytes = memory.tree_bytes(train_state) // (1 if shared else devices)
        program_bytes = memory.program_bytes(compiled) * (devices if shared else 1)
        self.stats.bytes_per_call = state_bytes + program_bytes
        self.stats.flops = max(0.0, (compiled.cost_analysis() or {}).get("flops", 0.0))
        return lowered

    def with_parallelism(self, parallelism: Parallelism) -> PopulationProgram:
        """Return the same population with another parallelism."""
        other = PopulationProgram(self.first, parallelism)
        other.stats.varying = self.stats.varying
        return other

    def note_varying(self, members: Sequence[Member]) -> tuple[bool, ...]:
        """Record in which leaves of components and key members differ; return all so far.

        Those leaves have a population axis. That is part of the program, so a leaf that starts to
        differ later causes one more compilation.
        """
        now = [leaves_differ(column) for column in _columns(members)]
        with self._varying_lock:
            before = self.stats.varying or (False,) * len(now)
            self.stats.varying = tuple(map(operator.or_, before, now))
            return self.stats.varying

    def set_parallelism(self, parallelism: Parallelism) -> None:
        """Change the parallelism; compile again if it differs."""
        if parallelism != self.parallelism:
            self.stats.parallelism = parallelism
            self._orders.clear()
            self.compile()

    def fit_memory(self, free_bytes: int) -> None:
        """Reduce the parallelism until a call fits into memory."""
        while self.parallelism.members > 1 and self.bytes_per_call > free_bytes:
            width, devices = self.parallelism.width, self.parallelism.devices
            narrower = max(1, min(width - 1, width * free_bytes // self.bytes_per_call))
            self.set_parallelism(Parallelism(narrower, devices) if width > 1 else Parallelism())

    def train(
        self,
        members: Sequence[Member],
        until: int | None = None,
        canceled: threading.Event | None = None,
    ) -> None:
        """Train members to the end of the epoch `until`, or to their last.

        Args:
            members: at most `parallelism.members` of them; those behind catch up first.
            until: an epoch, counted from 1.
            canceled: if set, members keep the state of the last program call.
        """

        def end(member: Member) -> int:
            return member.config.epochs if until is None else min(until, member.config.epochs)

        while running := [m for m in members if not m.done and int(m.train_state.epoch) < end(m)]:
            if canceled is not None and canceled.is_set():
                return
            first = min(int(member.train_state.epoch) for member in running)
            live = [member for member in running if int(member.train_state.epoch) == first]
            training, train_state = self.training_of(live)
            epochs = min(self._epochs_per_call(), *(end(member) - first for member in live))
            # On a CPU these are views; `jax.device_get` takes three times as long to make them.
            train_state, logs = jax.tree.map(np.asarray, training.run(train_state, first, epochs))
            if self.parallelism.members == 1:
                live[0].record(train_state, logs)
                continue
            for index, member in enumerate(live):
                member.record(take_member(train_state, index), take_member(logs, index))

    @property
    def step_seconds(self) -> float:
        """The expected seconds of a training step of one member.

        The program's operations are those of a step, about three times the forward pass of its
        samples, plus the forward pass of a validation batch.
        """
        training = self.first.training
        trained = 3 * (training.config.batch_size or len(training.rows))
        validated = 0
        if training.validation is not None:
            validated = min(VALIDATION_BATCH, int(training.validation.count))
        flops = self.stats.flops / self.parallelism.width * trained / (trained + validated)
        return cost_model.step_seconds(flops)

    def _epochs_per_call(self) -> int:
        """Return how many epochs a call runs, so that it ends within `MAX_CALL_SECONDS`."""
        shape = self.first.training.shape
        epoch_seconds = self.step_seconds * shape.steps_per_epoch * self.parallelism.width
        return max(1, min(shape.max_epochs, int(MAX_CALL_SECONDS / epoch_seconds)))

    def training_of(self, members: Sequence[Member]) -> tuple[TrainingProgram, Any]:
        """Return the program with the components of some members, and their train states."""
        first, parallelism = members[0], self.parallelism
        training = dataclasses.replace(
            first.training, components=first.program_components, sample_order=self._order
        )
        if parallelism.members == 1:
            return training, first.program_state
        # Copies of the last member fill up the call; their results are discarded.
        filled = [*members, *[members[-1]] * parallelism.members][: parallelism.members]
        varying = self.note_varying(filled)
        leaves = [
            stack_leaves(column) if vary else column[0]
            for column, vary in zip(_columns(filled), varying, strict=True)
        ]
        components, key = jax.tree.unflatten(jax.tree.structure(_numbers(first)), leaves)
        train_states = stack_trees([member.program_state for member in filled])
        program = vectorized_program(parallelism, varying)
        training = dataclasses.replace(training, components=components, key=key, run_epochs=program)
        if parallelism.devices > 1:
            training.samples, training.validation = self._samples(
                population_mesh(parallelism.devices)
            )
        return training, train_states

    def _samples(self, devices: Mesh) -> tuple[Samples, BatchSource | None]:
        """Return the samples, replicated on several devices."""
        samples, validation = self.first.fold.on_devices(devices)
        if self.first.config.batch_size is None:  # a batch is all training rows
            samples = put_on_device(self.first.training.samples, devices)
        return samples, validation

    def _order(self, first: int, epochs: int) -> Any:
        """Return the sample order, drawn once for all members."""
        if (first, epochs) not in self._orders:
            order, devices = self._draw(first, epochs), self.parallelism.devices
            self._orders[first, epochs] = put_on_device(
                order, population_mesh(devices) if devices > 1 else None
            )
        return self._orders[first, epochs]


def _numbers(member: Member) -> tuple[Any, Any]:
    """Return the arguments of the program that training does not change."""
    return member.program_components, member.training.key


def _columns(members: Sequence[Member]) -> list[tuple[Any, ...]]:
    """Return the leaves of these arguments, each for all members."""
    return list(zip(*(jax.tree.leaves(_numbers(member)) for member in members), strict=True))
