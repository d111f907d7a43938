"""From an experiment to preprocessed data: load, split, choose defaults, fit the preprocessing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from msgspec import structs

from gradus.data import (
    ArrayPreprocessor,
    Dataset,
    Preprocessing,
    TableOptions,
    TablePreprocessor,
    Target,
    load,
)
from gradus.data.array_preprocessor import Preprocessor
from gradus.data.columns.formats import ColumnFormat
from gradus.data.images import ImageSize
from gradus.data.sources.image_folders import read_image_folder
from gradus.data.streaming.batch_stream import RowStream
from gradus.data.streaming.trees import count_rows
from gradus.data.table_options import AUTOMATIC_TABLE
from gradus.data.table_sources import is_no_path
from gradus.data.targets import require_target
from gradus.data.targets.naming import TargetName
from gradus.diagnosis.record import Record
from gradus.errors import DataError, GradusError, counted, unknown
from gradus.experiments.preparation.model_builder import augmentation_layers, input_layers
from gradus.experiments.preparation.outputs import (
    Losses,
    check_loss,
    check_loss_weights,
    encode_targets,
    fitting_metrics,
    make_losses,
)
from gradus.experiments.preparation.splitting import (
    SplitData,
    split_data,
    unused_inputs,
)
from gradus.experiments.settings import defaults
from gradus.experiments.settings.experiment import Experiment, ExperimentError
from gradus.models.inputs.arguments import batch_size
from gradus.models.supervised import make_supervised
from gradus.nn.layer import Layer

XY = tuple[Any, Any]
AUTOENCODER = "An autoencoder needs no target: gr.Autoencoder, in Python."


@dataclass(frozen=True)
class PreparedData:
    """Preprocessed data, and the complete experiment that they belong to.

    Attributes:
        experiment: with every setting chosen.
        preprocessor: fitted to the training rows.
        loss: the training loss, or of several targets that have a task each, the losses.
        input_layers: the layers before the first hidden one.
        parts: inputs and targets of "training", and of "validation" and "test" if they exist.
        raw: the same parts before the preprocessing.
        weights: of the rows of each part in the loss; None for 1 each.
        summary_lines: lines that describe the data.
        notes: observations about the data, in sentences.
        columns: of a table: the name, the kind and the encoding of each column used.
        record: what the split, and the test part beside the other rows, show.
        streams: all rows of those parts of which `parts` has a sample, to score them.
        counts: how many rows these parts have.
    """

    experiment: Experiment
    preprocessor: Preprocessor
    loss: Losses
    input_layers: list[Layer]
    parts: dict[str, XY]
    raw: dict[str, Dataset]
    weights: dict[str, np.ndarray | None]
    summary_lines: list[str]
    notes: list[str]
    columns: list[tuple[str, str, str]] = field(default_factory=list)
    record: Record = field(default_factory=Record)
    streams: Mapping[str, RowStream] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        """The fitted target."""
        return require_target(self.preprocessor.target)

    @property
    def page_lines(self) -> list[str]:
        """The lines that describe the data, as a page begins with them."""
        data, target, rows = (line.split(maxsplit=1)[1] for line in self.summary_lines)
        return [data, f"predicts {target}", f"rows: {rows}"]

    @property
    def fit_data(self) -> tuple[Any, Any]:
        """The inputs and targets that `fit` trains on."""
        return self.parts["training"]

    @property
    def weighted_validation(self) -> tuple[Any, Any, Any] | None:
        """The inputs, targets, and weights that `fit` validates on; None for none."""
        if "validation" not in self.parts:
            return None
        return (*self.parts["validation"], self.weights["validation"])

    @property
    def row_counts(self) -> Mapping[str, int]:
        """The number of rows of each part."""
        return {name: self.counts.get(name, count_rows(y)) for name, (_, y) in self.parts.items()}

    @property
    def class_weight(self) -> Any:
        """The weights of classes, as `fit` takes them."""
        weight = self.experiment.training.class_weight
        return None if weight == "none" else self.balanced_weight

    @property
    def balanced_weight(self) -> Any:
        """The weights that give rare classes as much as the others, as `fit` takes them."""
        return "balanced"

    def with_validation_rows(self) -> PreparedData:
        """Return the data with the validation rows among those of training, and no other part."""
        both = (self.parts["training"], self.parts["validation"])
        rows = jax.tree.map(lambda *arrays: np.concatenate(arrays), *both)
        weight, held = self.weights["training"], self.weights["validation"]
        if weight is not None and held is not None:
            weight = np.concatenate([weight, held])
        return replace(self, parts={"training": rows}, weights={"training": weight})

    @property
    def steps(self) -> int:
        """Steps per epoch."""
        batch = self.experiment.training.batch_size
        rows = self.row_counts["training"]
        return 1 if batch == "all" or batch is None else math.ceil(rows / int(batch))


def prepare_in_memory(
    experiment: Experiment, preprocessor: Preprocessor | None = None
) -> PreparedData:
    """Load and split the data, choose open settings, and fit the preprocessing.

    Args:
        experiment: the settings.
        preprocessor: of an earlier training, to use instead of fitting one.

    Raises:
        DataError: if the data cannot be read or trained on.
        ExperimentError: for invalid settings.
    """
    return prepare_split(load_and_split(experiment), experiment, preprocessor)


def load_and_split(experiment: Experiment) -> SplitData:
    """Load the data and split them.

    Raises:
        DataError: if the data cannot be read.
        ExperimentError: for invalid settings.
    """
    options = table_options(experiment)
    size: ImageSize = experiment.preprocessing.image_size or defaults.MOST_PIXELS
    data = load_data(
        experiment.data, experiment.target, experiment.task, options=options, image_size=size
    )
    if data.y is None or data.task is None:
        raise _missing_target(data, experiment)
    test = data.test
    if isinstance(experiment.test, str):
        target = experiment.target if data.target is None else data.target
        known = data.formats or None
        names = data.class_names
        if data.files:
            height, width, channels = data.x.shape[1:]
            test = read_image_folder(experiment.test, names, (height, width), channels)
        else:
            size = data.x.shape[1:3] if data.resized else None
            test = load_data(experiment.test, target, data.task, names, data.options, known, size)
    return split_data(replace(data, test=test), experiment)


def prepare_split(
    data: SplitData, experiment: Experiment, preprocessor: Preprocessor | None = None
) -> PreparedData:
    """Choose open settings, and fit the preprocessing to the training rows.

    Args:
        data: the split data.
        experiment: the settings.
        preprocessor: of an earlier training, to use instead of fitting one.

    Raises:
        DataError: if the data cannot be trained on.
        ExperimentError: for invalid settings.
    """
    experiment, training = defaults.fill_defaults(experiment, data.summary), data.parts["training"]
    _check_images(training, experiment)
    _check_refit(experiment)
    loss = _make_losses(experiment)
    fitted = preprocessor or fit_preprocessor(training, experiment)
    byte_scaling = None
    if is_bytes(training.x) and isinstance(fitted, ArrayPreprocessor):  # the network scales bytes
        byte_scaling, fitted = fitted.scaling, replace(fitted, scaling=None)
    target = require_target(fitted.target)
    check_loss(loss, target)
    check_loss_weights(experiment.loss_weights, target)
    parts = {name: encode_dataset(part, fitted, loss) for name, part in data.parts.items()}
    weights = {name: part.weight for name, part in data.parts.items()}
    x, _ = parts["training"]
    rows = {name: count_rows(y) for name, (_, y) in parts.items()}
    _check_training(experiment, loss, target, rows)
    sizes = ", ".join(f"{count:,} {name}" for name, count in rows.items())
    notes = list(dict.fromkeys([*training.notes, *data.notes, *getattr(fitted, "notes", ())]))
    shape = _feature_count(x) if isinstance(fitted, TablePreprocessor) else x.shape[1:]
    name = training.name or experiment.data
    lines = [
        f"data      {name}: {data.rows:,} rows, {_describe_shape(training, shape)}",
        f"target    {target.describe()}",
        f"rows      {sizes}",
    ]
    first_layers = input_layers(x, fitted, byte_scaling)
    columns = fitted.column_rows() if isinstance(fitted, TablePreprocessor) else []
    return PreparedData(
        experiment=experiment,
        preprocessor=fitted,
        loss=loss,
        input_layers=first_layers,
        parts=parts,
        raw=data.parts,
        weights=weights,
        summary_lines=lines,
        notes=notes,
        columns=columns,
        record=data.record,
    )


def table_options(experiment: Experiment) -> TableOptions:
    """Return how a table is read.

    Raises:
        ExperimentError: for invalid settings.
    """
    try:
        return TableOptions(**structs.asdict(experiment.table))
    except GradusError as error:
        raise ExperimentError(str(error)) from None


def load_data(
    source: str,
    target: TargetName | None = None,
    task: str | None = None,
    classes: Sequence[str] = (),
    options: TableOptions = AUTOMATIC_TABLE,
    formats: Mapping[str, ColumnFormat] | None = None,
    image_size: ImageSize = None,
) -> Dataset:
    """Load the data set of a source; integers other than bytes become floats.

    Raises:
        DataError: as `gradus.data.load`.
    """
    data = load(
        source,
        target,
        task=task,
        classes=classes,
        options=options,
        formats=formats,
        image_size=image_size,
    )
    test = None if data.test is None else integers_to_floats(data.test)
    return replace(integers_to_floats(data), test=test)


def integers_to_floats(data: Dataset) -> Dataset:
    """Convert integers to floats, which the preprocessing scales; images stay bytes."""
    if data.is_table or is_bytes(data.x) or data.x.dtype.kind == "f":
        return data
    return replace(data, x=data.x.astype(np.float64))


def is_bytes(x: Any) -> bool:
    """Whether inputs are bytes, which the network scales."""
    return getattr(x, "dtype", None) == np.uint8


def encode_dataset(data: Dataset, preprocessor: Preprocessor, loss: Losses) -> XY:
    """Return the inputs and targets of a data set, encoded for the network and the loss."""
    x, y = data.xy(preprocessor)
    return x, encode_targets(y, loss, require_target(preprocessor.target))


def fit_preprocessor(training: Dataset, experiment: Experiment) -> Preprocessor:
    """Return the preprocessor of training rows.

    Raises:
        DataError: as `Dataset.preprocessor`.
    """
    preprocessing = Preprocessing(**structs.asdict(experiment.preprocessing))
    keep, drop = experiment.keep_columns, unused_inputs(experiment)
    return training.preprocessor(preprocessing, keep=keep, drop=drop)


def _make_losses(experiment: Experiment) -> Losses:
    try:
        return make_losses(experiment.loss)
    except GradusError as error:
        raise ExperimentError(str(error)) from None


def _check_training(
    experiment: Experiment, loss: Losses, target: Target, rows: Mapping[str, int]
) -> None:
    """Check the settings of a training that depend on the data, before anything is trained."""
    training = experiment.training
    if training.batch_size != "all":
        batch_size(training.batch_size, rows["training"], full_batch=False)
    if training.class_weight not in (None, "none") and target.task in ("multilabel", "multitask"):
        raise DataError(
            f"class_weight = {training.class_weight!r} is for one class of each row, but "
            f"{target.name} are several targets: leave it out."
        )
    if training.class_weight not in (None, "none") and target.task == "regression":
        raise DataError(
            f"class_weight = {training.class_weight!r} is for classes, but the target is numbers: "
            'leave it out, or write task = "classification" if the numbers are classes.'
        )
    fitting = fitting_metrics(experiment.metrics or (), loss, target)
    names = make_supervised(loss, fitting).metric_names()
    known = [*names, *(f"val_{name}" for name in names if "validation" in rows)]
    if training.monitor is not None and training.monitor not in known:
        raise unknown("monitor", training.monitor, known)


def _check_refit(experiment: Experiment) -> None:
    """Check that a network that is trained once more on all rows is trained for a fixed time."""
    if experiment.training.refit and experiment.training.patience:
        raise ExperimentError(
            "refit = true trains once more on all rows, so that none is left to stop early by: "
            f"write patience = 0 instead of {experiment.training.patience}, or refit = false."
        )


def _check_images(training: Dataset, experiment: Experiment) -> None:
    """Check that an augmentation, or a convolution, is of images."""
    augments = bool(augmentation_layers(experiment.augmentation))
    if not (augments or experiment.network.conv) or (
        not training.is_table and training.x.ndim == 4
    ):
        return
    setting = "[augmentation]" if augments else f"conv = {experiment.network.conv} in [network]"
    kind = "a table" if training.is_table else f"numbers of shape {training.x.shape}"
    raise DataError(
        f"{setting} is for images, of shape (count, height, width, channels), but "
        f"{training.name or experiment.data} is {kind}: leave it out."
    )


def _missing_target(data: Dataset, experiment: Experiment) -> GradusError:
    if not data.is_table:
        return DataError(
            f"{experiment.data!r} has inputs but no targets, so there is nothing to learn. "
            f"{AUTOENCODER}"
        )
    columns = ", ".join(data.feature_names)
    name = data.name if is_no_path(experiment.data) else Path(experiment.data).name
    return ExperimentError(
        f"{name} is a table: name the column to predict, with --target "
        f'COLUMN or target = "…". Its columns: {columns}. {AUTOENCODER}'
    )


def _feature_count(x: Any) -> tuple[int, ...]:
    parts = x.values() if isinstance(x, dict) else [x]
    return (sum(part.shape[1] for part in parts),)


def _describe_shape(data: Dataset, shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        columns = f"{counted(len(data.feature_names), 'column')} as " if data.is_table else ""
        return f"{columns}{counted(shape[0], 'feature')}"
    kind = "images" if len(shape) == 3 else "arrays"
    return f"{kind} of {' × '.join(map(str, shape))}"
