"""One round of training on this machine: members are built, wait for their program, and train.

They are not built far ahead of the threads, and no more train at a time than there is memory for.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Hashable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from gradus.errors import TooLargeError
from gradus.sweep.execution import autotune
from gradus.sweep.execution.memory_budget import MemoryBudget
from gradus.sweep.execution.population import Population, ProgramStats
from gradus.sweep.execution.vectorize import Parallelism
from gradus.sweep.members.member import Member
from gradus.train import memory

CHUNKS_AHEAD = 2  # chunks for each thread that lie built or are under way
HAND_OVER_SECONDS = (
    0.25  # seconds of training at most before what has ended is handed over and stored
)
STATE_MULTIPLE = 4  # times the bytes of its state is about what a training takes


@dataclasses.dataclass
class WorkerConfig:
    """How a machine trains.

    Attributes:
        workers: threads.
        parallelism: how members are trained; None for what is best.
        chunk: how many, one after another, a thread trains before it hands them over.
        known: what earlier rounds found out of each program.
    """

    workers: int
    parallelism: Parallelism | None
    chunk: int
    known: dict[Hashable, ProgramStats] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class ProgramGroup:
    """Members of one program.

    Attributes:
        population: the program.
        seen: how many members were built.
        waiting: those that are not under way yet.
        compiling: whether the program is being compiled, or is.
        compiled: done when it is.
    """

    population: Population
    seen: int = 0
    waiting: list[Member] = dataclasses.field(default_factory=list)
    compiling: bool = False
    compiled: Future[None] = dataclasses.field(default_factory=Future)


class ExecutionRound:
    """The members of one call of an executor, from when they are built until they are done.

    Args:
        config: how the machine trains.
        pool: its threads.
        count: how many members there will be; 0 if nobody knows.
        until: the epoch to train to.

    Attributes:
        ended: set when nobody waits for what is under way, which then stops after its call.
    """

    def __init__(
        self, config: WorkerConfig, pool: ThreadPoolExecutor, count: int, until: int | None
    ) -> None:
        self.config, self.pool, self.count, self.until = config, pool, count, until
        self.budget, self.ended = MemoryBudget(memory.free_bytes()), threading.Event()
        self.groups: dict[Hashable, ProgramGroup] = {}
        self.jobs: set[Future[list[Member]]] = set()
        self.held: dict[int, int] = {}  # bytes of the members that are built and not done
        self.seen = self.largest = 0

    def run(self, members: Iterable[Member]) -> Iterator[list[Member]]:
        """Yield the members as they are done."""
        stream, ended = iter(members), False
        while not ended or self.held:
            if ended or self._full():
                pending: list[Future[Any]] = [
                    *self.jobs,
                    *(group.compiled for group in self._compiling()),
                ]
                wait(pending, return_when=FIRST_COMPLETED)
            elif (member := next(stream, None)) is not None:
                self._enqueue(member)
            else:
                ended = True
            done = {job for job in self.jobs if job.done()}
            self.jobs -= done
            refused = self._submit_ready(ended or self._full())
            for chunk in [*refused, *(job.result() for job in done)]:
                self.budget.reserve(-sum(self.held.pop(id(member)) for member in chunk))
                yield chunk

    def _compiling(self) -> Iterator[ProgramGroup]:
        """Yield the groups whose program is not compiled yet."""
        return (one for one in self.groups.values() if one.compiling and not one.compiled.done())

    def _full(self) -> bool:
        """Whether as many members lie built as the threads need, or as there is memory for."""
        most = max((self._chunk_size(group) for group in self.groups.values()), default=1)
        if len(self.held) >= CHUNKS_AHEAD * self.config.workers * most:
            return True
        return bool(self.held) and self.budget.free < STATE_MULTIPLE * self.largest

    def _enqueue(self, member: Member) -> None:
        """Have a member wait for its program, which is compiled when enough wait for one call."""
        key = member.program_key
        group = self.groups.get(key) or self._group(key, member)
        group.waiting.append(member)
        group.seen += 1
        self.seen += 1
        size = self.held[id(member)] = memory.tree_bytes(member.train_state)
        self.largest = max(self.largest, size)
        self.budget.reserve(size)
        # Last, as the thread that compiles asks how many were seen.
        if len(group.waiting) >= group.population.parallelism.members:
            self._start_compiling(key, group)

    def _group(self, key: Hashable, first: Member) -> ProgramGroup:
        group = self.groups[key] = ProgramGroup(
            Population(first, self.config.parallelism or autotune.default_parallelism())
        )
        return group

    def _start_compiling(self, key: Hashable, group: ProgramGroup) -> None:
        """Compile a group's program, unless that was begun."""
        if group.compiling:
            return
        group.compiling, population = True, group.population
        if key in self.config.known:
            population.stats = self.config.known[key]
            group.compiled.set_result(None)
        else:
            group.compiled = self.pool.submit(self._compile, key, group)

    def _submit_ready(self, idle: bool) -> list[list[Member]]:
        """Hand full chunks to the threads; return members for which there is no memory.

        Args:
            idle: whether no more members are built now, so that others too are handed over.
        """
        if idle:
            for key, group in self.groups.items():
                self._start_compiling(key, group)
        ready = [one for one in self.groups.values() if one.waiting and one.compiled.done()]
        refused = []
        for group in ready:
            error = group.compiled.exception()
            if error is not None:
                refused.append(_refused(group, error))
            while len(group.waiting) >= self._chunk_size(group):
                self._submit_chunk(group, self._chunk_size(group))
        most = CHUNKS_AHEAD * self.config.workers
        while idle and len(self.jobs) < most and any(one.waiting for one in ready):
            fullest = max(ready, key=lambda one: len(one.waiting))
            alone = fullest.population.parallelism.members == 1  # few members too are for all cores
            left = len(fullest.waiting)
            self._submit_chunk(fullest, math.ceil(left / most) if alone else left)
        return refused

    def _submit_chunk(self, group: ProgramGroup, count: int) -> None:
        chunk, group.waiting = group.waiting[:count], group.waiting[count:]
        self.jobs.add(self.pool.submit(self._train, group.population, chunk))

    def _chunk_size(self, group: ProgramGroup) -> int:
        """Return how many members are a chunk: few if each trains for long."""
        members = group.population.parallelism.members
        if members > 1:
            return members
        return max(1, min(self.config.chunk, int(HAND_OVER_SECONDS / self._member_seconds(group))))

    def _compile(self, key: Hashable, group: ProgramGroup) -> None:
        """Compile a group's program, in the way that suits the machine and its memory.

        Raises:
            TooLargeError: if there is no memory for one member.
        """
        population, workers = group.population, self.config.workers
        with self.budget.working(0):
            population.note_varying(list(group.waiting))
            program = population.compile()
        memory.check_program(
            population.bytes_per_call // population.parallelism.members, self.budget.size
        )
        if self.config.parallelism is None:
            population.set_parallelism(self._choose_parallelism(group, program.as_text()))
        population.fit_memory(self.budget.size // workers)
        memory.check_program(population.bytes_per_call, self.budget.size)
        self.config.known[key] = population.stats

    def _choose_parallelism(self, group: ProgramGroup, program: str) -> Parallelism:
        """Return the way that was found best, now if its training is expected to be long."""
        population, workers = group.population, self.config.workers
        cache_key = autotune.cache_key(program, workers)
        parallelism = autotune.load_cached(cache_key)
        population.note_varying(list(group.waiting))
        if parallelism is None and self._group_seconds(group) >= autotune.MIN_SECONDS:
            with self.budget.exclusive():
                parallelism = autotune.measure_parallelism(population, workers, self.budget.size)
            if parallelism is not None:
                autotune.save_cached(cache_key, parallelism)
        return parallelism or population.parallelism

    def _group_seconds(self, group: ProgramGroup) -> float:
        """Return about how long all threads will train the members of a group."""
        members = self.count * group.seen / self.seen
        return members * self._member_seconds(group) / self.config.workers

    def _member_seconds(self, group: ProgramGroup) -> float:
        """Return about how long one member of a group is trained."""
        first = group.population.first
        last = min(first.config.epochs, self.until or first.config.epochs)
        epochs = max(1, last - int(first.train_state.epoch))
        return epochs * group.population.step_seconds * first.training.shape.steps_per_epoch

    def _train(self, population: Population, members: list[Member]) -> list[Member]:
        count = population.parallelism.members
        for at in range(0, len(members), count):
            with self.budget.working(population.bytes_per_call):
                population.train(members[at : at + count], self.until, self.ended)
        return members


def _refused(group: ProgramGroup, error: BaseException) -> list[Member]:
    """Return the members of a group for whose program there is no memory, with the reason."""
    if not isinstance(error, TooLargeError):
        raise error
    members, group.waiting = group.waiting, []
    for member in members:
        member.error = str(error)
    return members
