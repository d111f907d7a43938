"""The strategy that trains every trial to its last epoch."""

from __future__ import annotations

from collections.abc import Sequence

from gradus.sweep.execution.trial_runner import TrialRunner
from gradus.sweep.search.trial import Trial
from gradus.sweep.strategies.base import Strategy


class Full(Strategy):
    """Trains every trial to its last epoch."""

    def run(self, runner: TrialRunner, trials: Sequence[Trial]) -> None:
        """Train all trials."""
        runner.train_until(trials)
