"""Evaluation of a model, with errors in the target's units."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradus.data import Target
from gradus.data.streaming.batch_stream import RowStream
from gradus.experiments.preparation.model_builder import decide_classes
from gradus.experiments.unit_scores import (
    ClassScores,
    Metrics,
    UnitScores,
    encoded_labels,
    new_scores,
    true_values,
)
from gradus.models.model import Model
from gradus.objectives import losses


@dataclass(frozen=True)
class Evaluation:
    """The metrics of a run on some rows.

    Attributes:
        metrics: by name.
        rows: how many there are.
        part: which rows of the data these are.
        notes: observations about the data, in sentences.
    """

    metrics: Metrics
    rows: int
    part: str
    notes: list[str]


def evaluate_parts(
    model_of: Callable[[str], Model],
    parts: Mapping[str, tuple[Any, np.ndarray]],
    target: Target,
    streams: Mapping[str, RowStream] = {},
) -> dict[str, Metrics]:
    """Return the metrics of each part of the data, all parts by the same metrics.

    Args:
        model_of: the model that scores a part, by its name.
        parts: the inputs of the network, and the targets encoded for the loss.
        target: the fitted target.
        streams: all rows of those parts of which `parts` has a sample.
    """
    counts = [_class_counts(y, target) for _, y in parts.values()]
    balanced = any(each is not None and each.are_uneven for each in counts)
    return {
        name: evaluate_in_units(model_of(name), streams.get(name, x), y, target, balanced)
        for name, (x, y) in parts.items()
    }


def evaluate_in_units(
    model: Model, x: Any, y: np.ndarray | None, target: Target, balanced: bool = False
) -> Metrics:
    """Return the loss and metrics; for a regression also MAE, RMSE and R² in the target's units.

    Where classes are uneven, the balanced accuracy stands beside the accuracy. Several targets are
    scored one by one, too, as in "mae price".

    Args:
        model: a trained model.
        x: the inputs of the network; or all rows, which are read in parts with their own targets.
        y: the targets, encoded for the loss; of rows that are read in parts they are not used.
        target: the fitted target.
        balanced: whether the balanced accuracy of classes is told even if they are even.
    """
    return evaluate_rows(model, x, y, target, balanced)[0]


def evaluate_rows(
    model: Model, x: Any, y: np.ndarray | None, target: Target, balanced: bool = False
) -> tuple[Metrics, int]:
    """Return what `evaluate_in_units` does, and the number of rows that have a target."""
    streamed = isinstance(x, RowStream)
    results = model.evaluate(x) if streamed else model.evaluate(x, y)
    metrics = {name: float(value) for name, value in results.items() if np.ndim(value) == 0}
    known = None if streamed or y is None else _class_counts(y, target)
    if known is not None and not (balanced or known.are_uneven):
        return metrics, known.rows
    scores, loss = new_scores(target), losses.get(model.settings["loss"])
    for rows, targets in _in_parts(x, y):
        outputs = np.asarray(model.predict(rows))
        is_number = target.task == "regression"
        said = target.inverse(outputs) if is_number else decide_classes(outputs, loss, target)
        scores.add(true_values(targets, target), said)
    if isinstance(scores, ClassScores):
        told = scores.metrics(balanced)
        return metrics | {name: told[name] for name in told if name != "accuracy"}, scores.rows
    return metrics | scores.metrics(), scores.rows


def _class_counts(y: np.ndarray, target: Target) -> ClassScores | None:
    """Return how many rows each class has; None if the target is no class of each row."""
    scores = new_scores(target)
    if not isinstance(scores, ClassScores):
        return None
    labels = encoded_labels(y)
    scores.add(labels, labels)
    return scores


def _in_parts(x: Any, y: np.ndarray | None) -> Iterator[tuple[Any, np.ndarray]]:
    """Yield inputs and targets: arrays at once, and rows that are read in parts as they come."""
    if isinstance(x, RowStream):
        yield from x.batched(None, None).epoch(0)
    elif y is not None:
        yield x, y


def constant_metrics(
    training: np.ndarray,
    y: np.ndarray | RowStream,
    target: Target,
    metrics: Container[str] = (),
) -> Metrics:
    """Return what the best constant prediction scores: the most frequent class, or the mean.

    Args:
        training: the targets of training, encoded for the loss, which the constant is taken from.
        y: the targets that it is scored on; or all rows, which are read in parts.
        target: the fitted target.
        metrics: what the network was scored by.
    """
    known = true_values(training, target)
    if target.task == "regression":
        constant = known.mean(axis=0)
    elif target.task == "multilabel":
        constant = (known.mean(axis=0) > 0.5).astype(int)
    else:
        constant = np.bincount(known).argmax()
    scores: UnitScores = new_scores(target)
    parts = [(None, y)] if isinstance(y, np.ndarray) else _in_parts(y, None)
    for _, targets in parts:
        true = true_values(targets, target)
        scores.add(true, np.broadcast_to(constant, true.shape))
    if isinstance(scores, ClassScores):
        return scores.metrics("balanced_accuracy" in metrics)
    return scores.metrics()


def headline_part(parts: dict[str, Metrics]) -> str:
    """Return the part whose metrics are reported: test if there is one, else validation."""
    return next(name for name in ("test", "validation", "training") if name in parts)
