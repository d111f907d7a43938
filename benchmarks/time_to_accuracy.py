"""Seconds from a cold process to 97 % test accuracy on MNIST, in gradus and its peers.

The total includes import, building, compilation, training and the evaluation after each epoch. The
share of compilation is found by training the same number of epochs again in the same warm process.
The compilation cache is empty, and in a second row for gradus filled. Every round has a new seed.
Each library runs with the settings that were fastest in its own warm-up.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import common
from epoch_speed import LABELS, WIDTHS
from peers import PEERS

NEVER = 2.0  # an accuracy that is never reached
MOST = 30  # epochs
FILLED = "gradus, filled cache"
NAMES = {"gradus": "gradus", FILLED: "gradus"} | {
    name: name for name in PEERS if not name.startswith("gradus")
}


def reach(name: str, job: dict[str, Any], settings: Any, cache: Path, accuracy: float) -> Any:
    """Return the seconds of one cold run in parts, with its epochs and accuracy."""
    with common.Worker(job, cache) as worker:
        made = worker.ask("make", settings=settings)
        cold = worker.ask("until", accuracy=accuracy, most=MOST)
        warm = worker.ask("until", accuracy=NEVER, most=cold["epochs"])
    if cold["accuracy"] < accuracy:
        common.say(f"{name}: {cold['accuracy']:.4f} after {cold['epochs']} epochs")
    compile_s = max(0.0, cold["seconds"] - warm["seconds"])
    return {
        "import_s": made["import_s"],
        "build_and_compile_s": made["build_s"] + compile_s,
        "train_s": cold["seconds"] - compile_s,
        "total_s": made["import_s"] + made["build_s"] + cold["seconds"],
        "epochs": cold["epochs"],
        "accuracy": cold["accuracy"],
    }


def measure_batch(batch: int, options: Any, data: Path, accuracy: float) -> dict[str, Any]:
    """Return the runs of all peers at one batch size."""
    job, left_out = {"data": str(data), "widths": WIDTHS, "batch": batch}, dict[str, str]()
    kinds = [NAMES[name] for name in options.peers]
    most = 1 if options.quick else 99
    settings = common.best_settings(kinds, {**job, "seed": 0}, most, left_out)
    if "scikit-learn" in settings:  # only partial_fit keeps Adam's state
        settings["scikit-learn"] |= {"by": "partial_fit"}

    def once(name: str, number: int) -> Any:
        kind = NAMES[name]
        cache = common.cache_in(data, name, batch, *([] if name == FILLED else [number]))
        this = {**job, "peer": kind, "seed": number}
        return reach(name, this, settings[kind], cache, accuracy)

    names = [name for name in options.peers if NAMES[name] in settings]
    once(FILLED, 0)
    runs = common.interleave(names, options.rounds, once, left_out)
    peers = {
        name: {**common.medians(these), "settings": settings[NAMES[name]], "runs": these}
        for name, these in runs.items()
    }
    return {"peers": peers, "left_out": left_out}


def measure(options: Any) -> dict[str, Any]:
    """Return the runs at each batch size."""
    accuracy = 0.5 if options.quick else 0.97
    with tempfile.TemporaryDirectory() as folder:
        data = common.mnist(Path(folder), 2000 if options.quick else None)
        batches = options.cases[-1:] if options.quick else options.cases
        found = {batch: measure_batch(batch, options, data, accuracy) for batch in batches}
    return {"accuracy": accuracy, "batches": found}


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the table of all peers."""
    parts = ("total_s", "build_and_compile_s", "train_s")
    labels = {"gradus": "gradus, empty cache", FILLED: FILLED} | {
        name: LABELS[name] for name in LABELS if name in NAMES and name != "gradus"
    }
    heads, batches = ["seconds"], result["batches"]
    for batch in batches:
        heads += [f"batch {batch}, total", "compiling", "training"]
    rows = [
        [label, *(b["peers"].get(name, {}).get(part) for b in batches.values() for part in parts)]
        for name, label in labels.items()
    ]
    return {"time_to_accuracy": common.table(heads, rows)}


if __name__ == "__main__":
    common.main(__doc__, measure, tables, rounds=3, cases=(32, 128, 512), peers=NAMES)
