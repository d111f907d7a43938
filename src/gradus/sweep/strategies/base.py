"""How far each trial of a batch is trained: all to the end, or only those that do well."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence

from gradus.sweep.execution.trial_runner import TrialRunner
from gradus.sweep.search.trial import Trial


class Strategy(abc.ABC):
    """Who trains on and who leaves."""

    # Whether trials go on from others' weights, so that none can be left out when they race again.
    shares_weights = False

    @abc.abstractmethod
    def run(self, runner: TrialRunner, trials: Sequence[Trial]) -> None:
        """Train trials until each has ended: `contest.advance`, `current_score` and `drop`."""


def rank_by_score(runner: TrialRunner, trials: Sequence[Trial]) -> list[Trial]:
    """Return trials from the best to the worst as they stand, those without a number last."""
    sign = -1 if runner.early_stopping is not None and runner.early_stopping.mode == "max" else 1
    found = {trial.number: sign * runner.current_score(trial) for trial in trials}
    return sorted(trials, key=lambda t: (math.isnan(found[t.number]), found[t.number], t.number))
