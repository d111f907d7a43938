"""Peak resident memory of `fit` on MNIST, MLP 784-128-64-10, in gradus and its peers.

Each runs in a fresh process that holds the 60,000 × 784 float32 training images (188 MB) once,
read from disk; the peak is read after the last epoch. Goal: at most 1.5 × the PyTorch loop.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import common
from epoch_speed import EAGER, LABELS, WIDTHS
from peers import PEERS

BATCH = 128
GOAL = 1.5  # × PyTorch
# The settings with the least memory: batches are gathered one by one, without a shuffled copy.
SETTINGS: dict[str, dict[str, Any]] = {
    "scan by hand": {"gather": "step"},
    "scikit-learn": {"by": "fit"},
    "keras (jax)": {"steps_per_execution": 16},
    "torch eager": {"gather": "step"},
    "torch compile": {"compiled": "whole", "gather": "step"},
}


def measure(options: Any) -> dict[str, Any]:
    """Measure the peaks of all peers in MB, after import and after training."""
    epochs, left_out = 1 if options.quick else 3, dict[str, str]()
    with tempfile.TemporaryDirectory() as folder:
        data = common.mnist(Path(folder), 2000 if options.quick else None)
        job = {"data": str(data), "widths": WIDTHS, "batch": BATCH, "seed": 0, "no_test": True}

        def once(name: str, number: int) -> dict[str, float]:
            cache = common.cache_in(data, name, number)
            with common.Worker({**job, "peer": name}, cache) as worker:
                worker.ask("make", settings=SETTINGS.get(name, {}))
                before = worker.ask("memory")["peak_mb"]
                worker.ask("train", epochs=epochs)
                return {"imported_mb": before, "peak_mb": worker.ask("memory")["peak_mb"]}

        runs = common.interleave(options.peers, options.rounds, once, left_out)
    peers = {name: {**common.medians(these), "runs": these} for name, these in runs.items()}
    return {"batch": BATCH, "epochs": epochs, "peers": peers, "left_out": left_out}


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the table of peaks."""
    peers = result["peers"]
    torch = peers.get(EAGER, {}).get("peak_mb")
    rows = []
    for name, label in LABELS.items():
        if name in peers:
            peak = peers[name]["peak_mb"]
            times = peak / torch if torch else None
            times_goal = GOAL if name == "gradus" else None
            rows.append([label, f"{peak:.0f}", common.goal(times, times_goal, most=True)])
    return {"memory": common.table(["", "peak, MB", "relative to PyTorch eager"], rows)}


if __name__ == "__main__":
    names = [name for name in PEERS if name != "gradus without probes"]
    common.main(__doc__, measure, tables, rounds=3, peers=names)
