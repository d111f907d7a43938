"""The arrays of a case, and the arithmetic that several data recipes share."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Data:
    """What a program trains on, and what it is judged by.

    Attributes:
        x: training inputs, `(n, ...)`, float32.
        y: training targets: one-hot rows, labels, flags, or values, as the case's program had them.
        x_val: inputs that are held out.
        y_val: targets that are held out.
    """

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray

    @property
    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """What `fit` takes as `validation_data`."""
        return self.x_val, self.y_val


def split(x: np.ndarray, y: np.ndarray, held: int, rng: np.random.Generator) -> Data:
    """Return the data with `held` rows, drawn at random, for validation."""
    order = rng.permutation(len(x))
    return in_order(x[order], y[order], held)


def in_order(x: np.ndarray, y: np.ndarray, held: int) -> Data:
    """Return the data with the last `held` rows for validation."""
    x = np.asarray(x, np.float32)
    return Data(x[:-held], y[:-held], x[-held:], y[-held:])


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return labels `(n,)` as float32 rows `(n, classes)`."""
    return np.eye(classes, dtype=np.float32)[labels]


def standardized(data: Data) -> Data:
    """Return the data with every column at mean 0 and deviation 1 in the training part."""
    mean, deviation = data.x.mean(0), data.x.std(0)
    deviation = np.where(deviation > 0, deviation, 1)  # a constant column stays constant
    x, x_val = ((part - mean) / deviation for part in (data.x, data.x_val))
    return dataclasses.replace(data, x=x.astype(np.float32), x_val=x_val.astype(np.float32))


def codes(column: Sequence[object]) -> np.ndarray:
    """Return a column of words as the ranks of its values in alphabetical order."""
    return np.unique(np.asarray(column, str), return_inverse=True)[1]


def labels_from(score: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Draw labels 0 and 1 with log-odds `score`, shifted until about `share` of them are 1."""
    low, high = -50.0, 50.0
    for _ in range(50):
        middle = (low + high) / 2
        above = (1 / (1 + np.exp(-(score + middle)))).mean() > share
        low, high = (low, middle) if above else (middle, high)
    return (rng.random(len(score)) < 1 / (1 + np.exp(-(score + low)))).astype(np.int32)
