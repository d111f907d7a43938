"""`experiment.toml`: all that is needed to repeat a training."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct, structs

from gradus.data.preprocessing import ONE_HOT_LIMIT
from gradus.errors import GradusError, nearest
from gradus.files import replacing

Share = Annotated[float, Meta(ge=0, lt=1)]
Part = Annotated[float, Meta(ge=0, le=1)]
Whole = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
AtLeastZero = Annotated[float, Meta(ge=0)]
Named = dict[str, Any]

FILE = "experiment.toml"
SPACES = ("choice", "uniform", "log_uniform", "int_uniform", "linspace", "logspace")
# The sections whose `name` says which settings they have, and so may be a choice of several.
NAMED = ("optimizer", "schedule", "loss")
# Where a space may stand: anywhere in these sections, and in these settings.
VARIED = ("preprocessing", "augmentation", "network", "penalty", *NAMED)
TRAINING = ("epochs", "batch_size", "patience", "min_delta", "class_weight")
ALONE = ("seed", "shuffle_seed", "drop_columns", "keep_columns")


class SpecError(GradusError):
    """An experiment's settings cannot be; on the command line this is bad usage."""


class NetworkSection(Struct, forbid_unknown_fields=True, frozen=True):
    """The hidden layers.

    Attributes:
        layers: units of each hidden layer; none for a linear model.
        activation: of the hidden layers.
        dropout: the share of each hidden layer's outputs that is dropped in training.
        batch_norm: whether each hidden layer is normalised before its activation.
        initializer: how the kernels are drawn.
    """

    layers: list[Count] | None = None
    activation: str | None = None
    dropout: Share | None = None
    batch_norm: bool | None = None
    initializer: str | None = None


class PreprocessingSection(Struct, forbid_unknown_fields=True, frozen=True):
    """How the data become numbers for the network; what is learnt is learnt from training rows.

    Attributes:
        scaling: of numbers: "auto", "standard", "normal", "minmax" or "none".
        missing: what stands for a missing number of a table: the column's "median" or "mean".
        indicator: whether a column with missing values gets one more that says which they are.
        one_hot_limit: a category with more levels is embedded, others are one-hot.
        image_size: height and width that images are resized to.
    """

    scaling: Literal["auto", "standard", "normal", "minmax", "none"] = "auto"
    missing: Literal["median", "mean"] = "median"
    indicator: bool = True
    one_hot_limit: Whole = ONE_HOT_LIMIT
    image_size: tuple[Count, Count] | None = None


class AugmentationSection(Struct, forbid_unknown_fields=True, frozen=True):
    """How images are changed at random in training, each sample anew in each step.

    Attributes:
        flip: which mirror images are as good: "horizontal", "vertical", both or "none".
        shift: the largest shift, as a share of the height and of the width, in whole pixels.
        rotation: the largest turn, as a share of a full one.
    """

    flip: Literal["none", "horizontal", "vertical", "horizontal_and_vertical"] = "none"
    shift: Part = 0.0
    rotation: Part = 0.0


class PenaltySection(Struct, forbid_unknown_fields=True, frozen=True):
    """Penalties on every kernel: `l1 · Σ|w| + l2 · Σw²`."""

    l1: AtLeastZero = 0.0
    l2: AtLeastZero = 0.0


class TrainingSection(Struct, forbid_unknown_fields=True, frozen=True):
    """How long is trained, and in which steps.

    Attributes:
        epochs: how often each sample is seen at most.
        batch_size: samples of a step, or "all".
        patience: epochs without improvement that end training; 0 for never.
        monitor: what is watched, such as "val_loss".
        min_delta: what counts as an improvement is more than this.
        class_weight: "balanced" to weigh rare classes more.
    """

    epochs: Count | None = None
    batch_size: Count | Literal["all"] | None = None
    patience: Whole | None = None
    monitor: str | None = None
    min_delta: AtLeastZero = 0.0
    class_weight: Literal["balanced", "none"] = "none"


