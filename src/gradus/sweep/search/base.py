"""The interface of a search, which chooses the values of trials."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import ClassVar

from gradus.hyperparameters import Hyperparameter
from gradus.space import Value
from gradus.sweep.search.trial import Trial

BATCH = 16  # trials that a learning search proposes at a time, which train side by side


class Search(abc.ABC):
    """Chooses the values of trials.

    The values of a trial depend only on the seed, on the results told before, and on the first
    number of its batch. So a resumed sweep asks for the same batches again, or tells their stored
    results without asking, and may ask for trials whose results it never tells.

    Args:
        hypers: the hyperparameters.
        trials: the number of trials; 0 for all of a finite search.
        seed: the seed of random values.

    Attributes:
        batch: trials proposed before any result is told; None for all. A search that learns sets
            it, as otherwise it is told nothing before its last trial.
        default_trials: the number of trials unless the user gives one.
    """

    batch: ClassVar[int | None] = None
    default_trials: ClassVar[int] = 32

    def __init__(self, hypers: Mapping[str, Hyperparameter], trials: int, seed: int) -> None:
        self.hypers, self.trials, self.seed = hypers, trials, seed

    @abc.abstractmethod
    def ask(self, first: int, count: int) -> list[dict[str, Value]]:
        """Return the values of `count` trials, the first of them number `first`.

        The value of a choice is the index of its option; a hyperparameter that is not active has
        none (`values_at` in `values.py` makes such values from fractions).

        It may be called with the same first number again, and another count: the values are then
        the same as far as both reach. It may be called out of order, too.
        """

    def tell(self, trials: Sequence[Trial], mode: str) -> None:  # noqa: B027 - most ignore it
        """Learn from the results of trials, in the order of their numbers.

        Args:
            trials: the next trials, each ended; they may be restored rather than asked for.
            mode: "min" or "max": whether a lower or a higher score is better.
        """
