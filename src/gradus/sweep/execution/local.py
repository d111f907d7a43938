"""Training on this machine: a thread for each core."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import jax

from gradus.checks import whole_number
from gradus.sweep.execution.autotune import default_parallelism
from gradus.sweep.execution.execution_round import ExecutionRound, WorkerConfig
from gradus.sweep.execution.executor import CHUNK
from gradus.sweep.execution.vectorize import Parallelism
from gradus.sweep.members.member import Member
from gradus.train.devices import check_devices


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
        workers = _cores() if workers is None else whole_number("workers", workers, 1)
        self.config = WorkerConfig(
            workers, _parallelism(width, devices), whole_number("chunk", chunk, 1)
        )

    def run(self, members: Iterable[Member], until: int | None = None) -> Iterator[list[Member]]:
        """Train members, built one after another, and yield them as they are done.

        One that needs more memory than there is comes back untrained, with its `error`.
        """
        pool, count = ThreadPoolExecutor(self.config.workers), operator.length_hint(members)
        execution = ExecutionRound(self.config, pool, count, until)
        try:
            yield from execution.run(members)
        finally:
            execution.ended.set()
            pool.shutdown(cancel_futures=True)


def _parallelism(width: int | None, devices: int | None) -> Parallelism | None:
    """Return the way that some of its numbers ask for; None where neither is given."""
    if width is None and devices is None:
        return None
    other = default_parallelism()
    wide = other.width if width is None else whole_number("width", width, 1)
    spread = other.devices if devices is None else whole_number("devices", devices, 1)
    check_devices(spread, jax.local_devices())
    return Parallelism(wide, spread)


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
