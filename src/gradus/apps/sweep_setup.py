"""From an experiment with spaces to a sweep that is ready to be trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec import structs

from gradus.apps import defaults, experiment_file
from gradus.apps.defaults import default_spaces
from gradus.apps.experiment_file import (
    Named,
    SpecError,
    SweepSection,
    as_space,
    check_experiment,
    check_sweep_section,
)
from gradus.apps.prepare import PreparedData, load_and_split
from gradus.apps.spaces import flatten_spaces, inline, parse_spaces
from gradus.apps.trial_config import ExperimentModel, TrialConfigurator, check_trials
from gradus.errors import GradusError
from gradus.hyperparameters import find_hyperparameters, resolve
from gradus.report.sweeps import format_setting
from gradus.space import Choice, Space
from gradus.sweep.members.data import prepared as prepared_inputs
from gradus.sweep.monitor import choose_monitor
from gradus.sweep.search import get_search
from gradus.sweep.search.trial import values_reaching
from gradus.sweep.strategies import get_strategy
from gradus.sweep.sweep import Sweep

TRIALS = 32
VALIDATION = 0.2  # share of rows; trials that differ by little are told apart by many
DATA_SETTINGS = ("preprocessing", "drop_columns", "keep_columns")  # what decides the samples
FIT_SETTINGS = ("epochs", "batch_size", "min_delta", "class_weight")
GROWING = ("sweep.trials", "sweep.storage")  # what a resumed sweep may have otherwise
NEVER = 10**6  # epochs of patience
NOTHING = (
    "Nothing is left to try, as every setting has one value: leave out a flag such as "
    "--learning-rate, or write a space in the place of a value in an experiment.toml, such as "
    "learning_rate = {log_uniform = [1e-4, 1e-1]} in [optimizer]."
)


@dataclass(frozen=True)
class SweepSetup:
    """A sweep that is ready to be trained, and what it was made of.

    Attributes:
        raw: the settings of the experiment, spaces as inline tables.
        section: how is searched.
        settings: the settings of the experiment, with spaces.
        configurator: makes an experiment of the settings of a trial.
        prepared: the data of the first trial, preprocessed.
        sweep: the sweep.
    """

    raw: Named
    section: SweepSection
    settings: Named
    configurator: TrialConfigurator
    prepared: PreparedData
    sweep: Sweep

    def describe(self) -> list[str]:
        """Return what is tried, on what, and how, in lines."""
        return [
            *self.prepared.summary_lines,
            *_describe_folds(self.prepared, self.section),
            *_describe_search(self.sweep, self.settings, self.section),
            *(f"note      {note}" for note in self.prepared.notes),
        ]

    def fit(self, verbose: bool) -> None:
        """Train all trials, each as `training.fit_model` would alone."""
        experiment = self.configurator.prepare(first_values(self.settings)).experiment
        chosen, own = experiment.training, self.settings.get("training", {})
        given = {name: getattr(chosen, name) for name in FIT_SETTINGS}
        given |= {"patience": chosen.patience, **own}
        if "patience" not in own and (chosen.patience or 0) >= (chosen.epochs or 0):
            given["patience"] = NEVER  # the best epoch is kept, however many there are
        self.sweep.fit(
            _sweep_inputs(self.configurator, self.settings, bool(self.sweep.cv)),
            batch_size=None if given["batch_size"] == "all" else given["batch_size"],
            epochs=given["epochs"],
            class_weight=_class_weight(given["class_weight"]),
            shuffle_seed=self.settings.get("shuffle_seed", experiment.shuffle_seed),
            patience=given["patience"] or None,
            monitor=chosen.monitor,
            min_delta=given["min_delta"],
            verbose=verbose,
        )


def set_up_sweep(raw: Named, fixed: Named, where: str) -> SweepSetup:
    """Return the sweep of an experiment, checked before any training.

    Args:
        raw: the experiment's settings, its spaces as inline tables, and the section `sweep`.
        fixed: settings that have one value, whatever the experiment says.
        where: the file of the settings, for messages.

    Raises:
        GradusError: for data or settings that cannot be.
    """
    raw = experiment_file.merge_settings(raw, fixed)
    section = check_sweep_section(raw.pop("sweep", {}), where)
    fixed = {key: value for key, value in fixed.items() if key != "sweep"}
    if section.trials is None and section.search != "grid":
        section = structs.replace(section, trials=TRIALS)
    raw.setdefault("validation", VALIDATION)
    if section.cv is None and not raw["validation"]:
        raise SpecError("Trials are judged on rows held out: write --validation 0.2, or --cv 5.")
    if as_space(raw.get("shuffle_seed")):  # all trials are judged on the same rows
        raw.setdefault("validation_seed", 0)
    experiment_file.check_keys(raw, where)
    first = check_experiment(flatten_spaces(first_values(parse_spaces(raw, where))), where)
    data = load_and_split(first)
    if not find_hyperparameters(parse_spaces(raw, where)):
        chosen = default_spaces(defaults.fill_defaults(first, data.summary))
        raw = experiment_file.merge_settings(raw, chosen)
        raw = experiment_file.merge_settings(raw, fixed)
    settings = parse_spaces(raw, where)
    if not find_hyperparameters(settings):
        raise SpecError(NOTHING)
    count = len(data.parts["training"])
    configurator = TrialConfigurator(data, count - count // section.cv if section.cv else count)
    prepared = configurator.prepare(first_values(settings), where)
    _fix_batch_size(settings, prepared)
    _fix_monitor(settings, prepared)
    unseeded = {key: value for key, value in settings.items() if key != "seed"}
    check_trials(configurator, unseeded, where)
    sweep = _make_sweep(configurator, settings, section)
    return SweepSetup(raw, section, settings, configurator, prepared, sweep)


def check_resume_flags(raw: Named, fixed: Named, where: str) -> None:
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


def first_values(settings: Named) -> Named:
    """Return the settings with the first value of every space."""
    hypers = find_hyperparameters(settings)
    first: Named = resolve(settings, hypers, values_reaching(hypers, {}))
    return first


def _fix_batch_size(settings: Named, prepared: PreparedData) -> None:
    """Write down the size of batches where it would be chosen by an optimiser that is a space."""
    if isinstance(settings.get("optimizer", {}).get("name"), Space):
        size = prepared.experiment.training.batch_size
        settings["training"] = {"batch_size": size, **settings.get("training", {})}


def _fix_monitor(settings: Named, prepared: PreparedData) -> None:
    """Write down what trials are judged by where their losses cannot be compared.

    Raises:
        SpecError: if they are to be judged by the loss all the same.
    """
    varied = {
        name: settings[name]
        for name in ("loss", "penalty")
        if find_hyperparameters(settings.get(name))
    }
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
        monitor = choose_monitor(judged, training.get("monitor"))
    except GradusError as error:
        raise SpecError(str(error)) from None
    settings["training"] = {**training, "monitor": monitor}


def _make_sweep(configurator: TrialConfigurator, settings: Named, section: SweepSection) -> Sweep:
    """Return the sweep, after a check of how it is to search.

    Raises:
        SpecError: for a search or a strategy that cannot be.
    """
    others = {key: value for key, value in settings.items() if key != "seed"}
    model = ExperimentModel(configurator, others, settings.get("seed", 0))
    try:
        made = Sweep(
            model,
            section.trials,
            section.search,
            seeds=section.seeds,
            cv=section.cv,
            strategy=get_strategy(section.strategy),
            seed=section.seed,
        )
        fitting = {key: settings.get("training", {}).get(key) for key in ("epochs", "batch_size")}
        get_search(
            section.search,
            find_hyperparameters([model.settings, fitting]),
            section.trials or 1,
            section.seed,
        )
    except GradusError as error:
        raise SpecError(str(error)) from None
    return made


def _describe_folds(prepared: PreparedData, section: SweepSection) -> list[str]:
    """Return which rows are folds, in a line, where there are folds."""
    if not section.cv:
        return []
    sizes = {name: len(y) for name, (_, y) in prepared.parts.items()}
    each = -(-sizes["training"] // section.cv)
    last = ""
    if "validation" in sizes:
        last = f"; the {sizes['validation']:,} validation rows are for the best trial alone"
    return [
        f"folds     the {sizes['training']:,} training rows in {section.cv} folds of at most "
        f"{each:,}, on which trials are judged{last}"
    ]


def _describe_search(made: Sweep, settings: Named, section: SweepSection) -> list[str]:
    """Return what is tried, and section, in lines."""
    found = find_hyperparameters(settings)
    width = max(map(len, found), default=0)
    lines = [
        f"{name.ljust(width)}  {_describe_space(hyper.space)}" for name, hyper in found.items()
    ]
    lines = [f"{'' if k else 'spaces':10}{line}" for k, line in enumerate(lines)]
    words = [section.search, f"{made.count} trials" if made.count else "all combinations"]
    words += [f"{section.seeds} seeds each"] * (section.seeds > 1) + [
        f"{section.cv} folds each"
    ] * bool(section.cv)
    words += [f"strategy {section.strategy}"] * bool(section.strategy)
    return [*lines, f"search    {', '.join(words)}"]


def _describe_space(space: Space) -> str:
    """Return a space in a line, its options as tables call them."""
    if not isinstance(space, Choice):
        return repr(space)
    return f"choice({', '.join(format_setting(label) for label in space.labels)})"


def _sweep_inputs(configurator: TrialConfigurator, settings: Named, folds: bool) -> Any:
    """Return what the trials are trained and judged on, by those settings that decide it."""

    def data(**varied: Any) -> dict[str, Any]:
        parts = configurator.prepare({**first, **varied}).parts
        x, y = parts["training"]
        return {"x": x, "y": y, **({} if folds else {"validation_data": parts["validation"]})}

    first = first_values(settings)
    varied = {
        name: settings[name] for name in DATA_SETTINGS if find_hyperparameters(settings.get(name))
    }
    loss = settings.get("loss", {}).get("name")
    if (
        isinstance(loss, Choice)
        and len({_target_shape(configurator, first, name) for name in loss.labels}) > 1
    ):
        names = tuple({"name": name} for name in loss.labels)
        varied["loss"] = Choice(names, name=loss.name)  # goes with the model's, by its name
    return prepared_inputs(data, **varied)


def _target_shape(configurator: TrialConfigurator, first: Named, loss: str) -> tuple[int, ...]:
    """Return the shape of the targets that a loss wants, beside their number."""
    _, y = configurator.prepare({**first, "loss": {"name": loss}}).parts["training"]
    return y.shape[1:]


def _class_weight(given: Any) -> Any:
    """Return the weights of classes as `fit_model` takes them: None for "none"."""
    if isinstance(given, Choice):
        return Choice(tuple(map(_class_weight, given.options)), name=given.name)
    return None if given == "none" else given
