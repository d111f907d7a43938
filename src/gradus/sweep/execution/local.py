"""Trains members on this machine, with a thread for each core."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import jax

from gradus.checks import whole_number
from gradus.sweep.execution.autotune import default_parallelism
from gradus.sweep.execution.execution_round import ExecutionRound
from gradus.sweep.execution.executor import CHUNK
from gradus.sweep.execution.vectorize import Parallelism
from gradus.sweep.execution.worker_config import WorkerConfig
from gradus.sweep.members.member import Member
from gradus.train.devices import check_devices


class Local:
    """Trains on the cores of this machine: some threads compile while others train.

    Args:
        workers: the number of threads; None for one for each core.
        width: the number of members vectorized on a device (`jax.vmap`); fewer if memory is short.
        chunk: the maximum number of members that a thread trains one after another before it
            returns them; fewer if they take longer than a quarter of a second.
        devices: the number of devices of this machine to shard members over.

    Without `width` and `devices`, members are trained one at a time on a CPU and 16 on each device
    elsewhere. If many members train for long, the fastest configuration is measured and cached.

    Raises:
        GradusError: for invalid numbers.
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

        A member that does not fit into memory is yielded untrained, with its `error`.
        """
        pool, count = ThreadPoolExecutor(self.config.workers), operator.length_hint(members)
        execution = ExecutionRound(self.config, pool, count, until)
        try:
            yield from execution.run(members)
        finally:
            execution.canceled.set()
            pool.shutdown(cancel_futures=True)


def _parallelism(width: int | None, devices: int | None) -> Parallelism | None:
    """Return the parallelism that a user asked for; None if neither number is given."""
    if width is None and devices is None:
        return None
    default = default_parallelism()
    width = default.width if width is None else whole_number("width", width, 1)
    devices = default.devices if devices is None else whole_number("devices", devices, 1)
    check_devices(devices, jax.local_devices())
    return Parallelism(width, devices)


def _cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
