"""What the benchmarks share: data, workers, interleaved timing, the machine's facts, tables, JSON.

Every measured library runs in a process of its own (`worker.py`), so that no library's threads,
memory or compiled code touch another's. The measurements of all are interleaved, one after the
other and never side by side, and compared by the medians of their repeats.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.metadata
import itertools
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("GRADUS_DATA", HERE.parent.parent / "shared" / "data"))
LIBRARIES = (
    *("gradus", "jax", "jaxlib", "optax", "numpy"),
    *("scikit-learn", "keras", "torch", "optuna"),
)
MATMUL = 2048  # rows and columns of the matrix product that measures the machine


class LeftOutError(Exception):
    """A peer cannot take part; the message says why."""


# --- data ---------------------------------------------------------------------------------------


def read_idx(path: Path) -> np.ndarray:
    """Return the bytes of an IDX file, shaped, as uint8."""
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    shape = np.frombuffer(raw, ">u4", rank, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def mnist(folder: Path, rows: int | None = None) -> Path:
    """Write MNIST into `folder` as float32 in [0, 1] and int32 labels, ready to load.

    The workers then read plain arrays: unpacking counts for no library.
    """
    source = DATA / "mnist"
    if not source.is_dir():
        sys.exit(f"MNIST is not in {source}; set GRADUS_DATA to the folder that holds mnist/.")
    for part, prefix, most in (("train", "train", rows), ("test", "t10k", rows)):
        x = read_idx(source / f"{prefix}-images-idx3-ubyte.gz")[:most]
        y = read_idx(source / f"{prefix}-labels-idx1-ubyte.gz")[:most]
        np.save(folder / f"x_{part}.npy", x.reshape(len(x), -1).astype(np.float32) / 255)
        np.save(folder / f"y_{part}.npy", y.astype(np.int32))
    return folder


def digits(folder: Path) -> Path:
    """Write scikit-learn's 1,797 handwritten digits into `folder`; train and test are the same."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    for part in ("train", "test"):
        np.save(folder / f"x_{part}.npy", x.astype(np.float32) / 16)
        np.save(folder / f"y_{part}.npy", y.astype(np.int32))
    return folder


# --- workers ------------------------------------------------------------------------------------


class Worker:
    """A library in a process of its own, which sleeps between measurements.

    Args:
        job: what `worker.py` is told: "peer", "data" (a folder), "widths", "batch", "seed", ….
        cache: the folder of everything that the process caches (compiled programs); it is
            empty for a cold start.
        env: further environment variables.

    Raises:
        LeftOutError: on the first answer, if the library is not installed or cannot run.
    """

    def __init__(
        self, job: Mapping[str, Any], cache: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = str(job["peer"])
        self.began = time.perf_counter()
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in `close`
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), json.dumps(dict(job))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment(cache) | dict(env or {}),
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send one command and return the answer to it."""
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer, or its absence, says why
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            tail = self._errors.read().strip().splitlines()[-12:]
            raise RuntimeError(f"{self.name} ended without an answer:\n" + "\n".join(tail))
        answer = json.loads(line)
        if "left_out" in answer:
            raise LeftOutError(answer["left_out"])
        return answer

    def close(self) -> float:
        """End the process and return the seconds from its start to its end."""
        if not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()
        return time.perf_counter() - self.began

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def environment(cache: Path) -> dict[str, str]:
    """Return the environment of a worker: the CPU, quiet libraries, and caches in one folder."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("JAX_COMPILATION_CACHE")}
    return inherited | {
        "JAX_PLATFORMS": "cpu",
        "KERAS_BACKEND": "jax",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONWARNINGS": "ignore",
        "XDG_CACHE_HOME": str(cache),
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"),
    }


def cache_in(folder: Path, *parts: object) -> Path:
    """Return a folder for a worker's caches; compilers take no spaces in it."""
    name = "-".join(str(part) for part in parts)
    return folder / "caches" / "".join(c if c.isalnum() else "-" for c in name)


