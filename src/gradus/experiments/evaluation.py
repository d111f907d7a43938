"""Evaluation of a model, with errors in the target's units."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradus.data import Target
from gradus.experiments.preparation.outputs import decide_classes, losses_of
from gradus.models.model import Model
from gradus.objectives.loss import Loss

Metrics = dict[str, float]
_BALANCED = ("balanced_accuracy",)
UNEVEN = 0.15  # by how much the share of the largest class is above 1/K


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
    model_of: Callable[[str], Model], parts: Mapping[str, tuple[Any, Any]], target: Target
) -> dict[str, Metrics]:
    """Return the metrics of each part of the data, all parts by the same metrics.

    Args:
        model_of: the model that scores a part, by its name.
        parts: the inputs of the network, and the targets encoded for the loss.
        target: the fitted target.
    """
    balanced = {
        one.name
        for one in _each_target(target)
        if _is_label(one)
        and any(are_uneven(encoded_labels(_of(y, one, target))) for _, y in parts.values())
    }
    return {
        name: evaluate_in_units(model_of(name), x, y, target, balanced)
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
        x: the inputs of the network.
        y: the targets, encoded for the loss.
        target: the fitted target.
        balanced: the targets whose balanced accuracy is told even if their classes are even.
    """
    results = model.evaluate(x, y)
    metrics = {name: float(value) for name, value in results.items() if np.ndim(value) == 0}
    loss = losses_of(model)
    if _is_label(target) and not _is_told(y, target, balanced):
        return metrics
    outputs = model.predict(x)
    if not target.parts:
        return metrics | _scores_in_units(outputs, y, loss, target, balanced)
    scores = {}
    for part, own in zip(target.parts, model.task.objectives.values(), strict=True):
        name = part.name
        found = {m.name: metrics[f"{name}_{m.name}"] for m in own.metrics if m.scalar}
        found |= _scores_in_units(outputs[name], y[name], loss[name], part, balanced)
        scores[name] = {**found, "loss": metrics[f"{name}_loss"]}
    return {"loss": metrics["loss"]} | _by_rank(scores)


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


def score_label(score: str, one: Target, target: Target) -> str:
    """Return what a score is called: by the name of its target, if there are several."""
    return f"{score} {one.name}" if target.parts else score


def told_balanced(metrics: Container[str], target: Target) -> set[str]:
    """Return the targets whose balanced accuracy is among metrics."""
    each = _each_target(target)
    return {one.name for one in each if score_label("balanced_accuracy", one, target) in metrics}


def _each_target(target: Target) -> tuple[Target, ...]:
    return target.parts or (target,)


def _of(values: Any, one: Target, target: Target) -> Any:
    """Return what of some values belongs to one of several targets."""
    return values[one.name] if target.parts else values


def _is_label(target: Target) -> bool:
    return target.task in ("binary", "multiclass")


def _scores_in_units(
    outputs: np.ndarray, y: np.ndarray, loss: Loss, target: Target, balanced: Container[str]
) -> Metrics:
    """Return the scores of a target that are no metrics of its loss."""
    if target.task == "regression":
        return regression_errors(target.inverse(y), target.inverse(outputs), target.columns)
    if target.task == "multilabel":
        flags = decide_classes(np.asarray(outputs), loss, target)
        return label_scores(y.astype(int), flags, target.class_names)
    if not _is_told(y, target, balanced):
        return {}
    predicted = decide_classes(np.asarray(outputs), loss, target)
    return {"balanced_accuracy": balanced_accuracy(encoded_labels(y), predicted)}


def _is_told(y: np.ndarray, target: Target, balanced: Container[str]) -> bool:
    """Whether the balanced accuracy of classes is told."""
    return target.name in balanced or are_uneven(encoded_labels(y))


def are_uneven(labels: np.ndarray) -> bool:
    """Return whether accuracy hides much: a class has `UNEVEN` more than an equal share."""
    counts = np.bincount(labels)
    present = counts[counts > 0]
    return len(present) > 1 and bool(present.max() / len(labels) > 1 / len(present) + UNEVEN)


