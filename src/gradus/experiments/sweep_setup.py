"""From an experiment with search spaces to a validated `Sweep`."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from gradus.errors import GradusError
from gradus.experiments.preparation.outputs import fitting_metrics
from gradus.experiments.preparation.prepare import prepare_data
from gradus.experiments.preparation.prepare_in_memory import PreparedData, load_and_split
from gradus.experiments.preparation.prepare_streamed import StreamedPreparedData
from gradus.experiments.preparation.reading_in_parts import reads_in_parts
from gradus.experiments.settings.commands import format_command
from gradus.experiments.settings.defaults import default_spaces, fill_defaults
from gradus.experiments.settings.experiment import (
    Experiment,
    ExperimentError,
    Settings,
    SweepSection,
    space_kind,
)
from gradus.experiments.settings.experiment_file import (
    check_experiment,
    check_keys,
    check_sweep_section,
    merge_settings,
)
from gradus.experiments.settings.spaces import flatten_spaces, inline_toml, parse_spaces
from gradus.experiments.trial_config import (
    ExperimentModel,
    StreamedTrials,
    TrialConfigurator,
    check_trials,
)
from gradus.hyperparameters import find_hyperparameters, resolve
from gradus.report.sweeps import format_setting
from gradus.space import Choice, Space
from gradus.sweep.monitor import choose_monitor
from gradus.sweep.search import find_search, get_search
from gradus.sweep.search.base import Search
from gradus.sweep.search.values import values_activating
from gradus.sweep.strategies import get_strategy
from gradus.sweep.sweep import Sweep
from gradus.tracking.tracker import require_packages

TRIALS = 32
VALIDATION = 0.2  # fraction of rows; to tell similar trials apart takes many
RESUMABLE_SETTINGS = ("sweep.trials", "sweep.storage", "track")  # a resumed sweep may change these
READ_ONCE = "reading   each batch is read once for all trials that fit into memory together"
NO_SPACES = (
    "There is nothing to search, because every setting has one value: leave out a flag such as "
    "--learning-rate, or write a space instead of a value in an experiment.toml, such as "
    "learning_rate = {log_uniform = [1e-4, 1e-1]} in [optimizer]."
)


@dataclass(frozen=True)
class SweepSetup:
    """A sweep that is ready for training, and its settings and data.

    Attributes:
        raw: the settings of the experiment, with spaces as inline tables.
        section: the section `[sweep]`.
        settings: the settings of the experiment, with `Space`s.
        configurator: from the settings of a trial to its data and model.
        prepared: the preprocessed data of the first trial.
        sweep: the sweep.
        track: the names of its trackers.
    """

    raw: Settings
    section: SweepSection
    settings: Settings
    configurator: TrialConfigurator
    prepared: PreparedData
    sweep: Sweep
    track: list[str]

    @property
    def in_parts(self) -> bool:
        """Whether the data are read in parts, each batch once for all trials."""
        return isinstance(self.configurator, StreamedTrials)

    def describe(self) -> list[str]:
        """Return lines about the data, the search spaces and the search."""
        return [
            *self.prepared.summary_lines,
            *_describe_folds(self.prepared, self.section),
            *_describe_search(self.sweep, self.settings, self.section),
            *([READ_ONCE] if self.in_parts else []),
            *(f"note      {note}" for note in self.prepared.notes),
        ]


def set_up_sweep(raw: Settings, overrides: Settings, where: str, again: bool = False) -> SweepSetup:
    """Return the sweep of an experiment, validated before any training.

    Args:
        raw: the experiment's settings, with spaces as inline tables, and the section `sweep`.
        overrides: settings, each with one value, that replace those of the experiment.
        where: the file of the settings, for errors.
        again: whether an earlier sweep goes on.

    Raises:
        GradusError: for invalid data or settings.
    """
    raw = merge_settings(raw, overrides)
    section = check_sweep_section(raw.pop("sweep", {}), where)
    overrides = {key: value for key, value in overrides.items() if key != "sweep"}
    if section.trials is None and _find_search(section).default_trials:
        section = structs.replace(section, trials=TRIALS)
    raw.setdefault("validation", VALIDATION)
    if section.cv is None and not raw["validation"]:
        raise ExperimentError(
            "A sweep scores trials on validation rows: write --validation 0.2 or --cv 5."
        )
    if space_kind(raw.get("shuffle_seed")):  # all trials have the same validation rows
        raw.setdefault("validation_seed", 0)
    check_keys(raw, where)
    first = check_experiment(flatten_spaces(first_values(parse_spaces(raw, where))), where)
    require_packages(first.track)
    configurator = _configurator(first, raw, section, again)
    if not find_hyperparameters(parse_spaces(raw, where)):
        raw = merge_settings(raw, default_spaces(fill_defaults(first, configurator.summary)))
        raw = merge_settings(raw, overrides)
    settings = parse_spaces(raw, where)
    if not find_hyperparameters(settings):
        raise ExperimentError(NO_SPACES)
    if isinstance(configurator, StreamedTrials):
        raw["stream"] = settings["stream"] = True
        configurator.check_spaces(settings)
    prepared = configurator.prepare(first_values(settings), where)
    _fix_batch_size(settings, prepared)
    _fix_monitor(settings, prepared)
    unseeded = {key: value for key, value in settings.items() if key != "seed"}
    check_trials(configurator, unseeded, where)
    track = settings.pop("track", [])  # it is no setting of a trial
    sweep = _make_sweep(configurator, settings, section)
    return SweepSetup(raw, section, settings, configurator, prepared, sweep, track)


def _configurator(
    first: Experiment, raw: Settings, section: SweepSection, again: bool
) -> TrialConfigurator:
    """Return what makes data and models of trials, with the data in memory or read in parts.

    Raises:
        ExperimentError: for folds of data that are read in parts.
    """
    if not reads_in_parts(first, again):
        data = load_and_split(_at_largest_size(first, raw))
        count = len(data.parts["training"])
        if section.cv:  # what the longest fold trains on; the first window by time is in no fold
            count -= count // (section.cv + (first.split_by_time is not None))
        return TrialConfigurator(data, count)
    if section.cv:
        raise ExperimentError(
            f"cv = {section.cv} needs all rows in memory, but they are read in parts (stream): "
            "leave it out, so that trials are scored on the validation rows."
        )
    prepared = prepare_data(structs.replace(first, stream=True))
    if not isinstance(prepared, StreamedPreparedData):
        raise TypeError("data in parts are prepared in memory")
    return StreamedTrials(prepared)


def check_resume_flags(raw: Settings, flags: Settings, where: str) -> None:
    """Check that the flags of a resumed sweep change only `trials` and `storage`.

    Args:
        raw: the settings of the sweep.
        flags: the settings of the flags.
        where: the file of the sweep's settings.

    Raises:
        ExperimentError: naming the settings that flags change.
    """
    changes = []
    for key, value in flags.items():
        is_section = isinstance(value, dict)
        before, after = (raw.get(key, {}), value) if is_section else (raw, {key: value})
        prefix = f"{key}." if is_section else ""
        changes += [
            f"{prefix}{name} = {inline_toml(setting)}"
            + (f" instead of {inline_toml(before[name])}" if name in before else "")
            for name, setting in after.items()
            if before.get(name) != setting and f"{prefix}{name}" not in RESUMABLE_SETTINGS
        ]
    if changes:
        raise ExperimentError(
            f"--resume keeps the settings of {where}, and cannot take {', '.join(changes)}: leave "
            f"these flags out, or start a new sweep with them: {format_command('sweep', where)}"
        )


def first_values(settings: Settings) -> Settings:
    """Return the settings with the first value of every space."""
    hypers = find_hyperparameters(settings)
    first: Settings = resolve(settings, hypers, values_activating(hypers, {}))
    return first


def _at_largest_size(experiment: Experiment, raw: Settings) -> Experiment:
    """Return the experiment whose images are read in the largest size that a trial wants."""
    sizes = raw.get("preprocessing", {}).get("image_size")
    if space_kind(sizes) != "choice":
        return experiment
    height, width = map(max, zip(*sizes["choice"], strict=True))
    preprocessing = structs.replace(experiment.preprocessing, image_size=(height, width))
    return structs.replace(experiment, preprocessing=preprocessing)


def _fix_batch_size(settings: Settings, prepared: PreparedData) -> None:
    """Set the batch size if its default depends on an optimizer that is a space."""
    if isinstance(settings.get("optimizer", {}).get("name"), Space):
        size = prepared.experiment.training.batch_size
        settings["training"] = {"batch_size": size, **settings.get("training", {})}


def _fix_monitor(settings: Settings, prepared: PreparedData) -> None:
    """Set the metric that scores trials if their losses are not comparable.

    Raises:
        ExperimentError: if the settings score them by the loss nevertheless.
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
        loss = experiment.loss["name"]  # as a metric, it excludes penalties
        monitor = experiment.training.monitor
        if monitor in ("loss", "val_loss"):
            settings["metrics"] = [*(experiment.metrics or ()), loss]
            settings["training"] = {**training, "monitor": monitor.replace("loss", loss)}
        return
    if prepared.target.parts:
        _check_monitor_of_several(list(varied), training.get("monitor"), prepared)
        return
    scored = {"loss": experiment.loss["name"], "metrics": experiment.metrics, **varied}
    try:
        monitor = choose_monitor(scored, training.get("monitor"))
    except GradusError as error:
        raise ExperimentError(str(error)) from None
    settings["training"] = {**training, "monitor": monitor}


