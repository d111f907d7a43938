"""How far each trial of a batch is trained: all to the end, or only those that do well."""

from __future__ import annotations

import abc
from collections.abc import Sequence

from gradus.sweep.contest import Contest
from gradus.sweep.trial import Trial


class Strategy(abc.ABC):
    """Who trains on and who leaves."""

    @abc.abstractmethod
    def race(self, contest: Contest, trials: Sequence[Trial]) -> None:
        """Train trials until each has ended: `contest.advance`, `standing` and `drop`."""


class Full(Strategy):
    """Every trial is trained to its end."""

    def race(self, contest: Contest, trials: Sequence[Trial]) -> None:
        """Train all of them."""
        contest.advance(trials)
