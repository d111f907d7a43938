"""`experiment.toml`: the settings that repeat a training."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct, structs

from gradus.apps.output import format_command
from gradus.data.preprocessing import ONE_HOT_LIMIT
from gradus.errors import GradusError, SavedError, nearest
from gradus.files import replacing, user_path
from gradus.records import read_toml

Fraction = Annotated[float, Meta(ge=0, lt=1)]
ClosedFraction = Annotated[float, Meta(ge=0, le=1)]
NonNegativeInt = Annotated[int, Meta(ge=0)]
PositiveInt = Annotated[int, Meta(ge=1)]
NonNegativeFloat = Annotated[float, Meta(ge=0)]
Settings = dict[str, Any]

FILE = "experiment.toml"
SPACE_KINDS = ("choice", "uniform", "log_uniform", "int_uniform", "linspace", "logspace")
# Sections whose `name` determines their settings, and may be a choice of several names.
NAMED_SECTIONS = ("optimizer", "schedule", "loss")
# Search spaces are allowed anywhere in these sections, and in these settings.
SEARCHABLE_SECTIONS = ("preprocessing", "augmentation", "network", "penalty", *NAMED_SECTIONS)
SEARCHABLE_TRAINING = ("epochs", "batch_size", "patience", "min_delta", "class_weight")
SEARCHABLE_SETTINGS = ("seed", "shuffle_seed", "drop_columns", "keep_columns")


class ExperimentError(GradusError):
    """An experiment's settings are invalid; on the command line this is bad usage."""


class NetworkSection(Struct, forbid_unknown_fields=True, frozen=True):
    """The hidden layers.

    Attributes:
        layers: units of each hidden layer; an empty list for a linear model.
        activation: of the hidden layers.
        dropout: the rate of dropout after each hidden layer.
        batch_norm: whether batch normalization precedes each hidden activation.
        initializer: of the kernels.
    """

    layers: list[PositiveInt] | None = None
    activation: str | None = None
    dropout: Fraction | None = None
    batch_norm: bool | None = None
    initializer: str | None = None


class TableSection(Struct, forbid_unknown_fields=True, frozen=True):
    """How a table is read (`gradus.data.TableOptions`); None is inferred.

    Attributes:
        header: whether the first row of a text file names the columns.
        separator: between the values of a row of a text file.
        encoding: of a text file.
        decimal: the decimal mark of numbers in text.
        missing: text that means a missing value, besides an empty cell.
        columns: the kind of a column, its levels in order, or its settings, by its name.
    """

    header: bool | None = None
    separator: str | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    missing: list[str] | None = None
    columns: dict[str, Any] = {}


class PreprocessingSection(Struct, forbid_unknown_fields=True, frozen=True):
    """The preprocessing of the data, which is fitted to the training rows.

    Attributes:
        scaling: of numbers: "auto", "standard", "normal", "minmax" or "none".
        missing: what replaces a missing number of a table: the column's "median" or "mean".
        indicator: whether a column with missing values gets a second one that marks them.
        one_hot_limit: a category with more levels is embedded, others are one-hot.
        image_size: height and width that images are resized to.
    """

    scaling: Literal["auto", "standard", "normal", "minmax", "none"] = "auto"
    missing: Literal["median", "mean"] = "median"
    indicator: bool = True
    one_hot_limit: NonNegativeInt = ONE_HOT_LIMIT
    image_size: tuple[PositiveInt, PositiveInt] | None = None


class AugmentationSection(Struct, forbid_unknown_fields=True, frozen=True):
    """Random augmentation of images, drawn for each sample in each training step.

    Attributes:
        flip: "horizontal", "vertical", "horizontal_and_vertical" or "none".
        shift: the largest shift, as a fraction of the height and of the width, in whole pixels.
        rotation: the largest rotation, as a fraction of a full turn.
    """

    flip: Literal["none", "horizontal", "vertical", "horizontal_and_vertical"] = "none"
    shift: ClosedFraction = 0.0
    rotation: ClosedFraction = 0.0


class PenaltySection(Struct, forbid_unknown_fields=True, frozen=True):
    """Penalties on every kernel: `l1 · Σ|w| + l2 · Σw²`."""

    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0


class TrainingSection(Struct, forbid_unknown_fields=True, frozen=True):
    """Epochs, batches and early stopping.

    Attributes:
        epochs: the maximum number of epochs.
        batch_size: samples per step, or "all".
        patience: epochs without improvement before early stopping; 0 switches it off.
        monitor: the metric of early stopping, such as "val_loss".
        min_delta: the smallest change that counts as an improvement.
        class_weight: "balanced" to give rare classes larger weights.
    """

    epochs: PositiveInt | None = None
    batch_size: PositiveInt | Literal["all"] | None = None
    patience: NonNegativeInt | None = None
    monitor: str | None = None
    min_delta: NonNegativeFloat = 0.0
    class_weight: Literal["balanced", "none"] = "none"


