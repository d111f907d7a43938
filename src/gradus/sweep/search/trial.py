"""A trial of a sweep: what was drawn, and what came of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradus.hyperparameters import Hyperparameter, is_active
from gradus.space import Value
from gradus.train.history import History

WAITING, FINISHED, STOPPED, DIVERGED, FAILED = (
    "waiting",
    "finished",
    "stopped",
    "diverged",
    "failed",
)


@dataclasses.dataclass
class Trial:
    """What was drawn for a trial, and what came of it.

    Attributes:
        number: counted from 0.
        values: the number drawn of each hyperparameter that counts.
        status: "waiting", "finished", "stopped" (it left the race early), "diverged", or "failed"
            (it could not be built).
        score: the watched number at the epoch whose weights are kept, the mean over its members;
            NaN until it is known, and if the training diverged.
        scores: of each member: each seed and fold.
        epochs: how many were trained, by the member that trained the longest.
        metrics: the numbers of the epoch that is kept, the mean over the members.
        histories: the record of each member.
        error: why it failed.
        lineage: where its weights came from other trials, the values that they were trained with,
            each with the number of epochs after which they began to count; else empty.
    """

    number: int
    values: dict[str, Value]
    status: str = WAITING
    score: float = math.nan
    scores: list[float] = dataclasses.field(default_factory=list)
    epochs: int = 0
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    histories: list[History] = dataclasses.field(default_factory=list)
    error: str = ""
    lineage: list[tuple[int, dict[str, Value]]] = dataclasses.field(default_factory=list)

    def settings(self, hypers: Mapping[str, Hyperparameter]) -> dict[str, Any]:
        """Return what was drawn in a reader's words; None where a hyperparameter does not count."""
        return {
            name: hyper.space.label(self.values[name]) if name in self.values else None
            for name, hyper in hypers.items()
        }

    def finish(self, histories: list[History], monitor: str, status: str = FINISHED) -> None:
        """Take over what its members' trainings came to."""
        self.histories = histories
        kept = [_kept(history) for history in histories]
        self.epochs = max((history.epochs for history in histories), default=0)
        self.scores = [one.get(monitor, math.nan) for one in kept]
        self.metrics = {
            name: float(np.mean([one[name] for one in kept])) for name in (kept[0] if kept else {})
        }
        broken = any(history.stopped == "diverged" for history in histories)
        self.status = DIVERGED if broken else status
        self.score = math.nan if broken else float(np.mean(self.scores))


@dataclasses.dataclass
class TrialRecord:
    """What a storage knows of a trial that has ended.

    Attributes:
        trial: the trial, without its histories.
        batch: the number of the first trial that it was asked for with, and how many they were.
        scores: how it stood when a strategy asked, by the epoch.
    """

    trial: Trial
    batch: tuple[int, int]
    scores: dict[int, float] = dataclasses.field(default_factory=dict)


def values_at(
    hypers: Mapping[str, Hyperparameter], shares: Mapping[str, float]
) -> dict[str, Value]:
    """Return the values at some shares of the spaces, of those hyperparameters that count."""
    values: dict[str, Value] = {}
    for name, hyper in hypers.items():
        if is_active(hypers, values, name):
            values[name] = hyper.space.value_at(shares[name])
    return values


def values_reaching(
    hypers: Mapping[str, Hyperparameter], shares: Mapping[str, float]
) -> dict[str, Value]:
    """Return the values at some shares, and of the other hyperparameters the first.

    A hyperparameter counts in this, with what it depends on, if its share is above 0.
    """
    wanted = {**dict.fromkeys(hypers, 0.0), **shares}
    for name in [name for name, share in shares.items() if share > 0]:
        hyper = hypers[name]
        while hyper.parent:
            parent = hypers[hyper.parent]
            wanted[parent.name] = (hyper.option + 0.5) / (parent.space.size or 1)
            hyper = parent
    return values_at(hypers, wanted)


def rank_trials(trials: list[Trial], mode: str) -> list[Trial]:
    """Return the trials from the best to the worst, those without a score at the end."""
    sign = 1 if mode == "min" else -1
    return sorted(trials, key=lambda t: (math.isnan(t.score), sign * t.score, t.number))


def table_rows(trials: list[Trial], hypers: Mapping[str, Hyperparameter]) -> list[dict[str, Any]]:
    """Return what a table says of each trial; a setting named as a number is `setting_…` there."""
    results = [
        {**one.metrics, "epochs": one.epochs, "score": one.score, "status": one.status}
        for one in trials
    ]
    if any(one.error for one in trials):
        results = [
            result | {"error": one.error} for one, result in zip(trials, results, strict=True)
        ]
    taken = {"trial"}.union(*results)
    names = {name: f"setting_{name}" if name in taken else name for name in hypers}
    return [
        {"trial": one.number, **{names[n]: v for n, v in one.settings(hypers).items()}, **result}
        for one, result in zip(trials, results, strict=True)
    ]


def _kept(history: History) -> dict[str, float]:
    """Return the numbers of the epoch whose weights are kept."""
    if not history.epochs:
        return {}
    place = history.best_epoch - 1 if history.best_epoch else -1
    rate = "learning_rate"  # a setting, not a result
    return {n: float(v[place]) for n, v in history.items() if v.ndim == 1 and n != rate}
