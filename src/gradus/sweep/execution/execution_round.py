"""One round of training on this machine: takes members as they are made; threads train them.

Members are built only a little ahead of the threads, and only as many train at a time as fit into
memory. Those of one program form a `ProgramGroup`, which says how it is compiled and trained; here
is the queue: what is built, what threads do next, and what is done.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from gradus.sweep.execution.memory_budget import MemoryBudget
from gradus.sweep.execution.program_group import ProgramGroup
from gradus.sweep.execution.worker_config import WorkerConfig
from gradus.sweep.members.member import Member
from gradus.train import memory

CHUNKS_AHEAD = 2  # chunks per thread that are built or in training
STATE_MULTIPLE = 4  # memory of a training, as a multiple of its train state


class ExecutionRound:
    """The members of one call of an executor.

    Args:
        config: how the machine trains.
        pool: its threads.
        count: the number of members; 0 if unknown.
        until: the epoch to train to.

    Attributes:
        canceled: set when the results are no longer needed; training stops after its current call.
        budget: the memory that members and threads share.
        groups: the members by program.
        jobs: the chunks that threads train or will train next.
        held_bytes: the size of each member that is built and not done, by its id.
        built: how many members were built.
        largest: the size of the largest of them.
    """

    def __init__(
        self, config: WorkerConfig, pool: ThreadPoolExecutor, count: int, until: int | None
    ) -> None:
        self.config, self.pool, self.count, self.until = config, pool, count, until
        self.budget, self.canceled = MemoryBudget(memory.free_bytes()), threading.Event()
        self.groups: dict[Hashable, ProgramGroup] = {}
        self.jobs: set[Future[list[Member]]] = set()
        self.held_bytes: dict[int, int] = {}
        self.built = self.largest = 0

    def run(self, members: Iterable[Member]) -> Iterator[list[Member]]:
        """Yield the members as they are done."""
        stream, exhausted = iter(members), False
        while not exhausted or self.held_bytes:
            if exhausted or self._is_full():
                self._wait()
            elif (member := next(stream, None)) is not None:
                self._enqueue(member)
            else:
                exhausted = True
            done = self._take_done()
            # Threads get new work before the caller gets results, which it may handle slowly.
            failed = self._submit_ready(idle=exhausted or self._is_full())
            for chunk in [*failed, *(job.result() for job in done)]:
                self.budget.reserve(-sum(self.held_bytes.pop(id(member)) for member in chunk))
                yield chunk

    def _is_full(self) -> bool:
        """Return whether enough members are built for the threads, or memory is short."""
        chunk = max((group.chunk_size for group in self.groups.values()), default=1)
        if len(self.held_bytes) >= CHUNKS_AHEAD * self.config.workers * chunk:
            return True
        return bool(self.held_bytes) and self.budget.free < STATE_MULTIPLE * self.largest

    def _wait(self) -> None:
        """Wait until a program is compiled or a chunk is trained."""
        compiling: set[Future[Any]] = {
            group.compiled for group in self.groups.values() if group.is_compiling
        }
        wait(compiling | self.jobs, return_when=FIRST_COMPLETED)

    def _enqueue(self, member: Member) -> None:
        """Add a member to its group; compile the program once enough wait for one call."""
        key = member.program_key
        if key not in self.groups:
            self.groups[key] = ProgramGroup(member, self.config, self.budget, self.until)
        group = self.groups[key]
        group.add(member)
        self.built += 1
        size = self.held_bytes[id(member)] = memory.tree_bytes(member.train_state)
        self.largest = max(self.largest, size)
        self.budget.reserve(size)
        if group.has_a_call:
            self._start_compiling(group)  # last, as the compiling thread reads these counts

    def _start_compiling(self, group: ProgramGroup) -> None:
        """Start compiling a group's program, unless it has started."""

        def expected_members() -> float:  # of all members, the group's share of those built so far
            return self.count * group.built / self.built

        group.start_compiling(self.pool, expected_members)

    def _take_done(self) -> set[Future[list[Member]]]:
        """Remove the jobs that are done."""
        done = {job for job in self.jobs if job.done()}
        self.jobs -= done
        return done

    def _submit_ready(self, idle: bool) -> list[list[Member]]:
        """Submit chunks of compiled groups to the threads; return members too large for memory.

        Args:
            idle: whether no more members are built now, so that none wait to fill up a chunk.
        """
        if idle:
            for group in self.groups.values():
                self._start_compiling(group)
        ready = [group for group in self.groups.values() if group.is_ready]
        failed = [members for group in ready if (members := group.take_failed())]
        self._submit_full_chunks(ready)
        if idle:
            self._submit_partial_chunks(ready)
        return failed

    def _submit_full_chunks(self, groups: Sequence[ProgramGroup]) -> None:
        for group in groups:
            while len(group.waiting) >= group.chunk_size:
                self._submit_chunk(group, group.chunk_size)

    def _submit_partial_chunks(self, groups: Sequence[ProgramGroup]) -> None:
        """Submit the members that fill no chunk, those of the largest group first."""
        max_jobs = CHUNKS_AHEAD * self.config.workers
        while len(self.jobs) < max_jobs and any(group.waiting for group in groups):
            group = max(groups, key=lambda group: len(group.waiting))
            count = len(group.waiting)
            if group.program.parallelism.members == 1:  # spread few members over all threads
                count = math.ceil(count / max_jobs)
            self._submit_chunk(group, count)

    def _submit_chunk(self, group: ProgramGroup, count: int) -> None:
        self.jobs.add(self.pool.submit(group.train, group.take(count), self.canceled))
