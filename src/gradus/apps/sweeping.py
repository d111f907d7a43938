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
from gradus.apps import defaults, draft, runs, spec
from gradus.apps.defaults import spaces
from gradus.apps.draft import Draft, Plan
from gradus.apps.prepare import Prepared, Rows, rows_of
from gradus.apps.spaces import flat, inline, parse, to_toml
from gradus.apps.spec import Named, SpecError, Sweeping, as_space, checked, sweeping
from gradus.apps.training import Say, conclude, fit
from gradus.errors import GradusError, SavedError
from gradus.models.model import Model
from gradus.report.sweep_page import write_sweep
from gradus.report.sweeps import setting
from gradus.settings import find, settle
from gradus.space import Choice, Space
from gradus.sweep import inputs, search, strategy
from gradus.sweep.judging import watched
from gradus.sweep.storage import Storage
from gradus.sweep.sweep import Sweep
from gradus.sweep.trial import WAITING, Trial, reached

FILE = runs.SWEEP
TABLE, PAGE, STORAGE = "trials.parquet", "sweep.html", "trials.db"
TRIALS = 32
INPUTS = ("preprocessing", "drop_columns", "keep_columns")  # what decides the samples
SWEPT = ("epochs", "batch_size", "min_delta", "class_weight")
VALIDATION = 0.2  # share of rows; trials that differ by little are told apart by many
CHANGED = "The settings changed while it was trained; the experiment has the last of them."
UNBORN = "Interrupted before the first trial had ended: nothing is kept."
UNSIGNED = (
    "The sweep was interrupted, so that the layers' vital signs were not recorded; they are when "
    "it has ended."
)
GROWING = ("sweep.trials", "sweep.storage")  # what a sweep that goes on may have otherwise
NEVER = 10**6  # epochs of patience
NOTHING = (
    "Nothing is left to try, as every setting has one value: leave out a flag such as "
    "--learning-rate, or write a space in the place of a value in an experiment.toml, such as "
    "learning_rate = {log_uniform = [1e-4, 1e-1]} in [optimizer]."
)


