"""What the doctor costs: time and memory of `fit` with its record, and seconds of a diagnosis.

`fit(probes=True)`, the default, is timed in turn with `fit(probes=False)` on the MLPs of
`epoch_speed.py` and the CNN of `network_speed.py`, each in a process of its own; compilation is
told apart, in the peak memory of a fresh process, too. With and without probes, `fit` looks at
network and data before training, as `model.check` does, and judges what it recorded at the end.
That is timed within `fit` on MNIST, 60,000 × 784, and so are `model.check` and `model.diagnose`.
Goals: at most 5% of the time and of the memory, half a second for a diagnosis.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import common
import numpy as np
from epoch_speed import PLAIN, WIDTHS

TIME, MEMORY, SECONDS = 5.0, 5.0, 0.5  # goals: percent, percent, and seconds of a diagnosis
GRADUS = ("gradus", PLAIN)
QUICK = "Measured with `--quick`, at tiny sizes in one round: it runs, no more."


class Case(NamedTuple):
    """A network: its description, batch size, samples, epochs of a timed run, and what else."""

    label: str
    batch: int
    rows: int
    epochs: int
    job: dict[str, Any]


CASES = {
    **{
        f"mlp-{batch}": Case("MLP 784-128-64-10", batch, 60_000, 5, {"widths": WIDTHS})
        for batch in (32, 128, 512)
    },
    "cnn": Case("CNN (conv 32, pool, conv 64, pool, dense 128)", 64, 6_400, 1, {"network": "cnn"}),
}
EPOCHS = 5  # of the training in which record and symptoms are timed
STEPS = {
    "check": "`model.check(x, y)`",
    "within": f"record and symptoms within a `fit` of {EPOCHS} epochs, batch 128",
    "diagnose": "`model.diagnose()`",
}
JUDGING = ("make_record", "diagnose_fit", "examine")  # what `fit` calls besides its training


def measure(options: Any) -> dict[str, Any]:
    """Measure time and memory of each network with and without probes, and a diagnosis."""
    networks = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.cases[-1:] if options.quick else options.cases:
            case, data = CASES[name], Path(folder, name)
            data.mkdir()
            rows = 640 if options.quick else case.rows
            job = {
                "data": str(common.mnist(data, rows)),
                "batch": case.batch,
                "seed": 0,
                **case.job,
            }
            found = common.epoch_times(GRADUS, job, options, case.epochs)
            networks[name] = {"rows": rows, **found, "memory": peaks(job, case, options)}
        rows = 2_000 if options.quick else 60_000
        data = common.mnist(Path(folder), rows)
        x, y = np.load(data / "x_train.npy"), np.load(data / "y_train.npy")
        seconds = diagnosis(x, y, options.rounds)
    return {
        "quick": options.quick,
        "networks": networks,
        "rows": rows,
        "diagnosis": seconds,
    }


def peaks(job: dict[str, Any], case: Case, options: Any) -> dict[str, list[dict[str, float]]]:
    """Return the peak memory of fresh processes in MB, by peer: compiling, and compiled before."""

    def once(name: str, number: int) -> dict[str, float]:
        cache = common.cache_in(Path(job["data"]), "memory", name, number)
        found = {}
        for when in ("cold", "warm"):
            with common.Worker({**job, "peer": name, "no_test": True}, cache) as worker:
                worker.ask("make", settings={})
                worker.ask("train", epochs=case.epochs)
                found[when] = float(worker.ask("memory")["peak_mb"])
        return found

    return common.interleave(GRADUS, min(options.rounds, 3), once, {})


def diagnosis(x: np.ndarray, y: np.ndarray, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each step of a diagnosis, in each round; the first is a cold one."""
    import gradus as gr

    hidden = [gr.Dense(width, "relu") for width in WIDTHS]
    net = gr.Sequential([*hidden, gr.Dense(10, "softmax")])
    model = gr.Model(net, "sparse_categorical_crossentropy", gr.Adam(1e-3), ["accuracy"])
    found: dict[str, list[float]] = {name: [] for name in (*STEPS, "fit")}
    for _ in range(rounds):
        found["check"].append(seconds_of(lambda: model.check(x, y)))
        with judging() as spent:
            fit = seconds_of(lambda: model.fit(x, y, batch_size=128, epochs=EPOCHS, verbose=False))
        found["fit"].append(fit)
        found["within"].append(sum(spent))
        found["diagnose"].append(seconds_of(model.diagnose))
    return found


@contextmanager
def judging() -> Iterator[list[float]]:
    """Time the functions by which `fit` makes its record and judges it."""
    from gradus.models import base, model

    spent: list[float] = []

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                spent.append(time.perf_counter() - began)

        return call

    with ExitStack() as stack:
        for module in (base, model):
            for name in (name for name in JUDGING if hasattr(module, name)):
                stack.enter_context(mock.patch.object(module, name, timed(getattr(module, name))))
        yield spent


def seconds_of(call: Callable[[], Any]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


# --- Markdown -----------------------------------------------------------------------------------


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return the table of what `fit` costs more, and that of the diagnosis."""
    rows = [row(CASES[name], found) for name, found in result["networks"].items()]
    heads = ["", "s per epoch", "without probes", "cost", "compilation, s", "without probes"]
    heads += ["peak, MB", "cost", "cost while compiling"]
    found = result["diagnosis"]
    share = 100 * common.ratio(found["within"], found["fit"])
    seconds = [
        [
            shown,
            found[name][0],
            common.goal(common.median(found[name]), SECONDS, most=True, unit=" s"),
            common.goal(share, TIME, most=True, unit="%") if name == "within" else "",
        ]
        for name, shown in STEPS.items()
    ]
    quick = f"\n\n{QUICK}" if result["quick"] else ""
    return {
        "doctor_cost": common.table(heads, rows) + quick,
        "doctor_cost.diagnosis": common.table(
            [f"{result['rows']:,} × 784", "the first time, s", "median", "of `fit`"], seconds
        ),
    }


def row(case: Case, found: dict[str, Any]) -> list[Any]:
    """Return the row of a network."""
    with_, without = (found["peers"][name] for name in GRADUS)
    ratio = common.ratio(with_["epoch_s_by_round"], without["epoch_s_by_round"])
    warm, cold = (
        [[run[when] for run in found["memory"][name]] for name in GRADUS]
        for when in ("warm", "cold")
    )
    compiled = (peer["first_epoch_s"] - peer["epoch_s"] for peer in (with_, without))
    return [
        f"{case.label}, batch {case.batch}, {found['rows']:,} samples",
        *(with_["epoch_s"], without["epoch_s"]),
        common.goal(100 * (ratio - 1), TIME, most=True, unit="%"),
        *compiled,
        common.median(warm[0]),
        common.goal(100 * (common.ratio(*warm) - 1), MEMORY, most=True, unit="%"),
        f"{100 * (common.ratio(*cold) - 1):.0f}%",
    ]


if __name__ == "__main__":
    common.main(__doc__, measure, tables, rounds=7, cases=CASES)
