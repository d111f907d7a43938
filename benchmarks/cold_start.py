"""Seconds of a whole `fit` from a cold process: digits (1,797 × 64), MLP 64-64-10, 50 epochs.

From the start of the process until the weights are there: the interpreter, imports, building,
compilation and training at batch 32. gradus runs with an empty and with a filled compilation
cache; target: with the cache filled at most scikit-learn's time plus 1.5 s. Libraries on JAX that
keep no cache by themselves are also shown with JAX's own cache switched on and filled. Beside it
the seconds of `gradus --help` (target 0.5 s).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import common

WIDTHS = (64,)
BATCH = 32
HELP = Path(sys.executable).with_name("gradus")
COMMANDS = {
    "gradus --help": [str(HELP), "--help"],
    "import gradus": [sys.executable, "-c", "import gradus"],
    "import jax": [sys.executable, "-c", "import jax"],
    "python alone": [sys.executable, "-c", "pass"],
}


class Case(NamedTuple):
    """A peer, whether its cache is filled, and whether it is JAX's, switched on from outside."""

    peer: str
    filled: bool = False
    switched_on: bool = False


CASES = {
    "gradus, cache empty": Case("gradus"),
    "gradus, cache filled": Case("gradus", filled=True),
    "scikit-learn": Case("scikit-learn"),
    "torch eager": Case("torch eager"),
    "keras (jax)": Case("keras (jax)"),
    "keras (jax), JAX's cache on and filled": Case("keras (jax)", True, True),
    "scan by hand": Case("scan by hand"),
    "scan by hand, JAX's cache on and filled": Case("scan by hand", True, True),
}


def once(case: Case, job: dict[str, Any], settings: Any, cache: Path, epochs: int) -> Any:
    """Return the seconds of one cold run, in parts."""
    extra = {
        "JAX_COMPILATION_CACHE_DIR": str(cache / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    with common.Worker({**job, "peer": case.peer}, cache, extra if case.switched_on else None) as w:
        made = w.ask("make", settings=settings)
        fit = w.ask("train", epochs=epochs)["seconds"]
        total = time.perf_counter() - w.began
        accuracy = w.ask("accuracy")["accuracy"]
    return {
        "total_s": total,
        "import_s": made["import_s"],
        "build_and_fit_s": made["build_s"] + fit,
        "train_accuracy": accuracy,
    }


def command_seconds(command: list[str]) -> float | None:
    """Return the seconds of a command; None if it fails or does not exist."""
    began = time.perf_counter()
    try:
        ended = subprocess.run(
            command, capture_output=True, check=False, env=common.environment(Path())
        )
    except FileNotFoundError:
        return None
    return time.perf_counter() - began if ended.returncode == 0 else None


def main() -> None:
    parser = common.parser(__doc__, repeats=7)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    options = parser.parse_args()
    epochs, repeats = (2, 1) if options.quick else (50, options.repeats)
    facts = common.machine()
    runs: dict[str, list[Any]] = {name: [] for name in options.cases}
    with tempfile.TemporaryDirectory() as folder:
        data = common.digits(Path(folder))
        job = {"data": str(data), "widths": WIDTHS, "batch": BATCH, "seed": 0}
        kinds = dict.fromkeys(CASES[name].peer for name in options.cases)
        settings, left_out = common.best_settings(kinds, job, 1 if options.quick else 99)
        runs = {name: [] for name in runs if CASES[name].peer in settings}
        for name in [name for name in runs if CASES[name].filled]:
            case, cache = CASES[name], common.cache_in(data, name)
            once(case, job, settings[case.peer], cache, epochs)
        times: dict[str, list[Any]] = {name: [] for name in COMMANDS}
        for repeat in range(repeats):
            for name in list(runs)[:: -1 if repeat % 2 else 1]:
                case = CASES[name]
                part = "" if case.filled else f"empty {repeat}"
                cache = common.cache_in(data, name, *([part] if part else []))
                runs[name].append(once(case, job, settings[case.peer], cache, epochs))
            for name, command in COMMANDS.items():
                times[name].append(command_seconds(command))
            common.say(f"round {repeat + 1} of {repeats} done")
    cases = {
        name: {
            **{key: common.median(run[key] for run in these) for key in these[0]},
            "settings": settings[CASES[name].peer],
            "runs": these,
        }
        for name, these in runs.items()
    }
    common.table(
        f"digits, {epochs} epochs from a cold process, medians",
        [
            {
                "library": name,
                "total s": case["total_s"],
                "import s": case["import_s"],
                "build, compile, train s": case["build_and_fit_s"],
                "train accuracy": case["train_accuracy"],
            }
            for name, case in cases.items()
        ],
    )
    for name, reason in left_out.items():
        print(f"{name}: {reason}: left out")
    commands = {
        name: None if None in found else common.median(found) for name, found in times.items()
    }
    common.table("commands", [{"command": n, "seconds": s} for n, s in commands.items()])
    for name, seconds in commands.items():
        if seconds is None:
            print(f"{name}: failed, or is not there")
    verdict = {"help_s": commands["gradus --help"], "help_target_s": 0.5}
    ours, other = runs.get("gradus, cache filled"), runs.get("scikit-learn")
    if ours and other:
        beyond = common.median(
            a["total_s"] - b["total_s"] for a, b in zip(ours, other, strict=True)
        )
        verdict |= {"seconds_over_scikit_learn": beyond, "seconds_over_target": 1.5}
        print(f"gradus, cache filled, takes {beyond:+.2f} s against scikit-learn (target +1.5 s)")
    common.emit(
        "cold_start",
        {
            "quick": options.quick,
            "epochs": epochs,
            "repeats": repeats,
            "machine": facts,
            "cases": cases,
            "commands_s": commands,
            "left_out": left_out,
            "verdict": verdict,
        },
    )


if __name__ == "__main__":
    main()