def open_workers(
    names: Sequence[str], job: Mapping[str, Any], *, epochs: int, most: int
) -> dict[str, Any]:
    """Start and warm up the peers by name: each tries its candidates and keeps the fastest.

    Args:
        names: of peers.
        job: all of a job but the "peer".
        epochs: of each timed trial of a candidate.
        most: candidates that are tried.

    Returns:
        "workers" by name, what each "tuned" to, and the reasons of those "left_out".
    """
    workers: dict[str, Worker] = {}
    tuned: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for name in names:
        folder = cache_in(Path(job["data"]), "tune", name, job["batch"])
        worker = Worker({**job, "peer": name}, folder)
        try:
            tuned[name] = worker.ask("tune", epochs=epochs, most=most)
            workers[name] = worker
            say(f"{name}: ready, {tuned[name]['settings'] or 'nothing to choose'}")
        except LeftOutError as error:
            worker.close()
            left_out[name] = leave_out(name, error)
    return {"workers": workers, "tuned": tuned, "left_out": left_out}


def best_settings(
    names: Iterable[str], job: Mapping[str, Any], most: int
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return each peer's fastest settings, found in a process of its own, and those left out."""
    settings, left_out = {}, {}
    for name in names:
        opened = open_workers([name], job, epochs=1, most=most)
        for worker in opened["workers"].values():
            worker.close()
            settings[name] = opened["tuned"][name]["settings"]
        left_out |= opened["left_out"]
    return settings, left_out


def leave_out(name: str, error: Exception) -> str:
    """Say that a peer cannot take part and return why; without gradus there is no benchmark."""
    if name.startswith("gradus"):
        sys.exit(f"{name}: {error}")
    say(f"{name}: {error}: left out")
    return str(error)


def interleave(measure: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Return each measurement's repeats, taken in turns; every second round runs backwards."""
    found: dict[str, list[float]] = {name: [] for name in measure}
    for repeat in range(repeats):
        for name in list(measure)[:: -1 if repeat % 2 else 1]:
            found[name].append(measure[name]())
        say(f"round {repeat + 1} of {repeats} done")
    return found


def median(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def ratio(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the median of first / second, round by round, so that a drifting machine cancels."""
    return median(a / b for a, b in zip(first, second, strict=True))


# --- the machine --------------------------------------------------------------------------------


def matmul_rate(seconds: float = 0.3) -> float:
    """Return the machine's rate of float32 matrix products in GFLOP/s: NumPy's, 2048 × 2048."""
    a = np.ones((MATMUL, MATMUL), np.float32)
    a @ a
    times = []
    while sum(times) < seconds:
        began = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - began)
    return 2 * MATMUL**3 / min(times) / 1e9


def machine() -> dict[str, Any]:
    """Return what the numbers were measured on."""
    return {
        "cores": cores(),
        "cpu": cpu_model(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_at_start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_model() -> str:
    """Return the processor's name, with the vector units that matter to matrix products."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    facts = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    units = [unit for unit in ("avx2", "avx512f") if unit in facts.get("flags", "").split()]
    return " ".join([facts.get("model name", "unknown"), f"({', '.join(units)})" if units else ""])


def version(library: str) -> str | None:
    """Return the version of an installed library, or None."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def network_flops(rows: int, sizes: Sequence[int]) -> int:
    """Return the floating-point operations of an epoch of a dense network, from 2mnk a product.

    The backward pass takes two products for the forward pass's one, but none for the gradient of
    the first layer's input. Biases, activations and the optimiser are not counted.
    """
    products = [2 * a * b for a, b in itertools.pairwise(sizes)]
    return rows * (3 * sum(products) - products[0])


# --- output -------------------------------------------------------------------------------------


def say(line: str) -> None:
    """Tell how far the benchmark is, on standard error."""
    print(line, file=sys.stderr, flush=True)


def table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as an aligned table; numbers with three significant digits, None as a dash."""
    if not rows:
        return
    columns = list(rows[0])
    cells = [columns, *([_cell(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    print(f"\n{title}")
    for line in cells:
        first, *rest = (text.rjust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *rest]))


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.3g}" if isinstance(value, float) and value < 1000 else str(value)


def emit(name: str, result: Mapping[str, Any]) -> None:
    """Print the result as one JSON object, the last line on standard output; NaN becomes null."""
    print(json.dumps(_plain({"benchmark": name, **result}), allow_nan=False), flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def parser(description: str | None, repeats: int) -> argparse.ArgumentParser:
    """Return a parser with what all benchmarks take: --quick and --repeats."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all?")
    made.add_argument("--repeats", type=int, default=repeats, help=f"default {repeats}")
    return made
