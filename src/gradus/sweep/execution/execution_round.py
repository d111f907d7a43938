"""One round of training on this machine: takes members as they are made, compiles, and trains.

Members are built only a little ahead of the threads, and only as many train at a time as fit into
memory.
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
from gradus.sweep.execution.population_program import PopulationProgram, ProgramStats
from gradus.sweep.execution.vectorize import Parallelism
from gradus.sweep.members.member import Member
from gradus.train import memory

CHUNKS_AHEAD = 2  # chunks per thread that are built or in training
CHUNK_SECONDS = 0.25  # of training at most before the results of a chunk are returned
STATE_MULTIPLE = 4  # memory of a training, as a multiple of its train state


@dataclasses.dataclass
class WorkerConfig:
    """How a machine trains.

    Attributes:
        workers: the number of threads.
        parallelism: how many members a call trains; None for the best.
        chunk: the number of members that a thread trains before it returns them.
        program_stats: the statistics of programs compiled in earlier rounds.
    """

    workers: int
    parallelism: Parallelism | None
    chunk: int
    program_stats: dict[Hashable, ProgramStats] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class ProgramGroup:
    """Members of one program.

    Attributes:
        population: the program.
        built: how many members were built.
        waiting: the members that wait for a thread.
        compiling: whether compilation has started.
        compiled: done once the program is compiled.
    """

    population: PopulationProgram
    built: int = 0
    waiting: list[Member] = dataclasses.field(default_factory=list)
    compiling: bool = False
    compiled: Future[None] = dataclasses.field(default_factory=Future)


class ExecutionRound:
    """The members of one call of an executor.

    Args:
        config: how the machine trains.
        pool: its threads.
        count: the number of members; 0 if unknown.
        until: the epoch to train to.

    Attributes:
        canceled: set when the results are no longer needed; training stops after its current call.
    """

    def __init__(
        self, config: WorkerConfig, pool: ThreadPoolExecutor, count: int, until: int | None
    ) -> None:
        self.config, self.pool, self.count, self.until = config, pool, count, until
        self.budget, self.canceled = MemoryBudget(memory.free_bytes()), threading.Event()
        self.groups: dict[Hashable, ProgramGroup] = {}
        self.jobs: set[Future[list[Member]]] = set()
        self.held_bytes: dict[int, int] = {}  # of the members that are built and not done, by id
        self.built = self.largest = 0

    def run(self, members: Iterable[Member]) -> Iterator[list[Member]]:
        """Yield the members as they are done."""
        stream, exhausted = iter(members), False
        while not exhausted or self.held_bytes:
            if exhausted or self._is_full():
                groups = [group for group in self.groups.values() if group.compiling]
                pending: set[Future[Any]] = {g.compiled for g in groups if not g.compiled.done()}
                wait(pending | self.jobs, return_when=FIRST_COMPLETED)
            elif (member := next(stream, None)) is not None:
                self._enqueue(member)
            else:
                exhausted = True
            done = {job for job in self.jobs if job.done()}
            self.jobs -= done
            failed = self._submit_ready(exhausted or self._is_full())
            for chunk in [*failed, *(job.result() for job in done)]:
                self.budget.reserve(-sum(self.held_bytes.pop(id(member)) for member in chunk))
                yield chunk

    def _is_full(self) -> bool:
        """Return whether enough members are built for the threads, or memory is short."""
        chunk = max((self._chunk_size(group) for group in self.groups.values()), default=1)
        if len(self.held_bytes) >= CHUNKS_AHEAD * self.config.workers * chunk:
            return True
        return bool(self.held_bytes) and self.budget.free < STATE_MULTIPLE * self.largest

    def _enqueue(self, member: Member) -> None:
        """Add a member to its group; compile the program once enough wait for one call."""
        key = member.program_key
        if key not in self.groups:
            parallelism = self.config.parallelism or autotune.default_parallelism()
            self.groups[key] = ProgramGroup(PopulationProgram(member, parallelism))
        group = self.groups[key]
        group.waiting.append(member)
        group.built += 1
        self.built += 1
        size = self.held_bytes[id(member)] = memory.tree_bytes(member.train_state)
        self.largest = max(self.largest, size)
        self.budget.reserve(size)
        # Last, as the compiling thread reads these counts.
        if len(group.waiting) >= group.population.parallelism.members:
            self._start_compiling(group)

    def _start_compiling(self, group: ProgramGroup) -> None:
        """Start compiling a group's program, unless it has started."""
        if group.compiling:
            return
        group.compiling = True
        stats = self.config.program_stats.get(group.population.example_member.program_key)
        if stats is not None:
            group.population.stats = stats
            group.compiled.set_result(None)
        else:
            group.compiled = self.pool.submit(self._compile, group)

    def _submit_ready(self, idle: bool) -> list[list[Member]]:
        """Submit full chunks to the threads; return members that do not fit into memory.

        Args:
            idle: whether no more members are built now, so that partial chunks are submitted too.
        """
        if idle:
            for group in self.groups.values():
                self._start_compiling(group)
        ready = [group for group in self.groups.values() if group.waiting and group.compiled.done()]
        failed = []
        for group in ready:
            error = group.compiled.exception()
            if error is not None:
                failed.append(_fail_group(group, error))
            while len(group.waiting) >= self._chunk_size(group):
                self._submit_chunk(group, self._chunk_size(group))
        max_jobs = CHUNKS_AHEAD * self.config.workers
        while idle and len(self.jobs) < max_jobs and any(group.waiting for group in ready):
            group = max(ready, key=lambda group: len(group.waiting))
            single = group.population.parallelism.members == 1  # spread few members over all cores
            count = len(group.waiting)
            self._submit_chunk(group, math.ceil(count / max_jobs) if single else count)
        return failed

    def _submit_chunk(self, group: ProgramGroup, count: int) -> None:
        chunk, group.waiting = group.waiting[:count], group.waiting[count:]
        self.jobs.add(self.pool.submit(self._train, group.population, chunk))

    def _chunk_size(self, group: ProgramGroup) -> int:
        """Return the number of members in a chunk: few if each trains for long."""
        members = group.population.parallelism.members
        if members > 1:
            return members
        return max(1, min(self.config.chunk, int(CHUNK_SECONDS / self._member_seconds(group))))

    def _compile(self, group: ProgramGroup) -> None:
        """Compile a group's program for the parallelism that suits the machine and its memory.

        Raises:
            TooLargeError: if one member does not fit into memory.
        """
        population, workers = group.population, self.config.workers
        with self.budget.working(0):
            population.note_varying(list(group.waiting))
            lowered = population.compile()
        memory.check_program(
            population.bytes_per_call // population.parallelism.members, self.budget.size
        )
        if self.config.parallelism is None:
            population.set_parallelism(self._choose_parallelism(group, lowered.as_text()))
        population.fit_memory(self.budget.size // workers)
        memory.check_program(population.bytes_per_call, self.budget.size)
        self.config.program_stats[population.example_member.program_key] = population.stats

    def _choose_parallelism(self, group: ProgramGroup, program: str) -> Parallelism:
        """Return the best parallelism: cached, measured if training is long, or the default."""
        population, workers = group.population, self.config.workers
        cache_key = autotune.cache_key(program, workers)
        parallelism = autotune.load_cached(cache_key)
        population.note_varying(list(group.waiting))
        if parallelism is None and self._group_seconds(group) >= autotune.MIN_TRAINING_SECONDS:
            with self.budget.exclusive():
                parallelism = autotune.measure_parallelism(population, workers, self.budget.size)
            if parallelism is not None:
                autotune.save_cached(cache_key, parallelism)
        return parallelism or population.parallelism

    def _group_seconds(self, group: ProgramGroup) -> float:
        """Return the expected seconds that all threads need for the members of a group."""
        members = self.count * group.built / self.built
        return members * self._member_seconds(group) / self.config.workers

    def _member_seconds(self, group: ProgramGroup) -> float:
        """Return the expected seconds of training one member of a group."""
        first = group.population.example_member
        last = min(first.config.epochs, self.until or first.config.epochs)
        epochs = max(1, last - int(first.train_state.epoch))
        return epochs * group.population.step_seconds * first.training.shape.steps_per_epoch

    def _train(self, population: PopulationProgram, members: list[Member]) -> list[Member]:
        count = population.parallelism.members
        for start in range(0, len(members), count):
            with self.budget.working(population.bytes_per_call):
                population.train(members[start : start + count], self.until, self.canceled)
        return members


def _fail_group(group: ProgramGroup, error: BaseException) -> list[Member]:
    """Return the waiting members of a group, with the error if its program is too large."""
    if not isinstance(error, TooLargeError):
        raise error
    members, group.waiting = group.waiting, []
    for member in members:
        member.error = str(error)
    return members
