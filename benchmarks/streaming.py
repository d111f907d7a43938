"""Training on a Parquet file that is read in parts, beside training on the same rows in memory.

Rows are 30 numbers, 4 categories and a target; the network is an MLP 128-64, at batch 1024. Each
round trains an epoch of both, one after another. The first epoch on the file encodes its rows, the
later ones read them encoded. The peak of resident memory is that of a process that only trains on
the file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import numpy as np

BATCH, NUMBERS, CATEGORIES = 1024, 30, 4
ROWS, IN_MEMORY, LARGE, FEW = 2_000_000, 500_000, 16_000_000, 20_000
SPEED_GOAL, MEMORY_GOAL = 0.7, 2000.0  # of the rows a second in memory; MB for a large file
GROUP = 125_000  # rows that are generated, and written, at once


def write_rows(path: Path, rows: int) -> None:
    """Write a Parquet folder of so many rows, about 270 bytes each."""
    import polars as pl

    path.mkdir()
    for part, start in enumerate(range(0, rows, GROUP)):
        rng, count = np.random.default_rng(part), min(GROUP, rows - start)
        columns: dict[str, Any] = {
            f"number_{i}": rng.normal(i, 1 + i, count) for i in range(NUMBERS)
        }
        for i in range(CATEGORIES):
            levels = np.array([f"level {k}" for k in range(5 * (i + 1))])
            columns[f"category_{i}"] = levels[rng.integers(0, len(levels), count)]
        columns["y"] = columns["number_0"] - columns["number_1"] / 3 + rng.normal(size=count)
        pl.DataFrame(columns).write_parquet(path / f"part-{part:05d}.parquet")


def new_model() -> Any:
    """Return the untrained network."""
    import gradus as gr

    layers = [gr.Dense(128, "relu"), gr.Dense(64, "relu"), gr.Dense(1)]
    return gr.Model(gr.Sequential(layers), "mse", gr.Adam(1e-3))


def epoch_rates(path: Path, in_memory: int, rounds: int) -> dict[str, Any]:
    """Return rows per second of epochs on a file and in memory, interleaved."""
    import gradus as gr

    rows = gr.data.stream(path, "y")
    x, y = rows.preprocessor().xy(rows.sample(in_memory).x)
    streamed, whole = new_model(), new_model()

    def rate(model: Any, count: int, *data: Any) -> float:
        began = time.perf_counter()
        model.fit(*data, batch_size=BATCH, epochs=1, verbose=False)
        return count / (time.perf_counter() - began)

    whole.fit(x, y, batch_size=BATCH, epochs=1, verbose=False)  # compiles
    first = rate(streamed, len(rows), rows)
    found: dict[str, list[float]] = {"memory": [], "file": []}
    for number in range(rounds):
        found["memory"].append(rate(whole, len(x), x, y))
        found["file"].append(rate(streamed, len(rows), rows))
        common.say(f"round {number + 1} of {rounds} done")
    return {
        "first_rate": first,
        "rates": {name: common.median(rates) for name, rates in found.items()},
        "relative": common.ratio(found["file"], found["memory"]),
        "first_relative": first / common.median(found["memory"]),
        "by_round": found,
    }


def peak_memory(path: Path) -> float:
    """Return the peak of resident memory of a process that trains on a file, in MB."""
    command = [sys.executable, __file__, "--train", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["peak_mb"])


def train_once(path: Path) -> None:
    """Train two epochs on a file, and print this process's peak of resident memory."""
    import gradus as gr

    rows, held_out = gr.data.stream(path, "y").split(0.1)
    new_model().fit(rows, batch_size=BATCH, epochs=2, validation_data=held_out, verbose=False)
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    print(json.dumps({"peak_mb": int(peak) * 1024 / 1e6}))


def measure(options: Any) -> dict[str, Any]:
    """Measure speed and memory."""
    scale = 100 if options.quick else 1
    with tempfile.TemporaryDirectory() as folder:
        small, large, few = (Path(folder, name) for name in ("small", "large", "few"))
        write_rows(small, ROWS // scale)
        speed = epoch_rates(small, IN_MEMORY // scale, options.rounds)
        write_rows(large, LARGE // scale)
        write_rows(few, FEW)
        size = sum(file.stat().st_size for file in large.iterdir())
        peaks = {"few": peak_memory(few), "large": peak_memory(large)}
    return {
        "batch": BATCH,
        "rows": ROWS // scale,
        "large_rows": LARGE // scale,
        "large_mb": size / 1e6,
        **speed,
        "peaks_mb": peaks,
    }


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the table of speeds, and of memory."""
    rates, peaks = result["rates"], result["peaks_mb"]
    speed = [
        ["in memory", rates["memory"], "1"],
        ["read in parts, first epoch", result["first_rate"], result["first_relative"]],
        ["read in parts", rates["file"], common.goal(result["relative"], SPEED_GOAL)],
    ]
    memory = [
        [f"{FEW:,} rows", peaks["few"]],
        [
            f"{result['large_rows']:,} rows, {result['large_mb'] / 1000:.1f} GB",
            common.goal(peaks["large"], MEMORY_GOAL, most=True),
        ],
    ]
    return {
        "streaming": common.table(["", "rows a second", "relative"], speed),
        "streaming-memory": common.table(["", "peak, MB"], memory),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train_once(Path(sys.argv[2]))
    else:
        common.main(__doc__, measure, tables, rounds=5)
