"""Seconds from a cold process to 97 % test accuracy on MNIST, in gradus and its peers.

The total holds import, building, compilation, training and the test after each epoch. How much of
it is compilation is found by training as many epochs again in the same, now warm process. The
compilation cache is empty, and in a second row for gradus filled. Repeats use different seeds.
Each library runs with the settings that were fastest in a warm-up of its own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import common
from peers import PEERS

WIDTHS = (128, 64)
NEVER = 2.0  # an accuracy that is not reached
FILLED = "gradus, cache filled"
NAMES = {name: name for name in PEERS if name != "gradus without probes"} | {FILLED: "gradus"}


def once(name: str, job: dict[str, Any], settings: Any, cache: Path, goal: float, most: int) -> Any:
    """Return the seconds of one cold run in parts, with its epochs and accuracy."""
    with common.Worker(job, cache) as worker:
        made = worker.ask("make", settings=settings)
        cold = worker.ask("until", accuracy=goal, most=most)
        warm = worker.ask("until", accuracy=NEVER, most=cold["epochs"])
    if cold["accuracy"] < goal:
        common.say(f"{name}: {cold['accuracy']:.4f} after {cold['epochs']} epochs")
    compile_s = max(0.0, cold["seconds"] - warm["seconds"])
    return {
        "import_s": made["import_s"],
        "build_and_compile_s": made["build_s"] + compile_s,
        "train_s": cold["seconds"] - compile_s,
        "total_s": made["import_s"] + made["build_s"] + cold["seconds"],
        "epochs": cold["epochs"],
        "accuracy": cold["accuracy"],
        "reached": cold["accuracy"] >= goal,
    }


def measure(batch: int, options: Any, data: Path, goal: float, most: int) -> dict[str, Any]:
    """Return the runs of all peers at one batch size."""
    common_job = {"data": str(data), "widths": WIDTHS, "batch": batch}
    kinds = dict.fromkeys(NAMES[name] for name in options.peers)
    settings, left_out = common.best_settings(
        kinds, {**common_job, "seed": 0}, 1 if options.quick else 99
    )
    if "scikit-learn" in settings:  # only partial_fit goes on with Adam's memory
        settings["scikit-learn"] |= {"by": "partial_fit"}
    names = [name for name in options.peers if NAMES[name] in settings]
    runs: dict[str, list[Any]] = {name: [] for name in names}
    filled = common.cache_in(data, "filled", batch)
    repeats = 1 if options.quick else options.repeats
    for repeat in range(repeats):
        for name in names[:: -1 if repeat % 2 else 1]:
            kind = NAMES[name]
            if name not in runs:
                continue
            job = {**common_job, "peer": kind, "seed": repeat}
            cache = common.cache_in(data, "empty", name, batch, repeat)
            try:
                if name == FILLED:
                    cache = filled
                    if not repeat:
                        once(name, job, settings[kind], cache, goal, most)
                runs[name].append(once(name, job, settings[kind], cache, goal, most))
            except (common.LeftOutError, RuntimeError) as error:
                left_out[name] = common.leave_out(name, error)
                del runs[name]
        common.say(f"batch {batch}: round {repeat + 1} of {repeats} done")
    peers = {
        name: {
            **{key: common.median(run[key] for run in these) for key in these[0]},
            "reached": all(run["reached"] for run in these),
            "gradus_times_faster": common.ratio(
                [run["total_s"] for run in these], [run["total_s"] for run in runs["gradus"]]
            )
            if "gradus" in runs
            else None,
            "gradus_times_faster_training": common.ratio(
                [run["train_s"] for run in these], [run["train_s"] for run in runs["gradus"]]
            )
            if "gradus" in runs
            else None,
            "settings": settings[NAMES[name]],
            "runs": these,
        }
        for name, these in runs.items()
    }
    return {"batch": batch, "peers": peers, "left_out": left_out}


def show(found: dict[str, Any], goal: float) -> None:
    rows = [
        {
            f"batch {found['batch']}": name,
            "total s": peer["total_s"],
            "import s": peer["import_s"],
            "build, compile s": peer["build_and_compile_s"],
            "train s": peer["train_s"],
            "epochs": peer["epochs"],
            "gradus is × faster, total": peer["gradus_times_faster"],
            "training": peer["gradus_times_faster_training"],
            "reached": "yes" if peer["reached"] else "no",
        }
        for name, peer in found["peers"].items()
    ]
    common.table(f"MNIST to {goal:.0%} test accuracy from a cold process, medians", rows)
    for name, reason in found["left_out"].items():
        print(f"{name}: {reason}: left out")


def main() -> None:
    parser = common.parser(__doc__, repeats=3)
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--peers", nargs="+", choices=list(NAMES), default=list(NAMES))
    parser.add_argument("--most-epochs", type=int, default=30)
    options = parser.parse_args()
    goal = 0.5 if options.quick else 0.97
    batches = options.batch[-1:] if options.quick else options.batch
    facts = common.machine()
    with tempfile.TemporaryDirectory() as folder:
        data = common.mnist(Path(folder), 2000 if options.quick else None)
        results = []
        for batch in batches:
            results.append(measure(batch, options, data, goal, options.most_epochs))
            show(results[-1], goal)
    common.emit(
        "time_to_accuracy",
        {"quick": options.quick, "goal": goal, "machine": facts, "batches": results},
    )


if __name__ == "__main__":
    main()
