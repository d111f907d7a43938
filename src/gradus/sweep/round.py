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
from gradus.sweep import ways
from gradus.sweep.abreast import Way
from gradus.sweep.member import Member
from gradus.sweep.population import Facts, Population
from gradus.sweep.room import Room
from gradus.train import memory

AHEAD = 2  # chunks for each thread that lie built or are under way
HAND_OVER = 0.25  # seconds of training at most before what has ended is handed over and stored
TAKES = 4  # times the bytes that it begins with is about what a training takes


@dataclasses.dataclass
class Crew:
    """How a machine trains.

    Attributes:
        workers: threads.
        way: how members are trained; None for what is best.
        chunk: how many, one after another, a thread trains before it hands them over.
        known: what earlier rounds found out of each program.
    """

    workers: int
    way: Way | None
    chunk: int
    known: dict[Hashable, Facts] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Group:
    """Members of one program.

    Attributes:
        population: the program.
        seen: how many members were built.
        waiting: those that are not under way yet.
        begun: whether the program is being compiled, or is.
        ready: done when it is.
    """

    population: Population
    seen: int = 0
    waiting: list[Member] = dataclasses.field(default_factory=list)
    begun: bool = False
    ready: Future[None] = dataclasses.field(default_factory=Future)


class Round:
    """The members of one call of an executor, from when they are built until they are done.

    Args:
        crew: how the machine trains.
        pool: its threads.
        count: how many members there will be; 0 if nobody knows.
        until: the epoch to train to.

    Attributes:
        ended: set when nobody waits for what is under way, which then stops after its call.
    """

    def __init__(self, crew: Crew, pool: ThreadPoolExecutor, count: int, until: int | None) -> None:
        self.crew, self.pool, self.count, self.until = crew, pool, count, until
        self.room, self.ended = Room(memory.free()), threading.Event()
        self.groups: dict[Hashable, Group] = {}
        self.jobs: set[Future[list[Member]]] = set()
        self.held: dict[int, int] = {}  # bytes of the members that are built and not done
        self.seen = self.largest = 0

    def results(self, members: Iterable[Member]) -> Iterator[list[Member]]:
        """Yield the members as they are done."""
        stream, ended = iter(members), False
        while not ended or self.held:
            if ended or self._full():
                pending: list[Future[Any]] = [*self.jobs, *(group.ready for group in self._new())]
                wait(pending, return_when=FIRST_COMPLETED)
            elif (member := next(stream, None)) is not None:
                self._enrol(member)
            else:
                ended = True
            done = {job for job in self.jobs if job.done()}
            self.jobs -= done
            refused = self._submit(ended or self._full())
            for chunk in [*refused, *(job.result() for job in done)]:
                self.room.hold(-sum(self.held.pop(id(member)) for member in chunk))
                yield chunk

    def _new(self) -> Iterator[Group]:
        """Yield the groups whose program is not compiled yet."""
        return (one for one in self.groups.values() if one.begun and not one.ready.done())

    def _full(self) -> bool:
        """Whether as many members lie built as the threads need, or as there is memory for."""
        most = max((self._size(group) for group in self.groups.values()), default=1)
        if len(self.held) >= AHEAD * self.crew.workers * most:
            return True
        return bool(self.held) and self.room.free < TAKES * self.largest

    def _enrol(self, member: Member) -> None:
        """Have a member wait for its program, which is compiled when enough wait for one call."""
        kind = member.program
        group = self.groups.get(kind) or self._group(kind, member)
        group.waiting.append(member)
        group.seen += 1
        self.seen += 1
        size = self.held[id(member)] = memory.size(member.carry)
        self.largest = max(self.largest, size)
        self.room.hold(size)
        # Last, as the thread that compiles asks how many were seen.
        if len(group.waiting) >= group.population.way.members:
            self._begin(kind, group)

    def _group(self, kind: Hashable, first: Member) -> Group:
        group = self.groups[kind] = Group(Population(first, self.crew.way or ways.usual()))
        return group

    def _begin(self, kind: Hashable, group: Group) -> None:
        """Compile a group's program, unless that was begun."""
        if group.begun:
            return
        group.begun, population = True, group.population
        if kind in self.crew.known:
            population.facts = self.crew.known[kind]
            group.ready.set_result(None)
        else:
            group.ready = self.pool.submit(self._prepare, kind, group)

    def _submit(self, idle: bool) -> list[list[Member]]:
        """Hand full chunks to the threads; return members for which there is no memory.

        Args:
            idle: whether no more members are built now, so that others too are handed over.
        """
        if idle:
            for kind, group in self.groups.items():
                self._begin(kind, group)
        ready = [one for one in self.groups.values() if one.waiting and one.ready.done()]
        refused = []
        for group in ready:
            error = group.ready.exception()
            if error is not None:
                refused.append(_refused(group, error))
            while len(group.waiting) >= self._size(group):
                self._start(group, self._size(group))
        most = AHEAD * self.crew.workers
        while idle and len(self.jobs) < most and any(one.waiting for one in ready):
            fullest = max(ready, key=lambda one: len(one.waiting))
            alone = fullest.population.way.members == 1  # few members too are for all cores
            left = len(fullest.waiting)
            self._start(fullest, math.ceil(left / most) if alone else left)
        return refused

    def _start(self, group: Group, count: int) -> None:
        chunk, group.waiting = group.waiting[:count], group.waiting[count:]
        self.jobs.add(self.pool.submit(self._train, group.population, chunk))

    def _size(self, group: Group) -> int:
        """Return how many members are a chunk: few if each trains for long."""
        members = group.population.way.members
        if members > 1:
            return members
        return max(1, min(self.crew.chunk, int(HAND_OVER / self._each(group))))

    def _prepare(self, kind: Hashable, group: Group) -> None:
        """Compile a group's program, in the way that suits the machine and its memory.

        Raises:
            TooLargeError: if there is no memory for one member.
        """
        population, workers = group.population, self.crew.workers
        with self.room.work(0):
            population.learn(list(group.waiting))
            program = population.compile()
        memory.check_program(population.need // population.way.members, self.room.size)
        if self.crew.way is None:
            population.change(self._way(group, program.as_text()))
        population.narrow(self.room.size // workers)
        memory.check_program(population.need, self.room.size)
        self.crew.known[kind] = population.facts

    def _way(self, group: Group, program: str) -> Way:
        """Return the way that was found best, now if its training is expected to be long."""
        population, workers = group.population, self.crew.workers
        key = ways.key(program, workers)
        way = ways.kept(key)
        population.learn(list(group.waiting))
        if way is None and self._seconds(group) >= ways.PAYS:
            with self.room.alone():
                way = ways.measure(population, workers, self.room.size)
            if way is not None:
                ways.keep(key, way)
        return way or population.way

    def _seconds(self, group: Group) -> float:
        """Return about how long all threads will train the members of a group."""
        members = self.count * group.seen / self.seen
        return members * self._each(group) / self.crew.workers

    def _each(self, group: Group) -> float:
        """Return about how long one member of a group is trained."""
        first = group.population.first
        last = min(first.regime.epochs, self.until or first.regime.epochs)
        epochs = max(1, last - int(first.carry.epoch))
        return epochs * group.population.step * first.course.plan.steps

    def _train(self, population: Population, members: list[Member]) -> list[Member]:
        count = population.way.members
        for at in range(0, len(members), count):
            with self.room.work(population.need):
                population.advance(members[at : at + count], self.until, self.ended)
        return members


def _refused(group: Group, error: BaseException) -> list[Member]:
    """Return the members of a group for whose program there is no memory, with the reason."""
    if not isinstance(error, TooLargeError):
        raise error
    members, group.waiting = group.waiting, []
    for member in members:
        member.error = str(error)
    return members
