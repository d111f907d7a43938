"""Random search."""

from __future__ import annotations

from collections.abc import Mapping

from gradus.hyperparameters import Hyperparameter
from gradus.rng import host_rng
from gradus.space import Value
from gradus.sweep.search.base import Search
from gradus.sweep.search.values import values_at

MAX_ATTEMPTS = 20  # draws of a trial whose values an earlier one has


class Random(Search):
    """Random values, drawn again where an earlier trial has the same, as with few options.

    Source: Bergstra & Bengio 2012, "Random search for hyper-parameter optimization".
    """

    def __init__(self, hypers: Mapping[str, Hyperparameter], trials: int, seed: int) -> None:
        super().__init__(hypers, trials, seed)
        self._values: list[dict[str, Value]] = []
        self._seen: set[tuple[tuple[str, Value], ...]] = set()

    def ask(self, first: int, count: int) -> list[dict[str, Value]]:
        """Return random values."""
        for number in range(len(self._values), first + count):
            self._values.append(self._new_values(number))
        return self._values[first : first + count]

    def _new_values(self, number: int) -> dict[str, Value]:
        """Return values that no earlier trial has, if some draws find them."""
        for attempt in range(MAX_ATTEMPTS):
            rng = host_rng(self.seed, "trial", str(number), *([str(attempt)] if attempt else []))
            values = values_at(self.hypers, {name: rng.random() for name in self.hypers})
            key = tuple(values.items())
            if key not in self._seen:
                break
        self._seen.add(key)
        return values