class Experiment(Struct, forbid_unknown_fields=True, frozen=True):
    """The settings of a training; `defaults.fill_defaults` replaces None by a default for the data.

    Attributes:
        data: a built-in name or a path; in a file, relative to the file's folder.
        target: for a table, the column to predict, its name or number (1 is the first, -1 the
            last).
        task: "binary", "multiclass", "classification" or "regression"; None infers it.
        test: test data of the same kind, evaluated at the end.
        drop_columns: columns of a table not to use.
        keep_columns: columns of a table to use even if they look useless or like a leak.
        seed: of weights, dropout and noise.
        shuffle_seed: of the order of samples, and of the validation split if that has no seed.
        validation_seed: of the validation split.
        validation: the fraction of samples held out for validation.
        metrics: evaluated after each epoch, besides the loss.
        table: how a table is read.
        preprocessing: of the data.
        augmentation: of images.
        network: the hidden layers.
        optimizer: `name`, `learning_rate` and its other settings.
        schedule: `name` and settings of the learning rate schedule, or the name "none".
        loss: `name` and settings.
        penalty: on every kernel.
        training: epochs, batches and early stopping.
    """

    data: str
    target: str | int | None = None
    task: str | None = None
    test: str | None = None
    drop_columns: list[str] = []
    keep_columns: list[str] = []
    seed: NonNegativeInt = 0
    shuffle_seed: NonNegativeInt = 0
    validation_seed: NonNegativeInt | None = None
    validation: Fraction | None = None
    metrics: list[str] | None = None
    table: TableSection = TableSection()
    preprocessing: PreprocessingSection = PreprocessingSection()
    augmentation: AugmentationSection = AugmentationSection()
    network: NetworkSection = NetworkSection()
    optimizer: Settings = {}
    schedule: Settings = {}
    loss: Settings = {}
    penalty: PenaltySection = PenaltySection()
    training: TrainingSection = TrainingSection()


SECTIONS = {
    "table": TableSection,
    "preprocessing": PreprocessingSection,
    "augmentation": AugmentationSection,
    "network": NetworkSection,
    "penalty": PenaltySection,
    "training": TrainingSection,
}


class SweepSection(Struct, forbid_unknown_fields=True, frozen=True):
    """The section `[sweep]`: the search of an experiment with spaces.

    Attributes:
        trials: number of trials; None for all of a grid.
        search: the search algorithm: "random", "sobol", "grid", ….
        seeds: number of seeds per trial.
        cv: number of cross-validation folds of the training rows, or None.
        strategy: how long trials train: "full", "halving", ….
        storage: where finished trials are stored: a file, or the URL of a database; by default a
            file in the run folder.
        seed: of the search.
    """

    trials: PositiveInt | None = None
    search: str = "random"
    seeds: PositiveInt = 1
    cv: Annotated[int, Meta(ge=2)] | None = None
    strategy: str | None = None
    storage: str | None = None
    seed: NonNegativeInt = 0


def read_settings(path: str | Path) -> Settings:
    """Read the raw settings of a file; relative paths become absolute.

    Raises:
        ExperimentError: if the file is absent or not TOML.
    """
    path = user_path(path)
    try:
        raw = read_toml(path)
    except OSError as error:
        raise ExperimentError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    except SavedError as error:
        raise ExperimentError(str(error)) from None
    for key in ("data", "test"):
        if isinstance(raw.get(key), str):
            raw[key] = absolute_source(raw[key], path.parent)
    return raw


def absolute_source(source: str, folder: Path) -> str:
    """Return a data source as an absolute path, or a built-in name unchanged."""
    path = folder / user_path(source)
    return str(path.resolve()) if path.exists() or path.suffix else source


def check_experiment(raw: Mapping[str, Any], where: str = FILE) -> Experiment:
    """Validate raw settings and return their experiment.

    Raises:
        ExperimentError: for an unknown key, with the nearest, or a value of the wrong type or
            range.
    """
    if "data" not in raw:
        raise ExperimentError(f'{where} names no data to train on: write data = "…".')
    _reject_spaces(raw, where)
    check_keys(raw, where)
    try:
        experiment = msgspec.convert(raw, Experiment)
    except msgspec.ValidationError as error:
        raise ExperimentError(_explain_error(error, raw, where)) from None
    for section in NAMED_SECTIONS:
        for key in ("name", "learning_rate"):  # the defaults depend on these
            value = getattr(experiment, section).get(key)
            if isinstance(value, list):
                hint = suggest_choice(key, value)
                raise ExperimentError(
                    f"{where}: {section}.{key} = {value!r}: write one value.{hint}"
                )
    return experiment


def check_sweep_section(raw: Any, where: str = FILE) -> SweepSection:
    """Validate and return the section `[sweep]`.

    Raises:
        ExperimentError: as `check_experiment`.
    """
    if not isinstance(raw, Mapping):
        raise ExperimentError(
            f"{where}: sweep = {raw!r}: write a section, [sweep], with trials = 100."
        )
    check_keys(raw, f"{where} [sweep]", SweepSection)
    try:
        return msgspec.convert(raw, SweepSection)
    except msgspec.ValidationError as error:
        raise ExperimentError(_explain_error(error, raw, f"{where} [sweep]")) from None


