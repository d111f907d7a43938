"""The interface of a search, which chooses the values of trials."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence

from gradus.hyperparameters import Hyperparameter
from gradus.space import Value
from gradus.sweep.search.trial import Trial

BATCH = 16  # trials that a learning search proposes at a time, which train side by side


class Search(abc.ABC):
    """Chooses the values of trials.

    Args:
        hypers: the hyperparameters.
        trials: the number of trials.
        seed: the seed of random values.
    """

    batch: int | None = None  # trials proposed before any result is told; None for all

    def __init__(self, hypers: Mapping[str, Hyperparameter], trials: int, seed: int) -> None:
        self.hypers, self.trials, self.seed = hypers, trials, seed

    @abc.abstractmethod
    def ask(self, first: int, count: int) -> list[dict[str, Value]]:
        """Return the values of `count` trials, the first of them number `first`."""

    def tell(self, trials: Sequence[Trial], mode: str) -> None:  # noqa: B027 - most ignore it
        """Learn from the results of trials, in the order of their numbers.

        Args:
            trials: all trials asked for since the last call, each ended.
            mode: "min" or "max": whether a lower or a higher score is better.
        """