def _check_monitor_of_several(
    varied: list[str], monitor: str | None, prepared: PreparedData
) -> None:
    """Check that trials with several targets are scored by a metric if their losses differ.

    Raises:
        ExperimentError: with a metric that they have.
    """
    if monitor is not None and not f"_{monitor}".endswith("_loss"):
        return
    fitting = fitting_metrics(prepared.experiment.metrics or (), prepared.loss, prepared.target)
    known = [f"val_{name}_{metric}" for name, names in fitting.items() for metric in names]
    raise ExperimentError(
        f"Trials that differ in {', '.join(varied)} have losses that cannot be compared. Score "
        f"them by the same metric, monitor = {' or '.join(map(repr, known[:3]))} in [training], or "
        "leave these spaces out."
    )


def _find_search(section: SweepSection) -> type[Search]:
    """Return the class of the search.

    Raises:
        ExperimentError: for an unknown name.
    """
    try:
        return find_search(section.search)
    except GradusError as error:
        raise ExperimentError(str(error)) from None


def _make_sweep(
    configurator: TrialConfigurator, settings: Settings, section: SweepSection
) -> Sweep:
    """Return the sweep, with its search validated.

    Raises:
        ExperimentError: for an invalid search or strategy.
    """
    unseeded = {key: value for key, value in settings.items() if key != "seed"}
    model = ExperimentModel(configurator, unseeded, settings.get("seed", 0))
    try:
        sweep = Sweep(
            model,
            section.trials,
            section.search,
            seeds=section.seeds,
            cv=section.cv,
            strategy=get_strategy(section.strategy),
            seed=section.seed,
        )
        fitting = {key: settings.get("training", {}).get(key) for key in ("epochs", "batch_size")}
        hypers = find_hyperparameters([model.settings, fitting])
        get_search(section.search, hypers, section.trials, section.seed)
    except GradusError as error:
        raise ExperimentError(str(error)) from None
    return sweep


