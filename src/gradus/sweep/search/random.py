"""Random search."""

from __future__ import annotations

from gradus.rng import host_rng
from gradus.space import Value
from gradus.sweep.search.base import Search
from gradus.sweep.search.trial import values_at


class Random(Search):
    """Independent random values; those of trial k depend only on the seed and k.

    Source: Bergstra & Bengio 2012, "Random search for hyper-parameter optimization".
    """

    def ask(self, first: int, count: int) -> list[dict[str, Value]]:
        """Return random values."""
        return [self._trial(number) for number in range(first, first + count)]

    def _trial(self, number: int) -> dict[str, Value]:
        rng = host_rng(self.seed, "trial", str(number))
        return values_at(self.hypers, {name: rng.random() for name in self.hypers})
