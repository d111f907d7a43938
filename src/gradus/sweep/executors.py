"""Where the trainings of a sweep run: on this machine's cores, or on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any

from gradus.errors import GradusError, unknown
from gradus.sweep.contest import Executor
from gradus.sweep.member import Member
from gradus.sweep.population import Population

CHUNK = 8  # members that one thread trains before it hands them over


class Local:
    """The cores of this machine, a thread for each: some compile while others train.

    Args:
        workers: threads; one for each core if None.
        width: how many members are trained side by side, by mapping the program.
        chunk: how many members, one after another, a thread trains before it hands them over.
    """

    def __init__(self, workers: int | None = None, width: int = 1, chunk: int = CHUNK) -> None:
        self.workers = workers or _cores()
        self.width, self.chunk = width, chunk

    def run(self, members: Iterable[Member], until: int | None = None) -> Iterator[list[Member]]:
        """Train members, built one after another, and yield them as they are done."""
        populations: dict[Hashable, Population] = {}
        compiled: dict[Hashable, Future[None]] = {}
        waiting: dict[Hashable, list[Member]] = {}
        jobs: set[Future[list[Member]]] = set()
        size = self.chunk if self.width == 1 else self.width
        pool = ThreadPoolExecutor(self.workers)

        def submit(kind: Hashable, parts: int = 1) -> None:
            chunk = waiting.pop(kind)
            for part in filter(None, (chunk[place::parts] for place in range(parts))):
                jobs.add(pool.submit(_train, populations[kind], part, compiled[kind], until))

        try:
            for member in members:
                kind = member.structure
                if kind not in populations:
                    populations[kind] = Population(member, self.width)
                    compiled[kind] = pool.submit(populations[kind].compile)
                waiting.setdefault(kind, []).append(member)
                if len(waiting[kind]) == size:
                    submit(kind)
                for job in [job for job in jobs if job.done()]:
                    jobs.remove(job)
                    yield job.result()
            for kind in list(waiting):  # few members too are for all cores
                submit(kind, self.workers if self.width == 1 else 1)
            for job in as_completed(jobs):
                yield job.result()
        finally:
            pool.shutdown(cancel_futures=True)


def get(executor: Any) -> Executor:
    """Return the executor of a word, or the executor itself; this machine's cores for None.

    Args:
        executor: "local", "ray", the address of a Ray cluster such as "ray://head:10001", or an
            object with `run(members, until)`.

    Raises:
        GradusError: for an unknown word, with the nearest, or anything else.
    """
    from gradus.sweep.cluster import Cluster  # which trains by `Local` on its nodes

    if executor is None or executor == "local":
        return Local()
    if executor == "ray":
        return Cluster()
    if isinstance(executor, str):
        if executor.startswith("ray://") and len(executor) > len("ray://"):
            return Cluster(executor)
        raise unknown("executor", executor, ["local", "ray", "ray://HOST:10001"])
    if not callable(getattr(executor, "run", None)):
        raise GradusError(
            f"executor={executor!r} trains nothing: write 'local', 'ray', 'ray://HOST:10001', or "
            "an object such as Local(workers=2) or Cluster(cpus=4)."
        )
    made: Executor = executor
    return made


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _train(
    population: Population, members: list[Member], compiled: Future[None], until: int | None
) -> list[Member]:
    compiled.result()
    if population.width == 1:
        for member in members:
            population.advance([member], until)
    else:
        population.advance(members, until)
    return members
