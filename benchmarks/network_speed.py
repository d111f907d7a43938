"""Seconds of an epoch of a CNN, an LSTM, an autoencoder and a GAN, in gradus and its peers.

On MNIST: conv 32, pool, conv 64, pool, dense 128 at batch 64; an LSTM of 128 over the 28 rows of a
picture at batch 64; 784-128-32-128-784 at batch 128; a GAN of dense networks of 128 at batch 128.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import common
from networks import NETWORKS, PEERS

BATCH = {"cnn": 64, "lstm": 64, "autoencoder": 128, "gan": 128}
ROWS = {"cnn": 6_400, "lstm": 6_400, "autoencoder": 60_000, "gan": 60_000}
TARGETS = {
    "cnn": {"torch eager": 1.0, "keras (jax)": 2.0},
    "lstm": {"torch eager": 1.0, "keras (jax)": 1.5},
    "autoencoder": {"torch eager": 2.0, "keras (jax)": 1.4},
    "gan": {"torch eager": 3.0},
}


def measure(network: str, data: Path, epochs: int, repeats: int, most: int) -> dict[str, Any]:
    """Return the epochs of all peers on one network, taken in turns."""
    job = {"data": str(data), "network": network, "batch": BATCH[network], "seed": 0}
    names = [name for name in PEERS if name == "gradus" or name in TARGETS[network]]
    opened = common.open_workers(names, job, epochs=epochs, most=most)
    workers = opened["workers"]

    def timed(name: str) -> float:
        return float(workers[name].ask("train", epochs=epochs)["seconds"]) / epochs

    try:
        turns = {name: (lambda name=name: timed(name)) for name in workers}
        rounds = common.interleave(turns, repeats)
        accuracy = {name: worker.ask("accuracy")["accuracy"] for name, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.close()
    peers = {
        name: {
            "epoch_s": common.median(times),
            "epoch_s_all": times,
            "gradus_times_faster": common.ratio(times, rounds["gradus"]),
            "target": TARGETS[network].get(name),
            "before_first_epoch_s": opened["tuned"][name]["first_epoch_s"],
            "test_accuracy": accuracy[name],
            "settings": opened["tuned"][name]["settings"],
        }
        for name, times in rounds.items()
    }
    return {"network": network, "peers": peers, "left_out": opened["left_out"]}


def show(found: dict[str, Any]) -> None:
    """Print one network's table."""
    network = found["network"]
    rows = [
        {
            network: name,
            "epoch s": peer["epoch_s"],
            "gradus is × faster": peer["gradus_times_faster"],
            "target": peer["target"],
            "first epoch s": peer["before_first_epoch_s"],
            "test accuracy": peer["test_accuracy"],
            "settings": ", ".join(f"{k}={v}" for k, v in peer["settings"].items()) or None,
        }
        for name, peer in found["peers"].items()
    ]
    common.table(f"MNIST, {network}, batch {BATCH[network]}, medians of interleaved rounds", rows)


def main() -> None:
    """Measure the networks that are asked for."""
    parser = common.parser(__doc__, repeats=5)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    options = parser.parse_args()
    results = []
    for network in options.networks:
        with tempfile.TemporaryDirectory() as folder:
            data = common.mnist(Path(folder), 640 if options.quick else ROWS[network])
            repeats, most = (2, 1) if options.quick else (options.repeats, 99)
            results.append(measure(network, data, 1, repeats, most))
        show(results[-1])
    facts = {"quick": options.quick, "repeats": options.repeats, "machine": common.machine()}
    common.emit("network_speed", {**facts, "networks": results})


if __name__ == "__main__":
    main()
