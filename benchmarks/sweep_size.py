"""What a sweep costs against its size, and what successive halving saves and loses.

The digits sweep of `sweep_speed.py` (MLP 64-64-10; rate, momentum, dropout, penalty and seed) with
1 to 1,024 trials, compilation cache empty and filled: seconds from an imported process to the best
model. Then the full sweep against successive halving by 3 (`strategy="halving"`) and by 4 (Optuna's
and Ray Tune's usual factor), caches filled, by seconds, by the best
score on the held-out fifth, and by that model's accuracy on another fifth, which played no part;
every round draws another split and other settings. Target: the same test accuracy, to two standard
errors of the difference, in at most a third of the time.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from pathlib import Path
from typing import Any

import common
import sweep_cases
from sweep_cases import CASES

SIZES = (1, 4, 16, 64, 256, 1024)
FILLED_BY = 999
THIRD = 3.0  # times as fast
STRATEGIES: dict[str, dict[str, Any]] = {
    "full": {}, "halving": {"strategy": "halving"}, "by 4": {"factor": 4},
}  # fmt: skip


def once(job: dict[str, Any], cache: Path, trials: int, seed: int, strategy: str) -> dict[str, Any]:
    """Return the answer of one sweep in a process of its own, with its test accuracy."""
    settings = STRATEGIES[strategy]
    with common.Worker({**job, "peer": "gradus"}, cache) as worker:
        worker.ask("make", settings=settings)
        return {
            **worker.ask("sweep", trials=trials, seed=seed),
            "test": worker.ask("accuracy")["accuracy"],
        }


def sizes(job: dict[str, Any], folder: Path, repeats: int, counts: list[int]) -> dict[str, Any]:
    """Return the seconds of sweeps of each size, cache empty and filled, round by round."""
    filled = common.cache_in(folder, "sizes", "filled")
    for count in (min(counts), max(counts)):  # programs may depend on how many there are
        once(job, filled, count, FILLED_BY, "full")
    measured = [(count, cache) for count in counts for cache in ("empty", "filled")]
    found: dict[tuple[int, str], list[float]] = {key: [] for key in measured}
    for repeat in range(repeats):
        for count, cache in measured[:: -1 if repeat % 2 else 1]:
            empty = common.cache_in(folder, "sizes", count, repeat)
            where = empty if cache == "empty" else filled
            found[count, cache].append(once(job, where, count, repeat, "full")["seconds"])
        common.say(f"sizes, round {repeat + 1} of {repeats} done")
    return {
        str(count): {
            f"{cache}_s": common.median(found[count, cache]) for cache in ("empty", "filled")
        }
        | {f"{cache}_runs": found[count, cache] for cache in ("empty", "filled")}
        for count in counts
    }


def halving(job: dict[str, Any], folder: Path, repeats: int, trials: int) -> dict[str, Any]:
    """Return what the full sweep and the halved one took and found, round by round."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in STRATEGIES}
    caches = {name: common.cache_in(folder, "halving", name, trials) for name in STRATEGIES}
    for name in STRATEGIES:
        once(job, caches[name], trials, FILLED_BY, name)
    for repeat in range(repeats):
        data = sweep_cases.digits(folder / f"split {repeat}", final=True, seed=repeat)
        for name in list(STRATEGIES)[:: -1 if repeat % 2 else 1]:
            this = {**job, "data": str(data)}
            runs[name].append(once(this, caches[name], trials, repeat, name))
        common.say(f"halving of {trials}, round {repeat + 1} of {repeats} done")
    return {"runs": runs, **{name: _against(runs, name) for name in STRATEGIES if name != "full"}}


def _against(runs: dict[str, list[dict[str, Any]]], name: str) -> dict[str, Any]:
    """Return how a strategy compares with the full sweep, round by round."""
    full, mine = runs["full"], runs[name]
    lost = [a["test"] - b["test"] for a, b in zip(full, mine, strict=True)]
    error = statistics.stdev(lost) / math.sqrt(len(lost)) if len(lost) > 1 else None
    times = common.ratio([run["seconds"] for run in full], [run["seconds"] for run in mine])
    return {"times": times, "test_lost": statistics.fmean(lost), "test_lost_error": error}


def show_halving(trials: int, found: dict[str, Any]) -> None:
    """Print the table of a comparison and what came of the target."""
    rows = []
    for name, runs in found["runs"].items():
        rows.append(
            {
                "strategy": name,
                "seconds": common.median(run["seconds"] for run in runs),
                "best score": f"{statistics.fmean(run['score'] for run in runs):.4f}",
                "its test accuracy": f"{statistics.fmean(run['test'] for run in runs):.4f}",
            }
        )
    common.table(f"{trials} trials: median seconds, mean scores", rows)
    for name in STRATEGIES:
        if name == "full":
            continue
        error = found[name]["test_lost_error"]
        spread = "" if error is None else f" ± {error:.4f}"
        missed = "" if found[name]["times"] >= THIRD else ", missed"
        print(
            f"{name}: {found[name]['times']:.2f} × as fast (target {THIRD:g} ×{missed}), test "
            f"accuracy lost {found[name]['test_lost']:+.4f}{spread}"
        )


def main() -> None:
    parser = common.parser(__doc__, repeats=5)
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES))
    parser.add_argument("--halved", nargs="*", type=int, default=[256, 1024], help="trials")
    parser.add_argument("--epochs", type=int, default=CASES["digits"].epochs)
    options = parser.parse_args()
    repeats = 1 if options.quick else options.repeats
    epochs = 3 if options.quick else options.epochs
    counts, halved = ([1, 4], [9]) if options.quick else (options.sizes, options.halved)
    facts, by_size, by_strategy = common.machine(), {}, {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = sweep_cases.digits(folder / "split", final=True)
        job = {
            "sweep": "digits",
            "data": str(data),
            "batch": CASES["digits"].batch,
            "epochs": epochs,
        }
        if counts:
            by_size = sizes(job, folder, repeats, counts)
        for trials in halved:
            by_strategy[str(trials)] = halving(job, folder, repeats, trials)
    common.table(
        f"digits, {epochs} epochs, median seconds",
        [
            {
                "trials": count,
                "cache empty": found["empty_s"],
                "cache filled": found["filled_s"],
                "ms a trial, filled": round(1000 * found["filled_s"] / int(count), 1),
            }
            for count, found in by_size.items()
        ],
    )
    for trials, found in by_strategy.items():
        show_halving(int(trials), found)
    common.emit(
        "sweep_size",
        {
            "quick": options.quick,
            "repeats": repeats,
            "epochs": epochs,
            "machine": facts,
            "sizes": by_size,
            "halving": by_strategy,
        },
    )


if __name__ == "__main__":
    main()
