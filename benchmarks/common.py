"""Shared code of the benchmarks: data, workers, interleaved timing, the machine, results, Markdown.

Every library runs in its own process (`worker.py`), so that no library's threads, memory or
compiled code affect another's. Measurements are interleaved, one at a time, and compared by the
medians of their rounds.

A benchmark is a module with `measure(options)`, which returns numbers, and `tables(result)`, which
renders them as named blocks of Markdown. `main` runs it and writes the numbers as JSON;
`figures.py` inserts the blocks into the pages.
"""

from __future__ import annotations

import argparse
import datetime
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

from gradus.optional import installed_version

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("GRADUS_DATA", HERE.parent.parent / "shared" / "data"))
LIBRARIES = {
    "jax": "JAX",
    "jaxlib": "jaxlib",
    "optax": "Optax",
    "numpy": "NumPy",
    "scikit-learn": "scikit-learn",
    "keras": "Keras",
    "torch": "PyTorch",
    "optuna": "Optuna",
}  # package names, and display names
SHOWN = ("Python", "JAX", "Keras", "PyTorch", "scikit-learn", "Optuna")  # on the pages
MATMUL = 2048  # size of the square matrices whose product measures the machine


class LeftOutError(Exception):
    """A peer cannot be measured; the message says why."""


# --- data ---------------------------------------------------------------------------------------


