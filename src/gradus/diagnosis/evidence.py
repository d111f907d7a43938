"""Charts of a record's evidence, which symptoms add to their findings."""

from __future__ import annotations

import numpy as np

from gradus.diagnosis.charts import SHARE, Chart, curve
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import TargetRecord
from gradus.diagnosis.training import TrainingRecord

MANY_CLASSES = 20  # of more, the largest and the smallest are shown


def loss_chart(
    record: Record, limits: dict[str, float] | None = None, mark: int | None = None
) -> Chart | None:
    """Return the losses by epoch, with that of the best constant prediction if it is known.

    With few epochs the losses of their parts are shown, too.

    Args:
        record: of the training.
        limits: other limits by name.
        mark: the epoch that matters.
    """
    training = record.training
    if training is None or not len(training.loss):
        return None
    places = np.arange(1, len(training.loss) + 1)
    curves = {"training": curve(places, training.loss)}
    if training.is_short:
        count = len(training.segments)
        parts = np.arange(1, count + 1) * training.epochs / count
        curves = {"training, by part": curve(parts, training.segments)}
    if training.validation_loss is not None and np.isfinite(training.validation_loss).any():
        curves["validation"] = curve(places, training.validation_loss)
    constant = record.constant
    known = {"constant prediction": constant + training.penalty} if constant else {}
    return Chart("Loss", "epoch", "loss", curves, known | (limits or {}), mark)


def accuracy_chart(record: Record, majority: float) -> Chart | None:
    """Return the accuracy by epoch, with the share of the most frequent class."""
    training = record.training
    if training is None:
        return None
    named = {"training": "accuracy", "validation": "val_accuracy"}
    curves = {
        part: curve(np.arange(1, training.epochs + 1), training.metrics[name])
        for part, name in named.items()
        if name in training.metrics
    }
    limits = {"most frequent class": majority}
    return Chart("Accuracy", "epoch", "accuracy", curves, limits) if curves else None


def layer_chart(training: TrainingRecord, path: str, statistic: str, limit: float) -> Chart:
    """Return a share of a layer's units or outputs over the records.

    Args:
        training: its record.
        path: of the layer.
        statistic: "silent" or "saturated".
        limit: of the share.
    """
    shares = getattr(training.layers[path], statistic)
    what = {"silent": "silent units", "saturated": "saturated outputs"}[statistic]
    curves = {f"share of {what}": curve(training.times, shares)}
    return Chart(f"{what.capitalize()} of {path}", "epoch", SHARE, curves, {"limit": limit})


def gradient_chart(
    training: TrainingRecord, sizes: dict[str, float], path: str, limit: float
) -> Chart:
    """Return the size of a kernel's gradient as a share of the largest one, over the records.

    Args:
        training: its record.
        sizes: the square root of the number of weights of each kernel, by the path of its layer.
        path: of the layer.
        limit: of the share.
    """
    gradients = {
        layer: training.weights[f"{layer}/kernel"].gradient / size for layer, size in sizes.items()
    }
    largest = np.maximum.reduce(list(gradients.values()))
    ratio = gradients[path] / np.where(largest > 0, largest, 1.0)
    curves = {"gradient / largest": curve(training.times, ratio)}
    return Chart(f"Gradient of {path}", "epoch", "ratio", curves, {"limit": limit})


def class_chart(targets: TargetRecord) -> Chart:
    """Return how many samples each class has."""
    labels = [label for label, count in enumerate(targets.counts) if count]
    title = "Samples by class"
    if len(labels) > MANY_CLASSES:
        labels.sort(key=lambda label: -targets.counts[label])
        half = MANY_CLASSES // 2
        labels = [*labels[:half], *labels[-half:]]
        title = f"Samples of the {half} largest and smallest classes"
    bars = {f"class {label}": float(targets.counts[label]) for label in labels}
    return Chart(title, "samples", bars=bars)
