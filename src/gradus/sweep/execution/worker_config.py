"""How a machine trains: what stays the same from one execution round to the next."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable

from gradus.sweep.execution.population_program import ProgramStats
from gradus.sweep.execution.vectorize import Parallelism


@dataclasses.dataclass
class WorkerConfig:
    """How a machine trains.

    Attributes:
        workers: the number of threads.
        parallelism: how many members a call trains; None for the best.
        chunk: the maximum number of members that a thread trains before it returns them.
        program_stats: the statistics of programs compiled in earlier rounds, by program key.
    """

    workers: int
    parallelism: Parallelism | None
    chunk: int
    program_stats: dict[Hashable, ProgramStats] = dataclasses.field(default_factory=dict)
