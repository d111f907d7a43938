"""The base of all models: what they share besides a network: evaluation, prediction, diagnosis."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.checks import flag, whole_number
from gradus.data.containers import in_memory_unless_large
from gradus.data.streaming.batch_stream import RowStream
from gradus.diagnosis.examination import examine_training
from gradus.diagnosis.findings import Diagnosis
from gradus.diagnosis.record import Record
from gradus.diagnosis.recording import make_record
from gradus.diagnosis.symptoms import examine
from gradus.errors import (
    DataError,
    FaultError,
    GradusError,
    UnknownCodeError,
    warn,
)
from gradus.models.doctor_link import doctor
from gradus.models.inputs import arguments
from gradus.models.inputs.ranges import range_note
from gradus.models.inputs.streamed_data import parts_of
from gradus.models.inputs.training_data import (
    NO_TARGETS,
    TrainingData,
    check_arrays,
    check_columns,
    column_names,
    make_training_data,
)
from gradus.models.network_model import NetworkModel
from gradus.models.supervised import (
    check_has_classes,
    check_supervised,
    check_targets,
    fit_metrics,
    output_heads,
)
from gradus.nn.casting import with_standard_promotion
from gradus.train import inference
from gradus.train.batches import Samples
from gradus.train.tasks.base import OutputObjective, Supervised, Task
from gradus.train.tasks.reconstruction import Reconstruction


class BaseModel(NetworkModel):
    """What models share: evaluation, prediction, and diagnosis; `Model` adds training and files."""

    @with_standard_promotion
    def evaluate(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        batch_size: int = inference.ROWS_PER_BATCH,
        verbose: bool = False,
    ) -> dict[str, Any]:
        """Return the loss and the metrics on some data, exact for any number of rows.

        Args:
            x: inputs, or what yields batches, as in `fit`.
            y: targets, as in `fit`.
            sample_weight: the weight of each sample, `(n,)`.
            batch_size: rows computed at once, at most; it changes memory and time only.
            verbose: as in Keras; nothing is shown either way.
        """
        self.require_built("evaluate")
        x, y = in_memory_unless_large(x, "x"), in_memory_unless_large(y, "y")
        check_columns(self.columns, column_names(x))
        batch_size, _ = whole_number("batch_size", batch_size, 1), flag("verbose", verbose)
        parts = parts_of(x, y, sample_weight)
        first = next(parts)
        self.check_input(first.x)
        self._warn_of_range(first.x)
        task = self.task_for(first.x, first.y)
        total = inference.measure_batches(self.net, task, first, batch_size)
        for number, part in enumerate(parts, 1):
            self.check_batch(task, part, number)
            added = inference.measure_batches(self.net, task, part, batch_size)
            total = jax.tree.map(jnp.add, total, added)
        logs = inference.metrics_of(task, total)
        return {name: float(v) if v.ndim == 0 else v for name, v in logs.items()}

    @with_standard_promotion
    def predict(
        self,
        x: Any,
        *,
        logits: bool = False,
        batch_size: int = inference.ROWS_PER_BATCH,
        verbose: bool = False,
    ) -> Any:
        """Return predictions, `(n, ...)`: probabilities where the loss is about classes.

        A code for which an embedding has no vector gives NaN, with a warning that names it. Inputs
        of another range than those of the training, such as bytes where these were divided by 255,
        are a warning that names both.

        Args:
            x: inputs, or what yields batches of them, as in `fit`; targets of pairs are ignored.
            logits: whether to return the outputs before the final softmax or sigmoid.
            batch_size: rows computed at once, at most; it changes memory and time only.
            verbose: as in Keras; nothing is shown either way.
        """
        self.require_built("predict")
        logits, _ = flag("logits", logits), flag("verbose", verbose)
        batch_size = whole_number("batch_size", batch_size, 1)
        x = in_memory_unless_large(x, "x")
        check_columns(self.columns, column_names(x))
        predicted: list[Any] = []
        for part in parts_of(x.inputs() if isinstance(x, RowStream) else x, None, None):
            try:
                self.check_input(part.x)
            except UnknownCodeError as error:  # one such row does not spoil the others
                warn(
                    f"{error} Its prediction is not a number.",
                    RuntimeWarning,
                )
            if not predicted:
                self._warn_of_range(part.x)
            parts = inference.predict_batches(self.net, self.task, part.x, logits, batch_size)
            predicted.append(parts)
        return jax.tree.map(lambda *arrays: np.concatenate(arrays), *predicted)

    def predict_classes(self, x: Any) -> Any:
        """Return the most probable class of each row, integers `(n,)`.

        With one sigmoid output it is 1 where the probability exceeds ½. With several, for several
        labels per sample, the result is an array `(n, labels)` of 0 and 1.
        """
        if not isinstance(self.task, Supervised):
            raise GradusError("predict_classes needs a loss; this model has a task of its own.")
        predicted, objectives = self.predict(x), self.task.objectives
        if isinstance(objectives, OutputObjective):
            blank = jax.tree.map(lambda a: np.zeros(a.shape, a.dtype), self.example)
            check_has_classes(self.net, objectives.loss, blank)
            return arguments.classes_of(predicted, objectives.loss)
        if isinstance(objectives, dict):
            return {n: arguments.classes_of(predicted[n], objectives[n].loss) for n in objectives}
        pairs = zip(predicted, objectives, strict=True)
        return tuple(arguments.classes_of(each, objective.loss) for each, objective in pairs)

    @with_standard_promotion
    def check(
        self, x: Any, y: Any = None, validation_data: Any = None, ignore: Iterable[str] = ()
    ) -> Diagnosis:
        """Return what settings and data alone show to be wrong, before any training.

        Args:
            x: inputs, as in `fit`.
            y: targets, as in `fit`.
            validation_data: as in `fit`.
            ignore: codes of findings that are left out.

        Raises:
            DataError: for data that cannot be trained on.
            GradusError: for what `fit` would refuse.

        Examples:
            >>> x = np.random.default_rng(0).normal(size=(40, 3))
            >>> net = gr.Sequential([gr.Dense(4, "relu"), gr.Dense(1, "relu")])
            >>> [finding.code for finding in gr.Model(net, "mse").check(x, x[:, 0])]
            ['output-range']
        """
        self.require_values()
        data = make_training_data(x, y, validation_data=validation_data)
        return examine(self.record_before(self.checked_task(data), data), ignore)

    @with_standard_promotion
    def diagnose(
        self,
        x: Any = None,
        y: Any = None,
        *,
        sample_weight: Any = None,
        validation_data: Any = None,
        twins: bool | None = None,
        counterfactuals: bool = False,
        seed: int = 0,
        ignore: Iterable[str] = (),
    ) -> Diagnosis:
        """Return what the last training showed to be wrong, causes before what follows from them.

        The record of the training, which is saved with the model, is examined anew. What it does
        not tell is in `limits`.

        With data, other trainings can prove it. Twins learn from inputs of zeros and from shuffled
        targets: a network that is no better takes nothing from its inputs, or finds no signal in
        the targets. Counterfactual trainings leave out one suspected cause each, side by side, with
        the same seeds: the one without which the network learns more is proved.

        Args:
            x: inputs, as in `fit`.
            y: targets, as in `fit`.
            sample_weight: the weight of each sample, as in `fit`; errors are weighted, too.
            validation_data: `(x, y)` or `(x, y, weight)` to compare trainings on; by default a
                fifth of the samples.
            twins: whether twins are trained; by default if the network seems to learn nothing.
            counterfactuals: whether suspected causes of faults are left out in turn.
            seed: of the samples that are held out, and of the twins.
            ignore: codes of findings that are left out, and from which nothing follows then.

        Raises:
            DataError: for data that cannot be trained on.
            GradusError: for a model that was never trained, or where data are needed and missing.

        Examples:
            >>> x = np.random.default_rng(0).normal(size=(200, 3))
            >>> net = gr.Sequential([gr.Dense(8, "relu", kernel_initializer="zeros"), gr.Dense(1)])
            >>> model = gr.Model(net, "mse")
            >>> history = model.fit(x, x[:, 0], epochs=5, verbose=False)
            >>> model.diagnose().faults[0].code
            'symmetric-weights'
        """
        twins = None if twins is None else flag("twins", twins)
        counterfactuals = flag("counterfactuals", counterfactuals)
        if not self.history.epochs and self.record is None:
            raise GradusError(f"diagnose: {self._why_untrained()}")
        if x is None:
            if twins or counterfactuals:
                raise GradusError(
                    "diagnose: twins and counterfactuals are trainings: give the data, x and y."
                )
            return examine_training(self.record, self.history, ignore)
        check_arrays(x, y, None)
        diagnosis: Diagnosis = doctor("proving").diagnose_by_training(
            self,
            x,
            y,
            validation_data,
            twins,
            counterfactuals,
            seed,
            ignore,
            sample_weight,
        )
        return diagnosis

    def _why_untrained(self) -> str:
        """Return why there is no training to diagnose, and what to call instead."""
        return (
            "the model was never trained. model.check(x, y) says what settings and data show "
            "before training."
        )

    # --- checks of the model and its data -------------------------------------------------------

    def _warn_of_range(self, x: Any) -> None:
        """Warn of inputs that are not in the range of those that were trained on."""
        if note := range_note(self.record, x):
            warn(note, RuntimeWarning)

    @with_standard_promotion
    def prepare_task(
        self, data: TrainingData, strict: bool = False, ignore: Iterable[str] = ()
    ) -> tuple[Task, Record]:
        """Build the network for the data, and return the task fitted to it, after all checks.

        What else may be wrong is added to the history's notes.

        Args:
            data: the data.
            strict: whether a fault that is found is an error.
            ignore: codes of findings that are left out.

        Returns:
            The task, and the record of the experiment before its training.

        Raises:
            FaultError: for faults, if `strict`: the first in full, and what others there are.
        """
        task = self.checked_task(data)
        record = self.record_before(task, data)
        diagnosis = examine(record, ignore)
        if strict and diagnosis.faults:
            fault, *others = diagnosis.faults
            more = "".join(f" Also {other.code}: {other.message}" for other in others)
            raise FaultError(f"{fault}{more} To train anyway, leave out strict=True.", fault.code)
        self.add_findings(diagnosis)
        self.columns = {**self.columns, **data.columns}
        return task, record

    def checked_task(self, data: TrainingData) -> Task:
        """Return the task fitted to the targets of data, after all checks of network and data."""
        check_columns(self.columns, data.columns)
        if data.samples.y is None and isinstance(self.task, Supervised):
            raise data.no_targets()
        self.build(data.samples.x)
        arguments.check_trainable(self.net, self.optimizer.layer_rates)
        arguments.check_codes(self.net, data.samples.x)
        task = self.task_for(data.samples.x, data.samples.y)
        if isinstance(data.validation, Samples):
            self.check_input(data.validation.x, "validation x")
            self.task_for(data.validation.x, data.validation.y, "validation y")
        return task

    def record_before(self, task: Task, data: TrainingData) -> Record:
        """Return the record of an experiment before its training."""
        y, validation = data.targets()
        if isinstance(task, Reconstruction):
            task, y, validation = task.supervised, data.samples.x, None
        comparison = data.comparison
        if comparison is not None and self.validated_later:
            comparison = dataclasses.replace(comparison, shifts=())
        record = make_record(
            self.net,
            task,
            self.optimizer,
            data.samples.x,
            y,
            validation,
            rows=data.rows,
            weight=data.weight,
            comparison=comparison,
            columns=data.columns,
        )
        return record.continuing(self.record if self.history.epochs else None)

    def task_for(self, x: Any, y: Any, where: str = "y") -> Task:
        """Return the task fitted to targets, after all checks of network, loss and data.

        Args:
            x: inputs.
            y: targets, or None.
            where: what the targets are called in an error.
        """
        if isinstance(self.task, Reconstruction):
            if y is not None:
                raise DataError("An autoencoder's target is its input: write fit(x), without y.")
            supervised = self._check_task(self.task.supervised, x, x, where.replace("y", "x"))
            return dataclasses.replace(self.task, supervised=supervised)
        if not isinstance(self.task, Supervised):
            task: Task = self.task
            return task
        if y is None:
            validated = f"The loss needs targets, but there is no {where}: pass pairs (x, y)."
            raise DataError(NO_TARGETS if where == "y" else validated)
        return self._check_task(self.task, x, y, where)

    def _check_task(self, task: Supervised, x: Any, y: Any, where: str) -> Supervised:
        """Return a task fitted to the targets, after all checks."""
        check_supervised(self.net, task, jax.tree.map(lambda a: a[:64], x), y, where)
        return fit_metrics(task, y)

    def check_batch(self, task: Task, batch: Samples, number: int) -> None:
        """Check a batch that is read during a training, as the first ones were before it.

        Raises:
            GradusError: if the network, the loss, or a layer cannot take it.
        """
        self.check_input(batch.x, f"x of batch {number}")
        if isinstance(task, Supervised):
            where = f"y of batch {number}"
            if batch.y is None:
                raise DataError(f"There is no {where}: yield pairs (x, y).")
            check_targets(task, output_heads(self.net, batch.x)[1], batch.y, where)
