"""In which way a program trains members: what was measured to be fast on this machine.

Mapped over several members, a program does its small steps' work in larger pieces, which fills a
GPU but gains a CPU little; spread over devices, it trains some on each. Which way is best is
measured with the program itself where its training is long enough, and kept for the next time:
results of different ways differ by rounding.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gradus import cache
from gradus.sweep.execution.population import Population
from gradus.sweep.execution.vectorize import Parallelism
from gradus.train.loop import CompiledTraining

MIN_SECONDS = 60.0  # of expected training, from which on it is worth measuring
SECONDS = 0.5  # for which each way is measured
TRIES = 3  # of which the fastest counts
GAIN = 1.2  # times as fast must a way be as the one before it
STEPS = 32  # of an epoch that is measured
WIDEST = 64

clock = time.perf_counter


def default_parallelism() -> Parallelism:
    """Return the way where none was measured: one at a time on a CPU, else 16 on each device."""
    if jax.default_backend() == "cpu":
        return Parallelism()
    return Parallelism(16, len(jax.local_devices()))


def widths() -> tuple[int, ...]:
    """Return the widths that are measured, in their order."""
    return (1, 4, 16) if jax.default_backend() == "cpu" else (1, 4, 16, WIDEST)


def measure_parallelism(
    population: Population, workers: int, free_bytes: int
) -> Parallelism | None:
    """Return the way in which members are trained the fastest; None if they train no further.

    Each is tried in as many threads as are used, on copies of the first member that are thrown
    away, if there is memory for it.

    Args:
        population: a compiled population.
        workers: threads.
        free_bytes: how many bytes are free.
    """
    each = population.bytes_per_call / population.parallelism.members
    steps = max(1, min(STEPS, int(SECONDS / population.step_seconds)))

    def rate(parallelism: Parallelism) -> float:
        if parallelism.members > 1 and parallelism.members * each * workers > free_bytes:
            return 0.0
        return _rate(population.with_parallelism(parallelism), workers, steps)

    return pick_fastest(rate, widths(), sorted({1, len(jax.local_devices())}))


def pick_fastest(
    rate: Callable[[Parallelism], float], widths: Sequence[int], devices: Sequence[int] = (1,)
) -> Parallelism | None:
    """Return the widest way up to which each is faster than the one before.

    First on a single device; from what is best there it goes on, on all of them.

    Args:
        rate: how fast a way is; NaN if nobody knows, and then nothing is known of any.
        widths: of the ways, in their order.
        devices: of the ways, in their order.
    """
    best, found = None, 0.0
    for count in devices:
        for width in widths:
            if best is not None and width < best.width:
                continue
            now = rate(Parallelism(width, count))
            if math.isnan(now):
                return None
            if now < GAIN * found:
                break
            best, found = Parallelism(width, count), now
    return best


def cache_key(program: str, workers: int) -> str:
    """Return what a verdict holds for: a program on a device, in so many threads."""
    devices = jax.local_devices()
    kind = devices[0].device_kind, str(len(devices)), str(os.cpu_count()), str(workers)
    return hashlib.sha256("\n".join([*kind, *_versions(), program]).encode()).hexdigest()


def load_cached(key: str) -> Parallelism | None:
    """Return the way that was found best before; None if none was or it cannot be read."""
    if not cache.is_enabled():
        return None
    try:
        found = json.loads(_path(key).read_text())
        width, devices = found["width"], found["devices"]
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        return None
    most = (width, WIDEST), (devices, len(jax.local_devices()))
    fits = all(type(one) is int and 1 <= one <= limit for one, limit in most)
    return Parallelism(width, devices) if fits else None


def save_cached(key: str, parallelism: Parallelism) -> None:
    """Keep a way for the next time; where nothing can be written, nothing is said."""
    if not cache.is_enabled():
        return
    with contextlib.suppress(OSError, RuntimeError):
        path = _path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, written = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w") as file:
            kind = jax.local_devices()[0].device_kind
            json.dump({**dataclasses.asdict(parallelism), "device": kind}, file)
        os.replace(written, path)  # others may read it at this moment


@functools.cache
def _versions() -> list[str]:
    return [version(name) for name in ("gradus", "jax", "jaxlib")]


def _path(key: str) -> Path:
    return cache.cache_dir("ways") / f"{key}.json"


def _rate(population: Population, workers: int, steps: int) -> float:
    """Return how many short epochs of members all threads do in a second; NaN if they broke off."""
    training, train_state = population.training_of([population.first])
    training = _short(training, steps)

    def train(epochs: int, calls: int = 1) -> float:
        began = clock()
        for _ in range(calls):
            after, _ = jax.block_until_ready(training.run(train_state, 0, epochs))
        whole = bool(np.all(after.epoch - train_state.epoch == epochs))
        return epochs * calls / (clock() - began) if whole else math.nan

    train(1)  # compiles
    rate = train(1)
    if math.isnan(rate):
        return rate
    wanted = max(1, int(rate * SECONDS / TRIES))
    epochs = min(wanted, training.shape.max_epochs)
    calls = math.ceil(wanted / epochs)
    with ThreadPoolExecutor(workers) as pool:
        tries = [sum(pool.map(train, [epochs] * workers, [calls] * workers)) for _ in range(TRIES)]
    return population.parallelism.members * float(np.max(tries))


def _short(training: CompiledTraining, steps: int) -> CompiledTraining:
    """Return a course of shorter epochs, that nothing but divergence ends."""
    shape = training.shape
    steps = min(steps, shape.steps_per_epoch)
    shape = dataclasses.replace(
        shape, steps_per_epoch=steps, steps_per_segment=min(shape.steps_per_segment, steps)
    )
    *others, stopping = training.settings
    never = dataclasses.replace(
        stopping,
        patience=np.full_like(stopping.patience, np.inf),
        target=np.full_like(stopping.target, np.nan),
    )
    rows, validation = training.sample_order(0, 1), training.validation
    if rows is not None:  # each epoch the same
        epoch = np.asarray(rows)[0, :steps]
        rows = jax.device_put(np.broadcast_to(epoch, (shape.max_epochs, *epoch.shape)))
    if validation is not None and validation.rows is not None:
        validation = dataclasses.replace(validation, rows=validation.rows[:1])

    def order(first: int, epochs: int) -> Any:
        return rows

    return dataclasses.replace(
        training, shape=shape, settings=(*others, never), validation=validation, sample_order=order
    )
