"""Whether a network is better than a constant on samples that it was not trained on."""

from __future__ import annotations

from gradus.diagnosis.record import FEWER, LEARNED, Record
from gradus.diagnosis.record_entries import OutputRecord


def best_unseen(record: Record, output: OutputRecord) -> float | None:
    """Return an output's validation loss in its best epoch, if no epoch is better than a constant.

    It is a share of the loss of the best constant prediction. None if an epoch is better, by the
    loss or by the accuracy, or this is not known.
    """
    settings = record.settings
    if settings is None or settings.class_weight or settings.sample_weight or not record.is_long:
        return None  # with weights, training has another constant than validation
    losses = record.losses_of(output, "val_")
    if losses is None or not losses.min() > 1 or _is_often_right(record, output):
        return None
    return float(losses.min())


def _is_often_right(record: Record, output: OutputRecord) -> bool:
    """Whether classes are told in some epoch, whatever the loss, or this is not known."""
    training, targets = record.training, output.validation or output.targets
    if output.kind == "values":
        return False
    name = f"val_{output.name}_accuracy" if len(record.outputs) > 1 else "val_accuracy"
    accuracy = None if training is None else training.metrics.get(name)
    if accuracy is None or targets is None or targets.majority is None:
        return True
    gained = float(accuracy.max()) - targets.majority
    return gained > max(LEARNED, FEWER * (1 - targets.majority))
