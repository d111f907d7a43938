"""The process in which a library is measured: a trainer or a sweeper and its commands.

`common.Worker` runs it with a job as JSON; then every line on standard input is a command, and
every line on standard output its answer.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import networks
import numpy as np
import peers
import search_peers
import sweep_peers
from peers import Arrays


class Server:
    """Answers commands with one trainer, created on first use."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        homes = {"network": networks, "sweep": sweep_peers, "search": search_peers}
        home = next((home for kind, home in homes.items() if kind in job), peers)
        self.kind = home.PEERS[job["peer"]]
        self.trainer: Any = None
        self._data: Arrays | None = None

    @property
    def data(self) -> Arrays:
        """The arrays; with "no_test" only the training set is loaded."""
        if self._data is None:
            folder = Path(self.job["data"])
            read = {name: np.load(folder / f"{name}.npy") for name in ("x_train", "y_train")}
            if self.job.get("no_test"):
                test = read["x_train"][:10], read["y_train"][:10]
            else:
                test = np.load(folder / "x_test.npy"), np.load(folder / "y_test.npy")
            self._data = Arrays(read["x_train"], read["y_train"], *test)
            self.job["rows"] = len(self._data.x)
        return self._data

    def make(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Import the library and build the trainer; report the seconds."""
        self.data  # noqa: B018 - loading is not timed
        began = time.perf_counter()
        for name in self.kind.needs:
            importlib.import_module(name)
        imported = time.perf_counter()
        self.trainer = self.kind(self.data, self.job, settings)
        return {
            "import_s": imported - began,
            "build_s": time.perf_counter() - imported,
        }

    def tune(self, epochs: int, most: int) -> dict[str, Any]:
        """Try all candidates, at most `most`, and keep the one with the shortest epoch."""
        self.data  # noqa: B018 - it sets job["rows"], which candidates ask for
        tried = []
        for settings in self.kind.candidates(self.job)[:most]:
            try:
                made = self.make(settings)
                first = self.train(1)["seconds"]
                later = min(self.train(epochs)["seconds"] / epochs for _ in range(2))
            except Exception as error:
                tried.append({"settings": settings, "failed": f"{type(error).__name__}: {error}"})
                continue
            tried.append({"settings": settings, "epoch_s": later, "first_epoch_s": first, **made})
            if later == min(t.get("epoch_s", later) for t in tried):
                best, kept = tried[-1], self.trainer
        if not any("epoch_s" in t for t in tried):
            return {"left_out": "; ".join(t["failed"].splitlines()[0] for t in tried)}
        self.trainer = kept
        return {**best, "tried": tried}

    def train(self, epochs: int) -> dict[str, Any]:
        """Train for some epochs and report the seconds, and those of the processor."""
        began, used = time.perf_counter(), time.process_time()
        self.trainer.train(epochs)
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        return {"seconds": seconds, "cpu_seconds": cpu}

    def sweep(self, trials: int, seed: int) -> dict[str, Any]:
        """Try so many settings, drawn with a seed; report the seconds and the best result."""
        began = time.perf_counter()
        found = self.trainer.sweep(trials, seed)
        return {"seconds": time.perf_counter() - began, **found}

    def search(self, seconds: float, seed: int) -> dict[str, Any]:
        """Search for the best settings for so many seconds; report the best result."""
        return dict(self.trainer.search(seconds, seed))

    def accuracy(self) -> dict[str, Any]:
        """Report the test accuracy."""
        return {"accuracy": self.trainer.accuracy()}

    def until(self, accuracy: float, most: int) -> dict[str, Any]:
        """Train until the test accuracy is reached; report epochs and seconds, test included."""
        began = time.perf_counter()
        if hasattr(self.trainer, "until"):
            epochs = self.trainer.until(accuracy, most)
        else:
            for epochs in range(1, most + 1):  # noqa: B007 - it is reported
                self.trainer.train(1)
                if self.trainer.accuracy() >= accuracy:
                    break
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "epochs": epochs, "accuracy": self.trainer.accuracy()}

    def memory(self) -> dict[str, Any]:
        """Report the peak resident memory in MB since the process started."""
        return {"peak_mb": peak_mb()}


def peak_mb() -> float:
    """Return the process's peak resident memory in MB.

    On Linux a process inherits `ru_maxrss` from its parent through fork and exec, so a small worker
    of a large parent would look large; VmHWM is this program's alone.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def main() -> None:
    """Answer commands until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # prints of libraries must not mix with answers
    server = Server(json.loads(sys.argv[1]))
    needs = {name.partition(".")[0] for name in server.kind.needs}
    missing = sorted(name for name in needs if importlib.util.find_spec(name) is None)
    for line in sys.stdin:
        command = json.loads(line)
        do = command.pop("do")
        answer = (
            {"left_out": f"{' and '.join(missing)} is not installed"}
            if missing
            else getattr(server, do)(**command)
        )
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
