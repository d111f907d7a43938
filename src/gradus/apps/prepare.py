"""From an experiment's data to what a network is trained and measured on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs

from gradus.apps import defaults
from gradus.apps.defaults import DataSummary
from gradus.apps.experiment_file import Experiment, SpecError
from gradus.apps.model_builder import augmentation_layers, encode_targets, input_layers, make_loss
from gradus.data import (
    ArrayPreprocessor,
    Dataset,
    Preprocessing,
    TablePreprocessor,
    Target,
    load,
    split,
)
from gradus.errors import DataError, GradusError
from gradus.nn.layer import Layer
from gradus.objectives.loss import Loss

Preprocessor = TablePreprocessor | ArrayPreprocessor
Pair = tuple[Any, np.ndarray]


@dataclass(frozen=True)
class SplitData:
    """What was read, split into parts, before anything is learnt from it.

    Attributes:
        summary: what the choice of open settings depends on.
        parts: "training", and "validation" and "test" where there are such.
    """

    summary: DataSummary
    parts: dict[str, Dataset]


@dataclass(frozen=True)
class PreparedData:
    """What is trained and measured, and how it came to be.

    Attributes:
        experiment: with every setting chosen.
        preprocessor: learnt from the training rows.
        loss: what is trained.
        input_layers: the layers before the first hidden one.
        parts: "training", and "validation" and "test" where there are such: inputs and targets.
        summary_lines: lines that say what was found in the data, and what is done to it.
        notes: what is worth a look, in sentences.
    """

    experiment: Experiment
    preprocessor: Preprocessor
    loss: Loss
    input_layers: list[Layer]
    parts: dict[str, Pair]
    summary_lines: list[str]
    notes: list[str]

    @property
    def target(self) -> Target:
        """What is learnt."""
        return fitted_target(self.preprocessor)

    @property
    def steps(self) -> int:
        """The steps of an epoch."""
        batch = self.experiment.training.batch_size
        rows = len(self.parts["training"][1])
        return 1 if batch == "all" or batch is None else math.ceil(rows / int(batch))


def prepare(experiment: Experiment, preprocessor: Preprocessor | None = None) -> PreparedData:
    """Read the data, choose what the experiment leaves open, split, and learn the preprocessing.

    Args:
        experiment: what to train.
        preprocessor: what was learnt in a former training, to be used instead.

    Raises:
        DataError: if the data cannot be read or trained on.
        SpecError: for settings that cannot be.
    """
    return prepare_split(load_and_split(experiment), experiment, preprocessor)


def load_and_split(experiment: Experiment) -> SplitData:
    """Read the data and split them.

    Raises:
        DataError: if the data cannot be read.
        SpecError: for settings that cannot be.
    """
    data = load_data(experiment.data, experiment.target, experiment.task)
    if data.y is None or data.task is None:
        raise _without_target(data, experiment)
    summary = summarize_data(data)
    share, seed = defaults.fill_defaults(experiment, summary).validation, experiment.validation_seed
    parts = {"training": data}
    if share:
        by = data.y if data.task != "regression" else len(data)
        rows, held = split(by, share, experiment.shuffle_seed if seed is None else seed)
        parts = {"training": data.take(rows), "validation": data.take(held)}
    if experiment.test is not None:
        names = data.class_names
        parts["test"] = load_data(experiment.test, experiment.target, data.task, classes=names)
    elif data.test is not None:
        parts["test"] = data.test
    return SplitData(summary, parts)


def prepare_split(
    rows: SplitData, experiment: Experiment, preprocessor: Preprocessor | None = None
) -> PreparedData:
    """Choose what the experiment leaves open, and learn the preprocessing from the training rows.

    Args:
        rows: the data.
        experiment: what to train.
        preprocessor: what was learnt in a former training, to be used instead.

    Raises:
        DataError: if the data cannot be trained on.
        SpecError: for settings that cannot be.
    """
    experiment, training = defaults.fill_defaults(experiment, rows.summary), rows.parts["training"]
    _check_images(training, experiment)
    loss = _usable(experiment)
    learnt = preprocessor or _preprocessor(training, experiment)
    inside = None
    if is_bytes(training.x) and isinstance(learnt, ArrayPreprocessor):
        inside, learnt = learnt.scaling, replace(learnt, scaling=None)  # the network scales bytes
    made = {name: encode_pair(part, learnt, loss) for name, part in rows.parts.items()}
    x, target = made["training"][0], fitted_target(learnt)
    sizes = ", ".join(f"{len(y):,} {name}" for name, (_, y) in made.items())
    notes = [*training.notes, *getattr(learnt, "notes", ())]
    shape = _width(x) if isinstance(learnt, TablePreprocessor) else x.shape[1:]
    name = training.name or experiment.data
    found = [
        f"data      {name}: {rows.summary.rows:,} rows, {_shape(training, shape)}",
        f"target    {target.describe()}",
        f"rows      {sizes}",
    ]
    entry = input_layers(x, learnt, inside)
    return PreparedData(experiment, learnt, loss, entry, made, found, notes)


def load_data(
    source: str, target: str | None = None, task: str | None = None, classes: Sequence[str] = ()
) -> Dataset:
    """Return the data set of a source; whole numbers that are no bytes are read as numbers.

    Raises:
        DataError: as `gradus.data.load`.
    """
    data = load(source, target, task=task, classes=classes)
    return replace(_floating(data), test=None if data.test is None else _floating(data.test))


def _floating(data: Dataset) -> Dataset:
    """Return the data with numbers that the preprocessing scales; images stay bytes."""
    if data.is_table or is_bytes(data.x) or data.x.dtype.kind == "f":
        return data
    return replace(data, x=data.x.astype(np.float32))


def is_bytes(x: Any) -> bool:
    """Return whether inputs are bytes, which are scaled in the network and not before."""
    return getattr(x, "dtype", None) == np.uint8


def encode_pair(data: Dataset, preprocessor: Preprocessor, loss: Loss) -> Pair:
    """Return the inputs and targets of a data set, as the network and the loss want them."""
    x, y = data.xy(preprocessor)
    return x, encode_targets(y, loss, fitted_target(preprocessor))


def fitted_target(preprocessor: Preprocessor) -> Target:
    """Return the target that a preprocessor has learnt.

    Raises:
        DataError: if it has learnt none.
    """
    if preprocessor.target is None:
        raise DataError("This preprocessing was learnt without a target.")
    return preprocessor.target


def summarize_data(data: Dataset) -> DataSummary:
    """Return what the defaults depend on."""
    y = np.asarray(data.y)
    outputs = len(data.class_names) or (y.shape[1] if y.ndim == 2 else 1)
    features = data.x.width - 1 if data.is_table else math.prod(data.x.shape[1:])
    image = not data.is_table and data.x.ndim > 2
    return DataSummary(len(data), features, outputs, str(data.task), image)


def _preprocessor(training: Dataset, experiment: Experiment) -> Preprocessor:
    preprocessing = Preprocessing(**structs.asdict(experiment.preprocessing))
    keep, drop = experiment.keep_columns, experiment.drop_columns
    return training.preprocessor(preprocessing, keep=keep, drop=drop)


def _usable(experiment: Experiment) -> Loss:
    try:
        return make_loss(experiment.loss)
    except GradusError as error:
        raise SpecError(str(error)) from None


def _check_images(training: Dataset, experiment: Experiment) -> None:
    """Refuse an augmentation of what are no images."""
    if not augmentation_layers(experiment.augmentation) or (
        not training.is_table and training.x.ndim == 4
    ):
        return
    kind = "a table" if training.is_table else f"numbers of shape {training.x.shape}"
    raise DataError(
        f"[augmentation] is for images, of shape (count, height, width, channels), but "
        f"{training.name or experiment.data} is {kind}: leave it out."
    )


def _without_target(data: Dataset, experiment: Experiment) -> GradusError:
    if not data.is_table:
        return DataError(
            f"{experiment.data!r} has inputs but no targets: there is nothing to learn."
        )
    columns = ", ".join(data.feature_names)
    return SpecError(
        f"{Path(experiment.data).name} is a table: say which column is to be learnt, with --target "
        f'COLUMN or target = "…". Its columns: {columns}.'
    )


def _width(x: Any) -> tuple[int, ...]:
    parts = x.values() if isinstance(x, dict) else [x]
    return (sum(part.shape[1] for part in parts),)


def _shape(data: Dataset, shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        columns = f"{len(data.feature_names)} columns as " if data.is_table else ""
        return f"{columns}{shape[0]} features"
    return "images of " + " × ".join(map(str, shape))
