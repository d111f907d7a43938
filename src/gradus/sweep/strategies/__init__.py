"""Strategies: they decide how long each trial is trained."""

from __future__ import annotations

from gradus.errors import GradusError, unknown
from gradus.sweep.strategies.base import Strategy
from gradus.sweep.strategies.full import Full
from gradus.sweep.strategies.halving import Hyperband, SuccessiveHalving
from gradus.sweep.strategies.population_based import PopulationBased

STRATEGIES: dict[str, type[Strategy]] = {
    "full": Full,
    "halving": SuccessiveHalving,
    "hyperband": Hyperband,
    "population": PopulationBased,
}


def get_strategy(strategy: str | Strategy | None) -> Strategy:
    """Return the strategy with a name and its default settings, or a strategy as it is.

    Raises:
        GradusError: for an unknown name, with the nearest valid one, or anything else.
    """
    if isinstance(strategy, Strategy):
        return strategy
    if strategy is None:
        return Full()
    if isinstance(strategy, str) and strategy in STRATEGIES:
        return STRATEGIES[strategy]()
    if isinstance(strategy, str):
        raise unknown("strategy", strategy, STRATEGIES)
    raise GradusError(
        f"strategy={strategy!r} is neither a name nor a strategy: write a name such as "
        '"halving", or a strategy such as gr.SuccessiveHalving(factor=3).'
    )
