"""Peak resident memory of `fit` on MNIST, MLP 784-128-64-10, in gradus and its peers.

Each in a fresh process that holds the 60,000 × 784 float32 training images (188 MB) once, read
from disk; the peak is taken after the last epoch. Target: at most 1.5 × the PyTorch loop.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import common
from peers import PEERS

WIDTHS = (128, 64)
# The leanest settings: batches are gathered one by one, not a shuffled copy for each epoch.
SETTINGS: dict[str, dict[str, Any]] = {
    "scan by hand": {"gather": "step"},
    "scikit-learn": {"by": "fit"},
    "keras (jax)": {"steps_per_execution": 16},
    "torch eager": {"gather": "step"},
    "torch compile": {"compiled": "whole", "gather": "step"},
}


def once(name: str, data: Path, batch: int, epochs: int, repeat: int) -> dict[str, float]:
    """Return the peaks of one process in MB: after the import, and after training."""
    job = {
        "peer": name,
        "data": str(data),
        "widths": WIDTHS,
        "batch": batch,
        "seed": 0,
        "no_test": True,
    }
    cache = common.cache_in(data, name, batch, repeat)
    with common.Worker(job, cache) as worker:
        worker.ask("make", settings=SETTINGS.get(name, {}))
        before = worker.ask("memory")["peak_mb"]
        worker.ask("train", epochs=epochs)
        return {"imported_mb": before, "peak_mb": worker.ask("memory")["peak_mb"]}


def main() -> None:
    parser = common.parser(__doc__, repeats=3)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=3)
    names = [name for name in PEERS if name != "scan by hand, loss only"]
    parser.add_argument("--peers", nargs="+", choices=names, default=names)
    options = parser.parse_args()
    epochs, repeats = (1, 1) if options.quick else (options.epochs, options.repeats)
    facts = common.machine()
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in options.peers}
    left_out: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = common.mnist(Path(folder), 2000 if options.quick else None)
        data_mb = (data / "x_train.npy").stat().st_size / 2**20
        for repeat in range(repeats):
            for name in list(runs):
                try:
                    runs[name].append(once(name, data, options.batch, epochs, repeat))
                except (common.LeftOutError, RuntimeError) as error:
                    left_out[name] = common.leave_out(name, error)
                    del runs[name]
            common.say(f"round {repeat + 1} of {repeats} done")
    torch = runs.get("torch eager")
    peers = {}
    for name, these in runs.items():
        peak = common.median(run["peak_mb"] for run in these)
        peers[name] = {
            "peak_mb": peak,
            "imported_mb": common.median(run["imported_mb"] for run in these),
            "times_torch": peak / common.median(t["peak_mb"] for t in torch) if torch else None,
            "runs": these,
        }
    common.table(
        f"MNIST, batch {options.batch}, {epochs} epochs; the data alone are {data_mb:.0f} MB",
        [
            {
                "library": name,
                "peak MB": peer["peak_mb"],
                "with data, after import MB": peer["imported_mb"],
                "× torch eager": peer["times_torch"],
            }
            for name, peer in peers.items()
        ],
    )
    for name, reason in left_out.items():
        print(f"{name}: {reason}: left out")
    common.emit(
        "memory",
        {
            "quick": options.quick,
            "batch": options.batch,
            "epochs": epochs,
            "repeats": repeats,
            "data_mb": data_mb,
            "machine": facts,
            "peers": peers,
            "left_out": left_out,
            "targets": {"times_torch": 1.5},
        },
    )


if __name__ == "__main__":
    main()