def read_idx(path: Path) -> np.ndarray:
    """Return the bytes of an IDX file, shaped, as uint8."""
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    shape = np.frombuffer(raw, ">u4", rank, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def mnist(folder: Path, rows: int | None = None) -> Path:
    """Write MNIST into `folder` as float32 in [0, 1] and int32 labels, ready to load.

    Workers then read plain arrays: no library's time includes unpacking.
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
    """A library in its own process, which sleeps between measurements.

    Args:
        job: the job of `worker.py`: "peer", "data" (a folder), "widths", "batch", "seed", ….
        cache: the folder of the process's caches (compiled programs); empty for a cold start.
        env: additional environment variables.

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
            pass  # the answer, or its absence, tells why
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
    """Return the environment of a worker: the CPU, quiet libraries, and caches in one folder.

    Python keeps bytecode, as it does by default: pip has compiled that of the peers already.
    """
    left_out = ("JAX_COMPILATION_CACHE", "PYTHONDONTWRITEBYTECODE")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    return inherited | {
        "JAX_PLATFORMS": "cpu",
        "KERAS_BACKEND": "jax",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONWARNINGS": "ignore",
        "XDG_CACHE_HOME": str(cache),
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"),
    }


def jax_cache(cache: Path) -> dict[str, str]:
    """Return the settings that enable JAX's cache, for libraries without one of their own."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(cache / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def cache_in(folder: Path, *parts: object) -> Path:
    """Return a folder for a worker's caches; its path has no spaces, which compilers reject."""
    name = "-".join(str(part) for part in parts)
    return folder / "caches" / "".join(c if c.isalnum() else "-" for c in name)


# --- timing -------------------------------------------------------------------------------------


def open_workers(
    names: Iterable[str], job: Mapping[str, Any], most: int, left_out: dict[str, str]
) -> dict[str, tuple[Worker, dict[str, Any]]]:
    """Start the peers; each tries at most so many candidates and keeps the fastest.

    Returns:
        The worker of each peer and its fastest settings. Peers that cannot run go to `left_out`.
    """
    opened = {}
    for name in names:
        worker = Worker(
            {**job, "peer": name}, cache_in(Path(job["data"]), "tune", name, job["batch"])
        )
        try:
            opened[name] = worker, worker.ask("tune", epochs=1, most=most)
            say(f"{name}: ready, {opened[name][1]['settings'] or 'nothing to choose'}")
        except LeftOutError as error:
            worker.close()
            left_out[name] = leave_out(name, error)
    return opened


def best_settings(
    names: Iterable[str], job: Mapping[str, Any], most: int, left_out: dict[str, str]
) -> dict[str, Any]:
    """Return each peer's fastest settings, found in a process of its own."""
    settings = {}
    for name in dict.fromkeys(names):
        for worker, tuned in open_workers([name], job, most, left_out).values():
            worker.close()
            settings[name] = tuned["settings"]
    return settings


def epoch_times(
    names: Iterable[str], job: Mapping[str, Any], options: Any, epochs: int
) -> dict[str, Any]:
    """Measure the seconds of a warm epoch of every peer, and the machine's rate.

    Args:
        names: names of the peers; the others are compared with "gradus".
        job: the job without "peer".
        options: the options of `main`.
        epochs: the epochs of each timed run.
    """
    left_out: dict[str, str] = {}
    opened = open_workers(names, job, 1 if options.quick else 99, left_out)

    def once(name: str, _: int) -> float:
        if name == "matmul":
            return matmul_rate()
        return float(opened[name][0].ask("train", epochs=epochs)["seconds"]) / epochs

    try:
        times = interleave([*opened, "matmul"], options.rounds, once, left_out)
        rate = median(times.pop("matmul"))
        accuracy = {name: opened[name][0].ask("accuracy")["accuracy"] for name in times}
    finally:
        for worker, _ in opened.values():
            worker.close()
    peers = {
        name: {
            "epoch_s": median(these),
            "times": ratio(these, times["gradus"]) if "gradus" in times else None,
            "test_accuracy": accuracy[name],
            "epoch_s_by_round": these,
            **{key: opened[name][1][key] for key in ("settings", "first_epoch_s", "tried")},
        }
        for name, these in times.items()
    }
    return {"matmul_gflops": rate, "peers": peers, "left_out": left_out}


def leave_out(name: str, error: Exception) -> str:
    """Report that a peer is left out and return the reason; a missing gradus is an error."""
    if name.startswith("gradus"):
        sys.exit(f"{name}: {error}")
    say(f"{name}: {error}: left out")
    return str(error)


def interleave(
    names: Iterable[str],
    rounds: int,
    once: Callable[[str, int], Any],
    left_out: dict[str, str],
) -> dict[str, list[Any]]:
    """Return the results of interleaved `once(name, round)`; every second round runs in reverse.

    A peer that fails goes to `left_out`, with the reason.
    """
    found: dict[str, list[Any]] = {name: [] for name in names}
    for number in range(rounds):
        for name in list(found)[:: -1 if number % 2 else 1]:
            try:
                found[name].append(once(name, number))
            except (LeftOutError, RuntimeError) as error:
                left_out[name] = leave_out(name, error)
                del found[name]
        say(f"round {number + 1} of {rounds} done")
    return found


def medians(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the median over the runs of every number."""
    return {key: median(run[key] for run in runs) for key in runs[0]}


def median(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def ratio(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the median of first / second per round, which cancels the machine's drift."""
    return median(a / b for a, b in zip(first, second, strict=True))


def standard_error(values: Sequence[float]) -> float | None:
    """Return the standard error of a mean; None of a single value."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


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
    """Return a description of the machine."""
    return {
        "cores": cores(),
        "cpu": cpu_model(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that are installed."""
    found = {"Python": platform.python_version(), "gradus": installed_version()}
    for name, called in LIBRARIES.items():
        try:
            found[called] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607 - whichever git there is
        capture_output=True,
        check=False,
        cwd=HERE,
        text=True,
    )
    if head.returncode == 0:  # one version spans many commits
        found["gradus"] += f" at {head.stdout.strip()}"
    return found


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_model() -> str:
    """Return the processor's name, with the vector extensions that matter to matrix products."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    facts = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    units = [unit for unit in ("avx2", "avx512f") if unit in facts.get("flags", "").split()]
    return " ".join([facts.get("model name", "unknown"), f"({', '.join(units)})" if units else ""])


def network_flops(rows: int, sizes: Sequence[int]) -> int:
    """Return the floating-point operations of an epoch of a dense network, at 2mnk per product.

    The backward pass takes two products per product of the forward pass, but none for the gradient
    of the first layer's input. Biases, activations and the optimizer are not counted.
    """
    products = [2 * a * b for a, b in itertools.pairwise(sizes)]
    return rows * (3 * sum(products) - products[0])


# --- results ------------------------------------------------------------------------------------


def main(
    description: str | None,
    measure: Callable[[Any], dict[str, Any]],
    tables: Callable[[dict[str, Any]], dict[str, str]],
    *,
    rounds: int,
    cases: Iterable[Any] = (),
    peers: Iterable[str] = (),
) -> None:
    """Run a benchmark from the command line: print its tables and write its numbers.

    Args:
        description: the text of `--help`.
        measure: takes the options and returns the numbers.
        tables: returns the Markdown blocks of a result, by name.
        rounds: the default number of rounds.
        cases: the cases to choose from.
        peers: the peers to choose from.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round: does it run?")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"default {rounds}")
    for option, choices in (("--cases", list(cases)), ("--peers", list(peers))):
        if choices:
            kind = type(choices[0])
            parser.add_argument(option, nargs="+", type=kind, choices=choices, default=choices)
    parser.add_argument("--results", type=Path, help="the folder to write the numbers to, as JSON")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    if peers:  # gradus always takes part
        chosen = options.peers
        options.peers = [name for name in peers if name in chosen or name.startswith("gradus")]
    name = Path(sys.argv[0]).stem
    facts = {
        "benchmark": name,
        "date": datetime.date.today().isoformat(),
        "rounds": options.rounds,
        "machine": machine(),
        "versions": versions(),
    }
    result = plain({**facts, **measure(options)})
    if options.results:
        text = json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False)
        options.results.mkdir(parents=True, exist_ok=True)
        (options.results / f"{name}.json").write_text(text + "\n")
    print("\n\n".join(tables(result).values()))


