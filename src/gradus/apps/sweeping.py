"""A whole sweep: from an experiment with spaces to the run folder of the best trial."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import time
from collections import Counter
from pathlib import Path
from typing import Any

import jax
from msgspec import structs

from gradus import files
from gradus.apps import draft, runs, spec
from gradus.apps.defaults import spaces
from gradus.apps.draft import Draft, Plan
from gradus.apps.prepare import Prepared, prepare
from gradus.apps.spaces import flat, parse, to_toml
from gradus.apps.spec import Named, SpecError, Sweeping, checked, sweeping
from gradus.apps.training import Say, conclude, fit
from gradus.errors import GradusError
from gradus.models.model import Model
from gradus.report.sweep_page import write_sweep
from gradus.report.sweeps import setting
from gradus.space import Choice, Space, find, settle
from gradus.sweep import search, strategy
from gradus.sweep.storage import Storage
from gradus.sweep.sweep import Sweep
from gradus.sweep.trial import WAITING, Trial

FILE = runs.SWEEP
TABLE, PAGE, STORAGE = "trials.parquet", "sweep.html", "trials.db"
TRIALS = 32
VALIDATION = 0.2  # share of rows; trials that differ by little are told apart by many
CHANGED = "The settings changed while it was trained; the experiment has the last of them."
NEVER = 10**6  # epochs of patience


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
    prepared = prepare(_first(parse(raw, where), where))
    if not find(parse(raw, where)):
        raw = spec.merged(spec.merged(raw, spaces(prepared.experiment)), fixed)
    settings = parse(raw, where)
    _settle_batches(settings, prepared)
    plan = _plan(prepared, how)
    draft.check(plan, {key: value for key, value in settings.items() if key != "seed"}, where)
    made = _sweep(plan, settings, how)
    for line in [*prepared.found, *_outline(made, settings, how)]:
        say(line)
    for note in prepared.notes:
        say(f"note      {note}")
    say("")
    folder = resume or runs.new_folder(out, prepared.experiment.data)
    try:
        if resume is None:
            _write(folder, raw, how, prepared)
        made.storage = _storage(folder, how)
        _try(made, prepared, settings, verbose)
        if math.isnan(made.ranking[0].score):
            raise GradusError("Every trial diverged: lower the learning rates, or try more.")
    except BaseException:
        if resume is None and all(trial.status == WAITING for trial in made.trials):
            runs.discard(folder)
        raise
    _write(folder, raw, how, prepared)
    return _conclude(made, plan, prepared, folder, began)


# --- before the first trial --------------------------------------------------------------------


def _first(settings: Named, where: str) -> spec.Experiment:
    """Return the experiment of the first value of every space."""
    hypers = find(settings)
    first: Named = draft.at(settings, hypers, dict.fromkeys(hypers, 0.0))
    return checked(flat(first), where)


def _settle_batches(settings: Named, prepared: Prepared) -> None:
    """Write down the size of batches where it would be chosen by an optimiser that is a space."""
    if isinstance(settings.get("optimizer", {}).get("name"), Space):
        size = prepared.experiment.training.batch_size
        settings["training"] = {"batch_size": size, **settings.get("training", {})}


def _plan(prepared: Prepared, how: Sweeping) -> Plan:
    rows = len(prepared.parts["training"][1])
    rows -= rows // how.cv if how.cv else 0
    return Plan(prepared.facts, prepared.target, prepared.entry, rows)


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


def _write(folder: Path, raw: Named, how: Sweeping, prepared: Prepared) -> None:
    """Write what is known before the first trial."""
    settings = {key: value for key, value in structs.asdict(how).items() if value is not None}
    head = f"# To repeat this sweep: gradus sweep {FILE}\n"
    with files.replacing(folder) as new:
        (new / FILE).write_text(head + to_toml({**raw, "sweep": settings}), "utf-8")
        content = prepared.preprocessor.to_dict()
        files.write_manifest(new, runs.PREPROCESSING, "preprocessing", content)


def _storage(folder: Path, how: Sweeping) -> Storage | None:
    """Return where the trials are kept; nowhere if the package for that is missing."""
    if how.storage is not None:
        return Storage(how.storage, folder.resolve().name)
    return Storage(folder / STORAGE) if importlib.util.find_spec("optuna") else None


# --- the trials, and what came of them ---------------------------------------------------------


def _try(made: Sweep, prepared: Prepared, settings: Named, verbose: bool) -> None:
    """Train all trials as `training.fit` would each."""
    chosen = prepared.experiment.training
    given = {name: getattr(chosen, name) for name in ("epochs", "batch_size", "min_delta")}
    given |= {"patience": chosen.patience, **settings.get("training", {})}
    if "patience" not in settings.get("training", {}) and (chosen.patience or 0) >= (
        chosen.epochs or 0
    ):
        given["patience"] = NEVER  # the best epoch is kept, however many there are
    x, y = prepared.parts["training"]
    made.fit(
        x,
        y,
        batch_size=None if given["batch_size"] == "all" else given["batch_size"],
        epochs=given["epochs"],
        validation_data=None if made.cv else prepared.parts["validation"],
        class_weight=None if chosen.class_weight == "none" else chosen.class_weight,
        shuffle_seed=prepared.experiment.shuffle_seed,
        patience=given["patience"] or None,
        monitor=chosen.monitor,
        min_delta=given["min_delta"],
        verbose=verbose,
    )


def _conclude(
    made: Sweep, plan: Plan, prepared: Prepared, folder: Path, began: float
) -> dict[str, Any]:
    """Write the best trial as a run, and the table and the page of all beside it."""
    best = made.ranking[0]
    model, prepared = _winner(made, best, plan, prepared)
    runs.begin(folder, prepared.experiment, prepared.preprocessor)
    if made.cv:  # each of the trial's members has left out a fold
        fit(model, prepared, folder, None, False)
    settings = {k: v for k, v in best.settings(made.hypers).items() if v is not None}
    more = {
        "best": settings,
        "score": best.score,
        "monitor": made.monitor,
        "trials": sum(trial.status != WAITING for trial in made.trials),
        "statuses": dict(Counter(trial.status for trial in made.trials)),
        "interrupted": made.interrupted,
        "resumable": made.storage is not None,
    }
    table = made.table()
    table.filter(table["status"] != WAITING).write_parquet(folder / TABLE)
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


def _winner(made: Sweep, best: Trial, plan: Plan, prepared: Prepared) -> tuple[Model, Prepared]:
    """Return the best trial's model, and its experiment in the place of the first.

    Of several folds' models none has seen all training rows: the model is then a new one.
    """
    draft_model = made.member_models(best)[0]
    settled = settle(made.model.settings["settings"], made.hypers, best.values)
    seed = draft_model.seed
    experiment = structs.replace(plan.experiment(settled), seed=seed)
    notes = [*prepared.notes, *[CHANGED] * bool(best.lineage)]
    chosen = dataclasses.replace(prepared, experiment=experiment, notes=notes)
    whole = dataclasses.replace(plan, rows=len(prepared.parts["training"][1]))
    model = whole.model({**settled, "seed": seed})
    if not made.cv:
        model.build(jax.tree.map(lambda a: a[:2], prepared.parts["training"][0]))
        model.set_weights(draft_model.weights)
        model.history = draft_model.history
    return model, chosen
