"""Grid search."""

from __future__ import annotations

from collections.abc import Mapping

from gradus.errors import GradusError
from gradus.hyperparameters import Hyperparameter, is_active
from gradus.space import Value
from gradus.sweep.search.base import Search

MAX_COMBINATIONS = 100_000  # a larger grid is probably a mistake


class Grid(Search):
    """Every combination of the options.

    Raises:
        GradusError: for a continuous range, or more than `MAX_COMBINATIONS` combinations.
    """

    default_trials = 0

    def __init__(self, hypers: Mapping[str, Hyperparameter], trials: int, seed: int) -> None:
        super().__init__(hypers, trials, seed)
        for name, hyper in hypers.items():
            if hyper.space.size is None:
                low, high = getattr(hyper.space, "low", 0), getattr(hyper.space, "high", 1)
                raise GradusError(
                    f"search='grid' needs a finite set for {name}, not {hyper.space!r}: write "
                    f"linspace({low}, {high}, 5), or logspace, or another search."
                )
        count = self._count()
        if count > MAX_COMBINATIONS:
            raise GradusError(
                f"The grid has {count:,} combinations: give fewer options, or write "
                "search='random' with trials=256."
            )
        self.points = self._points()
        self.trials = min(trials, len(self.points)) if trials else len(self.points)

    def ask(self, first: int, count: int) -> list[dict[str, Value]]:
        """Return the next combinations."""
        return self.points[first : first + count]

    def _count(self, parent: str = "", option: int = -1) -> int:
        """Return the number of combinations of the hyperparameters that depend on an option."""
        count = 1
        for name, hyper in self.hypers.items():
            if (hyper.parent, hyper.option) == (parent, option):
                parents = {other.option for other in self.hypers.values() if other.parent == name}
                below = sum(self._count(name, index) for index in parents)
                count *= int(hyper.space.size or 1) - len(parents) + below
        return count

    def _points(self) -> list[dict[str, Value]]:
        """Return the combinations; the last hyperparameter varies fastest."""
        points: list[dict[str, Value]] = [{}]
        for name, hyper in self.hypers.items():
            size = int(hyper.space.size or 1)
            values = [hyper.space.value_at((index + 0.5) / size) for index in range(size)]
            points = [
                {**point, name: value} if active else point
                for point in points
                for active in [is_active(self.hypers, point, name)]
                for value in (values if active else values[:1])
            ]
        return points
