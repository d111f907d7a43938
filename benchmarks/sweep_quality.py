"""The best test accuracy or R² found in so many seconds: gradus, and Optuna with PyTorch.

Two hidden layers of one width (64, 128 or 256), Adam's rate, dropout and L2 penalty; digits (30
epochs, batch 32), adult (10, 256) and California housing (30, 64). gradus fills the time with
sweeps, each twice as large as the one before, by random search and by successive halving; one that
finishes too late does not count. Or it runs one TPE sweep that is interrupted a twelfth of the time
before the end, since running trials still count (the results say when they ended). Optuna's TPE
drives two PyTorch processes, with full trials and with median pruning. All get the same numbers,
preprocessed as in `gradus train`, use the same validation set, and evaluate the test set once, with
the best network they found. The time starts with everything imported and includes compilation;
gradus's cache is empty.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import common
import defaults_quality
import numpy as np
import sweep_cases
from sweep_cases import CASES

SETS = {"digits": "digits", "adult": "adult", "california_housing": "California housing, R²"}
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
LOOP = {"gather": "epoch", "update": "fused"}  # of PyTorch: the fastest in `sweep_speed.py`
HELD = 0.2
TIMES = (20.0, 60.0)  # seconds


def prepared(name: str, folder: Path, seed: int, quick: bool) -> Path:
    """Write a data set as `gradus train` prepares it, with the standard or a fixed test set.

    The seed draws the validation split.
    """
    from gradus.data.sources.built_in import BUILT_IN
    from gradus.experiments.preparation import prepare
    from gradus.experiments.settings.experiment import Experiment

    case = defaults_quality.CASES[name]
    loaded = defaults_quality.load(case)
    if quick:
        loaded = defaults_quality.shortened(loaded)
    (dataset,) = defaults_quality.parts(case, loaded, seed)
    word = f"sweep {len(list(BUILT_IN))}"
    BUILT_IN.add(word)(lambda: dataset)
    made = prepare.prepare_data(Experiment(word, shuffle_seed=seed, validation=HELD))
    arrays = {}
    names = {"training": "train", "validation": "test", "test": "final"}
    for part, short in names.items():
        x, y = made.parts[part]
        y = np.asarray(y).reshape(len(y))
        arrays[f"x_{short}"] = defaults_quality.plain(x, dataset, made)
        arrays[f"y_{short}"] = y.astype("i4" if case.metric == "accuracy" else "f4")
    return sweep_cases.write(folder, **arrays)


def once(label: str, job: dict[str, Any], cache: Path, seconds: float, seed: int) -> dict[str, Any]:
    """Return the result of one library after so many seconds."""
    peer, settings = PEERS[label]
    fixed = LOOP if peer != "gradus" else {}
    with common.Worker({**job, "peer": peer}, cache) as worker:
        worker.ask("make", settings={**fixed, **settings})
        return worker.ask("search", seconds=seconds, seed=seed)


def measure_set(name: str, options: Any, left_out: dict[str, str]) -> dict[str, Any]:
    """Measure each library in each time."""
    case, times = CASES[f"{name}, quality"], TIMES[:1] if options.quick else TIMES
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        splits = [
            str(prepared(name, Path(folder) / f"data {number}", number, options.quick))
            for number in range(options.rounds)
        ]
        job = {"sweep": f"{name}, quality", "batch": case.batch}
        job["epochs"] = 2 if options.quick else case.epochs
        for seconds in times:

            def search(label: str, number: int, seconds: float = seconds) -> dict[str, Any]:
                cache = common.cache_in(Path(folder), label, seconds, number)
                one = once(label, {**job, "data": splits[number]}, cache, seconds, number)
                common.say(
                    f"{name}, {seconds:g} s, {label}: validation {one['score']:.4f}, "
                    f"test {one['final'] or float('nan'):.4f}, {one['trials']} trials"
                )
                return one

            labels = [label for label in options.peers if label not in left_out]
            runs = common.interleave(labels, options.rounds, search, left_out)
            found[f"{seconds:g}"] = {label: summed(these) for label, these in runs.items()}
    return found


def summed(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the means over the rounds, and the median number of trials."""
    tests = [run["final"] for run in runs if run["final"] is not None]
    return {
        "test": statistics.fmean(tests) if tests else None,
        "error": common.standard_error(tests),
        "validation": statistics.fmean(run["score"] for run in runs),
        "trials": int(common.median(run["trials"] for run in runs)),
        "runs": runs,
    }


def measure(options: Any) -> dict[str, Any]:
    """Measure each data set that exists."""
    left_out = defaults_quality.absent(options.cases)
    there = [name for name in options.cases if name not in left_out]
    sets = {name: measure_set(name, options, left_out) for name in there}
    return {"sets": sets, "left_out": left_out}


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return a table for each time, one below the other."""
    sets = result["sets"]
    made = []
    for seconds in dict.fromkeys(seconds for found in sets.values() for seconds in found):
        rows = []
        for label in PEERS:
            row: list[Any] = [label]
            for name, found in sets.items():
                one = found.get(seconds, {}).get(label, {})
                percent = CASES[f"{name}, quality"].metric == "accuracy"
                best = common.spread(one.get("test"), one.get("error"), percent)
                row += [best, one.get("trials")]
            rows.append(row)
        heads = [f"{seconds} seconds"]
        for name in sets:
            heads += [SETS[name], "trials"]
        made.append(common.table(heads, rows))
    return {"sweep_quality": "\n\n".join(made)}


if __name__ == "__main__":
    common.main(__doc__, measure, tables, rounds=3, cases=SETS, peers=PEERS)
