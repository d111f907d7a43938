"""Evaluation of a model, with errors in the target's units."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradus.data import Target
from gradus.data.streaming.batch_stream import RowStream
from gradus.experiments.preparation.outputs import decide_classes, losses_of
from gradus.experiments.unit_scores import (
    ClassScores,
    Metrics,
    UnitScores,
    encoded_labels,
    new_scores,
    true_values,
)
from gradus.models.model import Model
from gradus.objectives.loss import Loss
from gradus.objectives.ranking_metrics import roc_area


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
    parts: Mapping[str, tuple[Any, Any]],
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
    balanced = {
        one.name
        for one in _each_target(target)
        for _, y in parts.values()
        if (counts := _class_counts(_of(y, one, target), one)) and counts.are_uneven
    }
    return {
        name: evaluate_in_units(model_of(name), streams.get(name, x), y, target, balanced)
        for name, (x, y) in parts.items()
    }


def evaluate_in_units(
    model: Model, x: Any, y: Any, target: Target, balanced: Container[str] = ()
) -> Metrics:
    """Return the loss and metrics; for a regression also MAE, RMSE and R² in the target's units.

    Where classes are uneven, the balanced accuracy stands beside the accuracy. Several targets are
    scored one by one, too, as in "mae price".

    Args:
        model: a trained model.
        x: the inputs of the network; or all rows, which are read in parts with their own targets.
        y: the targets, encoded for the loss; of rows that are read in parts they are not used.
        target: the fitted target.
        balanced: the targets whose balanced accuracy is told even if their classes are even.
    """
    return evaluate_rows(model, x, y, target, balanced)[0]


def evaluate_rows(
    model: Model, x: Any, y: Any, target: Target, balanced: Container[str] = ()
) -> tuple[Metrics, int]:
    """Return what `evaluate_in_units` does, and the number of rows that have a target."""
    streamed = isinstance(x, RowStream)
    results = model.evaluate(x) if streamed else model.evaluate(x, y)
    metrics = {name: float(value) for name, value in results.items() if np.ndim(value) == 0}
    ranked = "auc" in metrics and target.task == "binary"
    known = None if streamed or target.parts else _class_counts(y, target)
    if known and not (ranked or target.name in balanced or known.are_uneven):
        return metrics, known.rows
    scores, loss, each = _new_scores(target), losses_of(model), _each_target(target)
    said_of_class: list[tuple[np.ndarray, np.ndarray]] = []
    for rows, targets in _in_parts(x, y):
        outputs = model.predict(rows)
        if ranked:
            said_of_class.append((encoded_labels(targets), outputs[:, -1]))
        for one in each:
            true, said, own = (_of(values, one, target) for values in (targets, outputs, loss))
            scores[one.name].add(true_values(true, one), _said(said, own, one))
    if ranked and np.isfinite(metrics["auc"]):  # counted in bins, till now
        metrics["auc"] = roc_area(*map(np.concatenate, zip(*said_of_class, strict=True)))
    more = {one.name: _beside_metrics(scores[one.name], one, balanced) for one in each}
    count = scores[each[0].name].rows
    if not target.parts:
        return metrics | more[target.name], count
    for one, objective in zip(each, model.task.objectives.values(), strict=True):
        found = {m.name: metrics[f"{one.name}_{m.name}"] for m in objective.metrics if m.scalar}
        more[one.name] = found | more[one.name] | {"loss": metrics[f"{one.name}_loss"]}
    return {"loss": metrics["loss"]} | _by_rank(more), count


def _said(outputs: Any, loss: Loss, target: Target) -> np.ndarray:
    """Return what a network's outputs say of a target, as scores compare it."""
    if target.task == "regression":
        return target.inverse(outputs)
    return decide_classes(np.asarray(outputs), loss, target)


