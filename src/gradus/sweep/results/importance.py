"""Which hyperparameter mattered: how much of what the scores vary by each one explains.

A random forest learns the score from the settings, and its variance over all of the space is
divided among the hyperparameters: a functional analysis of variance. One that counts only under
some option of another is judged within the settings where it counts.

Source: Hutter, Hoos & Leyton-Brown 2014, "An efficient approach for assessing hyperparameter
importance". There the trees are integrated exactly, here over settings drawn evenly, the same at
each value; and each tree by itself, here the forest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradus.errors import GradusError
from gradus.hyperparameters import Hyperparameter
from gradus.rng import host_rng
from gradus.space import Range, Space, Value
from gradus.sweep.search.trial import FAILED, WAITING, Trial

LEAST = 8  # trials, from which on something can be said
UNSURE = 0.3  # R², below which the shares mean little
TREES, SETTINGS, POINTS = 64, 512, 33
ABSENT = -1.0  # the place of what does not count, apart from those of its values
FAR = 3.0  # distances of the best from the third quartile, beyond which a score is no worse


@dataclasses.dataclass(frozen=True)
class Curve:
    """The score expected at the values of one hyperparameter, the mean over all others.

    Attributes:
        values: numbers, or words for options.
        mean: the score expected at each, `(values,)`.
        spread: how unsure it is: its deviation over the trees of the forest, `(values,)`.
        log: whether they lie evenly by their logarithm.
    """

    values: list[Any]
    mean: np.ndarray
    spread: np.ndarray
    log: bool = False


@dataclasses.dataclass(frozen=True)
class Importance:
    """Which hyperparameters of a sweep mattered.

    Attributes:
        shares: by name, the largest first, the share of the variance of the expected score that
            each explains by itself. What they leave of 1 is due to several together.
        curves: by name, the score expected at its values.
        explained: R² of the forest on trials that it was not shown; where it is not well above 0,
            the scores are noise to it and the shares mean little.
        score: what the trials were judged by, such as "val_accuracy".
    """

    shares: dict[str, float]
    curves: dict[str, Curve] = dataclasses.field(repr=False)
    explained: float
    score: str

    @property
    def unsure(self) -> bool:
        """Whether the forest explains so little that the shares mean little."""
        return self.explained < UNSURE

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())
        words = f"{shares} of what the settings change in {self.score}"
        if self.unsure:
            words += f"; but they explain little of it (R² {self.explained:.2f}): try more trials"
        return words


def hyperparameter_importance(
    trials: Sequence[Trial],
    hypers: Mapping[str, Hyperparameter],
    score: str,
    mode: str,
    seed: int = 0,
) -> Importance:
    """Return which hyperparameters mattered; see `Sweep.importance`.

    Args:
        trials: what was tried; one that diverged counts as the worst.
        hypers: the hyperparameters by name.
        score: what the trials were judged by.
        mode: "min" or "max", whether less or more of it is better.
        seed: of the forest and of the settings that it is averaged over.

    Raises:
        GradusError: for fewer than 8 trials that came to something.
    """
    from sklearn.ensemble import RandomForestRegressor

    ended = [trial for trial in trials if trial.status not in (WAITING, FAILED)]
    if len(ended) < LEAST or not np.isfinite([trial.score for trial in ended]).any():
        raise GradusError(
            f"importance needs at least {LEAST} trials with a score, and this sweep has "
            f"{len(ended)}: write Sweep(model, trials=64)."
        )
    places = [[_place(hyper.space, one.values.get(n)) for n, hyper in hypers.items()]
              for one in ended]  # fmt: skip
    forest = RandomForestRegressor(TREES, oob_score=True, random_state=seed)
    forest.fit(np.array(places, np.float32), _scores(ended, mode))
    even = _even(len(hypers), seed)
    total = float(_expected(forest, _places(hypers, even)).mean(0).var())
    shares, curves = {}, {}
    for name in hypers:
        points, marginal = _marginal(forest, hypers, name, even)
        curves[name] = _curve(hypers[name].space, points, marginal)
        within = float(marginal.mean(0).var()) * _likelihood(hypers, name)
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
    """Return the trials' scores; of those that diverged, or nearly, the worst that still tells.

    A loss of 1e30 would otherwise be all that varies.
    """
    sign = 1.0 if mode == "min" else -1.0
    found = sign * np.array([trial.score for trial in trials])
    known = found[np.isfinite(found)]
    best, quartile, worst = np.quantile(known, [0, 0.75, 1])
    if quartile > best:
        worst = min(worst, quartile + FAR * (quartile - best))
    return sign * np.minimum(np.where(np.isfinite(found), found, worst), worst)


def _marginal(
    forest: Any, hypers: Mapping[str, Hyperparameter], name: str, even: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return shares of a space, and what each tree expects there in the mean of all settings.

    Returns:
        The shares, `(points,)`, and the expected scores, `(trees, points)`.
    """
    column, size = list(hypers).index(name), hypers[name].space.size
    count = size if size is not None and size <= POINTS else POINTS
    points = (np.arange(count) + 0.5) / count
    settings = _where_it_counts(hypers, name, even)
    rows = np.repeat(settings[None], count, axis=0)
    rows[:, :, column] = points[:, None]
    expected = _expected(forest, _places(hypers, rows.reshape(-1, len(hypers))))
    return points, expected.reshape(-1, count, len(settings)).mean(-1)