@contextlib.contextmanager
def name_file_in_errors(file: str) -> Iterator[None]:
    """Add the file's name to errors of its settings that lack it."""
    try:
        yield
    except ExperimentError as error:
        if file in str(error) or not file.endswith(".toml"):
            raise
        raise ExperimentError(f"{file}: {error}") from None


def space_kind(value: Any) -> str | None:
    """Return the kind of space of a raw value such as {uniform = [0, 1]}, or None."""
    if isinstance(value, Mapping) and len(value) == 1:
        return next((kind for kind in value if kind in SPACE_KINDS), None)
    return None


def is_searchable(path: tuple[str, ...]) -> bool:
    """Whether a setting may be a space; the others are fixed, so that trials are comparable."""
    if path[0] == "training":
        return path[1:] in [(name,) for name in SEARCHABLE_TRAINING]
    return path[0] in SEARCHABLE_SECTIONS or path in [(name,) for name in SEARCHABLE_SETTINGS]


def suggest_choice(key: str, value: Any) -> str:
    """Return a hint to write a list of values as a choice."""
    return f" To try each value, write {key} = {{choice = {json.dumps(value)}}} for gradus sweep."


def _reject_spaces(raw: Mapping[str, Any], where: str, path: str = "") -> None:
    """Reject spaces and the section `[sweep]`, which are for a sweep, not for one training."""
    for key, value in raw.items():
        kind = space_kind(value)
        if kind or (key == "sweep" and not path):
            command = format_command("sweep", where)
            problem = f"{path}{key} is a space, {kind} = {value[kind]}" if kind else "[sweep]"
            raise ExperimentError(f"{where}: {problem}: to try many settings, run {command}")
        if isinstance(value, Mapping):
            _reject_spaces(value, where, f"{path}{key}.")


def merge_settings(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> Settings:
    """Return the settings of `base`, updated by `overrides` section by section.

    A new `name` replaces the whole section: Adam's learning rate does not suit SGD.
    """
    merged = dict(base)
    for key, value in overrides.items():
        former = merged.get(key)
        if isinstance(value, Mapping) and isinstance(former, Mapping):
            same_name = "name" not in value or value["name"] == former.get("name")
            merged[key] = {**former, **value} if same_name else dict(value)
        else:
            merged[key] = value
    return merged


def write_experiment(path: Path, experiment: Experiment) -> None:
    """Write an experiment as TOML.

    Raises:
        SavedError: if the folder cannot be written.
    """
    settings = _without_none(msgspec.to_builtins(experiment))
    content = {key: value for key, value in settings.items() if value not in ({}, [])}
    text = msgspec.toml.encode(content).decode()
    head = f"# To repeat this training: gradus train {path.name}\n"
    with replacing(path.parent) as folder:
        (folder / path.name).write_text(head + text.rstrip() + "\n", "utf-8")


def _without_none(content: Settings) -> Settings:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in content.items()
        if value is not None
    }


def check_keys(raw: Mapping[str, Any], where: str, struct: Any = Experiment) -> None:
    """Check that every setting is known to an experiment, or to another struct.

    Raises:
        ExperimentError: naming the unknown setting, and the nearest known one.
    """
    known = [field.name for field in structs.fields(struct)] + ["sweep"] * (struct is Experiment)
    for key, value in raw.items():
        if key not in known:
            close = nearest(key, known)
            hint = f" Did you mean {close!r}?" if close else ""
            raise ExperimentError(
                f"{where} has no setting {key!r}.{hint} Known: {', '.join(known)}."
            )
        if struct is Experiment and key in SECTIONS and isinstance(value, Mapping):
            check_keys(value, f"{where} [{key}]", SECTIONS[key])


def _explain_error(error: msgspec.ValidationError, raw: Mapping[str, Any], where: str) -> str:
    """Return a message with the invalid setting and its value."""
    reason, _, path = str(error).partition(" - at `$.")
    path = path.rstrip("`")
    keys = tuple(path.partition("[")[0].split("."))
    value: Any = raw
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else value
    setting = f"{where}: {path or 'settings'} = {value!r}"
    known = _known_values(keys)
    if known and "enum" in reason:
        close = nearest(str(value), known)
        hint = f" Did you mean {close!r}?" if close else ""
        return f"{setting} is unknown.{hint} Known: {', '.join(known)}."
    hint = (
        suggest_choice(keys[-1], value) if "got `array`" in reason and is_searchable(keys) else ""
    )
    return f"{setting}: {reason.lower().replace('`', '')}.{hint}"


def _known_values(keys: tuple[str, ...]) -> list[str]:
    """Return the literal values of a setting; none if it has other types."""
    *section, key = keys
    hint = get_type_hints(SECTIONS.get("".join(section), Experiment)).get(key)
    literals = [part for part in (hint, *get_args(hint)) if get_origin(part) is Literal]
    return [value for literal in literals for value in get_args(literal)]
