"""The best test accuracy or R² that is found in so many seconds: gradus, Optuna with PyTorch.

Two hidden layers of one width (64, 128 or 256), Adam's rate, dropout and L2 penalty; digits (30
epochs, batch 32), adult (10, 256) and California housing (30, 64). gradus fills the time with
sweeps, each twice as large as the one before, by random search and by successive halving, and what
ends too late does not count; or it is interrupted in one sweep by TPE, a twelfth of the time before
its end, as what is under way then still counts (the table says when that ended). Optuna's TPE asks
two processes of PyTorch, all trials to their end and with median pruning. All get the same numbers,
preprocessed as `gradus train` does, judge by the same validation part, and look at the test part
once, with the network that they found best. The time begins with everything imported and includes
compilation; gradus's cache is empty.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import common
import defaults_quality
import numpy as np
import sweep_cases
from sweep_cases import CASES

SETS = ("digits", "adult", "california_housing")
PEERS = {
    "gradus, random": ("gradus", {}),
    "gradus, halving": ("gradus", {"strategy": "halving"}),
    "gradus, TPE": ("gradus", {"search": "tpe"}),
    "Optuna TPE + PyTorch": ("Optuna + PyTorch", {"sampler": "tpe"}),
    "Optuna TPE, median pruning + PyTorch": (
        "Optuna + PyTorch",
        {"sampler": "tpe", "pruner": "median"},
    ),
}
LOOP = {"gather": "epoch", "update": "fused"}  # of PyTorch: `sweep_speed.py` finds it the fastest
HELD = 0.2


def prepared(name: str, folder: Path, seed: int, quick: bool) -> Path:
    """Write a data set as `gradus train` would prepare it, with the standard or a fixed test part.

    The validation part is drawn by the seed.
    """
    from gradus.apps import prepare, spec
    from gradus.data.datasets import BUILT_IN

    case = defaults_quality.CASES[name]
    loaded = defaults_quality.load(case)
    if quick:
        loaded = defaults_quality.shortened(loaded)
    (dataset,) = defaults_quality.parts(case, loaded, seed)
    word = f"sweep {len(list(BUILT_IN))}"
    BUILT_IN.add(word)(lambda: dataset)
    made = prepare.prepare(spec.Experiment(word, shuffle_seed=seed, validation=HELD))
    arrays = {}
    names = {"training": "train", "validation": "test", "test": "final"}
    for part, short in names.items():
        x, y = made.parts[part]
        y = np.asarray(y).reshape(len(y))
        arrays[f"x_{short}"] = defaults_quality.plain(x, dataset, made)
        arrays[f"y_{short}"] = y.astype("i4" if case.metric == "accuracy" else "f4")
    return sweep_cases.write(folder, **arrays)


def once(label: str, job: dict[str, Any], cache: Path, seconds: float, seed: int) -> dict[str, Any]:
    """Return what one library found in so many seconds."""
    peer, settings = PEERS[label]
    fixed = LOOP if peer != "gradus" else {}
    with common.Worker({**job, "peer": peer}, cache) as worker:
        worker.ask("make", settings={**fixed, **settings})
        return worker.ask("search", seconds=seconds, seed=seed)


def measure(
    name: str, times: list[float], repeats: int, quick: bool, left_out: dict[str, str]
) -> dict[str, Any]:
    """Return what each library found in each time, round by round."""
    case = CASES[f"{name}, quality"]
    runs: dict[float, dict[str, list[dict[str, Any]]]] = {
        seconds: {label: [] for label in PEERS if label not in left_out} for seconds in times
    }
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(repeats):
            data = prepared(name, Path(folder) / f"data {repeat}", repeat, quick)
            job = {
                "sweep": f"{name}, quality",
                "data": str(data),
                "batch": case.batch,
                "epochs": 2 if quick else case.epochs,
            }
            for seconds, found in runs.items():
                for label in list(found)[:: -1 if repeat % 2 else 1]:
                    cache = common.cache_in(Path(folder), label, seconds, repeat)
                    try:
                        one = once(label, job, cache, seconds, repeat)
                    except common.LeftOutError as error:
                        left_out[label] = common.leave_out(label, error)
                        del found[label]
                        continue
                    found[label].append(one)
                    common.say(
                        f"{name}, {seconds:g} s, {label}: validation {one['score']:.4f}, "
                        f"test {one['final'] or float('nan'):.4f}, {one['trials']} trials"
                    )
    return {"metric": case.metric, "runs": runs}


def rows(name: str, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of the table."""
    made = []
    for seconds, runs in found["runs"].items():
        for label, these in runs.items():
            tests = [run["final"] for run in these if run["final"] is not None]
            error = defaults_quality.error(tests)
            spread = "" if error is None else f" ± {error:.4f}"
            made.append(
                {
                    "data": f"{name} ({found['metric']})",
                    "seconds": f"{seconds:g}",
                    "library": label,
                    "test": f"{statistics.fmean(tests):.4f}{spread}" if tests else None,
                    "validation": f"{statistics.fmean(run['score'] for run in these):.4f}",
                    "trials": int(common.median(run["trials"] for run in these)),
                    "ended s": max(run.get("ended_s", seconds) for run in these),
                }
            )
    return made


def main() -> None:
    parser = common.parser(__doc__, repeats=3)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seconds", nargs="+", type=float, default=[20.0, 60.0])
    options = parser.parse_args()
    there = {
        name: name == "digits" or (common.DATA / defaults_quality.CASES[name].source).exists()
        for name in options.sets
    }
    for name in [name for name in there if not there[name]]:
        print(f"{name} is not in {common.DATA} (set GRADUS_DATA): left out")
    if not any(there.values()):
        sys.exit(1)
    repeats, times = (1, [20.0]) if options.quick else (options.repeats, options.seconds)
    facts, left_out = common.machine(), dict[str, str]()
    sets = {
        name: measure(name, times, repeats, options.quick, left_out)
        for name in options.sets
        if there[name]
    }
    table = [line for name, found in sets.items() for line in rows(name, found)]
    common.table("the best found in the same time, means", table)
    for label, reason in left_out.items():
        print(f"{label}: {reason}: left out")
    common.emit(
        "sweep_quality",
        {
            "quick": options.quick,
            "repeats": repeats,
            "machine": facts,
            "left_out": left_out,
            "sets": sets,
        },
    )


if __name__ == "__main__":
    main()