def _curve(space: Space, points: np.ndarray, marginal: np.ndarray) -> Curve:
    values = [space.label(space.value_at(float(point))) for point in points]
    return Curve(values, marginal.mean(0), marginal.std(0), space.log)


def _expected(forest: Any, places: np.ndarray) -> np.ndarray:
    """Return what each tree expects at some settings, `(trees, settings)`."""
    given = places.astype(np.float32)
    return np.stack([tree.predict(given, check_input=False) for tree in forest.estimators_])


# --- settings as rows of numbers in [0, 1] ------------------------------------------------------


def _even(count: int, seed: int) -> np.ndarray:
    """Return settings spread evenly along each hyperparameter, `(SETTINGS, count)`."""
    draw = host_rng(seed, "importance")
    rows = (np.arange(SETTINGS)[:, None] + 0.5) / SETTINGS
    return draw.permuted(np.repeat(rows, count, axis=1), axis=0)


def _places(hypers: Mapping[str, Hyperparameter], shares: np.ndarray) -> np.ndarray:
    """Return the places of the values at some shares, those that do not count at `ABSENT`."""
    names, found = list(hypers), np.empty_like(shares)
    for column, hyper in enumerate(hypers.values()):
        size = hyper.space.size
        place = shares[:, column]
        if size is not None:
            place = (np.minimum(np.floor(place * size), size - 1) + 0.5) / size
        if hyper.parent:
            parent = hypers[hyper.parent]
            chosen = found[:, names.index(hyper.parent)]
            place = np.where(_is_option(chosen, parent, hyper.option), place, ABSENT)
        found[:, column] = place
    return found


def _is_option(chosen: np.ndarray, parent: Hyperparameter, option: int) -> np.ndarray:
    return np.floor(chosen * int(parent.space.size or 1)) == option


def _place(space: Space, value: Value | None) -> float:
    """Return where in its space a value lies, so that `_places` finds it there."""
    if value is None:
        return ABSENT
    if not isinstance(space, Range):
        return (value + 0.5) / int(space.size or 1)
    low, high, at = float(space.low), float(space.high), float(value)
    if space.whole:
        return (at - low + 0.5) / (high - low + 1)
    if space.log:
        low, high, at = np.log([low, high, at])
    return (at - low) / (high - low) if high > low else 0.5


def _where_it_counts(
    hypers: Mapping[str, Hyperparameter], name: str, even: np.ndarray
) -> np.ndarray:
    """Return settings in which what a hyperparameter depends on is chosen."""
    settings, names = even.copy(), list(hypers)
    while (hyper := hypers[name]).parent:
        name = hyper.parent
        settings[:, names.index(name)] = (hyper.option + 0.5) / int(hypers[name].space.size or 1)
    return settings


def _likelihood(hypers: Mapping[str, Hyperparameter], name: str) -> float:
    """Return the share of all settings in which a hyperparameter counts."""
    found = 1.0
    while (hyper := hypers[name]).parent:
        name = hyper.parent
        found /= int(hypers[name].space.size or 1)
    return found