def _describe_folds(prepared: PreparedData, section: SweepSection) -> list[str]:
    """Return a line about the folds, if there are folds."""
    if not section.cv:
        return []
    sizes = prepared.row_counts
    size = f"in {section.cv} folds of at most {-(-sizes['training'] // section.cv):,}"
    if prepared.experiment.group is not None:
        size = f"in {section.cv} folds of whole groups of {prepared.experiment.group!r}"
    elif prepared.experiment.split_by_time is not None:
        size = (
            f"in {section.cv} windows of {prepared.experiment.split_by_time!r}, each later than its"
        )
        size += " training rows"
        if (schedule := prepared.experiment.schedule["name"]) != "none":
            size += f" (the schedule {schedule} is as long as the last of them takes)"
    rest = ""
    if "validation" in sizes:
        rest = f"; the {sizes['validation']:,} validation rows are for the best trial only"
    return [
        f"folds     the {sizes['training']:,} training rows {size}, which score the trials{rest}"
    ]


def _describe_search(sweep: Sweep, settings: Settings, section: SweepSection) -> list[str]:
    """Return lines about the search spaces and the search."""
    hypers = find_hyperparameters(settings)
    width = max(map(len, hypers), default=0)
    lines = [
        f"{'' if k else 'spaces':10}{name.ljust(width)}  {_describe_space(hyper.space)}"
        for k, (name, hyper) in enumerate(hypers.items())
    ]
    parts = [
        section.search,
        f"{sweep.trial_count} trials" if sweep.trial_count else "all combinations",
    ]
    parts += [f"{section.seeds} seeds each"] * (section.seeds > 1)
    parts += [f"{section.cv} folds each"] * bool(section.cv)
    parts += [f"strategy {section.strategy}"] * bool(section.strategy)
    return [*lines, f"search    {', '.join(parts)}"]


def _describe_space(space: Space) -> str:
    """Return a space in one line, with the options' labels."""
    if not isinstance(space, Choice):
        return repr(space)
    return f"choice({', '.join(format_setting(label) for label in space.labels)})"
