"""Hyperparameter importance: how much of the variance of the score each one explains.

A random forest predicts the score from the settings, and its variance over the search space is
divided among the hyperparameters: a functional analysis of variance (fANOVA). A conditional
hyperparameter is assessed within the settings where it is active.

Source: Hutter, Hoos & Leyton-Brown 2014, "An efficient approach for assessing hyperparameter
importance". They integrate each tree exactly; here the forest is averaged over a Latin hypercube of
settings, the same one at each value.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradus.errors import GradusError
from gradus.hyperparameters import Hyperparameter
from gradus.rng import host_rng
from gradus.space import Range, Space, Value
from gradus.sweep.search.trial import FAILED, WAITING, Trial

MIN_TRIALS = 8
MIN_R2 = 0.3  # of the forest, below which the importances mean little
TREES, SAMPLES, CURVE_POINTS = 64, 512, 33
INACTIVE = -1.0  # the feature of an inactive hyperparameter, outside [0, 1]
OUTLIER_DISTANCE = (
    3.0  # distances of the best from the third quartile, beyond which a score is no worse
)


@dataclasses.dataclass(frozen=True)
class Curve:
    """The expected score at the values of one hyperparameter, averaged over all others.

    Attributes:
        values: numbers, or the labels of options.
        mean: the expected score at each, `(values,)`.
        spread: its standard deviation over the trees of the forest, `(values,)`.
        log: whether the values are on a log scale.
    """

    values: list[Any]
    mean: np.ndarray
    spread: np.ndarray
    log: bool = False


@dataclasses.dataclass(frozen=True)
class Importance:
    """The importance of each hyperparameter of a sweep.

    Attributes:
        shares: by name, largest first, the fraction of the variance of the expected score that each
            explains alone. Interactions explain the rest.
        curves: by name, the expected score at its values.
        explained: the out-of-bag R² of the forest; if it is not well above 0, the scores look like
            noise and the shares mean little.
        score: the monitored metric, such as "val_accuracy".
    """

    shares: dict[str, float]
    curves: dict[str, Curve] = dataclasses.field(repr=False)
    explained: float
    score: str

    @property
    def unsure(self) -> bool:
        """Whether the forest predicts so badly that the shares mean little."""
        return self.explained < MIN_R2

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())
        text = f"{shares} of the variance in {self.score} due to the settings"
        if self.unsure:
            text += f"; but they explain little of it (R² {self.explained:.2f}): run more trials"
        return text


def hyperparameter_importance(
    trials: Sequence[Trial],
    hypers: Mapping[str, Hyperparameter],
    score: str,
    mode: str,
    seed: int = 0,
) -> Importance:
    """Return the importance of each hyperparameter; see `Sweep.importance`.

    Args:
        trials: the trials; diverged ones count as the worst.
        hypers: the hyperparameters by name.
        score: the monitored metric.
        mode: "min" or "max": whether lower or higher is better.
        seed: the seed of the forest and of the settings that it is averaged over.

    Raises:
        GradusError: for fewer than 8 trials with a score.
    """
    from sklearn.ensemble import RandomForestRegressor

    ended = [trial for trial in trials if trial.status not in (WAITING, FAILED)]
    scored = sum(math.isfinite(trial.score) for trial in ended)
    if len(ended) < MIN_TRIALS or not scored:
        raise GradusError(
            f"importance needs at least {MIN_TRIALS} trials with a score, and this sweep has "
            f"{scored}: write Sweep(model, trials=64)."
        )
    features = [[_encode_value(hyper.space, trial.values.get(n)) for n, hyper in hypers.items()]
              for trial in ended]  # fmt: skip
    forest = RandomForestRegressor(TREES, oob_score=True, random_state=seed)
    forest.fit(np.array(features, np.float32), _scores(ended, mode))
    samples = _latin_hypercube(len(hypers), seed)
    total = float(_predict_trees(forest, _encode_fractions(hypers, samples)).mean(0).var())
    shares, curves = {}, {}
    for name in hypers:
        points, marginal = _marginal(forest, hypers, name, samples)
        curves[name] = _curve(hypers[name].space, points, marginal)
        within = float(marginal.mean(0).var()) * _active_fraction(hypers, name)
        shares[name] = within / total if total > 0 else 0.0
    whole = max(1.0, sum(shares.values()))
    order = sorted(shares, key=lambda name: -shares[name])
    return Importance(
        {name: shares[name] / whole for name in order},
        {name: curves[name] for name in order},
        float(forest.oob_score_),
        score,
    )


def _scores(trials: Sequence[Trial], mode: str) -> np.ndarray:
    """Return the scores, clipped at the outlier limit; diverged trials get the worst score.

    A loss of 1e30 would otherwise dominate the variance.
    """
    sign = 1.0 if mode == "min" else -1.0
    scores = sign * np.array([trial.score for trial in trials])
    best, quartile, worst = np.quantile(scores[np.isfinite(scores)], [0, 0.75, 1])
    if quartile > best:
        worst = min(worst, quartile + OUTLIER_DISTANCE * (quartile - best))
    return sign * np.minimum(np.where(np.isfinite(scores), scores, worst), worst)


def _marginal(
    forest: Any, hypers: Mapping[str, Hyperparameter], name: str, samples: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return fractions of a space, and each tree's prediction there averaged over all settings.

    Returns:
        The fractions, `(points,)`, and the expected scores, `(trees, points)`.
    """
    column, size = list(hypers).index(name), hypers[name].space.size
    count = size if size is not None and size <= CURVE_POINTS else CURVE_POINTS
    points = (np.arange(count) + 0.5) / count
    settings = _activated(hypers, name, samples)
    rows = np.repeat(settings[None], count, axis=0)
    rows[:, :, column] = points[:, None]
    expected = _predict_trees(forest, _encode_fractions(hypers, rows.reshape(-1, len(hypers))))
    return points, expected.reshape(-1, count, len(settings)).mean(-1)


