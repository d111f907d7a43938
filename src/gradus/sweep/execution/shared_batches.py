"""Trains members on data that are read in parts: each batch is read once for all of them.

Read again for each member, a table larger than memory would be read as often as there are trials.
So members go through an epoch in step, whatever their structures: a chunk of batches is read, and
each member takes its steps, while the next chunk is read.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np

from gradus.drawing.status import doing
from gradus.errors import TooLargeError, counted
from gradus.program_cache import release_programs
from gradus.sweep.execution.execution_round import STATE_MULTIPLE
from gradus.sweep.members.member import Member
from gradus.train import memory
from gradus.train.streaming.stream_program import EpochSteps


class SharedBatches:
    """Trains members on a stream, as many at a time as fit into memory.

    The others are trained after them, and read the stream again.

    Args:
        workers: the number of threads in which members take their steps.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._compiled: dict[Hashable, str] = {}  # why a program cannot be run, or ""

    def run(self, members: Iterable[Member], until: int | None = None) -> Iterator[list[Member]]:
        """Train members to an epoch; yield those that were trained together.

        A member that does not fit into memory is yielded untrained, with its `error`.

        Raises:
            DataError: for rows that cannot be read or trained on.
        """
        pool = ThreadPoolExecutor(self._workers)
        try:
            for together in _fitting(members):
                self._compile(together, pool)
                self._train([m for m in together if not m.error], until, pool)
                yield together
        finally:
            pool.shutdown(cancel_futures=True)

    def _compile(self, members: Sequence[Member], pool: ThreadPoolExecutor) -> None:
        """Compile each program once; give members whose program is too large its error."""
        release_programs()
        new = {m.program_key[0]: m for m in members if m.program_key[0] not in self._compiled}
        self._compiled |= zip(new, pool.map(_compile, new.values()), strict=True)
        for member in members:
            member.error = self._compiled[member.program_key[0]]

    def _train(
        self, members: Sequence[Member], until: int | None, pool: ThreadPoolExecutor
    ) -> None:
        """Train members to an epoch; those behind catch up first."""

        def is_running(member: Member) -> bool:
            last = member.config.epochs
            return not member.done and _epoch(member) < (
                last if until is None else min(until, last)
            )

        while running := list(filter(is_running, members)):
            epoch = min(map(_epoch, running))
            behind = (member for member in running if _epoch(member) == epoch)
            ordered = sorted(behind, key=_samples)
            for _, sharing in itertools.groupby(ordered, key=_samples):
                _train_epoch(list(sharing), epoch, pool)


def _train_epoch(members: Sequence[Member], epoch: int, pool: ThreadPoolExecutor) -> None:
    """Train members that share their batches for an epoch."""
    last = max(member.config.epochs for member in members)
    doing(f"epoch {epoch + 1} of {last}, for {counted(len(members), 'trial')}")
    trainings = [member.stream_training for member in members]
    steps = [
        EpochSteps(training, member.train_state, epoch)
        for training, member in zip(trainings, members, strict=True)
    ]
    with trainings[0].chunks(epoch) as chunks:
        for chunk in chunks:
            list(pool.map(lambda one, chunk=chunk: one.take(chunk), steps))
    for member, one in zip(members, steps, strict=True):
        one.check_any()
        member.record(*jax.tree.map(np.asarray, one.end()))


def _fitting(members: Iterable[Member]) -> Iterator[list[Member]]:
    """Yield members, which are built one after another, in groups that fit into memory."""
    group, free = list[Member](), memory.free_bytes()
    for member in members:
        size = STATE_MULTIPLE * memory.tree_bytes(member.train_state)
        if group and size > free:
            yield group
            group, free = [], memory.free_bytes()
        group.append(member)
        free -= size
    if group:
        yield group


def _compile(member: Member) -> str:
    """Compile the programs of a member; return why they cannot be run, or ""."""
    try:
        for lowered in member.stream_training.lowered(member.train_state):
            memory.check_program(memory.program_bytes(lowered.compile()), memory.free_bytes())
    except TooLargeError as error:
        return str(error)
    return ""


def _epoch(member: Member) -> int:
    return int(member.train_state.epoch)


def _samples(member: Member) -> int:
    """Return what tells members with other batches apart."""
    return id(member.fold)
