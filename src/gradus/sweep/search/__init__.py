"""Searches: they choose the values of trials, and may learn from the scores."""

from __future__ import annotations

from collections.abc import Mapping

from gradus.checks import is_word
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


def get_search(
    search: str, hypers: Mapping[str, Hyperparameter], trials: int | None, seed: int
) -> Search:
    """Return the search with a name, for `trials` trials; None for the search's default number.

    Raises:
        GradusError: for an unknown name, with the nearest valid one, or a missing package.
    """
    found = find_search(search)
    return found(hypers, found.default_trials if trials is None else trials, seed)


def find_search(search: str) -> type[Search]:
    """Return the class of the search with a name.

    Raises:
        GradusError: for an unknown name, with the nearest valid one.
    """
    if not is_word(search, SEARCHES):
        raise unknown("search", search, SEARCHES)
    return SEARCHES[search]
