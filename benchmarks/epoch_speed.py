"""Seconds of an epoch of MNIST, MLP 784-128-64-10, Adam, in gradus and its peers.

Each library first tries its own settings and keeps the fastest; then the epochs of all are timed
in turns. Ratios are medians of the ratios of a round, so that a drifting machine cancels. What
precedes the first timed epoch (import, compilation) is told apart. Targets: at batch 32 / 128 /
512 at least 1.8 / 1.4 / 1.15 × as fast as the fastest of scikit-learn, Keras and PyTorch, 2.8 /
2 / 1.9 × PyTorch eager; within 10 % of the scan by hand with probes on; probes at most 5 %.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import common
from peers import CLASSES, PEERS

WIDTHS = (128, 64)
OTHERS = ("scikit-learn", "keras (jax)", "torch eager", "torch compile")
TARGETS = {32: (1.8, 2.8), 128: (1.4, 2.0), 512: (1.15, 1.9)}  # of the fastest, of torch eager
OURS, PLAIN, SCAN = "gradus", "gradus without probes", "scan by hand"


def measure(
    batch: int, names: list[str], data: Path, epochs: int, repeats: int, most: int
) -> dict[str, Any]:
    """Return the seconds of an epoch of all peers at one batch size, and what follows from them."""
    job = {"data": str(data), "widths": WIDTHS, "batch": batch, "seed": 0}
    opened = common.open_workers(names, job, epochs=min(2, epochs), most=most)
    workers = opened.pop("workers")

    def timed(name: str) -> float:
        return workers[name].ask("train", epochs=epochs)["seconds"] / epochs

    try:
        turns = {name: (lambda name=name: timed(name)) for name in workers}
        turns["matmul"] = common.matmul_rate
        rounds = common.interleave(turns, repeats)
        accuracy = {name: worker.ask("accuracy")["accuracy"] for name, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.close()
    return {**opened, "rates": rounds.pop("matmul"), "rounds": rounds, "accuracy": accuracy}


def judge(batch: int, found: dict[str, Any], flops: int) -> dict[str, Any]:
    """Return the ratios and shares of one batch size, with the targets beside them."""
    rounds, rate = found["rounds"], common.median(found["rates"])
    peers = {
        name: {
            "epoch_s": common.median(times),
            "epoch_s_all": times,
            "gradus_times_faster": common.ratio(times, rounds[OURS]) if OURS in rounds else None,
            "share_of_matmul_rate": flops / common.median(times) / 1e9 / rate,
            "before_first_epoch_s": startup(found["tuned"][name]),
            "settings": found["tuned"][name]["settings"],
            "test_accuracy": found["accuracy"][name],
            "tried": found["tuned"][name]["tried"],
        }
        for name, times in rounds.items()
    }
    verdict: dict[str, Any] = {}
    if OURS in rounds:
        others = [name for name in OTHERS if name in rounds]
        if others:
            fastest = min(others, key=lambda name: peers[name]["epoch_s"])
            verdict["fastest_other"] = fastest
            verdict["times_faster_than_fastest"] = peers[fastest]["gradus_times_faster"]
        if "torch eager" in rounds:
            verdict["times_faster_than_torch_eager"] = peers["torch eager"]["gradus_times_faster"]
        if SCAN in rounds:
            verdict["time_over_scan"] = common.ratio(rounds[OURS], rounds[SCAN])
        if PLAIN in rounds:
            verdict["time_over_no_probes"] = common.ratio(rounds[OURS], rounds[PLAIN])
    targets = dict(
        zip(
            ("times_faster_than_fastest", "times_faster_than_torch_eager"),
            TARGETS.get(batch, (None, None)),
            strict=True,
        ),
        time_over_scan=1.10,
        time_over_no_probes=1.05,
    )
    return {
        "batch": batch,
        "matmul_gflops": rate,
        "peers": peers,
        "left_out": found["left_out"],
        "verdict": verdict,
        "targets": targets,
    }


def startup(tuned: dict[str, Any]) -> float:
    """Return the seconds of building and compiling: the first epoch less a later one."""
    return tuned["build_s"] + max(0.0, tuned["first_epoch_s"] - tuned["epoch_s"])


def show(found: dict[str, Any]) -> None:
    rows = [
        {
            f"batch {found['batch']}": name,
            "epoch s": peer["epoch_s"],
            "gradus is × faster": peer["gradus_times_faster"],
            "% of matmul": 100 * peer["share_of_matmul_rate"],
            "build, compile s": peer["before_first_epoch_s"],
            "settings": ", ".join(f"{k}={v}" for k, v in peer["settings"].items()) or None,
        }
        for name, peer in found["peers"].items()
    ]
    common.table(f"MNIST, batch {found['batch']}, medians of interleaved rounds", rows)
    for name, reason in found["left_out"].items():
        print(f"{name}: {reason}: left out")
    for name, value in found["verdict"].items():
        target = found["targets"].get(name)
        shown = f"{value:.3g}" if isinstance(value, float) else value
        print(f"{name.replace('_', ' ')}: {shown}" + (f" (target {target})" if target else ""))


def main() -> None:
    parser = common.parser(__doc__, repeats=5)
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--epochs", type=int, default=5, help="of one timed run; default 5")
    options = parser.parse_args()
    quick = options.quick
    repeats, epochs = (2, 1) if quick else (options.repeats, options.epochs)
    batches = options.batch[-1:] if quick else options.batch
    facts = common.machine()
    with tempfile.TemporaryDirectory() as folder:
        data = common.mnist(Path(folder), 2000 if quick else None)
        rows = 2000 if quick else 60_000
        flops = common.network_flops(rows, (784, *WIDTHS, CLASSES))
        results = []
        for batch in batches:
            most = 1 if quick else 99
            found = measure(batch, options.peers, data, epochs, repeats, most)
            results.append(judge(batch, found, flops))
            show(results[-1])
    common.emit(
        "epoch_speed",
        {
            "quick": quick,
            "rows": rows,
            "epochs_a_run": epochs,
            "repeats": repeats,
            "flops_an_epoch": flops,
            "machine": facts,
            "batches": results,
        },
    )


if __name__ == "__main__":
    main()
