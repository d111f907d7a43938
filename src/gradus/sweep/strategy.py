"""How far each trial of a batch is trained: all to the end, or only those that do well."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence

from gradus.errors import GradusError, unknown
from gradus.sweep.contest import Contest
from gradus.sweep.trial import Trial


class Strategy(abc.ABC):
    """Who trains on and who leaves."""

    # Whether trials go on from others' weights, so that none can be left out when they race again.
    mixes = False

    @abc.abstractmethod
    def race(self, contest: Contest, trials: Sequence[Trial]) -> None:
        """Train trials until each has ended: `contest.advance`, `standing` and `drop`."""


class Full(Strategy):
    """Every trial is trained to its end."""

    def race(self, contest: Contest, trials: Sequence[Trial]) -> None:
        """Train all of them."""
        contest.advance(trials)


def by_standing(contest: Contest, trials: Sequence[Trial]) -> list[Trial]:
    """Return trials from the best to the worst as they stand, those without a number last."""
    sign = -1 if contest.stopping is not None and contest.stopping.mode == "max" else 1
    found = {trial.number: sign * contest.standing(trial) for trial in trials}
    return sorted(trials, key=lambda t: (math.isnan(found[t.number]), found[t.number], t.number))


def get(strategy: str | Strategy | None) -> Strategy:
    """Return the strategy of a name, with its default settings; a strategy as it is.

    Raises:
        GradusError: for an unknown name, with the nearest, or anything else.
    """
    from gradus.sweep.evolution import PopulationBased  # these two import this module
    from gradus.sweep.halving import Hyperband, SuccessiveHalving

    if isinstance(strategy, Strategy):
        return strategy
    kinds: dict[str, type[Strategy]] = {
        "full": Full,
        "halving": SuccessiveHalving,
        "hyperband": Hyperband,
        "population": PopulationBased,
    }
    if strategy is None:
        return Full()
    if isinstance(strategy, str) and strategy in kinds:
        return kinds[strategy]()
    if isinstance(strategy, str):
        raise unknown("strategy", strategy, kinds)
    raise GradusError(
        f"strategy={strategy!r} is neither a name nor a strategy: write a name such as "
        '"halving", or a strategy such as gr.SuccessiveHalving(factor=3).'
    )
