"""The results of a search in the layout of scikit-learn's `cv_results_`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

SINGLE = "score"  # the name of the only metric


def make_cv_results(
    candidates: Sequence[Mapping[str, Any]],
    scores: Mapping[str, np.ndarray],
    fit_seconds: float,
    score_seconds: np.ndarray,
) -> dict[str, Any]:
    """Return a table of the candidates, a column for each key.

    Args:
        candidates: their parameters.
        scores: by the name of a metric, (candidates, splits), NaN where a training failed.
        fit_seconds: of a training, their mean: candidates are trained side by side, so that none
            has a time of its own.
        score_seconds: of scoring each, (candidates, splits).
    """
    count = len(candidates)
    results: dict[str, Any] = {
        "mean_fit_time": np.full(count, fit_seconds),
        "std_fit_time": np.zeros(count),
        "mean_score_time": score_seconds.mean(axis=1),
        "std_score_time": score_seconds.std(axis=1),
    }
    for name in dict.fromkeys(name for candidate in candidates for name in candidate):
        results[f"param_{name}"] = _parameter_column(name, candidates)
    results["params"] = [dict(candidate) for candidate in candidates]
    for metric, values in scores.items():
        for split in range(values.shape[1]):
            results[f"split{split}_test_{metric}"] = values[:, split]
        mean = values.mean(axis=1)
        results[f"mean_test_{metric}"] = mean
        results[f"std_test_{metric}"] = values.std(axis=1)
        results[f"rank_test_{metric}"] = _ranks(mean)
    return results


def _parameter_column(name: str, candidates: Sequence[Mapping[str, Any]]) -> Any:
    """Return a parameter of all candidates, masked where one has none; numbers as such."""
    given = [candidate[name] for candidate in candidates if name in candidate]
    numeric = all(isinstance(value, int | float | np.number) for value in given)
    column = np.ma.masked_all(len(candidates), dtype=np.array(given).dtype if numeric else object)
    for index, candidate in enumerate(candidates):
        if name in candidate:
            column[index] = candidate[name]
    return column


def _ranks(mean: np.ndarray) -> np.ndarray:
    """Return 1 for the best candidate, ties alike, and those without a score last."""
    if np.isnan(mean).all():
        return np.ones(len(mean), np.int32)
    return rankdata(-np.where(np.isnan(mean), np.nanmin(mean) - 1, mean), "min").astype(np.int32)
