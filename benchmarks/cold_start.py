"""Seconds of a whole `fit` from a cold process: digits (1,797 × 64), MLP 64-64-10, 50 epochs.

From the start of the process until the weights are ready: interpreter, imports, building,
compilation and training at batch 32. gradus runs with an empty and with a filled compilation
cache; goal: with the cache filled at most scikit-learn's time plus 1.5 s. Libraries on JAX
without a cache of their own are also shown with JAX's cache enabled and filled. Also the seconds
of `gradus --help` (goal 0.5 s).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any, NamedTuple

import common

WIDTHS = (64,)
BATCH = 32
HELP, IMPORT = "gradus --help", "import gradus"
COMMANDS = {
    HELP: [str(Path(sys.executable).with_name("gradus")), "--help"],
    IMPORT: [sys.executable, "-c", "import gradus"],
    "import jax": [sys.executable, "-c", "import jax"],
    "python alone": [sys.executable, "-c", "pass"],
}
HELP_GOAL, OVER_GOAL = 0.5, 1.5  # seconds; more than scikit-learn


class Case(NamedTuple):
    """A peer, whether its cache is filled, and whether it is JAX's cache, enabled from outside."""

    peer: str
    filled: bool = False
    switched_on: bool = False


EMPTY, FILLED, SKLEARN = "gradus, empty cache", "gradus, filled cache", "scikit-learn"
TORCH, KERAS = "PyTorch eager", "Keras on JAX"
CASES = {
    EMPTY: Case("gradus"),
    FILLED: Case("gradus", filled=True),
    SKLEARN: Case("scikit-learn"),
    TORCH: Case("torch eager"),
    KERAS: Case("keras (jax)"),
    "Keras on JAX, JAX's cache on and filled": Case("keras (jax)", True, True),
    "scan by hand": Case("scan by hand"),
    "scan by hand, JAX's cache on and filled": Case("scan by hand", True, True),
}


def fit(case: Case, job: dict[str, Any], settings: Any, cache: Path, epochs: int) -> Any:
    """Return the seconds of one cold run, in parts."""
    extra = common.jax_cache(cache) if case.switched_on else {}
    with common.Worker({**job, "peer": case.peer}, cache, extra) as w:
        made = w.ask("make", settings=settings)
        seconds = w.ask("train", epochs=epochs)["seconds"]
        total = time.perf_counter() - w.began
        accuracy = w.ask("accuracy")["accuracy"]
    return {
        "total_s": total,
        "import_s": made["import_s"],
        "build_and_fit_s": made["build_s"] + seconds,
        "train_accuracy": accuracy,
    }


def command_seconds(name: str) -> float:
    """Return the seconds of a command."""
    began = time.perf_counter()
    subprocess.run(COMMANDS[name], capture_output=True, check=True, env=common.environment(Path()))
    return time.perf_counter() - began


def measure(options: Any) -> dict[str, Any]:
    """Return the seconds of all cases and commands."""
    epochs, left_out = 2 if options.quick else 50, dict[str, str]()
    with tempfile.TemporaryDirectory() as folder:
        data = common.digits(Path(folder))
        job = {"data": str(data), "widths": WIDTHS, "batch": BATCH, "seed": 0}
        kinds = [CASES[name].peer for name in options.peers]
        settings = common.best_settings(kinds, job, 1 if options.quick else 99, left_out)
        names = [name for name in options.peers if CASES[name].peer in settings]

        def once(name: str, number: int) -> Any:
            if name in COMMANDS:
                return command_seconds(name)
            case = CASES[name]
            cache = common.cache_in(data, name, *([] if case.filled else [number]))
            return fit(case, job, settings[case.peer], cache, epochs)

        for name in names:
            if CASES[name].filled:
                once(name, 0)
        runs = common.interleave([*names, *COMMANDS], options.rounds, once, left_out)
    commands = {name: common.median(runs.pop(name)) for name in COMMANDS}
    cases = {
        name: {**common.medians(these), "settings": settings[CASES[name].peer], "runs": these}
        for name, these in runs.items()
    }
    return {"epochs": epochs, "cases": cases, "commands_s": commands, "left_out": left_out}


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the table of all cases, and the sentence of the README."""
    cases, commands = result["cases"], result["commands_s"]
    rows = [
        [name, case["total_s"], case["import_s"], case["build_and_fit_s"]]
        for name, case in cases.items()
    ]
    made = [common.table(["seconds", "total", "import", "build, compile, and train"], rows)]
    if FILLED in cases and SKLEARN in cases:
        over = cases[FILLED]["total_s"] - cases[SKLEARN]["total_s"]
        made.append(
            f"With a filled cache gradus takes {common.number(abs(over), 2)} s "
            f"{'more' if over > 0 else 'less'} than scikit-learn "
            f"(goal: at most {OVER_GOAL:g} s more{', missed' if over > OVER_GOAL else ''})."
        )
    help_ = common.goal(commands[HELP], HELP_GOAL, most=True, unit=" s")
    made.append(f"`{HELP}` takes {help_}; `{IMPORT}` takes {common.number(commands[IMPORT], 2)} s.")
    others = [
        f"{name.removesuffix(' eager').removesuffix(' on JAX')} "
        f"{common.number(cases[name]['total_s'], 2)} s"
        for name in (SKLEARN, TORCH, KERAS)
        if name in cases
    ]
    first, later = (common.number(cases[name]["total_s"], 2) for name in (EMPTY, FILLED))
    summary = (
        f"Training on scikit-learn's digits for {result['epochs']} epochs from a cold process, "
        f"imports and compilation included, takes gradus {first} s the first time and {later} s "
        f"after that, because it keeps compiled programs. For comparison: {', '.join(others)}."
    )
    return {"cold_start": "\n\n".join(made), "cold_start.summary": textwrap.fill(summary, 100)}


if __name__ == "__main__":
    common.main(__doc__, measure, tables, rounds=7, peers=CASES)
