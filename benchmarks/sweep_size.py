"""The cost of a sweep by its size, and what successive halving saves and loses.

The digits sweep of `sweep_speed.py` (MLP 64-64-10; rate, momentum, dropout, penalty and seed) with
1 to 1,024 trials, compilation cache empty and filled: seconds from an imported process to the best
model. Then the full sweep against successive halving by 3 (`strategy="halving"`) and by 4 (Optuna's
and Ray Tune's usual factor), caches filled, by seconds, by the best
score on the held-out fifth, and by that model's accuracy on another fifth, a test set; every
round draws a new split and new settings. Goal: the same test accuracy, to two standard
errors of the difference, in at most a third of the time.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import common
import sweep_cases
from sweep_cases import CASES

SIZES = (1, 4, 16, 64, 256, 1024)
FILLED_BY = 999
GOAL = 3.0  # times as fast as the full sweep
HALVED = (256, 1024)
STRATEGIES: dict[str, dict[str, Any]] = {
    "full": {}, "halving": {"strategy": "halving"}, "by 4": {"factor": 4},
}  # fmt: skip
LABELS = {
    "full": "full sweep",
    "halving": '`strategy="halving"`, by 3',
    "by 4": "`SuccessiveHalving(factor=4)`",
}


def once(job: dict[str, Any], cache: Path, trials: int, seed: int, strategy: str) -> dict[str, Any]:
    """Run one sweep in its own process and return its answer, with the test accuracy."""
    settings = STRATEGIES[strategy]
    with common.Worker({**job, "peer": "gradus"}, cache) as worker:
        worker.ask("make", settings=settings)
        return {
            **worker.ask("sweep", trials=trials, seed=seed),
            "test": worker.ask("accuracy")["accuracy"],
        }


def sizes(job: dict[str, Any], folder: Path, rounds: int, counts: Sequence[int]) -> dict[int, Any]:
    """Measure the seconds of sweeps of each size, with an empty and a filled cache."""
    filled = common.cache_in(folder, "sizes", "filled")
    for count in (min(counts), max(counts)):  # programs may depend on the number of trials
        once(job, filled, count, FILLED_BY, "full")

    def sweep(name: str, number: int) -> float:
        count, cache = name.split()
        empty = common.cache_in(folder, "sizes", count, number)
        where = empty if cache == "empty" else filled
        return once(job, where, int(count), number, "full")["seconds"]

    names = [f"{count} {cache}" for count in counts for cache in ("empty", "filled")]
    found = common.interleave(names, rounds, sweep, {})
    return {
        count: {
            f"{cache}_s": common.median(found[f"{count} {cache}"]) for cache in ("empty", "filled")
        }
        for count in counts
    }


def halving(job: dict[str, Any], folder: Path, rounds: int, trials: int) -> dict[str, Any]:
    """Measure times and scores of the full sweep and of successive halving."""
    caches = {name: common.cache_in(folder, "halving", name, trials) for name in STRATEGIES}
    splits = [
        str(sweep_cases.digits(folder / f"split {number}", final=True, seed=number))
        for number in range(rounds)
    ]
    for name in STRATEGIES:
        once(job, caches[name], trials, FILLED_BY, name)

    def sweep(name: str, number: int) -> dict[str, Any]:
        return once({**job, "data": splits[number]}, caches[name], trials, number, name)

    runs = common.interleave(STRATEGIES, rounds, sweep, {})
    seconds = {name: [run["seconds"] for run in these] for name, these in runs.items()}
    found = {}
    for name, these in runs.items():
        gains = [a["test"] - b["test"] for a, b in zip(these, runs["full"], strict=True)]
        found[name] = {
            "seconds": common.median(seconds[name]),
            "times": common.ratio(seconds["full"], seconds[name]),
            "test_gain": statistics.fmean(gains),
            "test_gain_error": common.standard_error(gains),
            "runs": these,
        }
    return found


def measure(options: Any) -> dict[str, Any]:
    """Measure the seconds by size, and the strategies' seconds and scores."""
    epochs = 3 if options.quick else CASES["digits"].epochs
    counts, halved = ((1, 4), (9,)) if options.quick else (SIZES, HALVED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = sweep_cases.digits(folder / "split", final=True)
        job = {"sweep": "digits", "data": str(data), "batch": CASES["digits"].batch}
        job["epochs"] = epochs
        by_size = sizes(job, folder, options.rounds, counts)
        by_strategy = {trials: halving(job, folder, options.rounds, trials) for trials in halved}
    return {"epochs": epochs, "sizes": by_size, "halving": by_strategy}


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the tables of sizes and of strategies."""
    by_size, by_strategy = result["sizes"], result["halving"]
    each = [1000 * found["filled_s"] / int(count) for count, found in by_size.items()]
    rows = [
        ["seconds, empty cache", *(found["empty_s"] for found in by_size.values())],
        ["seconds, filled cache", *(found["filled_s"] for found in by_size.values())],
        ["milliseconds per trial, filled cache", *each],
    ]
    heads = [""]
    for trials in by_strategy:
        heads += [f"{int(trials):,} trials, s", "speedup", "accuracy gained, points"]
    halved = [
        [label, *(cell for found in by_strategy.values() for cell in compared(name, found[name]))]
        for name, label in LABELS.items()
    ]
    return {
        "sweep_size.trials": common.table(["trials", *(f"{int(n):,}" for n in by_size)], rows),
        "sweep_size.halving": common.table(heads, halved),
    }


def compared(name: str, one: dict[str, Any]) -> list[Any]:
    """Return the table cells of a strategy compared with the full sweep."""
    if name == "full":
        return [one["seconds"], None, None]
    error = one["test_gain_error"]
    points = common.spread(100 * one["test_gain"], error and 100 * error, False)
    return [one["seconds"], common.goal(one["times"], GOAL), points]


if __name__ == "__main__":
    common.main(__doc__, measure, tables, rounds=5)
