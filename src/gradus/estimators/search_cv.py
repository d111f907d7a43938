"""`SearchCV`: a search over the arguments of an estimator, trained as one population."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, get_tags, indexable
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from gradus.checks import flag, function
from gradus.errors import GradusError, unknown, warn
from gradus.estimators.base import NetworkEstimator
from gradus.estimators.candidate_trainings import CandidateTrainings
from gradus.estimators.candidates import draw_candidates
from gradus.estimators.cv_results import SINGLE, make_cv_results
from gradus.estimators.population import Population
from gradus.estimators.training import Training
from gradus.foreign_names.arguments import explain_methods


def _refits(search: SearchCV) -> bool:
    if not search.refit:
        raise AttributeError("SearchCV(refit=False) keeps no estimator to predict with.")
    return True


def _has_probabilities(search: SearchCV) -> bool:
    return _refits(search) and hasattr(
        getattr(search, "best_estimator_", search.estimator), "predict_proba"
    )


def _decides(search: SearchCV) -> bool:
    return _refits(search) and hasattr(search.estimator, "decision_function")


@explain_methods
class SearchCV(MetaEstimatorMixin, BaseEstimator):
    """Cross-validated random search over a `Classifier` or a `Regressor`, as scikit-learn has it.

    All candidates on all folds are trained side by side on all cores, and those that differ only in
    numbers (rates, penalties, dropout, epochs) share one compiled program. Each is trained as the
    estimator would be trained alone.

    Args:
        estimator: a `Classifier` or a `Regressor`.
        param_distributions: a dict from the names of its arguments to what is tried: lists,
            distributions of `scipy.stats`, or spaces such as `gr.log_uniform(1e-4, 1e-1)`; or a
            list of such dicts.
        n_iter: how many candidates are drawn.
        scoring: a name of scikit-learn's, a function of `(estimator, X, y)`, or a list or dict of
            several; the estimator's own score by default.
        cv: the number of folds, a splitter, or pairs of row numbers, as in scikit-learn.
        refit: whether the best candidate is trained on all rows; with several scores, the name of
            the one that says which is best.
        random_state: of the draws; the estimator has its own.

    Attributes:
        best_params_: the best candidate.
        best_score_: its mean score over the folds.
        best_estimator_: an estimator with its parameters, trained on all rows.
        cv_results_: all candidates, in scikit-learn's layout; `mean_fit_time` is the same for all.

    Examples:
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> flowers = gr.Classifier(layers=[8], epochs=20, random_state=0)
        >>> rates = {"learning_rate": [1e-5, 0.03]}
        >>> search = gr.SearchCV(flowers, rates, n_iter=2, cv=3, random_state=0).fit(X, y)
        >>> search.best_params_, search.cv_results_["rank_test_score"].tolist()
        ({'learning_rate': 0.03}, [2, 1])
    """

    def __init__(
        self,
        estimator: NetworkEstimator,
        param_distributions: Any,
        *,
        n_iter: int = 10,
        scoring: Any = None,
        cv: Any = None,
        refit: Any = True,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.scoring = scoring
        self.cv = cv
        self.refit = refit
        self.random_state = random_state

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, groups: Any = None) -> SearchCV:
        """Train all candidates on all folds, and the best one on all rows.

        Args:
            X: as the estimator takes it.
            y: likewise.
            sample_weight: of each row in training, (n,); scores do not count it.
            groups: of the rows, for splitters that keep groups together.

        Raises:
            ValueError: for data or parameters that cannot be used, or if every training failed.
        """
        estimator = self._checked_estimator()
        if not isinstance(self.refit, str):
            flag("refit", self.refit, "SearchCV")
        X, y, sample_weight, groups = indexable(X, y, sample_weight, groups)
        splits = self._splits(X, y, groups)
        candidates = draw_candidates(
            self.param_distributions,
            estimator.get_params(deep=False),
            self.n_iter,
            self.random_state,
            type(estimator).__name__,
        )
        self.scorer_ = self._scorer(estimator)
        if self.refit and isinstance(self.scoring, Mapping | list | tuple | set):
            self._check_refit(self.scoring)  # before hours of training
        started = time.perf_counter()
        scores, score_seconds = self._scores(estimator, candidates, splits, X, y, sample_weight)
        seconds = time.perf_counter() - started - score_seconds.sum()
        self.n_splits_ = len(splits)
        self.multimetric_ = list(scores) != [SINGLE]
        self.cv_results_ = make_cv_results(
            candidates, scores, seconds / score_seconds.size, score_seconds
        )
        if self.multimetric_ and not self.refit:
            return self
        metric = self._best_metric(scores)
        self.best_index_ = int(self.cv_results_[f"rank_test_{metric}"].argmin())
        self.best_score_ = float(self.cv_results_[f"mean_test_{metric}"][self.best_index_])
        self.best_params_ = candidates[self.best_index_]
        if self.refit:
            started = time.perf_counter()
            best = clone(estimator).set_params(**clone(self.best_params_, safe=False))
            self.best_estimator_ = best.fit(X, y, sample_weight)
            self.refit_time_ = time.perf_counter() - started
        return self

    def _scores(
        self,
        estimator: NetworkEstimator,
        candidates: list[dict[str, Any]],
        splits: list[tuple[np.ndarray, np.ndarray]],
        X: Any,
        y: Any,
        sample_weight: Any,
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return the scores of all candidates on all splits, by the name of the metric.

        And the seconds that scoring them took.
        """
        parts = CandidateTrainings(estimator, splits, X, y, sample_weight)
        started: dict[tuple[int, int], NetworkEstimator] = {}

        def begin() -> Iterator[tuple[tuple[int, int], Training]]:
            for split in range(len(splits)):
                for index, parameters in enumerate(candidates):
                    try:
                        started[index, split], training = parts.begin(parameters, split)
                    except ValueError as error:
                        population.failed[index, split] = str(error)
                        continue
                    yield (index, split), training

        population = Population(begin(), len(candidates) * len(splits))
        scores: dict[str, np.ndarray] = {}
        seconds = np.zeros((len(candidates), len(splits)))
        for key, training in population.train():
            fitted = started.pop(key).end_fit(training)
            held, began = splits[key[1]][1], time.perf_counter()
            try:
                found = self.scorer_(fitted, _safe_indexing(X, held), _safe_indexing(y, held))
            except GradusError as error:
                population.failed[key] = str(error)
                continue
            for name, value in (found if isinstance(found, dict) else {SINGLE: found}).items():
                scores.setdefault(name, np.full_like(seconds, np.nan))[key] = value
            seconds[key] = time.perf_counter() - began
        _report_failed(population.failed, len(candidates) * len(splits))
        return scores, seconds

    def _splits(self, X: Any, y: Any, groups: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the rows to train on and those to score, by split."""
        try:
            splitter = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
            splits = [(train, held) for train, held in splitter.split(X, y, groups)]
        except (ValueError, TypeError) as error:
            raise GradusError(
                f"cv={self.cv!r}: {error} Write a number of folds, a splitter of scikit-learn, or "
                "pairs of row numbers."
            ) from None
        if not splits:
            raise GradusError(f"cv={self.cv!r} has no splits: write pairs of row numbers.")
        return splits

    def _scorer(self, estimator: NetworkEstimator) -> Any:
        """Return what scores a fitted estimator."""
        several = isinstance(self.scoring, Mapping)
        for scorer in self.scoring.values() if several else [self.scoring]:
            if several and not (isinstance(scorer, str) or callable(scorer)):
                raise GradusError(f"scoring={self.scoring!r}: write names or functions.")
            if callable(scorer):
                function("scoring", scorer, "estimator, X, y")
        if isinstance(self.scoring, str) and self.scoring not in get_scorer_names():
            raise unknown("scoring", self.scoring, get_scorer_names())
        try:
            return check_scoring(estimator, self.scoring)
        except (ValueError, TypeError) as error:
            raise GradusError(f"scoring={self.scoring!r}: {error}") from None

    def _checked_estimator(self) -> NetworkEstimator:
        if not isinstance(self.estimator, NetworkEstimator):
            raise GradusError(
                f"SearchCV(estimator={self.estimator!r}): write a gr.Classifier or a gr.Regressor. "
                "Others, pipelines too, are searched by sklearn.model_selection.RandomizedSearchCV."
            )
        estimator: NetworkEstimator = clone(self.estimator)
        return estimator

    def _best_metric(self, scores: dict[str, np.ndarray]) -> str:
        """Return the name of the metric that says which candidate is best."""
        if not self.multimetric_:
            return SINGLE
        self._check_refit(scores)
        return str(self.refit)

    def _check_refit(self, names: Iterable[str]) -> None:
        """Check that `refit` is one of several scores."""
        if not isinstance(self.refit, str) or self.refit not in names:
            raise GradusError(
                f"refit={self.refit!r}: of several scores, write the one that says which candidate "
                f"is best: {', '.join(map(repr, names))}; or refit=False."
            )

    # --- the best estimator --------------------------------------------------------------------

    @available_if(_refits)
    def predict(self, X: Any) -> np.ndarray:
        """Return the predictions of the best estimator."""
        return self._best().predict(X)

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities of the best estimator."""
        return self._best().predict_proba(X)

    @available_if(_decides)
    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits of the best estimator, as `Classifier.decision_function`."""
        return self._best().decision_function(X)

    @available_if(_refits)
    def score(self, X: Any, y: Any) -> float:
        """Return the score of the best estimator, by `scoring`."""
        best = self._best()
        found = self.scorer_(best, X, y)
        return float(found[self.refit] if isinstance(found, dict) else found)

    @property
    def classes_(self) -> np.ndarray:
        """The classes, sorted."""
        return self._best().classes_

    @property
    def n_features_in_(self) -> int:
        """The number of columns of X."""
        return self._best().n_features_in_

    @property
    def feature_names_in_(self) -> np.ndarray:
        """The names of the columns of X, if it was a frame with names."""
        return self._best().feature_names_in_

    def _best(self) -> Any:
        _refits(self)
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = copy.deepcopy(inner.classifier_tags)
        tags.regressor_tags = copy.deepcopy(inner.regressor_tags)
        tags.input_tags.sparse = inner.input_tags.sparse
        return tags


def _report_failed(failed: dict[tuple[int, int], str], count: int) -> None:
    """Warn of trainings that failed, or raise if all did."""
    if not failed:
        return
    reasons = list(dict.fromkeys(failed.values()))
    if len(failed) == count:
        raise GradusError(f"All {count} trainings failed: {reasons[0]}")
    warn(
        f"{len(failed)} of {count} trainings failed, and have no score: {' '.join(reasons[:3])}",
        FitFailedWarning,
    )
