"""Seconds of an epoch of a CNN, an LSTM, an autoencoder and a GAN, in gradus and its peers.

Each is a fifth of the time of a training of five epochs, with all that is done once for it.

On MNIST: conv 32, pool, conv 64, pool, dense 128 at batch 64; an LSTM of 128 over the 28 rows of an
image at batch 64; 784-128-32-128-784 at batch 128; a GAN of dense networks of 128 at batch 128.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import common
from networks import PEERS


class Case(NamedTuple):
    """A network: its description, batch size, number of samples, and goals against its peers."""

    label: str
    batch: int
    rows: int
    goals: dict[str, float]


EPOCHS = 5
KERAS, TORCH = "keras (jax)", "torch eager"
CASES = {
    "cnn": Case(
        "CNN (conv 32, pool, conv 64, pool, dense 128)", 64, 6_400, {TORCH: 1.5, KERAS: 2.0}
    ),
    "lstm": Case("LSTM(128) over 28 steps of 28", 64, 6_400, {TORCH: 1.2, KERAS: 1.5}),
    "autoencoder": Case("autoencoder 784-128-32-128-784", 128, 60_000, {TORCH: 2.5, KERAS: 1.4}),
    "gan": Case("GAN of dense networks of 128", 128, 60_000, {TORCH: 3.0}),
}


def measure(options: Any) -> dict[str, Any]:
    """Measure the interleaved epochs of all peers on each network."""
    networks = {}
    for name in options.cases:
        case = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            data = common.mnist(Path(folder), 640 if options.quick else case.rows)
            job = {"data": str(data), "network": name, "batch": case.batch, "seed": 0}
            peers = [peer for peer in PEERS if peer == "gradus" or peer in case.goals]
            networks[name] = common.epoch_times(peers, job, options, EPOCHS)
    return {"networks": networks}


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the table of all networks."""
    rows = []
    for name, found in result["networks"].items():
        case, peers = CASES[name], found["peers"]
        row: list[Any] = [f"{case.label}, batch {case.batch}, {case.rows:,} samples"]
        row.append(peers["gradus"]["epoch_s"])
        for peer in (KERAS, TORCH):
            one = peers.get(peer, {})
            row += [one.get("epoch_s"), common.goal(one.get("times"), case.goals.get(peer))]
        rows.append(row)
    heads = ["seconds per epoch", "gradus", "Keras on JAX", "speedup", "PyTorch eager", "speedup"]
    return {"network_speed": common.table(heads, rows)}


if __name__ == "__main__":
    common.main(__doc__, measure, tables, rounds=5, cases=CASES)
