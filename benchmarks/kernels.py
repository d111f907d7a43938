"""Seconds of an epoch with native kernels and without, each in a process of its own.

MNIST with the MLP 784-128-64-10, and digits with 64-64-10, Adam, as users call `fit`; in seconds of
the clock and of the processor, which vary less. Goals, against gradus without kernels: MNIST
1.6 / 1.3 / 1.1 × as fast at batch 32 / 128 / 512, digits 2 ×.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import common

from gradus.kernels.library import library


class Case(NamedTuple):
    """A data set and network, how many epochs a timed run has, and the goal."""

    label: str
    data: Callable[[Path], Path]
    widths: tuple[int, ...]
    batch: int
    epochs: int
    goal: float


CASES = {
    "mnist-32": Case("MNIST, batch 32", common.mnist, (128, 64), 32, 5, 1.6),
    "mnist-128": Case("MNIST, batch 128", common.mnist, (128, 64), 128, 5, 1.3),
    "mnist-512": Case("MNIST, batch 512", common.mnist, (128, 64), 512, 5, 1.1),
    "digits-32": Case("digits, batch 32", common.digits, (64,), 32, 100, 2.0),
}
OFF, ON = "off", "on"


def measure(options: Any) -> dict[str, Any]:
    """Measure the interleaved epochs of each case, with kernels and without."""
    os.environ["GRADUS_KERNELS"] = ON
    if library().instructions is None:
        sys.exit(f"native kernels: {library()}")
    cases = {}
    for name in options.cases:
        case = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            data = str(case.data(Path(folder)))
            cases[name] = epochs(case, data, 1 if options.quick else case.epochs, options.rounds)
    return {"cases": cases}


def epochs(case: Case, data: str, count: int, rounds: int) -> dict[str, Any]:
    """Return the seconds per epoch of both settings in every round, and the test accuracies."""
    job = {"peer": "gradus", "data": data, "widths": case.widths, "batch": case.batch, "seed": 0}
    workers = {
        setting: common.Worker(job, Path(data) / setting, {"GRADUS_KERNELS": setting})
        for setting in (OFF, ON)
    }
    try:
        first = {
            setting: worker.ask("tune", epochs=1, most=1)["first_epoch_s"]
            for setting, worker in workers.items()
        }
        times = common.interleave(
            workers, rounds, lambda setting, _: workers[setting].ask("train", epochs=count), {}
        )
        accuracy = {setting: workers[setting].ask("accuracy")["accuracy"] for setting in workers}
    except common.LeftOutError as error:
        sys.exit(str(error))
    finally:
        for worker in workers.values():
            worker.close()
    found: dict[str, Any] = {"first_epoch_s": first, "test_accuracy": accuracy}
    for kind in ("seconds", "cpu_seconds"):
        by_round = {key: [run[kind] / count for run in runs] for key, runs in times.items()}
        found[kind] = {key: common.median(values) for key, values in by_round.items()}
        found[f"{kind}_by_round"] = by_round
        found[f"{kind}_speedup"] = common.ratio(by_round[OFF], by_round[ON])
    return found


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the table of all cases."""
    rows = [
        [
            CASES[name].label,
            found["seconds"][OFF],
            found["seconds"][ON],
            common.goal(found["seconds_speedup"], CASES[name].goal),
            found["cpu_seconds_speedup"],
            found["first_epoch_s"][OFF],
            found["first_epoch_s"][ON],
        ]
        for name, found in result["cases"].items()
    ]
    heads = ["seconds per epoch", "without kernels", "with", "speedup", "speedup in CPU seconds"]
    heads += ["first epoch without, compilation included", "with"]
    return {"kernels": common.table(heads, rows)}


if __name__ == "__main__":
    common.main(__doc__, measure, tables, rounds=7, cases=CASES)
