"""How well a trained program does: its error beside that of a constant, and its loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from arrays import Data
from cases import Program

FACTOR, MARGIN = 1.5, 0.02  # a program is poor if its error exceeds 1.5 × its twin's + 0.02
LEARNED = 0.9  # a twin has failed unless its error is below 0.9 × that of a constant


def error(program: Program, y: np.ndarray, predicted: np.ndarray) -> float:
    """Return the error: 1 − accuracy, or the RMSE divided by the targets' deviation.

    Classes count by the largest output, flags by the threshold of the program's own metric.
    """
    p = np.asarray(predicted, np.float64)
    if not np.isfinite(p).all():
        return float("inf")
    if program.spec.task == "values":
        y = y.reshape(p.shape)
        return float(np.sqrt(np.mean((y - p) ** 2) / np.mean((y - y.mean(0)) ** 2)))
    if program.spec.task == "classes":
        return float((p.argmax(-1) != _classes(y)).mean())
    return float(((p > program.spec.threshold) != (y.reshape(p.shape) > 0.5)).mean())


def baseline(program: Program, data: Data) -> float:
    """Return the validation error of the best constant of the training part."""
    y, y_val = data.y, data.y_val
    if program.spec.task == "values":
        mean = np.broadcast_to(y.mean(0), y_val.shape)
        return error(program, y_val, mean)
    if program.spec.task == "classes":
        labels = _classes(y)
        return float((_classes(y_val) != np.bincount(labels).argmax()).mean())
    return float(((y_val > 0.5) != (y.mean() > 0.5)).mean())


def is_poor(found: float | None, twin: float | None, diverged: bool) -> bool | None:
    """Return whether a program came out poor; None if its twin has no error."""
    if diverged or found is None:
        return True
    return None if twin is None else found > FACTOR * twin + MARGIN


def _classes(y: np.ndarray) -> Any:
    return y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y)).astype(int)