def _beside_metrics(scores: UnitScores, target: Target, balanced: Container[str]) -> Metrics:
    """Return the scores of a target that stand beside the metrics of its loss."""
    told = _told(scores, target, balanced)
    if isinstance(scores, ClassScores):
        del told["accuracy"]  # which is a metric, if it is wanted
    return told


def _told(scores: UnitScores, target: Target, balanced: Container[str]) -> Metrics:
    """Return the scores of a target, of classes the balanced accuracy if it is to be told."""
    if isinstance(scores, ClassScores):
        return scores.metrics(target.name in balanced)
    return scores.metrics()


def _by_rank(scores: Mapping[str, Metrics]) -> Metrics:
    """Return the scores of several targets: the first of each, the second of each, …; losses last.

    So those that say most stand first, and those of a kind beside each other.
    """
    ranked = [
        ((True, 0) if name == "loss" else (False, rank), f"{name} {target}", value)
        for target, own in scores.items()
        for rank, (name, value) in enumerate(own.items())
    ]
    return {label: value for _, label, value in sorted(ranked, key=lambda entry: entry[0])}


def _score_label(score: str, one: Target, target: Target) -> str:
    """Return what a score is called: by the name of its target, if there are several."""
    return f"{score} {one.name}" if target.parts else score


def told_balanced(metrics: Container[str], target: Target) -> set[str]:
    """Return the targets whose balanced accuracy is among metrics."""
    each = _each_target(target)
    return {one.name for one in each if _score_label("balanced_accuracy", one, target) in metrics}


def _each_target(target: Target) -> tuple[Target, ...]:
    return target.parts or (target,)


def _of(values: Any, one: Target, target: Target) -> Any:
    """Return what of some values belongs to one of several targets."""
    return values[one.name] if target.parts else values


def _new_scores(target: Target) -> dict[str, UnitScores]:
    """Return the scores of each target, of no rows, by its name."""
    return {one.name: new_scores(one) for one in _each_target(target)}


def _class_counts(y: np.ndarray, target: Target) -> ClassScores | None:
    """Return how many rows each class has; None if the target is no class of each row."""
    scores = new_scores(target)
    if not isinstance(scores, ClassScores):
        return None
    labels = encoded_labels(y)
    scores.add(labels, labels)
    return scores


def _in_parts(x: Any, y: Any) -> Iterator[tuple[Any, Any]]:
    """Yield inputs and targets: arrays at once, and rows that are read in parts as they come."""
    if isinstance(x, RowStream):
        yield from x.batched(None, None).epoch(0)
    else:
        yield x, y


def constant_metrics(
    training: Any, y: Any, target: Target, metrics: Container[str] = ()
) -> Metrics:
    """Return what the best constant prediction scores: the most frequent class, or the mean.

    Args:
        training: the targets of training, encoded for the loss, which the constant is taken from.
        y: the targets that it is scored on; or all rows, which are read in parts.
        target: the fitted target.
        metrics: what the network was scored by.
    """
    scores, balanced = _new_scores(target), told_balanced(metrics, target)
    each = _each_target(target)
    constants = {one.name: _constant(_of(training, one, target), one) for one in each}
    for _, targets in _in_parts(y, y):
        for one in each:
            true: Any = true_values(_of(targets, one, target), one)
            scores[one.name].add(true, np.broadcast_to(constants[one.name], true.shape))
    return {
        _score_label(name, one, target): value
        for one in each
        for name, value in _told(scores[one.name], one, balanced).items()
    }


def _constant(training: np.ndarray, target: Target) -> Any:
    """Return the best constant prediction for the targets of training."""
    known = true_values(training, target)
    if target.task == "regression":
        return known.mean(axis=0)
    if target.task == "multilabel":
        return (known.mean(axis=0) > 0.5).astype(int)
    return np.bincount(known).argmax()


def headline_part(parts: dict[str, Metrics]) -> str:
    """Return the part whose metrics are reported: test if there is one, else validation."""
    return next(name for name in ("test", "validation", "training") if name in parts)
