"""A run as people use it: its network with its preprocessing, its settings, and its results."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gradus import manifests
from gradus.data import Dataset, TablePreprocessor, Target, preprocessor_from_dict
from gradus.data.streaming.array_stream import ArrayStream
from gradus.data.streaming.table_stream import TableStream
from gradus.data.table_sources import STANDARD_INPUT
from gradus.data.targets import require_target
from gradus.diagnosis.findings import Diagnosis
from gradus.errors import DataError, four_digits, warn
from gradus.experiments import inference, runs
from gradus.experiments.evaluation import (
    Evaluation,
    evaluate_in_units,
    evaluate_rows,
    told_balanced,
)
from gradus.experiments.preparation.outputs import Losses, encode_targets, losses_of
from gradus.experiments.preparation.prepare import prepare_data
from gradus.experiments.preparation.prepare_in_memory import encode_dataset
from gradus.experiments.rows_in_parts import (
    PredictedParts,
    concatenated_outputs,
    rows_in_parts,
)
from gradus.experiments.settings import experiment_file
from gradus.experiments.settings.experiment import Experiment
from gradus.experiments.unit_scores import Metrics
from gradus.foreign_names.arguments import explain_methods
from gradus.foreign_names.attributes import refuse_attribute
from gradus.models.model import Model
from gradus.models.saving import MANIFEST as MODEL
from gradus.models.saving import load_model
from gradus.train.history import History

TRAINED_ON = "the run was trained on most of these rows"


@explain_methods
@dataclass(frozen=True, repr=False)
class Run:
    """A run of `gradus train`, `sweep`, or `repair`, whose files are read when they are needed.

    `gr.load` returns it. It takes data as they were before the preprocessing.

    Attributes:
        folder: its path.
    """

    folder: Path

    if not TYPE_CHECKING:  # for mypy an unknown attribute stays a fault
        __getattr__ = refuse_attribute

    @cached_property
    def record(self) -> runs.RunRecord:
        """The results of the training: `metrics`, `split`, `parts`, `epochs`, ….

        Raises:
            SavedError: if they are missing or damaged, with the reason.
        """
        return manifests.read_manifest(self.folder, runs.RECORD, runs.RunRecord)

    @cached_property
    def experiment(self) -> Experiment:
        """The settings that repeat the training.

        Raises:
            SavedError: if the file is not that of the training.
        """
        path = manifests.verified_path(self.folder, experiment_file.FILE, self.record)
        return experiment_file.check_experiment(experiment_file.read_settings(path), str(path))

    @cached_property
    def preprocessor(self) -> Any:
        """The fitted preprocessor, from data to the network's inputs.

        Raises:
            SavedError: if the file is not that of the training.
        """
        manifests.verified_path(self.folder, runs.PREPROCESSING, self.record)
        saved = manifests.read_manifest(self.folder, runs.PREPROCESSING, runs.SavedPreprocessing)
        return preprocessor_from_dict(saved.fitted)

    @cached_property
    def model(self) -> Model:
        """The trained model, which predicts from the network's own inputs.

        Raises:
            SavedError: if the file is not that of the training.
        """
        manifests.verified_path(self.folder, MODEL, self.record)
        return cast("Model", load_model(self.folder))

    @cached_property
    def scored_model(self) -> Model:
        """The model that was scored on the validation rows; another than `model` after a refit.

        Raises:
            SavedError: if the file is not that of the training.
        """
        if not self.is_refitted:
            return self.model
        manifests.verified_path(self.folder, runs.SCORED_MODEL, self.record)
        return Model.load(self.folder / runs.SCORED)

    @property
    def is_refitted(self) -> bool:
        """Whether `model` was trained once more, on the validation rows too."""
        return runs.SCORED_MODEL in self.record.files

    def model_of_part(self, part: str) -> Model:
        """Return the model that is scored on a part: on "test" the one that predicts."""
        return self.model if part == "test" else self.scored_model

    @property
    def target(self) -> Target:
        """What is predicted: its name, its task, and its classes or units."""
        return require_target(self.preprocessor.target)

    @property
    def classes(self) -> Any:
        """The names of the classes, in the order of `predict_proba`; none for a regression.

        Of several targets that have a task each, a dict of those of each.
        """
        return self.target.classes

    @property
    def history(self) -> History:
        """The record of the training, epoch by epoch."""
        return self.model.history

    @property
    def findings(self) -> Diagnosis:
        """What the training showed to be wrong, causes before what follows from them."""
        return Diagnosis(self.history.findings or [])

    @property
    def notes(self) -> list[str]:
        """What was said of the data and of the training, in sentences."""
        return runs.read_notes(self.folder)

    @property
    def loss(self) -> Losses:
        """The training loss; of several targets that have a task each, a dict of theirs."""
        return losses_of(self.model)

    def __repr__(self) -> str:
        target, record = self.target, self.record
        known = {n: v for n, v in record.metrics.items() if v is not None}
        metrics = ", ".join(f"{name} {four_digits(value)}" for name, value in known.items())
        return f"Run({str(self.folder)!r}: {target.task} {target.name!r}, {record.split} {metrics})"

    def predict(self, data: Any, *, threshold: float | None = None) -> Any:
        """Return the class of each row by name, (n,), or the value in its own unit, (n,) or (n, k).

        Of several targets that have a task each, it is a dict of these, by column.

        Args:
            data: for a run on a table, a frame of pandas or Polars, a dict of columns, or a list
                of dicts, whose columns are found by name; for one on arrays or images, an array;
                or the path of such data: for images also one image, a folder of them, or a list
                of paths. No target is needed. A file that would not fit into memory is read in
                parts.
            threshold: of two classes, the second one of `classes` is predicted where its
                probability is more than this; by default the more probable one.

        Raises:
            DataError: for a column that is missing, or data that differ in kind from those of
                training.
            GradusError: for a threshold where there are not two classes with probabilities.

        Warns:
            RuntimeWarning: of cells that did not occur in the training data; and once of columns
                that are not used.
        """
        inference.check_threshold(threshold, self.loss, self.target)
        outputs = self._predicted_and_told(data)
        return inference.predicted_values(outputs, self.loss, self.target, threshold)

    def predict_proba(self, data: Any) -> Any:
        """Return the probability of each class, (n, classes), in the order of `classes`.

        Of several targets that have a task each, it is a dict of these for those that are classes.

        Args:
            data: as of `predict`.

        Raises:
            DataError: as `predict`.
            GradusError: for a regression, or a loss without probabilities.

        Warns:
            RuntimeWarning: as `predict`.
        """
        inference.check_probabilities(self.loss, self.target)
        outputs = self._predicted_and_told(data)
        if not self.target.parts:
            return inference.class_probabilities(outputs)
        return {
            part.name: inference.class_probabilities(outputs[part.name])
            for part in self.target.parts
            if part.task != "regression"
        }

    def evaluate(self, data: Any = None, y: Any = None) -> Metrics:
        """Return the loss and the metrics on data with targets.

        For a regression also MAE, RMSE, and R² in the target's units. If a path has a test part,
        only this is evaluated.

        Args:
            data: as of `predict`; a table has the target in its column. None for the part that
                the run is scored on, held out of its own data again.
            y: the targets of an array.

        Raises:
            DataError: as `predict`, or if there are no targets, or if the run's own data have
                changed.
        """
        known = data is None and y is None
        found = self.evaluated_part() if known else self.evaluated_rows(data, y)
        for note in found.notes:
            warn(note, RuntimeWarning)
        return found.metrics

    def predicted_rows(self, data: Any, kept: Sequence[str] = ()) -> inference.PredictedRows:
        """Return the network's outputs for data, and what cannot be trusted.

        Args:
            data: as of `predict`.
            kept: columns that are carried through, so that they count as used.

        Raises:
            DataError: as `predict`.
        """
        rows = inference.read_data(data, self.preprocessor, self.model)
        return self._predicted(rows if rows.test is None else rows.test, kept)

    def predicted_parts(
        self, data: Any, kept: Sequence[str] = ()
    ) -> Iterator[inference.PredictedRows]:
        """Yield what `predicted_rows` returns, of a file that would not fit into memory in parts.

        The numbers of unseen cells' rows are those in their part.

        Args:
            data: as of `predict`.
            kept: columns that are carried through, so that they count as used.

        Raises:
            DataError: as `predict`.
        """
        rows = rows_in_parts(data, self.preprocessor)
        if rows is None:
            yield self.predicted_rows(data, kept)
            return
        for part in rows.inputs().parts():
            yield self._predicted(part, kept)

    def _predicted(self, rows: Dataset, kept: Sequence[str]) -> inference.PredictedRows:
        outputs = self.model.predict(self.preprocessor.transform(rows.x))
        is_table = isinstance(self.preprocessor, TablePreprocessor)
        unseen = self.preprocessor.unseen_values(rows.x) if is_table else []
        unused = inference.unused_columns(rows, self.preprocessor, kept)
        return inference.PredictedRows(outputs, rows, unseen, unused)

    def evaluated_rows(self, data: Any, y: Any = None) -> Evaluation:
        """Return the metrics on data with targets, and what was observed.

        Args:
            data: as of `evaluate`.
            y: the targets of an array.

        Raises:
            DataError: as `evaluate`.
        """
        streamed = None if y is not None else rows_in_parts(data, self.preprocessor)
        if streamed is not None:
            return self._evaluated_stream(data, streamed)
        rows = inference.read_data(data, self.preprocessor, self.model, y, labeled=True)
        if rows.y is None:
            raise DataError(f"{str(data)!r} has no targets to compare predictions to.")
        part = "all rows"
        if rows.test is not None:
            rows, part = rows.test, "its test part"
        encoded = encode_dataset(rows, self.preprocessor, self.loss)
        metrics = evaluate_in_units(self.model, *encoded, self.target)
        notes = list(rows.notes)
        if part == "all rows" and self._is_training_data(data):
            notes.append(TRAINED_ON)
        return Evaluation(metrics, len(rows), part, notes)

    def _evaluated_stream(self, data: Any, rows: TableStream | ArrayStream) -> Evaluation:
        """Return the metrics on rows that are read in parts."""
        encode = functools.partial(encode_targets, loss=self.loss, target=self.target)
        metrics, count = evaluate_rows(self.model, rows.labeled(encode), None, self.target)
        notes = list(rows.source.notes)
        if count < len(rows):
            left_out = len(rows) - count
            verb = (
                "1 row has no target and is"
                if left_out == 1
                else f"{left_out:,} rows have no target and are"
            )
            notes.append(f"{verb} not used")
        if rows.part == "all rows" and self._is_training_data(data):
            notes.append(TRAINED_ON)
        return Evaluation(metrics, count, rows.part, notes)

    def evaluated_part(self) -> Evaluation:
        """Return the metrics on the part that the run is scored on, held out of its data again.

        Raises:
            DataError: if the data cannot be read, or have other rows than in the training.
        """
        part, prepared = self.record.split, prepare_data(self.experiment, self.preprocessor)
        rows = dict(prepared.row_counts)
        if rows != self.record.rows:
            then, now = (
                ", ".join(f"{n:,} {p}" for p, n in r.items()) for r in (self.record.rows, rows)
            )
            raise DataError(
                f"{self.experiment.data!r} has changed since the training ({then} rows then, {now} "
                "now), so the rows that were held out cannot be told from the others: name data."
            )
        told = told_balanced(self.record.metrics, self.target)
        x, y = prepared.parts[part]
        x = prepared.streams.get(part, x)
        metrics = evaluate_in_units(self.model_of_part(part), x, y, self.target, told)
        before, notes = self.record.metrics.get("loss"), []
        if before is not None and not np.isclose(metrics["loss"], before, rtol=1e-3):
            notes = [f"the data have changed since the training, when the loss was {before:.4g}"]
        return Evaluation(metrics, rows[part], f"its {part} part", notes)

    @cached_property
    def _told(self) -> set[str]:
        """The columns that were said not to be used."""
        return set()

    def _predicted_and_told(self, data: Any) -> Any:
        """Return the network's outputs for data, and warn of what cannot be trusted."""
        rows = PredictedParts()
        outputs = concatenated_outputs(self.predicted_parts(data), rows)
        for note in rows.notes:
            warn(note, RuntimeWarning)
        if untold := [name for name in rows.unused if name not in self._told]:
            self._told.update(untold)
            warn(inference.unused_note(untold), RuntimeWarning)
        return outputs

    def _is_training_data(self, data: Any) -> bool:
        if not isinstance(data, str | Path) or str(data) == STANDARD_INPUT:
            return False
        return experiment_file.absolute_source(str(data), Path.cwd()) == self.experiment.data
