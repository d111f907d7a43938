"""Scores in the units of a target, or of its classes, of rows that come at once or in parts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradus.data import Target
from gradus.data.streaming.column_statistics import Moments

Metrics = dict[str, float]
UNEVEN = 0.15  # by how much the share of the largest class is above 1/K


class RegressionErrors:
    """MAE, RMSE, and R² = 1 - Σ(y - ŷ)² / Σ(y - ȳ)², the mean over the outputs.

    With the names of the outputs, all are of each output, as "mae price", and R² is the mean too:
    the others may have different units.

    Args:
        outputs: how many there are.
        names: of the outputs, or none.

    Examples:
        >>> errors = RegressionErrors(1)
        >>> for true, predicted in (([[1.0], [2.0]], [[1.0], [3.0]]), ([[3.0]], [[3.0]])):
        ...     errors.add(np.array(true), np.array(predicted))
        >>> {name: round(value, 3) for name, value in errors.metrics().items()}
        {'mae': 0.333, 'rmse': 0.577, 'r2': 0.5}
    """

    def __init__(self, outputs: int, names: Sequence[str] = ()) -> None:
        self.rows, self._names = 0, names
        self._absolute, self._squares = np.zeros(outputs), np.zeros(outputs)
        self._true = [Moments() for _ in range(outputs)]

    def add(self, true: np.ndarray, predicted: np.ndarray) -> None:
        """Add the true and predicted values of rows, (n, k)."""
        residual = true - predicted
        self.rows += len(true)
        self._absolute += np.abs(residual).sum(axis=0)
        self._squares += np.square(residual).sum(axis=0)
        for moments, values in zip(self._true, true.T, strict=True):
            moments.add(values)

    def metrics(self) -> Metrics:
        """Return the scores of all rows."""
        total = np.array([each.squares if each.low < each.high else 0.0 for each in self._true])
        rest, fits = self._squares, 1.0 * (self._squares == 0)
        explained = np.where(total > 0, 1 - rest / np.where(total > 0, total, 1), fits)
        mean = {"r2": float(explained.mean())}
        if not self._names:
            mae, mse = float(self._absolute.mean() / self.rows), float(rest.mean() / self.rows)
            return {"mae": mae, "rmse": math.sqrt(mse), **mean}
        each = {
            "r2": explained,
            "mae": self._absolute / self.rows,
            "rmse": np.sqrt(rest / self.rows),
        }
        return mean | {
            f"{metric} {name}": float(value)
            for metric, values in each.items()
            for name, value in zip(self._names, values, strict=True)
        }


class ClassScores:
    """The accuracy of classes, and where they are uneven the balanced one.

    Args:
        classes: how many there are.

    Attributes:
        counts: the rows of each class, (K,).
        right: those that were predicted so, (K,).

    Examples:
        >>> scores = ClassScores(2)
        >>> scores.add(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
        >>> scores.metrics()
        {'accuracy': 0.75, 'balanced_accuracy': 0.5}
    """

    def __init__(self, classes: int) -> None:
        self.counts, self.right = np.zeros(classes, np.int64), np.zeros(classes, np.int64)

    def add(self, true: np.ndarray, predicted: np.ndarray) -> None:
        """Add the true and predicted labels of rows, (n,)."""
        true, length = true.reshape(-1), len(self.counts)
        hit = true == predicted.reshape(-1)
        self.counts += np.bincount(true, minlength=length)
        self.right += np.bincount(true[hit], minlength=length)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.counts.sum())

    @property
    def accuracy(self) -> float:
        """The share of rows that are right."""
        return float(self.right.sum() / self.rows)

    @property
    def balanced_accuracy(self) -> float:
        """The mean, over the classes that occur, of the share of its rows that are right.

        Always answering the same class scores 1/K. Source: Brodersen et al. (2010).
        """
        occurs = self.counts > 0
        return float((self.right[occurs] / self.counts[occurs]).mean())

    @property
    def are_uneven(self) -> bool:
        """Whether accuracy hides much: a class has `UNEVEN` more than an equal share."""
        present = self.counts[self.counts > 0]
        return len(present) > 1 and bool(present.max() / self.rows > 1 / len(present) + UNEVEN)

    def metrics(self, balanced: bool = False) -> Metrics:
        """Return the scores of all rows; `balanced` has the balanced one told of even classes."""
        scores = {"accuracy": self.accuracy}
        if balanced or self.are_uneven:
            scores["balanced_accuracy"] = self.balanced_accuracy
        return scores


class LabelScores:
    """The accuracy of several labels of a row, and of each; where one is rare the balanced one.

    Args:
        names: of the labels.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._each = {name: ClassScores(2) for name in names}

    def add(self, true: np.ndarray, predicted: np.ndarray) -> None:
        """Add the true and predicted flags of rows, (n, k)."""
        for scores, flags, said in zip(self._each.values(), true.T, predicted.T, strict=True):
            scores.add(flags, said)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return next(iter(self._each.values())).rows

    def metrics(self) -> Metrics:
        """Return the scores of all rows."""
        mean = float(np.mean([scores.accuracy for scores in self._each.values()]))
        each = {
            f"{metric} {name}": value
            for name, scores in self._each.items()
            for metric, value in scores.metrics().items()
        }
        return {"accuracy": mean, **each}


UnitScores = RegressionErrors | ClassScores | LabelScores


def new_scores(target: Target) -> UnitScores:
    """Return the scores of a target, of no rows."""
    if target.task == "regression":
        return RegressionErrors(target.outputs, target.columns)
    if target.task == "multilabel":
        return LabelScores(target.class_names)
    return ClassScores(target.outputs)


def true_values(y: np.ndarray, target: Target) -> np.ndarray:
    """Return what scores compare: values (n, k), labels (n,), or flags (n, k).

    Args:
        y: the targets, encoded for the loss.
        target: the fitted target.
    """
    if target.task == "regression":
        return target.inverse(y)
    return y.astype(int) if target.task == "multilabel" else encoded_labels(y)


def encoded_labels(y: np.ndarray) -> np.ndarray:
    """Return labels 0, 1, … of targets that `encode_targets` made: labels, flags, one-hot rows."""
    if y.ndim == 2 and y.shape[1] > 1:
        return np.asarray(y.argmax(-1))
    return np.asarray(y.reshape(len(y)).astype(int))
