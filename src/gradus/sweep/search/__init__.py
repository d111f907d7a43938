"""Searches: they choose the values of trials, and may learn from the scores."""

from __future__ import annotations

from collections.abc import Mapping

from gradus.errors import unknown
from gradus.hyperparameters import Hyperparameter
from gradus.sweep.search.base import Search
from gradus.sweep.search.cmaes import CMAES
from gradus.sweep.search.grid import Grid
from gradus.sweep.search.random import Random
from gradus.sweep.search.sobol import Sobol
from gradus.sweep.search.tpe import TPE

SEARCHES: dict[str, type[Search]] = {
    "random": Random,
    "sobol": Sobol,
    "grid": Grid,
    "tpe": TPE,
    "cmaes": CMAES,
}


def get_search(search: str, hypers: Mapping[str, Hyperparameter], trials: int, seed: int) -> Search:
    """Return the search with a name.

    Raises:
        GradusError: for an unknown name, with the nearest valid one, or a missing package.
    """
    if search not in SEARCHES:
        raise unknown("search", search, SEARCHES)
    return SEARCHES[search](hypers, trials, seed)
