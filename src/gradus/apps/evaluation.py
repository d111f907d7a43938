"""How well a network does on some data, in terms that a person knows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradus.data import Target
from gradus.models.model import Model

Metrics = dict[str, float]


def evaluate_in_units(model: Model, x: Any, y: np.ndarray, target: Target) -> Metrics:
    """Return the loss and the metrics; for a regression MAE, RMSE and R² in the target's units.

    Args:
        model: a trained model.
        x: inputs as the network gets them.
        y: targets as the loss wants them.
        target: what is learnt.
    """
    found = model.evaluate(x, y)
    metrics = {name: float(value) for name, value in found.items() if np.ndim(value) == 0}
    if target.task == "regression":
        metrics |= regression_errors(target.inverse(y), target.inverse(model.predict(x)))
    return metrics


def regression_errors(true: np.ndarray, guess: np.ndarray) -> Metrics:
    """Return MAE, RMSE, and R² = 1 - Σ(y - ŷ)² / Σ(y - ȳ)², the mean over the outputs (n, k)."""
    residual = true - guess
    spread = np.square(true - true.mean(axis=0)).sum(axis=0)
    left = np.square(residual).sum(axis=0)
    explained = np.where(spread > 0, 1 - left / np.where(spread > 0, spread, 1), 1.0 * (left == 0))
    return {
        "mae": float(np.abs(residual).mean()),
        "rmse": math.sqrt(float(np.square(residual).mean())),
        "r2": float(explained.mean()),
    }


def headline_part(parts: dict[str, Metrics]) -> str:
    """Return which part's metrics tell most: the test's, else the validation's."""
    return next(name for name in ("test", "validation", "training") if name in parts)