class Experiment(Struct, forbid_unknown_fields=True, frozen=True):
    """A training; what is None is chosen by `defaults.complete` for the data at hand.

    Attributes:
        data: a built-in name or a path; in a file, relative to the file's folder.
        target: for a table, the column to learn.
        task: "binary", "multiclass", "classification" or "regression", to overrule the data.
        test: a second file of the same kind, to be measured at the end.
        drop_columns: of a table, not to use.
        keep_columns: of a table, to use in spite of what they look like.
        seed: of weights, dropout and noise.
        shuffle_seed: of the order of samples, and of the validation part unless that has a seed.
        validation_seed: of the validation part.
        validation: the share of samples that is held out, to stop early by and to measure.
        metrics: what else is measured after each epoch.
        preprocessing: how the data become numbers for the network.
        augmentation: how images are changed at random in training.
        network: the hidden layers.
        optimizer: `name`, `learning_rate` and its other settings.
        schedule: `name` and settings of the learning rate's schedule, or the name "none".
        loss: `name` and settings.
        penalty: on every kernel.
        training: how long, and in which steps.
    """

    data: str
    target: str | None = None
    task: str | None = None
    test: str | None = None
    drop_columns: list[str] = []
    keep_columns: list[str] = []
    seed: Whole = 0
    shuffle_seed: Whole = 0
    validation_seed: Whole | None = None
    validation: Share | None = None
    metrics: list[str] | None = None
    preprocessing: PreprocessingSection = PreprocessingSection()
    augmentation: AugmentationSection = AugmentationSection()
    network: NetworkSection = NetworkSection()
    optimizer: Named = {}
    schedule: Named = {}
    loss: Named = {}
    penalty: PenaltySection = PenaltySection()
    training: TrainingSection = TrainingSection()


SECTIONS = {
    "preprocessing": PreprocessingSection,
    "augmentation": AugmentationSection,
    "network": NetworkSection,
    "penalty": PenaltySection,
    "training": TrainingSection,
}


class SweepSection(Struct, forbid_unknown_fields=True, frozen=True):
    """The section `[sweep]`: how an experiment with spaces is tried.

    Attributes:
        trials: how many settings are tried; for a grid None for all of it.
        search: how they are chosen: "random", "sobol", "grid", ….
        seeds: how many seeds each is trained with.
        cv: how many folds of the training rows each is validated on, or None.
        strategy: how far each is trained: "full", "halving", ….
        storage: where the trials are kept as they end: a file, or the URL of a database; a file
            in the run's folder if not given.
        seed: of the draws.
    """

    trials: Count | None = None
    search: str = "random"
    seeds: Count = 1
    cv: Annotated[int, Meta(ge=2)] | None = None
    strategy: str | None = None
    storage: str | None = None
    seed: Whole = 0


def read_settings(path: str | Path) -> Named:
    """Return the raw settings of a file, its relative paths made absolute.

    Raises:
        SpecError: if the file is absent or is not TOML.
    """
    path = Path(path)
    try:
        raw = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise SpecError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{str(path)!r} is not TOML: {error}.") from None
    for key in ("data", "test"):
        if isinstance(raw.get(key), str):
            raw[key] = absolute_source(raw[key], path.parent)
    return raw


def absolute_source(source: str, folder: Path) -> str:
    """Return a data source as an absolute path where it is one, a built-in name as it is."""
    path = folder / Path(source).expanduser()
    return str(path.resolve()) if path.exists() or path.suffix else source


def check_experiment(raw: Mapping[str, Any], where: str = FILE) -> Experiment:
    """Return the experiment of raw settings.

    Raises:
        SpecError: for an unknown key, with the nearest, a value of the wrong type or range.
    """
    if "data" not in raw:
        raise SpecError(f'{where} does not say what to train on: write data = "…".')
    _refuse_spaces(raw, where)
    check_keys(raw, where)
    try:
        experiment = msgspec.convert(raw, Experiment)
    except msgspec.ValidationError as error:
        raise SpecError(_said(error, raw, where)) from None
    for section in NAMED:
        for key in ("name", "learning_rate"):  # what the defaults depend on
            value = getattr(experiment, section).get(key)
            if isinstance(value, list):
                hint = suggestion(key, value)
                raise SpecError(f"{where}: {section}.{key} = {value!r}: write one value.{hint}")
    return experiment


def check_sweep_section(raw: Any, where: str = FILE) -> SweepSection:
    """Return the settings of the section `[sweep]`.

    Raises:
        SpecError: as `check_experiment`.
    """
    if not isinstance(raw, Mapping):
        raise SpecError(f"{where}: sweep = {raw!r}: write a section, [sweep], with trials = 100.")
    check_keys(raw, f"{where} [sweep]", SweepSection)
    try:
        return msgspec.convert(raw, SweepSection)
    except msgspec.ValidationError as error:
        raise SpecError(_said(error, raw, f"{where} [sweep]")) from None


@contextlib.contextmanager
def naming_file(file: str) -> Iterator[None]:
    """Name the file in errors of its settings that do not."""
    try:
        yield
    except SpecError as error:
        if file in str(error) or not file.endswith(".toml"):
            raise
        raise SpecError(f"{file}: {error}") from None


