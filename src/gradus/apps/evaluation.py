"""Evaluation of a model, with errors in the target's units."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradus.data import Target
from gradus.models.model import Model

Metrics = dict[str, float]


def evaluate_in_units(model: Model, x: Any, y: np.ndarray, target: Target) -> Metrics:
    """Return the loss and metrics; for a regression also MAE, RMSE and R² in the target's units.

    Args:
        model: a trained model.
        x: the inputs of the network.
        y: the targets, encoded for the loss.
        target: the fitted target.
    """
    results = model.evaluate(x, y)
    metrics = {name: float(value) for name, value in results.items() if np.ndim(value) == 0}
    if target.task == "regression":
        metrics |= regression_errors(target.inverse(y), target.inverse(model.predict(x)))
    return metrics


def regression_errors(true: np.ndarray, predicted: np.ndarray) -> Metrics:
    """Return MAE, RMSE, and R² = 1 - Σ(y - ŷ)² / Σ(y - ȳ)², the mean over the outputs (n, k)."""
    residual = true - predicted
    total = np.square(true - true.mean(axis=0)).sum(axis=0)
    rest = np.square(residual).sum(axis=0)
    explained = np.where(total > 0, 1 - rest / np.where(total > 0, total, 1), 1.0 * (rest == 0))
    return {
        "mae": float(np.abs(residual).mean()),
        "rmse": math.sqrt(float(np.square(residual).mean())),
        "r2": float(explained.mean()),
    }


def constant_metrics(training: np.ndarray, y: np.ndarray, target: Target) -> Metrics:
    """Return what the best constant prediction scores: the most frequent class, or the mean.

    Args:
        training: the targets of training, encoded for the loss, which the constant is taken from.
        y: the targets that it is scored on.
        target: the fitted target.
    """
    if target.task == "regression":
        true, known = target.inverse(y), target.inverse(training)
        return regression_errors(true, np.broadcast_to(known.mean(axis=0), true.shape))
    known, true = (encoded_labels(values) for values in (training, y))
    return {"accuracy": float((true == np.bincount(known).argmax()).mean())}


def encoded_labels(y: np.ndarray) -> np.ndarray:
    """Return labels 0, 1, … of targets that `encode_targets` made: labels, flags, one-hot rows."""
    if y.ndim == 2 and y.shape[1] > 1:
        return np.asarray(y.argmax(-1))
    return np.asarray(y.reshape(len(y)).astype(int))


def headline_part(parts: dict[str, Metrics]) -> str:
    """Return the part whose metrics are reported: test if there is one, else validation."""
    return next(name for name in ("test", "validation", "training") if name in parts)
