"""Grid search."""

from __future__ import annotations

from collections.abc import Mapping

from gradus.errors import GradusError
from gradus.hyperparameters import Hyperparameter, is_active
from gradus.space import Value
from gradus.sweep.search.base import Search

MAX_COMBINATIONS = 100_000  # a larger grid is surely a mistake


class Grid(Search):
    """Every combination of the options.

    Raises:
        GradusError: for a continuous range, or a grid of more combinations than can be meant.
    """

    def __init__(self, hypers: Mapping[str, Hyperparameter], trials: int, seed: int) -> None:
        super().__init__(hypers, trials, seed)
        for name, hyper in hypers.items():
            if hyper.space.size is None:
                low, high = getattr(hyper.space, "low", 0), getattr(hyper.space, "high", 1)
                raise GradusError(
                    f"search='grid' needs a finite set for {name}, not {hyper.space!r}: write "
                    f"linspace({low}, {high}, 5), or logspace, or another search."
                )
        most = self._count()
        if most > MAX_COMBINATIONS:
            raise GradusError(
                f"The grid has {most:,} combinations: give fewer options, or write "
                "search='random' with trials=256."
            )
        self.points = self._points()
        self.trials = min(trials, len(self.points)) if trials else len(self.points)

    def ask(self, first: int, count: int) -> list[dict[str, Value]]:
        """Return the next combinations."""
        return self.points[first : first + count]

    def _count(self, parent: str = "", option: int = -1) -> int:
        """Return how many combinations there are of what depends on an option, or on none."""
        count = 1
        for name, hyper in self.hypers.items():
            if (hyper.parent, hyper.option) == (parent, option):
                with_more = {one.option for one in self.hypers.values() if one.parent == name}
                below = sum(self._count(name, place) for place in with_more)
                count *= int(hyper.space.size or 1) - len(with_more) + below
        return count

    def _points(self) -> list[dict[str, Value]]:
        """Return the combinations, the last hyperparameter's values in turn."""
        found: list[dict[str, Value]] = [{}]
        for name, hyper in self.hypers.items():
            size = int(hyper.space.size or 1)
            values = [hyper.space.value_at((place + 0.5) / size) for place in range(size)]
            found = [
                {**point, name: value} if counts else point
                for point in found
                for counts in [is_active(self.hypers, point, name)]
                for value in (values if counts else values[:1])
            ]
        return found
