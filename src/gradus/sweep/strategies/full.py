"""Every trial is trained to its end."""

from __future__ import annotations

from collections.abc import Sequence

from gradus.sweep.execution.trial_runner import TrialRunner
from gradus.sweep.search.trial import Trial
from gradus.sweep.strategies.base import Strategy


class Full(Strategy):
    """Every trial is trained to its end."""

    def run(self, runner: TrialRunner, trials: Sequence[Trial]) -> None:
        """Train all of them."""
        runner.train_until(trials)
