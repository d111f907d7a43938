"""Where the trainings of a sweep run: on this machine's cores, or on a Ray cluster."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax

from gradus.errors import GradusError, unknown
from gradus.models.arguments import whole
from gradus.sweep.abreast import Way
from gradus.sweep.contest import Executor
from gradus.sweep.member import Member
from gradus.sweep.round import Crew, Round
from gradus.sweep.ways import usual
from gradus.train.devices import check_devices

CHUNK = 8  # members that one thread trains before it hands them over


class Local:
    """The cores of this machine, a thread for each: some compile while others train.

    Args:
        workers: threads; one for each core if None.
        width: how many members are trained side by side on a device, by mapping the program; less
            where memory is short.
        devices: over how many devices of this machine they are spread.
        chunk: how many members, one after another, a thread trains at most before it hands them
            over; fewer where that would take longer than a quarter of a second.

    With neither `width` nor `devices` members are trained one at a time on a CPU, elsewhere 16 on
    each device; or, where many train for long, in the way that is measured to be the fastest and
    kept for the next time.

    Raises:
        GradusError: for numbers that cannot be.
    """

    def __init__(
        self,
        workers: int | None = None,
        width: int | None = None,
        chunk: int = CHUNK,
        devices: int | None = None,
    ) -> None:
        workers = _cores() if workers is None else whole("workers", workers, 1)
        self.crew = Crew(workers, _way(width, devices), whole("chunk", chunk, 1))

    def run(self, members: Iterable[Member], until: int | None = None) -> Iterator[list[Member]]:
        """Train members, built one after another, and yield them as they are done.

        One that needs more memory than there is comes back untrained, with its `error`.
        """
        pool, count = ThreadPoolExecutor(self.crew.workers), operator.length_hint(members)
        made = Round(self.crew, pool, count, until)
        try:
            yield from made.results(members)
        finally:
            made.ended.set()
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


def _way(width: int | None, devices: int | None) -> Way | None:
    """Return the way that some of its numbers ask for; None where neither is given."""
    if width is None and devices is None:
        return None
    other = usual()
    wide = other.width if width is None else whole("width", width, 1)
    spread = other.devices if devices is None else whole("devices", devices, 1)
    check_devices(spread, jax.local_devices())
    return Way(wide, spread)


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
