"""Autotuning: measures how many members a program trains side by side the fastest.

Vectorized over several members, a program does the work of small steps in larger pieces, which
fills a GPU but helps a CPU little; sharded over devices, it trains some members on each. If
training takes long enough, the best configuration is measured with the program itself and cached,
so that later runs use the same one: configurations differ in rounding.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gradus import cache
from gradus.errors import SavedError
from gradus.optional import installed_version
from gradus.records import as_record, read_json
from gradus.sweep.execution.population_program import PopulationProgram
from gradus.sweep.execution.vectorize import Parallelism
from gradus.train.training_program import TrainingProgram

MIN_TRAINING_SECONDS = 60.0  # of expected training, below which measuring does not pay
MEASURE_SECONDS = 0.5  # of measurement for each configuration
REPEATS = 3  # of a measurement; the fastest counts
MIN_SPEEDUP = 1.2  # over the previous configuration, to prefer the next one
MAX_STEPS = 32  # of a measured epoch
MAX_WIDTH = 64

clock = time.perf_counter


def default_parallelism() -> Parallelism:
    """Return the default without a measurement: one member on a CPU, else 16 on each device."""
    if jax.default_backend() == "cpu":
        return Parallelism()
    return Parallelism(16, len(jax.local_devices()))


def widths() -> tuple[int, ...]:
    """Return the widths to measure, in ascending order."""
    return (1, 4, 16) if jax.default_backend() == "cpu" else (1, 4, 16, MAX_WIDTH)


def measure_parallelism(
    program: PopulationProgram, workers: int, free_bytes: int
) -> Parallelism | None:
    """Return the fastest configuration; None if the members diverge or have finished.

    Each is measured with all worker threads, on discarded copies of a member, if there is
    memory for it.

    Args:
        program: a compiled program.
        workers: the number of threads.
        free_bytes: the free memory.
    """
    bytes_per_member = program.bytes_per_call / program.parallelism.members
    steps = max(1, min(MAX_STEPS, int(MEASURE_SECONDS / program.step_seconds)))

    def throughput(parallelism: Parallelism) -> float:
        if (
            parallelism.members > 1
            and parallelism.members * bytes_per_member * workers > free_bytes
        ):
            return 0.0
        return _throughput(program.with_parallelism(parallelism), workers, steps)

    return pick_fastest(throughput, widths(), sorted({1, len(jax.local_devices())}))


def pick_fastest(
    throughput: Callable[[Parallelism], float], widths: Sequence[int], devices: Sequence[int] = (1,)
) -> Parallelism | None:
    """Return the widest configuration such that each width up to it is faster than the last.

    It starts on a single device and continues from the best width there on all devices.

    Args:
        throughput: measures a configuration; NaN ends the search without a result.
        widths: the widths, in ascending order.
        devices: the numbers of devices, in ascending order.
    """
    best, best_throughput = None, 0.0
    for count in devices:
        for width in widths:
            if best is not None and width < best.width:
                continue
            measured = throughput(Parallelism(width, count))
            if math.isnan(measured):
                return None
            if measured < MIN_SPEEDUP * best_throughput:
                break
            best, best_throughput = Parallelism(width, count), measured
    return best


def cache_key(program_text: str, workers: int) -> str:
    """Return the cache key of a program on these devices with a number of threads."""
    devices = jax.local_devices()
    kind = devices[0].device_kind, str(len(devices)), str(os.cpu_count()), str(workers)
    return hashlib.sha256("\n".join([*kind, *_versions(), program_text]).encode()).hexdigest()


def load_cached(key: str) -> Parallelism | None:
    """Return the cached configuration; None if there is none or it cannot be read."""
    if not cache.is_enabled():
        return None
    try:
        cached = as_record(read_json(_path(key)), Parallelism, "A cached configuration")
    except (OSError, RuntimeError, SavedError):
        return None
    limits = (cached.width, MAX_WIDTH), (cached.devices, len(jax.local_devices()))
    return cached if all(1 <= value <= limit for value, limit in limits) else None


def save_cached(key: str, parallelism: Parallelism) -> None:
    """Cache a configuration; ignore errors in writing."""
    if not cache.is_enabled():
        return
    with contextlib.suppress(OSError, RuntimeError):
        path = _path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = jax.local_devices()[0].device_kind
        cached = {**dataclasses.asdict(parallelism), "device": kind}
        cache.write(path, json.dumps(cached).encode())


@functools.cache
def _versions() -> list[str]:
    return [installed_version(), version("jax"), version("jaxlib")]


def _path(key: str) -> Path:
    return cache.cache_dir("parallelism") / f"{key}.json"


def _throughput(program: PopulationProgram, workers: int, steps: int) -> float:
    """Return the short member epochs per second of all threads; NaN if training stopped early."""
    training, train_state = program.training_of([program.example_member])
    training = _shortened(training, steps)

    def train(epochs: int, calls: int = 1) -> float:
        started = clock()
        for _ in range(calls):
            after, _ = jax.block_until_ready(training.run(train_state, 0, epochs))
        completed = bool(np.all(after.epoch - train_state.epoch == epochs))
        return epochs * calls / (clock() - started) if completed else math.nan

    train(1)  # compiles
    throughput = train(1)
    if math.isnan(throughput):
        return throughput
    total = max(1, int(throughput * MEASURE_SECONDS / REPEATS))
    epochs = min(total, training.shape.max_epochs)
    calls = math.ceil(total / epochs)
    with ThreadPoolExecutor(workers) as pool:
        rates = [
            sum(pool.map(train, [epochs] * workers, [calls] * workers)) for _ in range(REPEATS)
        ]
    return program.parallelism.members * float(np.max(rates))


def _shortened(training: TrainingProgram, steps: int) -> TrainingProgram:
    """Return a training of shorter epochs that only divergence can stop."""
    shape = training.shape
    steps = min(steps, shape.steps_per_epoch)
    shape = dataclasses.replace(
        shape, steps_per_epoch=steps, steps_per_segment=min(shape.steps_per_segment, steps)
    )
    stopping = training.components.early_stopping
    unbounded = dataclasses.replace(
        stopping,
        patience=np.full_like(stopping.patience, np.inf),
        target=np.full_like(stopping.target, np.nan),
    )
    rows, validation = training.sample_order(0, 1), training.validation
    if rows is not None:  # the same in each epoch
        epoch = np.asarray(rows)[0, :steps]
        rows = jax.device_put(np.broadcast_to(epoch, (shape.max_epochs, *epoch.shape)))
    if validation is not None and validation.rows is not None:
        validation = dataclasses.replace(validation, rows=validation.rows[:1])

    def order(first_epoch: int, epochs: int) -> Any:
        return rows

    return dataclasses.replace(
        training,
        shape=shape,
        components=training.components._replace(early_stopping=unbounded),
        validation=validation,
        sample_order=order,
    )
