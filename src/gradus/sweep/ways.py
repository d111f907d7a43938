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
from gradus.sweep.abreast import Way
from gradus.sweep.population import Population
from gradus.train.loop import Course

PAYS = 60.0  # seconds of expected training from which ways are measured
SECONDS = 0.5  # for which each way is measured
TRIES = 3  # of which the fastest counts
GAIN = 1.2  # times as fast must a way be as the one before it
STEPS = 32  # of an epoch that is measured
WIDEST = 64

clock = time.perf_counter


def usual() -> Way:
    """Return the way where none was measured: one at a time on a CPU, else 16 on each device."""
    if jax.default_backend() == "cpu":
        return Way()
    return Way(16, len(jax.local_devices()))


def widths() -> tuple[int, ...]:
    """Return the widths that are measured, in their order."""
    return (1, 4, 16) if jax.default_backend() == "cpu" else (1, 4, 16, WIDEST)


def measure(population: Population, workers: int, room: int) -> Way | None:
    """Return the way in which members are trained the fastest; None if they train no further.

    Each is tried in as many threads as are used, on copies of the first member that are thrown
    away, if there is memory for it.

    Args:
        population: a compiled population.
        workers: threads.
        room: the bytes that are free.
    """
    each = population.need / population.way.members
    steps = max(1, min(STEPS, int(SECONDS / population.step)))

    def rate(way: Way) -> float:
        if way.members > 1 and way.members * each * workers > room:
            return 0.0
        return _rate(population.at(way), workers, steps)

    return climb(rate, widths(), sorted({1, len(jax.local_devices())}))


def climb(
    rate: Callable[[Way], float], widths: Sequence[int], devices: Sequence[int] = (1,)
) -> Way | None:
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
            now = rate(Way(width, count))
            if math.isnan(now):
                return None
            if now < GAIN * found:
                break
            best, found = Way(width, count), now
    return best


def key(program: str, workers: int) -> str:
    """Return what a verdict holds for: a program on a device, in so many threads."""
    devices = jax.local_devices()
    kind = devices[0].device_kind, str(len(devices)), str(os.cpu_count()), str(workers)
    return hashlib.sha256("\n".join([*kind, *_versions(), program]).encode()).hexdigest()


def kept(key: str) -> Way | None:
    """Return the way that was found best before; None if none was or it cannot be read."""
    if not cache.wanted():
        return None
    try:
        found = json.loads(_path(key).read_text())
        width, devices = found["width"], found["devices"]
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        return None
    most = (width, WIDEST), (devices, len(jax.local_devices()))
    fits = all(type(one) is int and 1 <= one <= limit for one, limit in most)
    return Way(width, devices) if fits else None


def keep(key: str, way: Way) -> None:
    """Keep a way for the next time; where nothing can be written, nothing is said."""
    if not cache.wanted():
        return
    with contextlib.suppress(OSError, RuntimeError):
        path = _path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, written = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w") as file:
            kind = jax.local_devices()[0].device_kind
            json.dump({**dataclasses.asdict(way), "device": kind}, file)
        os.replace(written, path)  # others may read it at this moment


@functools.cache
def _versions() -> list[str]:
    return [version(name) for name in ("gradus", "jax", "jaxlib")]


def _path(key: str) -> Path:
    return cache.folder("ways") / f"{key}.json"


def _rate(population: Population, workers: int, steps: int) -> float:
    """Return how many short epochs of members all threads do in a second; NaN if they broke off."""
    course, carry = population.course([population.first])
    course = _short(course, steps)

    def train(epochs: int, calls: int = 1) -> float:
        began = clock()
        for _ in range(calls):
            after, _ = jax.block_until_ready(course.run(carry, 0, epochs))
        whole = bool(np.all(after.epoch - carry.epoch == epochs))
        return epochs * calls / (clock() - began) if whole else math.nan

    train(1)  # compiles
    rate = train(1)
    if math.isnan(rate):
        return rate
    wanted = max(1, int(rate * SECONDS / TRIES))
    epochs = min(wanted, course.plan.epochs)
    calls = math.ceil(wanted / epochs)
    with ThreadPoolExecutor(workers) as pool:
        tries = [sum(pool.map(train, [epochs] * workers, [calls] * workers)) for _ in range(TRIES)]
    return population.way.members * float(np.max(tries))


def _short(course: Course, steps: int) -> Course:
    """Return a course of shorter epochs, that nothing but divergence ends."""
    plan = course.plan
    steps = min(steps, plan.steps)
    plan = dataclasses.replace(plan, steps=steps, segment=min(plan.segment, steps))
    *others, stopping = course.settings
    never = dataclasses.replace(
        stopping,
        patience=np.full_like(stopping.patience, np.inf),
        target=np.full_like(stopping.target, np.nan),
    )
    rows, validation = course.order(0, 1), course.validation
    if rows is not None:  # each epoch the same
        epoch = np.asarray(rows)[0, :steps]
        rows = jax.device_put(np.broadcast_to(epoch, (plan.epochs, *epoch.shape)))
    if validation is not None and validation.rows is not None:
        validation = dataclasses.replace(validation, rows=validation.rows[:1])

    def order(first: int, epochs: int) -> Any:
        return rows

    return dataclasses.replace(
        course, plan=plan, settings=(*others, never), validation=validation, order=order
    )