def _curve(space: Space, points: np.ndarray, marginal: np.ndarray) -> Curve:
    values = [space.label(space.value_at(float(point))) for point in points]
    return Curve(values, marginal.mean(0), marginal.std(0), space.log)


def _predict_trees(forest: Any, features: np.ndarray) -> np.ndarray:
    """Return the prediction of each tree for some settings, `(trees, settings)`."""
    features = features.astype(np.float32)
    return np.stack([tree.predict(features, check_input=False) for tree in forest.estimators_])


# --- settings as features in [0, 1] -------------------------------------------------------------


def _latin_hypercube(count: int, seed: int) -> np.ndarray:
    """Return fractions that fill each of `count` spaces evenly, `(SAMPLES, count)`."""
    rng = host_rng(seed, "importance")
    rows = (np.arange(SAMPLES)[:, None] + 0.5) / SAMPLES
    return rng.permuted(np.repeat(rows, count, axis=1), axis=0)


def _encode_fractions(hypers: Mapping[str, Hyperparameter], fractions: np.ndarray) -> np.ndarray:
    """Return the features of the values at fractions of their spaces; see `_encode_value`."""
    names, features = list(hypers), np.empty_like(fractions)
    for column, hyper in enumerate(hypers.values()):
        size = hyper.space.size
        feature = fractions[:, column]
        if size is not None:
            feature = (np.minimum(np.floor(feature * size), size - 1) + 0.5) / size
        if hyper.parent:
            parent = hypers[hyper.parent]
            chosen = features[:, names.index(hyper.parent)]
            feature = np.where(_is_option(chosen, parent, hyper.option), feature, INACTIVE)
        features[:, column] = feature
    return features


def _is_option(chosen: np.ndarray, parent: Hyperparameter, option: int) -> np.ndarray:
    return np.floor(chosen * int(parent.space.size or 1)) == option


def _encode_value(space: Space, value: Value | None) -> float:
    """Return the position of a value in its space, in [0, 1]; `INACTIVE` for None."""
    if value is None:
        return INACTIVE
    if not isinstance(space, Range):
        return (value + 0.5) / int(space.size or 1)
    low, high, value = float(space.low), float(space.high), float(value)
    if space.whole:
        return (value - low + 0.5) / (high - low + 1)
    if space.log:
        low, high, value = map(float, np.log([low, high, value]))
    return (value - low) / (high - low) if high > low else 0.5


def _activated(hypers: Mapping[str, Hyperparameter], name: str, samples: np.ndarray) -> np.ndarray:
    """Return the settings with the choices changed so that a hyperparameter is active."""
    settings, names = samples.copy(), list(hypers)
    while (hyper := hypers[name]).parent:
        name = hyper.parent
        settings[:, names.index(name)] = (hyper.option + 0.5) / int(hypers[name].space.size or 1)
    return settings


def _active_fraction(hypers: Mapping[str, Hyperparameter], name: str) -> float:
    """Return the fraction of all settings in which a hyperparameter is active."""
    fraction = 1.0
    while (hyper := hypers[name]).parent:
        name = hyper.parent
        fraction /= int(hypers[name].space.size or 1)
    return fraction