def as_space(value: Any) -> str | None:
    """Return the kind of space that a raw value stands for: {uniform = [0, 1]}; None for others."""
    if isinstance(value, Mapping) and len(value) == 1:
        return next((kind for kind in value if kind in SPACES), None)
    return None


def may_vary(place: tuple[str, ...]) -> bool:
    """Whether a space may stand in a place; all else is the same, so that trials are comparable."""
    if place[0] == "training":
        return place[1:] in [(name,) for name in TRAINING]
    return place[0] in VARIED or place in [(name,) for name in ALONE]


def suggestion(key: str, value: Any) -> str:
    """Return what to write instead of a bare list of values that are to be tried."""
    return f" To try each, write {key} = {{choice = {json.dumps(value)}}} for gradus sweep."


def _refuse_spaces(raw: Mapping[str, Any], where: str, place: str = "") -> None:
    """Refuse what is for a sweep, not for one training."""
    for key, value in raw.items():
        kind = as_space(value)
        if kind or (key == "sweep" and not place):
            what = f"{place}{key} is a space, {kind} = {value[kind]}" if kind else "[sweep]"
            raise SpecError(f"{where}: {what}: to try many settings write gradus sweep {where}")
        if isinstance(value, Mapping):
            _refuse_spaces(value, where, f"{place}{key}.")


def merge_settings(below: Mapping[str, Any], above: Mapping[str, Any]) -> Named:
    """Return settings with those of `above` in place of those of `below`, section by section.

    A section whose `name` changes begins anew: Adam's learning rate is not that of SGD.
    """
    result = dict(below)
    for key, value in above.items():
        former = result.get(key)
        if isinstance(value, Mapping) and isinstance(former, Mapping):
            same = "name" not in value or value["name"] == former.get("name")
            result[key] = {**former, **value} if same else dict(value)
        else:
            result[key] = value
    return result


def write_experiment(path: Path, experiment: Experiment) -> None:
    """Write an experiment as TOML.

    Raises:
        SavedError: if the folder cannot be written.
    """
    given = _without_none(msgspec.to_builtins(experiment))
    content = {key: value for key, value in given.items() if value not in ({}, [])}
    text = msgspec.toml.encode(content).decode()
    head = f"# To repeat this training: gradus train {path.name}\n"
    with replacing(path.parent) as folder:
        (folder / path.name).write_text(head + text.rstrip() + "\n", "utf-8")


def _without_none(content: Named) -> Named:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in content.items()
        if value is not None
    }


def check_keys(raw: Mapping[str, Any], where: str, struct: Any = Experiment) -> None:
    """Check that there are no settings but those of an experiment, or of another struct.

    Raises:
        SpecError: naming one that is unknown, and the nearest.
    """
    known = [field.name for field in structs.fields(struct)] + ["sweep"] * (struct is Experiment)
    for key, value in raw.items():
        if key not in known:
            close = nearest(key, known)
            hint = f" Did you mean {close!r}?" if close else ""
            raise SpecError(f"{where} has no setting {key!r}.{hint} Known: {', '.join(known)}.")
        if struct is Experiment and key in SECTIONS and isinstance(value, Mapping):
            check_keys(value, f"{where} [{key}]", SECTIONS[key])


def _said(error: msgspec.ValidationError, raw: Mapping[str, Any], where: str) -> str:
    """Say which setting is wrong, and what was given."""
    reason, _, place = str(error).partition(" - at `$.")
    place = place.rstrip("`")
    keys = tuple(place.partition("[")[0].split("."))
    value: Any = raw
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else value
    said = f"{where}: {place or 'settings'} = {value!r}"
    words = _words(keys)
    if words and "enum" in reason:
        close = nearest(str(value), words)
        hint = f" Did you mean {close!r}?" if close else ""
        return f"{said} is not known.{hint} Known: {', '.join(words)}."
    hint = suggestion(keys[-1], value) if "got `array`" in reason and may_vary(keys) else ""
    return f"{said}: {reason.lower().replace('`', '')}.{hint}"


def _words(keys: tuple[str, ...]) -> list[str]:
    """Return the words that a setting may have; none if it has others than a few."""
    *section, key = keys
    hint = get_type_hints(SECTIONS.get("".join(section), Experiment)).get(key)
    literals = [one for one in (hint, *get_args(hint)) if get_origin(one) is Literal]
    return [word for one in literals for word in get_args(one)]
