"""The record of an experiment after its training, which symptoms read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.diagnosis.examination import examine_training
from gradus.diagnosis.record import MARGIN, Record
from gradus.diagnosis.record_entries import SQUARED, RecurrenceRecord
from gradus.diagnosis.recurrence import carried_share, first_steps, readers_of
from gradus.diagnosis.references.generated import SAMPLES as GENERATED
from gradus.diagnosis.references.generated import generated_record
from gradus.diagnosis.references.linear_model import component_share, fit_linear
from gradus.diagnosis.references.neighbors import ask_neighbors
from gradus.diagnosis.training import make_training_record
from gradus.models.base import BaseModel
from gradus.models.inputs.training_data import TrainingData
from gradus.nn.layer import Layer
from gradus.nn.network import forward, fresh, recorded, with_weights
from gradus.train.early_stopping import EarlyStopping
from gradus.train.history import History
from gradus.train.inference import penalty_of
from gradus.train.state import TrainState
from gradus.train.tasks.base import Supervised, Task, zip_outputs
from gradus.train.training_program import FitConfig

if TYPE_CHECKING:
    from jaxtyping import PyTree, Shaped

HIGH_UNSEEN = 0.5  # of a constant's loss of new samples, where training ones are learned by heart
PROBED = 512  # samples on which silent units are confirmed
SILENT = 0.5  # the share of a layer's units, silent on the last batch, from which they are
DEAD = 0.99  # the share of silent units of a layer through which nothing passes any more
ON_FAULT = ("warn", "stop", "repair")
HOPELESS = "symmetric-weights"  # the fault with which no training learns


class FaultWatch:
    """A listener that says that a layer is dead, and may end the training, as it learns no more.

    Args:
        net: the network.
        record: of the experiment before the training.
        x: all inputs.
        report: shows a line.
        on_fault: "warn" to go on, or else to end the training.
    """

    def __init__(
        self,
        net: Layer,
        record: Record,
        x: PyTree[Shaped[np.ndarray, "samples ..."]],
        report: Callable[[str], None],
        on_fault: str,
    ) -> None:
        self.net, self.record, self.x = net, record, x
        self.report, self.on_fault = report, on_fault
        self._dead: set[str] = set()

    def _is_pointless(self, history: History) -> bool:
        """Whether it was clear before the first step that the network cannot learn."""
        found = history.findings
        return found is not None and any(each.code == HOPELESS for each in found.faults)

    def __call__(self, train_state: TrainState, history: History) -> bool:
        """Report layers that have died since the last call; return whether to end the training."""
        if self.on_fault != "warn" and self._is_pointless(history):
            history.stopped = "fault"
            return True
        training = make_training_record(history)
        suspects = [
            layer.path
            for layer in self.record.hidden
            if layer.path not in self._dead and training.was_silent(layer.path, DEAD)
        ]
        if not suspects:
            return False
        net = with_weights(self.net, train_state.params | train_state.model_state)
        shares = silent_shares(net, self.x)
        for path in suspects:
            if shares.get(path, 0.0) >= DEAD:
                self._dead.add(path)
                since = f"since epoch {training.since(path, 'silent', DEAD)}"
                self.report(
                    f"Layer {path!r}: {shares[path]:.0%} of its units have been dead {since}."
                )
        if self._dead and self.on_fault != "warn":
            history.stopped = "fault"
            return True
        return False


def with_settings(
    record: Record,
    config: FitConfig,
    data: TrainingData,
    early_stopping: EarlyStopping,
    keep_best: bool,
) -> Record:
    """Return the record of an experiment with how it is trained: what `fit` was told.

    Args:
        record: of the experiment.
        config: how much is trained.
        data: what is trained on.
        early_stopping: when it ends early.
        keep_best: whether the weights of the best epoch are kept.
    """
    patience, target = float(early_stopping.patience), float(early_stopping.target)
    can_end_early = math.isfinite(patience) or math.isfinite(target)
    class_weight = data.class_weight
    if isinstance(class_weight, Mapping):
        class_weight = {str(int(label)): float(class_weight[label]) for label in class_weight}
    settings = record.settings and dataclasses.replace(
        record.settings,
        batch_size=config.batch_size or 0,
        samples=data.count,
        epochs=config.epochs,
        patience=patience if math.isfinite(patience) else 0.0,
        monitor=early_stopping.monitor,
        mode=early_stopping.mode,
        min_delta=float(early_stopping.min_delta),
        target=target if math.isfinite(target) else None,
        keep_best=keep_best or not can_end_early,
        shuffle=config.shuffle,
        class_weight=class_weight,
        sample_weight=data.sample_weight is not None,
    )
    return dataclasses.replace(record, settings=settings)


def diagnose_fit(
    model: BaseModel,
    task: Task,
    record: Record,
    data: TrainingData,
    divergence: tuple[str, str] | None = None,
) -> None:
    """Give a trained model the record of its training, and what it shows to be wrong.

    Args:
        model: the model.
        task: what it learned.
        record: of the experiment before the training.
        data: what it was trained on.
        divergence: where the training diverged, and what to try.
    """
    net, training = model.net, None
    if model.history.epochs:
        training = make_training_record(model.history, penalty_of(net, task), divergence=divergence)
        suspect = any(training.silent_share(layer.path) > SILENT for layer in record.layers)
        if suspect and training.stopped != "interrupted":
            silent = silent_shares(net, data.samples.x)
            training = dataclasses.replace(training, silent=silent)
    record = dataclasses.replace(record, training=training)
    record = with_references(with_generated(record, model, data), task, data)
    model.record = with_recurrence(record, net, data)
    model.add_findings(examine_training(model.record, model.history))


def with_references(record: Record, task: Task, data: TrainingData) -> Record:
    """Return the record of a training with what others tell of the data, where that may matter.

    They are a linear model and the nearest neighbors.

    Args:
        record: of the training.
        task: what was learned.
        data: what it was trained on.
    """
    is_poor = (record.remaining or 0.0) >= MARGIN or (record.unseen or 0.0) >= HIGH_UNSEEN
    if not record.outputs or not is_poor or data.weight is not None:
        return record
    x, references = data.samples.x, []
    codes = [each.name for each in record.inputs if each.is_codes]
    if isinstance(task, Supervised):
        for _, objective, _, y in zip_outputs(task.objectives, None, data.samples.y):
            linear = fit_linear(x, y, objective.loss.name, data.rows, codes) or (None, None, None)
            error, contradicted = None, None
            found = None
            if objective.loss.kind != "values":
                found = ask_neighbors(x, y, data.rows, codes)
            if found is not None:
                is_softmax = objective.loss.link == "softmax"
                error, contradicted = found.error, found.contradicted if is_softmax else None
            references.append((*linear, contradicted, error))
    elif record.outputs[0].loss in SQUARED[:1]:  # of an autoencoder
        narrowest = min((layer.units for layer in record.kernels), default=0)
        references.append((component_share(x, narrowest, data.rows), *[None] * 4))
    names = "linear", "linear_error", "sure_error", "contradicted", "neighbor_error"
    outputs = [
        dataclasses.replace(output, **dict(zip(names, found, strict=True)))
        for output, found in zip(record.outputs, references, strict=False)
    ]
    return dataclasses.replace(record, outputs=tuple(outputs) or record.outputs)


def with_recurrence(record: Record, net: Layer, data: TrainingData) -> Record:
    """Return the record of a training with what recurrent layers carry, where that may matter.

    It may where a linear model of the first steps does better than the network.

    Args:
        record: of the training.
        net: the trained network.
        data: what it was trained on.
    """
    x, y, readers = data.samples.x, data.samples.y, readers_of(net)
    is_poor = (record.remaining or 0.0) >= MARGIN and data.weight is None
    if readers is None or not is_poor or not isinstance(x, np.ndarray) or x.ndim < 2:
        return record
    output = record.outputs[0] if len(record.outputs) == 1 else None
    if output is None or not isinstance(y, np.ndarray):
        return record
    codes = [each.name for each in record.inputs if each.is_codes]
    told = fit_linear(first_steps(x), y, output.loss, data.rows, codes)
    if told is None or not record.trails_by(output, told.share, told.error, new=True):
        return record
    if (carried := carried_share(net, readers, x)) is None:
        return record
    found = RecurrenceRecord(readers.last, *carried, told.share, told.error)
    return dataclasses.replace(record, recurrence=found)


def with_generated(record: Record, model: BaseModel, data: TrainingData) -> Record:
    """Return the record of a training with how far generated samples are from the data, if any.

    Args:
        record: of the training.
        model: the trained model.
        data: what it was trained on.
    """
    sample = getattr(model, "sample", None)
    if sample is None or record.outputs or record.training is None:
        return record
    made = sample(min(GENERATED, data.count))
    return dataclasses.replace(record, generated=generated_record(data.samples.x, made, data.rows))


def silent_shares(net: Layer, x: PyTree[Shaped[np.ndarray, "samples ..."]]) -> dict[str, float]:
    """Return the share of each layer's units that are zero on `PROBED` samples, by path."""
    count = len(jax.tree.leaves(x)[0])
    rows = np.linspace(0, count - 1, min(count, PROBED)).astype(int)

    @jax.jit
    def compute(net: Layer, x: Any) -> dict[str, Any]:
        copy = fresh(net, recording=True)
        forward(copy, x)
        return {
            path: jnp.mean(jnp.all(output == 0, axis=tuple(range(output.ndim - 1))))
            for path, output in recorded(copy)[1].items()
            if isinstance(output, jax.Array)
        }

    shares = compute(net, jax.tree.map(lambda a: a[rows], x))
    return {path: float(share) for path, share in shares.items()}
