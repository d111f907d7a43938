"""From an experiment's data to what a network is trained and measured on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gradus.apps import defaults
from gradus.apps.build import encode, entrance, make_loss
from gradus.apps.defaults import Facts
from gradus.apps.spec import Experiment, SpecError
from gradus.data import ArrayPreprocessor, Dataset, TablePreprocessor, Target, load, split
from gradus.errors import DataError, GradusError
from gradus.nn.layer import Layer
from gradus.objectives.loss import Loss

Preprocessor = TablePreprocessor | ArrayPreprocessor
Pair = tuple[Any, np.ndarray]


@dataclass(frozen=True)
class Prepared:
    """What is trained and measured, and how it came to be.

    Attributes:
        experiment: with every setting chosen.
        facts: what the choice depended on.
        preprocessor: learnt from the training rows.
        loss: what is trained.
        entry: the layers before the first hidden one.
        parts: "training", and "validation" and "test" where there are such: inputs and targets.
        found: lines that say what was found in the data, and what is done to it.
        notes: what is worth a look, in sentences.
    """

    experiment: Experiment
    facts: Facts
    preprocessor: Preprocessor
    loss: Loss
    entry: list[Layer]
    parts: dict[str, Pair]
    found: list[str]
    notes: list[str]

    @property
    def target(self) -> Target:
        """What is learnt."""
        return target_of(self.preprocessor)

    @property
    def steps(self) -> int:
        """The steps of an epoch."""
        batch = self.experiment.training.batch_size
        rows = len(self.parts["training"][1])
        return 1 if batch == "all" or batch is None else math.ceil(rows / int(batch))


def prepare(experiment: Experiment, preprocessor: Preprocessor | None = None) -> Prepared:
    """Read the data, choose what the experiment leaves open, split, and learn the preprocessing.

    Args:
        experiment: what to train.
        preprocessor: what was learnt in a former training, to be used instead.

    Raises:
        DataError: if the data cannot be read or trained on.
        SpecError: for settings that cannot be.
    """
    data = read(experiment.data, experiment.target, experiment.task)
    if data.y is None or data.task is None:
        raise _without_target(data, experiment)
    facts = facts_of(data)
    experiment = defaults.complete(experiment, facts)
    loss = _usable(experiment)
    training, parts = data, {}
    if experiment.validation:
        by = data.y if data.task != "regression" else len(data)
        rows, held = split(by, experiment.validation, experiment.shuffle_seed)
        training, parts = data.take(rows), {"validation": data.take(held)}
    if experiment.test is not None:
        names = data.class_names
        parts["test"] = read(experiment.test, experiment.target, data.task, classes=names)
    elif data.test is not None:
        parts["test"] = data.test
    preprocessor = preprocessor or _preprocessor(training, experiment)
    target = target_of(preprocessor)
    made = {
        name: pair(part, preprocessor, loss)
        for name, part in {"training": training, **parts}.items()
    }
    x = made["training"][0]
    entry = entrance(x, preprocessor, data.scaling if is_bytes(data.x) else None)
    sizes = ", ".join(f"{len(y):,} {name}" for name, (_, y) in made.items())
    notes = [*data.notes, *getattr(preprocessor, "notes", ())]
    shape = _width(x) if isinstance(preprocessor, TablePreprocessor) else data.x.shape[1:]
    found = [
        f"data      {data.name or experiment.data}: {len(data):,} rows, {_shape(data, shape)}",
        f"target    {target.describe()}",
        f"rows      {sizes}",
    ]
    return Prepared(experiment, facts, preprocessor, loss, entry, made, found, notes)


def read(
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


def pair(data: Dataset, preprocessor: Preprocessor, loss: Loss) -> Pair:
    """Return the inputs and targets of a data set, as the network and the loss want them."""
    x, y = data.xy(preprocessor)
    return x, encode(y, loss, target_of(preprocessor))


def target_of(preprocessor: Preprocessor) -> Target:
    """Return the target that a preprocessor has learnt.

    Raises:
        DataError: if it has learnt none.
    """
    if preprocessor.target is None:
        raise DataError("This preprocessing was learnt without a target.")
    return preprocessor.target


def facts_of(data: Dataset) -> Facts:
    """Return what the defaults depend on."""
    y = np.asarray(data.y)
    outputs = len(data.class_names) or (y.shape[1] if y.ndim == 2 else 1)
    features = data.x.width - 1 if data.is_table else math.prod(data.x.shape[1:])
    image = not data.is_table and data.x.ndim > 2
    return Facts(len(data), features, outputs, str(data.task), image)


def _preprocessor(training: Dataset, experiment: Experiment) -> Preprocessor:
    keep, drop = experiment.keep_columns, experiment.drop_columns
    fitted = training.preprocessor(keep=keep, drop=drop)
    if is_bytes(training.x) and isinstance(fitted, ArrayPreprocessor):
        return replace(fitted, scaling=None)
    return fitted


def _usable(experiment: Experiment) -> Loss:
    try:
        return make_loss(experiment.loss)
    except GradusError as error:
        raise SpecError(str(error)) from None


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
