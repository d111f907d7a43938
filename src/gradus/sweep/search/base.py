"""What a search is: a source of the values that trials get."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence

from gradus.hyperparameters import Hyperparameter
from gradus.space import Value
from gradus.sweep.search.trial import Trial

BATCH = 16  # trials that a search which learns asks for at a time, so they train side by side


class Search(abc.ABC):
    """A source of values to try.

    Args:
        hypers: the hyperparameters.
        trials: how many there are to be.
        seed: of the draws.
    """

    batch: int | None = None  # how many are asked for before any is told; None for all

    def __init__(self, hypers: Mapping[str, Hyperparameter], trials: int, seed: int) -> None:
        self.hypers, self.trials, self.seed = hypers, trials, seed

    @abc.abstractmethod
    def ask(self, first: int, count: int) -> list[dict[str, Value]]:
        """Return the values of `count` trials, the first of them number `first`."""

    def tell(self, trials: Sequence[Trial], mode: str) -> None:  # noqa: B027 - most need not hear
        """Hear what came of trials, in the order of their numbers.

        Args:
            trials: all that were asked for, each ended.
            mode: "min" or "max", whether less or more of their score is better.
        """
