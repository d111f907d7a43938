"""Seconds of a cross-validated search: `gr.SearchCV` against scikit-learn's `RandomizedSearchCV`.

32 candidates on 5 folds of scikit-learn's digits (1,797 × 64), a dense network 64-64-10, 50 epochs
at batch 32: 160 trainings and one more of the best candidate on all rows. scikit-learn's search of
its `MLPClassifier` has a process for each core, 2 of them. gradus runs with an empty and with a
filled compilation cache. Goal: with the cache filled at least 5 times as fast.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import common

TRIALS, EPOCHS, PROCESSES = 32, 50, 2
GOAL = 5.0  # times as fast as scikit-learn's
FILLED_BY = 999  # a seed of no round


class Case(NamedTuple):
    """A peer, and whether its cache is filled."""

    peer: str
    filled: bool = False


EMPTY, FILLED, SKLEARN = "gradus, empty cache", "gradus, filled cache", "scikit-learn"
CASES = {EMPTY: Case("gradus"), FILLED: Case("gradus", True), SKLEARN: Case("scikit-learn")}


def once(job: dict[str, Any], case: Case, cache: Path, trials: int, seed: int) -> dict[str, Any]:
    """Run one search in its own process; return its seconds, without imports, and its score."""
    with common.Worker({**job, "peer": case.peer}, cache) as worker:
        worker.ask("make", settings={})
        return worker.ask("sweep", trials=trials, seed=seed)


def measure(options: Any) -> dict[str, Any]:
    """Return the seconds and the best score of each case."""
    trials, epochs = (4, 2) if options.quick else (TRIALS, EPOCHS)
    left_out: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = common.digits(Path(folder))
        job = {"data": str(data), "search": True, "epochs": epochs, "processes": PROCESSES}

        def run(name: str, number: int) -> dict[str, Any]:
            case = CASES[name]
            cache = common.cache_in(data, name, *([] if case.filled else [number]))
            return once(job, case, cache, trials, number)

        if FILLED in options.peers:
            run(FILLED, FILLED_BY)
        runs = common.interleave(options.peers, options.rounds, run, left_out)
    cases = {name: {**common.medians(these), "runs": these} for name, these in runs.items()}
    if SKLEARN in runs:
        theirs = [each["seconds"] for each in runs[SKLEARN]]
        for name, these in runs.items():
            cases[name]["times"] = common.ratio(theirs, [each["seconds"] for each in these])
    return {"trials": trials, "epochs": epochs, "cases": cases, "left_out": left_out}


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the table of all cases."""
    rows = [
        [
            name,
            case["seconds"],
            common.goal(case.get("times"), GOAL if name == FILLED else None),
            f"{case['score']:.3f}",
        ]
        for name, case in result["cases"].items()
    ]
    heads = ["search", "seconds", "times as fast as scikit-learn", "best mean accuracy"]
    return {"search_cv": common.table(heads, rows)}


if __name__ == "__main__":
    common.main(__doc__, measure, tables, rounds=3, peers=CASES)
