"""Training on more gigabytes of rows than memory: the kernel gives the process 2 GB.

The limit is Linux's `RLIMIT_DATA`. It counts all private memory that a process may write to, used
or not: heaps, arrays, stacks of threads. It leaves out what is mapped of files. An allocation
beyond it fails, and with it the training. The process that checks the files has the same limit of
its own. What an allocator reserves without using it counts, too, so that of Polars gives it back.

Rows are 51 numbers and a target, float64, in row groups of 1,048,576 rows, as pyarrow writes them,
which are 436 MB each; random numbers, which do not compress. Groups hold the same columns in an
order of their own, so that the files are written fast. The network has 16 hidden units, the batch
is 8192, and validation rows are held out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import numpy as np

NUMBERS, GROUP, BATCH = 51, 1 << 20, 8192
SIZES = [5, 20]  # GB
LIMIT = 2_000_000_000  # bytes


def write_rows(folder: Path, groups: int, rows: int) -> int:
    """Write a file for each row group, and return the bytes of all."""
    import polars as pl

    rng = np.random.default_rng(0)
    numbers = [pl.Series(rng.random(rows)) for _ in range(NUMBERS)]
    for group in range(groups):
        columns = [numbers[(i + group) % NUMBERS].alias(f"n{i}") for i in range(NUMBERS)]
        frame = pl.DataFrame(columns)
        frame = frame.with_columns(y=pl.col("n0") - pl.col("n1") / 3 + pl.col("n2") / 10)
        path = folder / f"part-{group:03d}.parquet"
        frame.write_parquet(
            path,
            compression="uncompressed",
            statistics=False,
            row_group_size=rows,
            use_pyarrow=False,
        )
        common.say(f"wrote {path.name}")
    return sum(path.stat().st_size for path in folder.iterdir())


def train(folder: Path) -> None:
    """Train an epoch within the limit, and print how long it took, and the peaks of memory."""
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    import gradus as gr

    began = time.perf_counter()
    rows, held_out = gr.data.stream(folder, "y").split(0.01)
    rows.preprocessor()
    read = time.perf_counter()
    common.say(f"prepared in {read - began:.0f} s")
    layers = [gr.Dense(16, "relu"), gr.Dense(1)]
    model = gr.Model(gr.Sequential(layers), "mse", gr.Adam(1e-2), ["r2"])
    model.fit(rows, batch_size=BATCH, epochs=1, validation_data=held_out, verbose=False)
    ended = time.perf_counter()
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    checked = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    facts = {
        "rows": len(rows) + len(held_out),
        "prepare_s": read - began,
        "epoch_s": ended - read,
        "val_r2": float(model.history["val_r2"][-1]),
        "peak_mb": int(peak) * 1024 / 1e6,
        "check_peak_mb": checked * 1024 / 1e6,
    }
    print(json.dumps(facts))


def measure(options: Any) -> dict[str, Any]:
    """Write files of each size, and train on them."""
    sizes, rows = ([0.01], 10_000) if options.quick else (options.cases, GROUP)
    found = []
    for wanted in sizes:
        with tempfile.TemporaryDirectory() as folder:
            groups = -(-int(wanted * 1e9) // (8 * (NUMBERS + 1) * rows))
            size = write_rows(Path(folder), groups, rows)
            done = subprocess.run(
                [sys.executable, __file__, "--train", folder],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env={**os.environ, "_RJEM_MALLOC_CONF": "retain:false"},
            )
        found.append({"size_gb": size / 1e9, **json.loads(done.stdout)})
    return {"limit_mb": LIMIT / 1e6, "sizes": found}


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the table of trainings within the limit."""
    heads = [
        *("GB", "rows", "peak, MB", "peak of the check, MB"),
        *("seconds until training", "seconds of the epoch", "R² of validation rows"),
    ]
    keys = ("size_gb", "rows", "peak_mb", "check_peak_mb", "prepare_s", "epoch_s", "val_r2")
    rows = [[training[key] for key in keys] for training in result["sizes"]]
    return {"streaming-limit": common.table(heads, rows)}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train(Path(sys.argv[2]))
    else:
        common.main(__doc__, measure, tables, rounds=1, cases=SIZES)
