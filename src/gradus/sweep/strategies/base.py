"""The interface of a strategy, which decides how long each trial is trained."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence

from gradus.sweep.execution.trial_runner import TrialRunner
from gradus.sweep.search.trial import Trial


class Strategy(abc.ABC):
    """Decides how long each trial of a batch is trained."""

    # Whether trials continue from others' weights, so that a resumed batch is trained again whole.
    shares_weights = False

    @abc.abstractmethod
    def run(self, runner: TrialRunner, trials: Sequence[Trial]) -> None:
        """Train trials until each has ended (`train_until`, `current_score`, `stop_trials`)."""


def rank_by_score(runner: TrialRunner, trials: Sequence[Trial]) -> list[Trial]:
    """Return trials from best to worst by their current scores, those without one last."""
    sign = -1 if runner.early_stopping is not None and runner.early_stopping.mode == "max" else 1
    scores = {trial.number: sign * runner.current_score(trial) for trial in trials}
    return sorted(trials, key=lambda t: (math.isnan(scores[t.number]), scores[t.number], t.number))
