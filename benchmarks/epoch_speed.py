"""Seconds of an epoch of MNIST, MLP 784-128-64-10, Adam, in gradus and its peers.

Each library first tries its own settings and keeps the fastest; then all epochs are timed in
turn. Goals: at batch 32 / 128 / 512 at least 2.5 / 2 / 1.3 × as fast as the fastest of
scikit-learn, Keras and PyTorch, 2.8 / 2 / 1.9 × PyTorch eager; within 10 % of the scan by hand with
probes on; probes at most 5 %.
"""

from __future__ import annotations

import tempfile
import textwrap
from pathlib import Path
from typing import Any

import common
from peers import CLASSES, PEERS

WIDTHS = (128, 64)
OTHERS = ("keras (jax)", "torch eager", "torch compile", "scikit-learn")
SCAN, PLAIN, EAGER = "scan by hand", "gradus without probes", "torch eager"
FASTEST_GOALS = {32: 2.5, 128: 2.0, 512: 1.3}
PEER_GOALS = {
    SCAN: dict.fromkeys(FASTEST_GOALS, 0.91),  # at most 10 % slower
    PLAIN: dict.fromkeys(FASTEST_GOALS, 0.95),  # at most 5 %
    EAGER: {32: 2.8, 128: 2.0, 512: 1.9},
}
LABELS = {
    "gradus": "gradus",
    PLAIN: "gradus without probes",
    SCAN: "scan written by hand in JAX and Optax",
    "keras (jax)": "Keras on JAX",
    EAGER: "PyTorch eager, fused Adam",
    "torch compile": "PyTorch, `torch.compile`",
    "scikit-learn": "scikit-learn `MLPClassifier`",
}


def measure(options: Any) -> dict[str, Any]:
    """Measure the seconds per epoch of all peers at each batch size."""
    rows, epochs = (2000, 1) if options.quick else (60_000, 5)
    flops = common.network_flops(rows, (784, *WIDTHS, CLASSES))
    batches = {}
    with tempfile.TemporaryDirectory() as folder:
        data = common.mnist(Path(folder), rows)
        for batch in options.cases[-1:] if options.quick else options.cases:
            job = {"data": str(data), "widths": WIDTHS, "batch": batch, "seed": 0}
            found = common.epoch_times(options.peers, job, options, epochs)
            for peer in found["peers"].values():
                rate = flops / peer["epoch_s"] / 1e9
                peer["share_of_matmul_rate"] = rate / found["matmul_gflops"]
            batches[batch] = found
    return {"rows": rows, "epochs": epochs, "flops_an_epoch": flops, "batches": batches}


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the table of all peers, and the one of the README."""
    batches = {int(batch): found["peers"] for batch, found in result["batches"].items()}
    heads, shares = [""], []
    for batch, peers in batches.items():
        heads += [f"batch {batch}, s", "speedup"]
        shares.append(common.number(100 * peers["gradus"]["share_of_matmul_rate"], 2) + "%")
    rows = []
    for name, label in LABELS.items():
        row: list[Any] = [label]
        for batch, peers in batches.items():
            if name not in peers:
                row += [None, None]
                continue
            times = None if name == "gradus" else peers[name]["times"]
            row += [peers[name]["epoch_s"], common.goal(times, wanted(name, batch, peers))]
        rows.append(row)
    share = (
        f"gradus reaches {' / '.join(shares)} of the machine's matrix-product rate, measured with "
        "NumPy in the same run."
    )
    summary = common.table(
        ["seconds per epoch", *(f"batch {batch}" for batch in batches)],
        [
            [label, *(peers.get(name, {}).get("epoch_s") for peers in batches.values())]
            for name, label in LABELS.items()
            if name != PLAIN
        ],
    )
    return {
        "epoch_speed": f"{common.table(heads, rows)}\n\n{textwrap.fill(share, 100)}",
        "epoch_speed.summary": f"{summary}\n\n{textwrap.fill(common.origin(result), 100)}",
    }


def wanted(name: str, batch: int, peers: dict[str, Any]) -> float | None:
    """Return the goal for the speedup of gradus over a peer, if there is one."""
    goals = [PEER_GOALS.get(name, {}).get(batch)]
    others = [other for other in OTHERS if other in peers]
    if name in others and name == min(others, key=lambda other: peers[other]["epoch_s"]):
        goals.append(FASTEST_GOALS.get(batch))
    return max((one for one in goals if one is not None), default=None)


if __name__ == "__main__":
    common.main(__doc__, measure, tables, rounds=5, cases=FASTEST_GOALS, peers=PEERS)