def balanced_accuracy(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean, over the classes that occur, of the share of its samples that are right.

    Always answering the same class scores 1/K. Source: Brodersen et al. (2010).

    Args:
        true: labels `(n,)`.
        predicted: labels `(n,)`.
    """
    right = true == predicted
    return float(np.mean([right[true == label].mean() for label in np.unique(true)]))


def label_scores(true: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> Metrics:
    """Return the accuracy of each label, flags (n, k), and where it is rare the balanced one."""
    scores = {"accuracy": float((true == predicted).mean())}
    for name, flags, said in zip(names, true.T, predicted.T, strict=True):
        scores[f"accuracy {name}"] = float((flags == said).mean())
        if are_uneven(flags):
            scores[f"balanced_accuracy {name}"] = balanced_accuracy(flags, said)
    return scores


def regression_errors(
    true: np.ndarray, predicted: np.ndarray, names: Sequence[str] = ()
) -> Metrics:
    """Return MAE, RMSE, and R² = 1 - Σ(y - ŷ)² / Σ(y - ȳ)², the mean over the outputs (n, k).

    With the names of the outputs, all are of each output, as "mae price", and R² is the mean too:
    the others may have different units.
    """
    if names:
        each = [
            regression_errors(true[:, k : k + 1], predicted[:, k : k + 1])
            for k in range(len(names))
        ]
        mean = {"r2": float(np.mean([errors["r2"] for errors in each]))}
        pairs = list(zip(names, each, strict=True))
        return mean | {
            f"{m} {name}": errors[m] for m in ("r2", "mae", "rmse") for name, errors in pairs
        }
    residual = true - predicted
    total = np.square(true - true.mean(axis=0)).sum(axis=0)
    rest = np.square(residual).sum(axis=0)
    explained = np.where(total > 0, 1 - rest / np.where(total > 0, total, 1), 1.0 * (rest == 0))
    return {
        "mae": float(np.abs(residual).mean()),
        "rmse": math.sqrt(float(np.square(residual).mean())),
        "r2": float(explained.mean()),
    }


def constant_metrics(
    training: Any, y: Any, target: Target, metrics: Container[str] = ()
) -> Metrics:
    """Return what the best constant prediction scores: the most frequent class, or the mean.

    Args:
        training: the targets of training, encoded for the loss, which the constant is taken from.
        y: the targets that it is scored on.
        target: the fitted target.
        metrics: what the network was scored by.
    """
    if target.parts:
        told = told_balanced(metrics, target)
        return {
            score_label(score, part, target): value
            for part in target.parts
            for score, value in constant_metrics(
                training[part.name], y[part.name], part, _BALANCED * (part.name in told)
            ).items()
        }
    if target.task == "regression":
        true, known = target.inverse(y), target.inverse(training)
        constant = np.broadcast_to(known.mean(axis=0), true.shape)
        return regression_errors(true, constant, target.columns)
    if target.task == "multilabel":
        flags = np.broadcast_to(training.mean(axis=0) > 0.5, y.shape).astype(int)
        return label_scores(y.astype(int), flags, target.class_names)
    known, true = (encoded_labels(values) for values in (training, y))
    constant = np.full_like(true, np.bincount(known).argmax())
    scores = {"accuracy": float((true == constant).mean())}
    if are_uneven(true) or "balanced_accuracy" in metrics:
        scores["balanced_accuracy"] = balanced_accuracy(true, constant)
    return scores


def encoded_labels(y: np.ndarray) -> np.ndarray:
    """Return labels 0, 1, … of targets that `encode_targets` made: labels, flags, one-hot rows."""
    if y.ndim == 2 and y.shape[1] > 1:
        return np.asarray(y.argmax(-1))
    return np.asarray(y.reshape(len(y)).astype(int))


def headline_part(parts: dict[str, Metrics]) -> str:
    """Return the part whose metrics are reported: test if there is one, else validation."""
    return next(name for name in ("test", "validation", "training") if name in parts)
