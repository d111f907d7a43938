"""A trial of a sweep: its values and its results."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradus.hyperparameters import Hyperparameter
from gradus.space import Value
from gradus.train.history import History

WAITING, FINISHED, STOPPED = "waiting", "finished", "stopped"
DIVERGED, FAILED = "diverged", "failed"


@dataclasses.dataclass
class Trial:
    """The values and the results of a trial.

    Attributes:
        number: its number, from 0.
        values: the number drawn for each active hyperparameter.
        status: "waiting", "finished", "stopped" (early, by the strategy), "diverged", or "failed"
            (it could not be built).
        score: the monitored metric at the epoch whose weights are kept, averaged over its members;
            NaN before it ends and if it diverged.
        scores: the score of each member, one for each seed and fold.
        epochs: the number of epochs trained, by the member that trained the longest.
        metrics: the metrics of the kept epoch, averaged over the members.
        histories: the history of each member.
        error: why it failed.
        lineage: if its weights come from other trials, the values that they were trained with,
            each with the epoch after which they applied; else empty.
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

    @property
    def ended(self) -> bool:
        """Whether it has its results; not while it waits or trains."""
        return self.status != WAITING

    def settings(self, hypers: Mapping[str, Hyperparameter]) -> dict[str, Any]:
        """Return the value of each hyperparameter as a label; None where it is inactive."""
        return {
            name: hyper.space.label(self.values[name]) if name in self.values else None
            for name, hyper in hypers.items()
        }

    def finish(self, histories: list[History], monitor: str, status: str = FINISHED) -> None:
        """Set the results from the histories of its members."""
        self.histories = histories
        kept = [_kept_metrics(history) for history in histories]
        self.epochs = max((history.epochs for history in histories), default=0)
        self.scores = [metrics.get(monitor, math.nan) for metrics in kept]
        self.metrics = {
            name: float(np.mean([metrics[name] for metrics in kept]))
            for name in (kept[0] if kept else {})
        }
        diverged = any(history.stopped == "diverged" for history in histories)
        self.status = DIVERGED if diverged else status
        self.score = math.nan if diverged else float(np.mean(self.scores))


@dataclasses.dataclass
class TrialRecord:
    """What a storage keeps of a trial that has ended.

    Attributes:
        trial: the trial, without its histories.
        batch: the first trial number and the size of the batch that it was asked for in.
        scores: its scores when a strategy asked, by epoch.
    """

    trial: Trial
    batch: tuple[int, int]
    scores: dict[int, float] = dataclasses.field(default_factory=dict)


def rank_trials(trials: list[Trial], mode: str) -> list[Trial]:
    """Return the trials from best to worst, those without a score last."""
    sign = 1 if mode == "min" else -1
    return sorted(trials, key=lambda t: (math.isnan(t.score), sign * t.score, t.number))


def table_rows(trials: list[Trial], hypers: Mapping[str, Hyperparameter]) -> list[dict[str, Any]]:
    """Return a table row for each trial; a setting with a metric's name becomes `setting_…`."""
    failed = any(trial.error for trial in trials)
    results = [
        {**trial.metrics, "epochs": trial.epochs, "score": trial.score, "status": trial.status}
        | ({"error": trial.error} if failed else {})
        for trial in trials
    ]
    taken = {"trial"}.union(*results)
    columns = {name: f"setting_{name}" if name in taken else name for name in hypers}
    rows = []
    for trial, result in zip(trials, results, strict=True):
        settings = {columns[name]: value for name, value in trial.settings(hypers).items()}
        rows.append({"trial": trial.number, **settings, **result})
    return rows


def _kept_metrics(history: History) -> dict[str, float]:
    """Return the metrics of the epoch whose weights are kept."""
    if not history.epochs:
        return {}
    epoch = history.best_epoch - 1 if history.best_epoch else -1
    setting = "learning_rate"  # not a result
    return {n: float(v[epoch]) for n, v in history.items() if v.ndim == 1 and n != setting}
