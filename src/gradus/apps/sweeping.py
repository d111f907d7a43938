"""A whole sweep: from an experiment with spaces to the run folder of the best trial."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import math
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from msgspec import structs

from gradus import files
from gradus.apps import experiment_file, runs
from gradus.apps.experiment_file import Named, SweepSection
from gradus.apps.prepare import PreparedData
from gradus.apps.spaces import to_toml
from gradus.apps.sweep_setup import SweepSetup, set_up_sweep
from gradus.apps.training import Say, fit_model, write_run
from gradus.apps.trial_config import TrialConfigurator
from gradus.errors import GradusError, SavedError
from gradus.hyperparameters import resolve
from gradus.models.model import Model
from gradus.report.sweep_page import write_sweep
from gradus.sweep.results.storage import Storage
from gradus.sweep.search.trial import WAITING, Trial
from gradus.sweep.sweep import Sweep

FILE = runs.SWEEP
TABLE, PAGE, STORAGE = "trials.parquet", "sweep.html", "trials.db"
CHANGED = "The settings changed while it was trained; the experiment has the last of them."
UNBORN = "Interrupted before the first trial had ended: nothing is kept."
UNRECORDED = (
    "The sweep was interrupted, so layer statistics were not recorded; they are when it has ended."
)


def sweep_run(
    raw: Named,
    fixed: Named,
    where: str,
    out: str | None,
    resume: Path | None,
    say: Say,
    verbose: bool = True,
) -> dict[str, Any]:
    """Try settings, and write the best trial as a run, with the table and the page of all.

    Args:
        raw: the experiment's settings, its spaces as inline tables, and the section `sweep_run`.
        fixed: settings that have one value, whatever the experiment says.
        where: the file of the settings, for messages.
        out: the run's folder; None for the next free one in `runs`.
        resume: the folder of a sweep that is to go on, or None.
        say: shows a line.
        verbose: whether progress is shown.

    Returns:
        The record of the run: that of `training.train` for the best trial, and `best` (its
        settings), `score`, `monitor`, `trials` (how many ended), `statuses`, `interrupted`,
        `resumable`.

    Raises:
        GradusError: for data or settings that cannot be, or a folder that cannot be written.
    """
    started = time.perf_counter()
    setup = set_up_sweep(raw, fixed, where)
    sweep = setup.sweep
    for line in setup.describe():
        say(line)
    say("")
    folder = resume or runs.new_folder(out, setup.prepared.experiment.data)
    with contextlib.nullcontext() if resume else _discarding_empty(folder, sweep):
        if resume is None:
            _write_settings(folder, setup.raw, setup.section)
        sweep.storage = _open_storage(folder, setup.section)
        with _plain_warnings():
            setup.fit(verbose)
        if math.isnan(sweep.ranking[0].score):
            raise GradusError("Every trial diverged: lower the learning rates, or try more.")
    with _naming_resume(folder, sweep):
        _write_settings(folder, setup.raw, setup.section)
        return _write_best(setup, folder, started, say)


def _write_settings(folder: Path, raw: Named, section: SweepSection) -> None:
    """Write what is known before the first trial."""
    settings = {key: value for key, value in structs.asdict(section).items() if value is not None}
    head = f"# To repeat this sweep: gradus sweep {FILE}\n"
    with files.replacing(folder) as new:
        (new / FILE).write_text(head + to_toml({**raw, "sweep": settings}), "utf-8")


def _open_storage(folder: Path, section: SweepSection) -> Storage | None:
    """Return where the trials are kept; nowhere if the package for that is missing."""
    if section.storage is not None:
        return Storage(section.storage, folder.resolve().name)
    return Storage(folder / STORAGE) if importlib.util.find_spec("optuna") else None


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show warnings, such as of a storage that is full, as words without a place in the code."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        sys.stderr.write(f"gradus: {message}\n")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def _discarding_empty(folder: Path, sweep: Sweep) -> Iterator[None]:
    """Leave no new folder behind where no trial has ended."""
    try:
        yield
    except BaseException as error:
        if any(trial.status != WAITING for trial in sweep.trials):
            raise
        runs.discard_run(folder)
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(UNBORN) from None
        raise


@contextlib.contextmanager
def _naming_resume(folder: Path, sweep: Sweep) -> Iterator[None]:
    """Say, where the run cannot be written, that its trials are not lost."""
    try:
        yield
    except SavedError as error:
        again = f" Then write: gradus sweep --resume {folder}, which trains no stored trial again."
        raise SavedError(f"{error}{again if sweep.storage else ''}") from None


def _write_best(setup: SweepSetup, folder: Path, started: float, say: Say) -> dict[str, Any]:
    """Write the best trial as a run, and the table and the page of all beside it."""
    sweep = setup.sweep
    best = sweep.ranking[0]
    model, prepared = _best_model(sweep, best, setup.configurator, say)
    runs.start_run(folder, prepared.experiment, prepared.preprocessor)
    if sweep.cv:  # each of the trial's members has left out a fold
        fit_model(model, prepared, folder, None, False)
    more = {
        "best": sweep.best_settings,
        "score": best.score,
        "monitor": sweep.monitor,
        "trials": sum(trial.status != WAITING for trial in sweep.trials),
        "statuses": dict(Counter(trial.status for trial in sweep.trials)),
        "interrupted": sweep.interrupted,
        "resumable": sweep.storage is not None,
    }
    table = sweep.table()
    with files.replacing(folder) as new:
        files.write_table(new / TABLE, table.filter(table["status"] != WAITING))
    record = write_run(folder, model, prepared, started, more)
    write_sweep(
        folder / PAGE,
        sweep,
        title=f"{folder.resolve().name}: the sweep",
        data=[" ".join(line.split()) for line in prepared.summary_lines],
        settings=(folder / FILE).read_text("utf-8"),
        commands=_commands(folder),
    )
    return record


def _commands(folder: Path) -> list[str]:
    """Return how to use the best run, in commands."""
    return [
        f"gradus predict {folder} DATA --out predictions.csv",
        f"gradus evaluate {folder} DATA",
        f"gradus train {folder}/{experiment_file.FILE}    # the best settings again",
        f"gradus sweep --resume {folder} --trials 256    # more trials",
    ]


def _best_model(
    sweep: Sweep, best: Trial, configurator: TrialConfigurator, say: Say
) -> tuple[Model, PreparedData]:
    """Return the best trial's model, and what it was trained on.

    Of several folds' models none has seen all training rows: the model is then a new one.
    """
    trained = _best_with_statistics(sweep, best, say)
    settled = resolve(sweep.model.settings["settings"], sweep.hypers, best.values)
    seed = trained.seed
    found = configurator.prepare(settled)
    experiment = structs.replace(found.experiment, seed=seed)
    notes = [*found.notes, *[CHANGED] * bool(best.lineage), *[UNRECORDED] * sweep.interrupted]
    chosen = dataclasses.replace(found, experiment=experiment, notes=notes)
    x, y = found.parts["training"]
    model = configurator.build_model({**settled, "seed": seed}, count=len(y))
    if not sweep.cv:
        model.build(jax.tree.map(lambda a: a[:2], x))
        model.set_weights(trained.weights)
        model.history = trained.history
    return model, chosen


def _best_with_statistics(sweep: Sweep, best: Trial, say: Say) -> Model:
    """Return the best trial's model, with layer statistics, which no trial has recorded."""
    if sweep.cv or sweep.interrupted:
        return sweep.member_models(best)[0]
    say("The best trial is trained once more, to the same weights, for its layer statistics.")
    try:
        return sweep.member_models(best, probes=True)[0]
    except KeyboardInterrupt:
        return sweep.member_models(best)[0]
