"""Running a sweep: train its trials, and write the best one as a run."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from msgspec import structs

from gradus import files, manifests
from gradus.drawing.status import doing
from gradus.errors import SavedError
from gradus.experiments import runs
from gradus.experiments.fitting import fit_model
from gradus.experiments.preparation.prepare_in_memory import PreparedData
from gradus.experiments.preparation.splitting import order_values
from gradus.experiments.run import Run
from gradus.experiments.settings import experiment_file
from gradus.experiments.settings.commands import format_command, with_flag_names
from gradus.experiments.settings.experiment import Settings, SweepSection
from gradus.experiments.settings.spaces import to_toml
from gradus.experiments.sweep_setup import SweepSetup, first_values, set_up_sweep
from gradus.experiments.trackers import trackers_of
from gradus.experiments.train_run import PrintLine, write_run
from gradus.experiments.trial_config import TrialConfigurator
from gradus.experiments.trial_curves import restore_curves, write_curves
from gradus.hyperparameters import find_hyperparameters, resolve
from gradus.models.model import Model
from gradus.report.sweep_page import CURVES_LEFT_OUT, write_sweep
from gradus.space import Choice
from gradus.sweep.members.data import prepared as prepared_inputs
from gradus.sweep.results.storage import Storage
from gradus.sweep.search.trial import WAITING, Trial
from gradus.sweep.sweep import Sweep

FILE = runs.SWEEP
TABLE, PAGE, STORAGE = "trials.parquet", "sweep.html", "trials.db"
DATA_SETTINGS = ("preprocessing", "drop_columns", "keep_columns")  # the data depend on these
FIT_SETTINGS = ("epochs", "batch_size", "patience", "min_delta", "class_weight")
NO_EARLY_STOPPING = 10**6  # epochs of patience
SETTINGS_CHANGED = "The settings changed during the training; the experiment has the last ones."
NO_TRIALS = "Interrupted before the first trial had finished: nothing was saved."
NO_STATISTICS = (
    "The sweep was interrupted, so layer statistics were not recorded; resuming records them."
)


def sweep_run(
    raw: Settings,
    overrides: Settings,
    where: str,
    out: str | None,
    resume: Path | None,
    print_line: PrintLine,
    verbose: bool = True,
) -> dict[str, Any]:
    """Train all trials, and write the best as a run, with the table and the page of all.

    Args:
        raw: the experiment's settings, with spaces as inline tables, and the section `sweep`.
        overrides: settings, each with one value, that replace those of the experiment.
        where: the file of the settings, for errors.
        out: the folder of the run; None for the next free one in `runs`.
        resume: the folder of a sweep to resume, or None.
        print_line: prints a line.
        verbose: whether to show progress.

    Returns:
        The record of the run: that of `train_run.train_run` for the best trial, and `best` (its
        settings), `score`, `monitor`, `sweep_seconds` (of the trials alone), `trials` (how many
        ended), `statuses`, `interrupted`, `resumable`.

    Raises:
        GradusError: for invalid data or settings, or a folder that cannot be written.
    """
    started = time.perf_counter()
    doing(f"reading {Path(str(raw.get('data', 'the data'))).name}")
    setup = set_up_sweep(raw, overrides, where, again=resume is not None)
    sweep = setup.sweep
    for line in setup.describe():
        print_line(line)
    print_line("")
    with (
        runs.hold_run(out, setup.prepared.experiment.data, resume) as folder,
        _saying_what_is_left(folder, sweep, new=resume is None),
    ):
        if resume is None:
            _write_settings(folder, setup.raw, setup.section)
        sweep.storage = _open_storage(folder, setup.section)
        doing("preparing the trials")
        with _plain_warnings():
            trackers = trackers_of(setup.track, folder)
            setup.sweep.fit(**_fit_arguments(setup), trackers=trackers, verbose=verbose)
        sweep.require_a_score()
        with _naming_resume(folder, sweep):
            _write_settings(folder, setup.raw, setup.section)
            return _write_best(setup, folder, started, print_line)


# --- training ----------------------------------------------------------------------------------


def _fit_arguments(setup: SweepSetup) -> dict[str, Any]:
    """Return the arguments with which all trials are trained, each as `fitting.fit_model` would."""
    experiment = setup.configurator.prepare(first_values(setup.settings)).experiment
    defaults, section = experiment.training, setup.settings.get("training", {})
    arguments = {name: getattr(defaults, name) for name in FIT_SETTINGS} | section
    if "patience" not in section and (defaults.patience or 0) >= (defaults.epochs or 0):
        arguments["patience"] = NO_EARLY_STOPPING  # keeps the best epoch whatever their number
    balanced = setup.prepared.balanced_weight
    return {
        **_trial_data(setup),
        **_order_of_folds(setup),
        "batch_size": None if arguments["batch_size"] == "all" else arguments["batch_size"],
        "epochs": arguments["epochs"],
        "class_weight": _class_weight(arguments["class_weight"], balanced),
        "shuffle_seed": setup.settings.get("shuffle_seed", experiment.shuffle_seed),
        "patience": arguments["patience"] or None,
        "monitor": defaults.monitor,
        "min_delta": arguments["min_delta"],
    }


def _trial_data(setup: SweepSetup) -> dict[str, Any]:
    """Return the training and validation data of the trials, by the settings they depend on."""
    if setup.in_parts:  # once more to the same weights would be to read all rows once more
        rows, _ = setup.prepared.fit_data
        return {"x": rows, "validation_data": setup.prepared.weighted_validation, "probes": True}
    configurator, settings = setup.configurator, setup.settings
    first = first_values(settings)

    def make_data(**values: Any) -> dict[str, Any]:
        parts = configurator.prepare({**first, **values}).parts
        x, y = parts["training"]
        validation = {} if setup.sweep.cv else {"validation_data": parts["validation"]}
        return {"x": x, "y": y, **validation}

    varied = {
        name: settings[name] for name in DATA_SETTINGS if find_hyperparameters(settings.get(name))
    }
    loss = settings.get("loss", {}).get("name")
    if (
        isinstance(loss, Choice)
        and len({_target_shape(configurator, first, name) for name in loss.labels}) > 1
    ):
        options = tuple({"name": name} for name in loss.labels)
        varied["loss"] = Choice(
            options, name=loss.name
        )  # has the name, so the value, of the model's
    return {"x": prepared_inputs(make_data, **varied)}


def _order_of_folds(setup: SweepSetup) -> dict[str, Any]:
    """Return the group or the time of each training row, by which folds are made."""
    if not setup.sweep.cv:
        return {}
    return order_values(setup.prepared.raw["training"], setup.prepared.experiment)


def _target_shape(configurator: TrialConfigurator, first: Settings, loss: str) -> tuple[int, ...]:
    """Return the shape of one encoded target of a loss."""
    _, y = configurator.prepare({**first, "loss": {"name": loss}}).parts["training"]
    return y.shape[1:]


def _class_weight(value: Any, balanced: Any) -> Any:
    """Return class weights as `Model.fit` takes them, with None for "none"."""
    if isinstance(value, Choice):
        options = tuple(_class_weight(option, balanced) for option in value.options)
        return Choice(options, name=value.name)
    return None if value == "none" else balanced


# --- the run folder ----------------------------------------------------------------------------


def _write_settings(folder: Path, raw: Settings, section: SweepSection) -> None:
    """Write the settings, from which the sweep can resume or be repeated."""
    settings = {key: value for key, value in structs.asdict(section).items() if value is not None}
    head = f"# To repeat this sweep: gradus sweep {FILE}\n"
    with files.replacing(folder) as new:
        (new / FILE).write_text(head + to_toml({**raw, "sweep": settings}), "utf-8")


def _open_storage(folder: Path, section: SweepSection) -> Storage | None:
    """Return the storage of the trials, or None if Optuna is not installed."""
    if section.storage is not None:
        return Storage(section.storage, folder.resolve().name)
    return Storage(folder / STORAGE) if importlib.util.find_spec("optuna") else None


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show warnings, such as of a full disk, as messages without a source line."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        sys.stderr.write(f"gradus: {with_flag_names(str(message))}\n")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def _saying_what_is_left(folder: Path, sweep: Sweep, new: bool) -> Iterator[None]:
    """Discard a new run if it fails before a trial has ended; have Ctrl-C say how to go on."""
    try:
        yield
    except BaseException as error:
        left = f"Interrupted.{_resume_hint(' To resume:', folder, sweep)}"
        if new and all(not trial.ended for trial in sweep.trials):
            runs.discard_run(folder)
            left = NO_TRIALS
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(left) from None
        raise


@contextlib.contextmanager
def _naming_resume(folder: Path, sweep: Sweep) -> Iterator[None]:
    """Add to errors of writing the run how to resume without losing trials."""
    try:
        yield
    except SavedError as error:
        hint = _resume_hint(" No stored trial is repeated by", folder, sweep)
        raise SavedError(f"{error}{hint}") from None


def _resume_hint(words: str, folder: Path, sweep: Sweep) -> str:
    """Return words and the command that resumes the sweep, or "" if no trial is stored."""
    command = format_command("sweep", "--resume", folder)
    return f"{words} {command}" if sweep.storage else ""


def _write_best(
    setup: SweepSetup, folder: Path, started: float, print_line: PrintLine
) -> dict[str, Any]:
    """Write the best trial as a run, and the table and the page of all trials."""
    sweep = setup.sweep
    best = sweep.ranking[0]
    model, prepared = _best_model(setup, best, print_line)
    runs.start_run(folder, prepared.experiment, prepared.preprocessor)
    if sweep.cv:  # each model of the trial has left out a fold
        fit_model(model, prepared, folder / runs.CHECKPOINT)
    extra = {
        "best": sweep.best_settings,
        "score": best.score,
        "sweep_seconds": round(sweep.seconds, 3),
        "monitor": sweep.monitor,
        "trials": sum(trial.ended for trial in sweep.trials),
        "statuses": dict(Counter(trial.status for trial in sweep.trials)),
        "interrupted": sweep.interrupted,
        "resumable": sweep.storage is not None,
    }
    table, trained = sweep.table(), sum(bool(trial.histories) for trial in sweep.trials)
    restore_curves(folder, sweep.trials)
    with files.replacing(folder) as new:
        files.write_table(new / TABLE, table.filter(table["status"] != WAITING))
        write_curves(new, sweep.trials)
    record = write_run(folder, model, prepared, started, extra)
    doing("writing the page of the sweep")
    _write_page(sweep, prepared, folder, trained)
    return record


def _write_page(sweep: Sweep, prepared: PreparedData, folder: Path, trained: int) -> Path:
    """Write the page of all trials, of which some were trained in the time that it took."""
    return write_sweep(
        folder / PAGE,
        sweep,
        title=f"{folder.resolve().name}: all trials",
        data=prepared.page_lines,
        settings=(folder / FILE).read_text("utf-8"),
        commands=_commands(folder, len(sweep.trials)),
        trained=trained,
    )


def rewrite_sweep_page(run: Run) -> tuple[Path, str]:
    """Write the page of all trials of a sweep again, from what is kept, and train nothing.

    Args:
        run: the best trial of a sweep.

    Returns:
        Its path, and a sentence on what is missing from it, or "".

    Raises:
        GradusError: if the data cannot be read or have changed, or the trials are not kept.
    """
    folder = run.folder
    toml = folder / FILE
    setup = set_up_sweep(experiment_file.read_settings(toml), {}, str(toml), again=True)
    sweep = setup.sweep
    sweep.storage = _open_storage(folder, setup.section)
    if sweep.storage is None or (setup.section.storage is None and not (folder / STORAGE).exists()):
        raise SavedError(f"{str(folder / STORAGE)!r}, which has the trials, is missing.")
    sweep.restore(**_fit_arguments(setup), verbose=False)
    record = manifests.read_manifest(folder, runs.RECORD, runs.SweepRecord)
    sweep.seconds, sweep.interrupted = record.sweep_seconds, record.interrupted
    restore_curves(folder, sweep.trials)
    best = resolve(sweep.model.settings["settings"], sweep.hypers, sweep.ranking[0].values)
    path = _write_page(sweep, setup.configurator.prepare(best), folder, trained=0)
    return path, "" if any(trial.histories for trial in sweep.trials) else CURVES_LEFT_OUT


def _commands(folder: Path, trials: int) -> list[str]:
    """Return the commands that use the best run."""
    experiment = folder / experiment_file.FILE
    return [
        format_command("predict", folder, "DATA", "--out", "predictions.csv"),
        format_command("evaluate", folder, "DATA"),
        f"{format_command('train', experiment)}    # repeat the best settings",
        f"{format_command('sweep', '--resume', folder, '--trials', 2 * trials)}    # more trials",
    ]


def _best_model(
    setup: SweepSetup, best: Trial, print_line: PrintLine
) -> tuple[Model, PreparedData]:
    """Return the best trial's model, and the data that it was trained on.

    With folds, no model has seen all training rows, so the model is a new, untrained one.
    """
    sweep, configurator = setup.sweep, setup.configurator
    trained = _best_with_statistics(setup, best, print_line)
    settings = resolve(sweep.model.settings["settings"], sweep.hypers, best.values)
    prepared = configurator.prepare(settings)
    x, _ = prepared.parts["training"]
    count = prepared.row_counts["training"]
    model = configurator.build_model({**settings, "seed": trained.seed}, count=count)
    if not sweep.cv:
        model.build(jax.tree.map(lambda a: a[:2], x))
        model.set_weights(trained.weights)
        model.history, model.record = trained.history, trained.record
    no_statistics = sweep.interrupted and not setup.in_parts
    notes = [SETTINGS_CHANGED] * bool(best.lineage) + [NO_STATISTICS] * no_statistics
    experiment = structs.replace(prepared.experiment, seed=trained.seed)
    if best.lineage:
        fixed = structs.replace(experiment.training, refit=False)
        experiment = structs.replace(experiment, training=fixed)
    return model, dataclasses.replace(
        prepared, experiment=experiment, notes=[*prepared.notes, *notes]
    )


def _best_with_statistics(setup: SweepSetup, best: Trial, print_line: PrintLine) -> Model:
    """Return the best trial's model with layer statistics, which trials in memory do not record."""
    sweep = setup.sweep
    if sweep.cv or sweep.interrupted or setup.in_parts:
        return sweep.member_models(best)[0]
    print_line("Training the best trial once more, to the same weights, for its layer statistics.")
    doing("training the best trial")
    try:
        return sweep.member_models(best, probes=True)[0]
    except KeyboardInterrupt:
        return sweep.member_models(best)[0]
