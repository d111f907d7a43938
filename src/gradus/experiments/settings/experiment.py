"""The settings of a training, section by section, and which of them a sweep may draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from gradus.data.preprocessing import ONE_HOT_LIMIT, TEXT_FEATURES
from gradus.errors import GradusError

Fraction = Annotated[float, Meta(ge=0, lt=1)]
ClosedFraction = Annotated[float, Meta(ge=0, le=1)]
NonNegativeInt = Annotated[int, Meta(ge=0)]
PositiveInt = Annotated[int, Meta(ge=1)]
NonNegativeFloat = Annotated[float, Meta(ge=0)]
TrackerName = Literal["tensorboard", "mlflow", "wandb", "trackio"]
Settings = dict[str, Any]

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
        conv: of images, filters of each convolution, after which the largest of each 2 × 2 pixels
            are kept; an empty list for none.
        layers: units of each hidden layer; an empty list for a linear model.
        activation: of the hidden layers.
        dropout: the rate of dropout after each hidden layer, but not after a convolution.
        batch_norm: whether batch normalization precedes each hidden activation.
        initializer: of the kernels.
    """

    conv: list[PositiveInt] | None = None
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
        sheet: of a spreadsheet, its name.
    """

    header: bool | None = None
    separator: str | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    missing: list[str] | None = None
    columns: dict[str, Any] = {}
    sheet: str | None = None


class PreprocessingSection(Struct, forbid_unknown_fields=True, frozen=True):
    """The preprocessing of the data, which is fitted to the training rows.

    Attributes:
        scaling: of numbers: "auto", "standard", "normal", "minmax" or "none".
        missing: what replaces a missing number of a table: the column's "median" or "mean".
        indicator: whether a column with missing values gets a second one that marks them.
        one_hot_limit: a category with more levels is embedded, others are one-hot.
        text_features: how many words and characters a text becomes at most; 0 leaves texts out.
        image_size: height and width that images are resized to; by default, large ones are shrunk.
    """

    scaling: Literal["auto", "standard", "normal", "minmax", "none"] = "auto"
    missing: Literal["median", "mean"] = "median"
    indicator: bool = True
    one_hot_limit: NonNegativeInt = ONE_HOT_LIMIT
    text_features: NonNegativeInt = TEXT_FEATURES
    image_size: tuple[PositiveInt, PositiveInt] | None = None


class AugmentationSection(Struct, forbid_unknown_fields=True, frozen=True):
    """Random augmentation of images, drawn for each sample in each training step.

    Without these, few images are augmented in ways that keep digits and letters what they are.

    Attributes:
        flip: "horizontal", "vertical", "horizontal_and_vertical" or "none".
        shift: the largest shift, as a fraction of the height and of the width, in whole pixels.
        rotation: the largest rotation, as a fraction of a full turn.
        zoom: by how much the image shows more or less than itself at most, as a fraction.
    """

    flip: Literal["none", "horizontal", "vertical", "horizontal_and_vertical"] = "none"
    shift: ClosedFraction | None = None
    rotation: ClosedFraction | None = None
    zoom: Fraction | None = None


class PenaltySection(Struct, forbid_unknown_fields=True, frozen=True):
    """Penalties on every kernel: `l1 · Σ|w| + l2 · Σw²`; without `l2` one that suits the data."""

    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat | None = None


class TrainingSection(Struct, forbid_unknown_fields=True, frozen=True):
    """Epochs, batches and early stopping.

    Attributes:
        epochs: the maximum number of epochs.
        batch_size: samples per step, or "all".
        patience: epochs without improvement before early stopping; 0 switches it off.
        monitor: the metric of early stopping, such as "val_loss".
        min_delta: the smallest change that counts as an improvement.
        class_weight: "balanced" to give rare classes larger weights.
        refit: whether the network that is kept is trained once more, on the validation rows too.
    """

    epochs: PositiveInt | None = None
    batch_size: PositiveInt | Literal["all"] | None = None
    patience: NonNegativeInt | None = None
    monitor: str | None = None
    min_delta: NonNegativeFloat = 0.0
    class_weight: Literal["balanced", "none"] = "none"
    refit: bool | None = None


class Experiment(Struct, forbid_unknown_fields=True, frozen=True):
    """The settings of a training; `defaults.fill_defaults` replaces None by a default for the data.

    Attributes:
        data: a built-in name or a path; in a file, relative to the file's folder.
        target: for a table, the column to predict, its name or number (1 is the first, -1 the
            last); or several.
        task: "binary", "multiclass", "classification", "multilabel", "regression", or "multitask";
            None infers it.
        test: test data of the same kind, evaluated at the end, or the share of rows to hold out
            for that, before `validation` is a fraction of the others.
        group: the column of a table whose groups of rows stay whole in each part.
        split_by_time: the column of a table by which the latest rows are those held out.
        stream: whether a table is read in parts, again in each epoch; None if it does not fit into
            memory.
        drop_columns: columns of a table not to use.
        keep_columns: columns of a table to use even if they look useless or like a leak.
        seed: of weights, dropout and noise.
        shuffle_seed: of the order of samples, and of the validation split if that has no seed.
        validation_seed: of the validation split.
        validation: the fraction of samples held out for validation.
        metrics: evaluated after each epoch, besides the loss.
        track: names of trackers: "tensorboard", "mlflow", "wandb", "trackio".
        table: how a table is read.
        preprocessing: of the data.
        augmentation: of images.
        network: the hidden layers.
        optimizer: `name`, `learning_rate` and its other settings.
        schedule: `name` and settings of the learning rate schedule, or the name "none".
        loss: `name` and settings; of several targets that have a task each, a section for each.
        loss_weights: of several targets that have a loss each, its weight in their sum; 1 by
            default.
        penalty: on every kernel.
        training: epochs, batches and early stopping.
    """

    data: str
    target: str | int | list[str | int] | None = None
    task: str | None = None
    test: str | float | None = None
    group: str | None = None
    split_by_time: str | None = None
    stream: bool | None = None
    drop_columns: list[str] = []
    keep_columns: list[str] = []
    seed: NonNegativeInt = 0
    shuffle_seed: NonNegativeInt = 0
    validation_seed: NonNegativeInt | None = None
    validation: Fraction | None = None
    metrics: list[str] | None = None
    track: list[TrackerName] = []
    table: TableSection = TableSection()
    preprocessing: PreprocessingSection = PreprocessingSection()
    augmentation: AugmentationSection = AugmentationSection()
    network: NetworkSection = NetworkSection()
    optimizer: Settings = {}
    schedule: Settings = {}
    loss: Settings = {}
    loss_weights: dict[str, NonNegativeFloat] = {}
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