def sweep(
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
        raw: the experiment's settings, its spaces as inline tables, and the section `sweep`.
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
    began = time.perf_counter()
    raw = spec.merged(raw, fixed)
    how = sweeping(raw.pop("sweep", {}), where)
    fixed = {key: value for key, value in fixed.items() if key != "sweep"}
    if how.trials is None and how.search != "grid":
        how = structs.replace(how, trials=TRIALS)
    raw.setdefault("validation", VALIDATION)
    if how.cv is None and not raw["validation"]:
        raise SpecError("Trials are judged on rows held out: write --validation 0.2, or --cv 5.")
    if as_space(raw.get("shuffle_seed")):  # all trials are judged on the same rows
        raw.setdefault("validation_seed", 0)
    spec.check_keys(raw, where)
    first = checked(flat(_first(parse(raw, where))), where)
    rows = rows_of(first)
    if not find(parse(raw, where)):
        raw = spec.merged(spec.merged(raw, spaces(defaults.complete(first, rows.facts))), fixed)
    settings = parse(raw, where)
    if not find(settings):
        raise SpecError(NOTHING)
    plan = _plan(rows, how)
    prepared = plan.prepared(_first(settings), where)
    _settle_batches(settings, prepared)
    _settle_monitor(settings, prepared)
    draft.check(plan, {key: value for key, value in settings.items() if key != "seed"}, where)
    made = _sweep(plan, settings, how)
    for line in [*prepared.found, *_folds(prepared, how), *_outline(made, settings, how)]:
        say(line)
    for note in prepared.notes:
        say(f"note      {note}")
    say("")
    folder = resume or runs.new_folder(out, prepared.experiment.data)
    with contextlib.nullcontext() if resume else _cleared(folder, made):
        if resume is None:
            _write(folder, raw, how)
        made.storage = _storage(folder, how)
        with _plainly():
            _try(made, plan, settings, verbose)
        if math.isnan(made.ranking[0].score):
            raise GradusError("Every trial diverged: lower the learning rates, or try more.")
    with _resumable(folder, made):
        _write(folder, raw, how)
        return _conclude(made, plan, folder, began, say)


# --- before the first trial --------------------------------------------------------------------


def check_same(raw: Named, fixed: Named, where: str) -> None:
    """Check that flags change nothing of a sweep that goes on but `trials` and `storage`.

    Args:
        raw: its settings.
        fixed: those that flags give.
        where: the file of its settings.

    Raises:
        SpecError: naming what they change.
    """
    changed = []
    for key, value in fixed.items():
        section = isinstance(value, dict)
        before, now = (raw.get(key, {}), value) if section else (raw, {key: value})
        place = f"{key}." if section else ""
        changed += [
            f"{place}{name} = {inline(one)}"
            + (f" instead of {inline(before[name])}" if name in before else "")
            for name, one in now.items()
            if before.get(name) != one and f"{place}{name}" not in GROWING
        ]
    if changed:
        raise SpecError(
            f"--resume goes on with the settings of {where}, and cannot take "
            f"{', '.join(changed)}: leave these flags out, or begin a new sweep: gradus sweep "
            f"{where} with the flags."
        )


def _first(settings: Named) -> Named:
    """Return the settings with the first value of every space."""
    hypers = find(settings)
    first: Named = settle(settings, hypers, reached(hypers, {}))
    return first


def _settle_batches(settings: Named, prepared: Prepared) -> None:
    """Write down the size of batches where it would be chosen by an optimiser that is a space."""
    if isinstance(settings.get("optimizer", {}).get("name"), Space):
        size = prepared.experiment.training.batch_size
        settings["training"] = {"batch_size": size, **settings.get("training", {})}


def _settle_monitor(settings: Named, prepared: Prepared) -> None:
    """Write down what trials are judged by where their losses cannot be compared.

    Raises:
        SpecError: if they are to be judged by the loss all the same.
    """
    varied = {name: settings[name] for name in ("loss", "penalty") if find(settings.get(name))}
    if not varied:
        return
    training, experiment = settings.get("training", {}), prepared.experiment
    if "loss" not in varied and list(experiment.loss) == ["name"] and not training.get("monitor"):
        bare = experiment.loss["name"]  # as a metric it is without penalties
        monitor = experiment.training.monitor
        if monitor in ("loss", "val_loss"):
            settings["metrics"] = [*(experiment.metrics or ()), bare]
            settings["training"] = {**training, "monitor": monitor.replace("loss", bare)}
        return
    judged = {"loss": experiment.loss["name"], "metrics": experiment.metrics, **varied}
    try:
        monitor = watched(judged, training.get("monitor"))
    except GradusError as error:
        raise SpecError(str(error)) from None
    settings["training"] = {**training, "monitor": monitor}


def _plan(rows: Rows, how: Sweeping) -> Plan:
    count = len(rows.parts["training"])
    return Plan(rows, count - count // how.cv if how.cv else count)


def _sweep(plan: Plan, settings: Named, how: Sweeping) -> Sweep:
    """Return the sweep, after a check of how it is to search.

    Raises:
        SpecError: for a search or a strategy that cannot be.
    """
    others = {key: value for key, value in settings.items() if key != "seed"}
    model = Draft(plan, others, settings.get("seed", 0))
    try:
        made = Sweep(
            model,
            how.trials,
            how.search,
            seeds=how.seeds,
            cv=how.cv,
            strategy=strategy.get(how.strategy),
            seed=how.seed,
        )
        fitting = {key: settings.get("training", {}).get(key) for key in ("epochs", "batch_size")}
        search.get(how.search, find([model.settings, fitting]), how.trials or 1, how.seed)
    except GradusError as error:
        raise SpecError(str(error)) from None
    return made


def _folds(prepared: Prepared, how: Sweeping) -> list[str]:
    """Return which rows are folds, in a line, where there are folds."""
    if not how.cv:
        return []
    sizes = {name: len(y) for name, (_, y) in prepared.parts.items()}
    each = -(-sizes["training"] // how.cv)
    last = ""
    if "validation" in sizes:
        last = f"; the {sizes['validation']:,} validation rows are for the best trial alone"
    return [
        f"folds     the {sizes['training']:,} training rows in {how.cv} folds of at most "
        f"{each:,}, on which trials are judged{last}"
    ]


def _outline(made: Sweep, settings: Named, how: Sweeping) -> list[str]:
    """Return what is tried, and how, in lines."""
    found = find(settings)
    width = max(map(len, found), default=0)
    lines = [f"{name.ljust(width)}  {_brief(hyper.space)}" for name, hyper in found.items()]
    lines = [f"{'' if k else 'spaces':10}{line}" for k, line in enumerate(lines)]
    words = [how.search, f"{made.count} trials" if made.count else "all combinations"]
    words += [f"{how.seeds} seeds each"] * (how.seeds > 1) + [f"{how.cv} folds each"] * bool(how.cv)
    words += [f"strategy {how.strategy}"] * bool(how.strategy)
    return [*lines, f"search    {', '.join(words)}"]


def _brief(space: Space) -> str:
    """Return a space in a line, its options as tables call them."""
    if not isinstance(space, Choice):
        return repr(space)
    return f"choice({', '.join(setting(label) for label in space.labels)})"


def _write(folder: Path, raw: Named, how: Sweeping) -> None:
    """Write what is known before the first trial."""
    settings = {key: value for key, value in structs.asdict(how).items() if value is not None}
    head = f"# To repeat this sweep: gradus sweep {FILE}\n"
    with files.replacing(folder) as new:
        (new / FILE).write_text(head + to_toml({**raw, "sweep": settings}), "utf-8")


def _storage(folder: Path, how: Sweeping) -> Storage | None:
    """Return where the trials are kept; nowhere if the package for that is missing."""
    if how.storage is not None:
        return Storage(how.storage, folder.resolve().name)
    return Storage(folder / STORAGE) if importlib.util.find_spec("optuna") else None


# --- the trials, and what came of them ---------------------------------------------------------


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """Show warnings, such as of a storage that is full, as words without a place in the code."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        sys.stderr.write(f"gradus: {message}\n")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _try(made: Sweep, plan: Plan, settings: Named, verbose: bool) -> None:
    """Train all trials as `training.fit` would each."""
    experiment = plan.prepared(_first(settings)).experiment
    chosen = experiment.training
    given = {name: getattr(chosen, name) for name in SWEPT}
    given |= {"patience": chosen.patience, **settings.get("training", {})}
    if "patience" not in settings.get("training", {}) and (chosen.patience or 0) >= (
        chosen.epochs or 0
    ):
        given["patience"] = NEVER  # the best epoch is kept, however many there are
    made.fit(
        _inputs(plan, settings, bool(made.cv)),
        batch_size=None if given["batch_size"] == "all" else given["batch_size"],
        epochs=given["epochs"],
        class_weight=_class_weight(given["class_weight"]),
        shuffle_seed=settings.get("shuffle_seed", experiment.shuffle_seed),
        patience=given["patience"] or None,
        monitor=chosen.monitor,
        min_delta=given["min_delta"],
        verbose=verbose,
    )


def _inputs(plan: Plan, settings: Named, folds: bool) -> Any:
    """Return what the trials are trained and judged on, by those settings that decide it."""

    def data(**varied: Any) -> dict[str, Any]:
        parts = plan.prepared({**first, **varied}).parts
        x, y = parts["training"]
        return {"x": x, "y": y, **({} if folds else {"validation_data": parts["validation"]})}

    first = _first(settings)
    varied = {name: settings[name] for name in INPUTS if find(settings.get(name))}
    loss = settings.get("loss", {}).get("name")
    if isinstance(loss, Choice) and len({_encoded(plan, first, name) for name in loss.labels}) > 1:
        names = tuple({"name": name} for name in loss.labels)
        varied["loss"] = Choice(names, name=loss.name)  # goes with the model's, by its name
    return inputs.prepared(data, **varied)


def _encoded(plan: Plan, first: Named, loss: str) -> tuple[int, ...]:
    """Return the shape of the targets that a loss wants, beside their number."""
    _, y = plan.prepared({**first, "loss": {"name": loss}}).parts["training"]
    return y.shape[1:]


def _class_weight(given: Any) -> Any:
    """Return the weights of classes as `fit` takes them: None for "none"."""
    if isinstance(given, Choice):
        return Choice(tuple(map(_class_weight, given.options)), name=given.name)
    return None if given == "none" else given


@contextlib.contextmanager
def _cleared(folder: Path, made: Sweep) -> Iterator[None]:
    """Leave no new folder behind where no trial has ended."""
    try:
        yield
    except BaseException as error:
        if any(trial.status != WAITING for trial in made.trials):
            raise
        runs.discard(folder)
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(UNBORN) from None
        raise


@contextlib.contextmanager
def _resumable(folder: Path, made: Sweep) -> Iterator[None]:
    """Say, where the run cannot be written, that its trials are not lost."""
    try:
        yield
    except SavedError as error:
        again = f" Then write: gradus sweep --resume {folder}, which trains no stored trial again."
        raise SavedError(f"{error}{again if made.storage else ''}") from None


def _conclude(made: Sweep, plan: Plan, folder: Path, began: float, say: Say) -> dict[str, Any]:
    """Write the best trial as a run, and the table and the page of all beside it."""
    best = made.ranking[0]
    model, prepared = _winner(made, best, plan, say)
    runs.begin(folder, prepared.experiment, prepared.preprocessor)
    if made.cv:  # each of the trial's members has left out a fold
        fit(model, prepared, folder, None, False)
    more = {
        "best": made.best_settings,
        "score": best.score,
        "monitor": made.monitor,
        "trials": sum(trial.status != WAITING for trial in made.trials),
        "statuses": dict(Counter(trial.status for trial in made.trials)),
        "interrupted": made.interrupted,
        "resumable": made.storage is not None,
    }
    table = made.table()
    with files.replacing(folder) as new:
        files.write_table(new / TABLE, table.filter(table["status"] != WAITING))
    record = conclude(folder, model, prepared, began, more)
    write_sweep(
        folder / PAGE,
        made,
        title=f"{folder.resolve().name}: the sweep",
        data=[" ".join(line.split()) for line in prepared.found],
        settings=(folder / FILE).read_text("utf-8"),
        commands=_commands(folder),
    )
    return record


def _commands(folder: Path) -> list[str]:
    """Return how to use the best run, in commands."""
    return [
        f"gradus predict {folder} DATA --out predictions.csv",
        f"gradus evaluate {folder} DATA",
        f"gradus train {folder}/{spec.FILE}    # the best settings again",
        f"gradus sweep --resume {folder} --trials 256    # more trials",
    ]


def _winner(made: Sweep, best: Trial, plan: Plan, say: Say) -> tuple[Model, Prepared]:
    """Return the best trial's model, and what it was trained on.

    Of several folds' models none has seen all training rows: the model is then a new one.
    """
    draft_model = _trained(made, best, say)
    settled = settle(made.model.settings["settings"], made.hypers, best.values)
    seed = draft_model.seed
    found = plan.prepared(settled)
    experiment = structs.replace(found.experiment, seed=seed)
    notes = [*found.notes, *[CHANGED] * bool(best.lineage), *[UNSIGNED] * made.interrupted]
    chosen = dataclasses.replace(found, experiment=experiment, notes=notes)
    x, y = found.parts["training"]
    model = plan.model({**settled, "seed": seed}, count=len(y))
    if not made.cv:
        model.build(jax.tree.map(lambda a: a[:2], x))
        model.set_weights(draft_model.weights)
        model.history = draft_model.history
    return model, chosen


def _trained(made: Sweep, best: Trial, say: Say) -> Model:
    """Return the best trial's model, with vital signs, which none of the trials has recorded."""
    if made.cv or made.interrupted:
        return made.member_models(best)[0]
    say("The best trial is trained once more, to the same weights, for its layers' vital signs.")
    try:
        return made.member_models(best, probes=True)[0]
    except KeyboardInterrupt:
        return made.member_models(best)[0]
