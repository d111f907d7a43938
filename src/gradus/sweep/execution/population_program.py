"""A population: members that share one compiled program.

The networks, optimizers, and tasks that the program takes are pytrees of one structure (with branch
fusion, that of `BranchFusion`), and all numbers in them are arguments of the program. To train
several members in one call, their arguments are stacked (`stacking.py`) and the program is
vectorized over them. Sharded over devices, each device trains some of the members.
"""

from __future__ import annotations

import dataclasses
import operator
import threading
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from gradus.kernels.library import library
from gradus.kernels.matmul import count_operations
from gradus.program_cache import release_programs
from gradus.sweep.execution.stacking import differing_leaves, stacked_training
from gradus.sweep.execution.vectorize import Parallelism, population_mesh, take_member
from gradus.sweep.members import cost_model
from gradus.sweep.members.member import Member
from gradus.train import memory
from gradus.train.batches import VALIDATION_BATCH
from gradus.train.devices import put_on_device
from gradus.train.state import TrainState
from gradus.train.training_program import TrainingProgram

KEPT_ORDERS = 4  # sample orders of calls that are kept on the device: members may be apart
MAX_CALL_SECONDS = 2.0  # expected seconds of a program call at most, as Ctrl-C waits for its end


@dataclasses.dataclass
class ProgramStats:
    """What is known about a program, independent of its members.

    Attributes:
        parallelism: how many members a call trains.
        bytes_per_call: the memory of a call on a device without the samples (on a CPU of all
            devices, which share its memory).
        step_seconds: the expected seconds of a training step of one member.
        varying: in which leaves of components and key members have differed so far.
    """

    parallelism: Parallelism
    bytes_per_call: int = 0
    step_seconds: float = cost_model.step_seconds(0.0)
    varying: tuple[bool, ...] = ()


class PopulationProgram:
    """The program that members with the same `Member.program_key` share.

    Args:
        example_member: one of the members; any of them will do.
        parallelism: how many members a call trains.

    Attributes:
        stats: what is known about the program.
    """

    def __init__(self, example_member: Member, parallelism: Parallelism | None = None) -> None:
        self.example_member = example_member
        self.stats = ProgramStats(parallelism or Parallelism())
        self._varying_lock = threading.Lock()
        self._orders: dict[tuple[int, int], Any] = {}  # the last one asked for comes last
        self._orders_lock = threading.Lock()

    @property
    def parallelism(self) -> Parallelism:
        """How many members a call trains."""
        return self.stats.parallelism

    @property
    def bytes_per_call(self) -> int:
        """The memory of a call."""
        return self.stats.bytes_per_call

    def training_of(self, members: Sequence[Member]) -> tuple[TrainingProgram, TrainState]:
        """Return the program with the arguments of some members, and their train states.

        Args:
            members: at most `parallelism.members` of them.
        """
        if self.parallelism.members == 1:
            member = members[0]
            training = dataclasses.replace(member.training, components=member.program_components)
            train_state = member.program_state
        else:
            # Copies of the last member fill up the call; their results are discarded.
            filled = [*members, *[members[-1]] * self.parallelism.members]
            filled = filled[: self.parallelism.members]
            varying = self.note_varying(filled)
            training, train_state = stacked_training(filled, self.parallelism, varying)
        training.sample_order = self._sample_order  # `training` is a copy in either case
        return training, train_state

    def note_varying(self, members: Sequence[Member]) -> tuple[bool, ...]:
        """Record in which leaves of components and key members differ; return all so far.

        Those leaves have a population axis. That is part of the program, so a leaf that starts to
        differ later causes one more compilation.
        """
        now = differing_leaves(members)
        with self._varying_lock:
            before = self.stats.varying or (False,) * len(now)
            self.stats.varying = tuple(map(operator.or_, before, now))
            return self.stats.varying

    def _sample_order(self, first_epoch: int, epochs: int) -> Any:
        """Return the sample order of some epochs, on the device, drawn once for all members."""
        key = first_epoch, epochs
        with self._orders_lock:
            order = self._orders.pop(key, None)
            if order is None:
                devices = self.parallelism.devices
                order = put_on_device(
                    self.example_member.training.sample_order(first_epoch, epochs),
                    population_mesh(devices) if devices > 1 else None,
                )
            self._orders[key] = order
            if len(self._orders) > KEPT_ORDERS:
                del self._orders[next(iter(self._orders))]
        return order

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
            epoch = min(int(member.train_state.epoch) for member in running)
            live = [member for member in running if int(member.train_state.epoch) == epoch]
            training, train_state = self.training_of(live)
            epochs = min(self._epochs_per_call(), *(end(member) - epoch for member in live))
            # On a CPU these are views; `jax.device_get` takes three times as long to make them.
            train_state, logs = jax.tree.map(np.asarray, training.run(train_state, epoch, epochs))
            if self.parallelism.members == 1:
                live[0].record(train_state, logs)
                continue
            for index, member in enumerate(live):
                member.record(take_member(train_state, index), take_member(logs, index))

    def _epochs_per_call(self) -> int:
        """Return how many epochs a call runs, so that it ends within `MAX_CALL_SECONDS`."""
        shape = self.example_member.training.shape
        epoch_seconds = self.step_seconds * shape.steps_per_epoch * self.parallelism.width
        return max(1, min(shape.max_epochs, int(MAX_CALL_SECONDS / epoch_seconds)))

    @property
    def step_seconds(self) -> float:
        """The expected seconds of a training step of one member."""
        return self.stats.step_seconds

    def _expected_step_seconds(self, flops: float) -> float:
        """Return the expected seconds of a training step of one member.

        Args:
            flops: the program's floating-point operations: those of a step, about three times the
                forward pass of its samples, plus the forward pass of a validation batch.
        """
        training = self.example_member.training
        trained = 3 * (training.config.batch_size or len(training.rows))
        validated = 0
        if training.validation is not None:
            validated = min(VALIDATION_BATCH, int(training.validation.count))
        share = trained / (trained + validated)
        return cost_model.step_seconds(flops / self.parallelism.width * share)

    def compile(self) -> jax.stages.Lowered:
        """Compile the program, so that training threads need not, and measure it (`stats`).

        Returns:
            The program before XLA compiled it, whose text identifies it.
        """
        release_programs()
        training, train_state = self.training_of([self.example_member])
        (lowered,) = training.lowered(train_state)
        compiled = lowered.compile()
        shared = jax.default_backend() == "cpu"
        devices = self.parallelism.devices
        state_bytes = memory.tree_bytes(train_state) // (1 if shared else devices)
        program_bytes = memory.program_bytes(compiled) * (devices if shared else 1)
        self.stats.bytes_per_call = state_bytes + program_bytes
        flops = max(0.0, (compiled.cost_analysis() or {}).get("flops", 0.0))
        if library().instructions is not None:
            flops += count_operations(lowered.as_text())
        self.stats.step_seconds = self._expected_step_seconds(flops)
        return lowered

    def with_parallelism(self, parallelism: Parallelism) -> PopulationProgram:
        """Return the program of the same members with another parallelism."""
        other = PopulationProgram(self.example_member, parallelism)
        other.stats.varying = self.stats.varying
        return other

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
