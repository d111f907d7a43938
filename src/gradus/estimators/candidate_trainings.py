"""What the candidates of a search train: the rows of each split, with each one's settings."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from gradus.data import Dataset
from gradus.estimators.base import NetworkEstimator
from gradus.estimators.training import Training

READ_BY = ("columns", "class_weight")  # the data that are read depend on these arguments


class CandidateTrainings:
    """What candidates train on each split, whose rows are read and preprocessed once for all.

    Args:
        estimator: as it is before a candidate's parameters are set.
        splits: the rows to train on and to score, by split.
        X: all inputs.
        y: all targets.
        sample_weight: of all rows, or None.
    """

    def __init__(
        self,
        estimator: NetworkEstimator,
        splits: list[tuple[np.ndarray, np.ndarray]],
        X: Any,
        y: Any,
        sample_weight: Any,
    ) -> None:
        self.estimator, self.splits = estimator, splits
        self.X, self.y, self.sample_weight = X, y, sample_weight
        self._read: dict[Any, tuple[NetworkEstimator, Dataset, dict[Any, Any]]] = {}

    def begin(self, parameters: dict[str, Any], split: int) -> tuple[NetworkEstimator, Training]:
        """Return the estimator of a candidate, and what it trains on a split."""
        candidate = clone(self.estimator).set_params(**clone(parameters, safe=False))
        key = split, *(repr(getattr(candidate, name, None)) for name in READ_BY)
        if key not in self._read:
            rows = self.splits[split][0]
            weight = (
                None if self.sample_weight is None else _safe_indexing(self.sample_weight, rows)
            )
            reader = clone(candidate)
            data = reader.read(_safe_indexing(self.X, rows), _safe_indexing(self.y, rows), weight)
            self._read[key] = reader, data, {}
        reader, data, done = self._read[key]
        settings = reader.get_params(deep=False)
        vars(candidate).update({k: v for k, v in vars(reader).items() if k not in settings})
        return candidate, candidate.begin_training(data, done=done)