def plain(value: Any) -> Any:
    """Return a JSON-compatible value: keys are text, numbers have six digits, NaN is null."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def say(line: str) -> None:
    """Print progress on standard error."""
    print(line, file=sys.stderr, flush=True)


# --- Markdown -----------------------------------------------------------------------------------


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; numbers have three digits, None is a dash."""
    lines = [heads, ["---"] * len(heads), *([number(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def number(value: Any, digits: int = 3) -> str:
    """Format a number with so many significant digits; text is unchanged, None is a dash."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if abs(value) >= 10**digits or isinstance(value, int):
        return f"{value:,.0f}"
    padded, short = f"{value:#.{digits}g}".rstrip("."), f"{value:.{digits}g}"
    return short if float(short) == value else padded  # never more digits than were recorded


def goal(value: float | None, wanted: float | None, *, most: bool = False, unit: str = "") -> str:
    """Format a number with its goal, a lower or upper bound."""
    shown = number(value) + (unit if value is not None else "")
    if value is None or wanted is None:
        return shown
    missed = value > wanted if most else value < wanted
    return f"{shown} (goal {'≤ ' if most else ''}{wanted:g}{unit}{', missed' if missed else ''})"


def spread(mean: float | None, error: float | None, percent: bool) -> str:
    """Format a mean with its standard error, in percent or plain."""
    if mean is None:
        return "–"
    factor, unit = (100, "%") if percent else (1, "")
    if error is None:
        return number(round(mean * factor, 6), 4) + unit
    return f"{number(round(mean * factor, 6), 4)} ± {number(round(error * factor, 6), 2)}{unit}"


def setup(result: Mapping[str, Any]) -> str:
    """Return the machine and the libraries of a result."""
    machine, found = result["machine"], result["versions"]
    named = ", ".join(f"{name} {found[name]}" for name in SHOWN if name in found)
    return f"{machine['cores']} cores, {machine['cpu']}, with {named}"


def origin(result: Mapping[str, Any]) -> str:
    """Return a sentence that says when and on what a result was measured."""
    rounds = f"medians of {result['rounds']} rounds" if result["rounds"] != 1 else "one round"
    code = f"gradus {result['versions']['gradus']}"
    return f"Measured {result['date']} on {setup(result)}, {code}; {rounds}."
