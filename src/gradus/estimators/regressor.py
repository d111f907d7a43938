"""`Regressor`: a network for numbers, as an estimator of scikit-learn's kind."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from gradus.data import Dataset
from gradus.errors import DataError
from gradus.estimators.base import NetworkEstimator


class Regressor(RegressorMixin, NetworkEstimator):
    """A network that predicts numbers, with scikit-learn's contract.

    Targets are standardized for the network, and predictions are in their units.

    The arguments are those of `Classifier`, but for `class_weight`; `y` may have several columns.

    Attributes:
        n_features_in_: the number of columns of X.
        feature_names_in_: their names, if X was a frame with names.
        model_: the trained `gr.Model`.
        history_: its `History`.
        experiment_: the settings, with those that were chosen for the data.

    Examples:
        >>> X = np.linspace(-1, 1, 64)[:, None]
        >>> y = 50 * X[:, 0] ** 2
        >>> parabola = gr.Regressor([16], learning_rate=0.02, epochs=60, random_state=0).fit(X, y)
        >>> parabola.score(X, y) > 0.9
        True
    """

    _numeric_targets = True
    _axes: int

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Regressor:
        """Train for one epoch on some rows, and go on with others in the next call.

        The first call decides the preprocessing and the scale of y, so its rows should be like
        those to come. The learning rate is constant.

        Args:
            X: as in `fit`.
            y: the targets of the rows.
            sample_weight: as in `fit`.
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """Return the prediction for each row, of the shape of y: (n,) or (n, k)."""
        outputs = self._outputs(X)
        values = self._target.inverse(outputs)
        return values.ravel() if self._axes == 1 else values

    def _learn_targets(
        self, y: np.ndarray, goes_on: bool, partial: bool = False, classes: Any = None
    ) -> None:
        outputs = self._target.outputs if goes_on else y[:1].size
        if goes_on and (y.ndim != self._axes or y[:1].size != outputs):
            raise DataError(
                f"y has shape {y.shape}, but the training that goes on has {outputs} outputs."
            )
        self._axes = y.ndim

    def _with_targets(self, data: Dataset, y: np.ndarray) -> Dataset:
        return dataclasses.replace(data, y=y.astype(np.float64), task="regression")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
