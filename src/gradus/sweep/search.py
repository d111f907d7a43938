"""Which values a sweep tries: at random, spread evenly, all of a grid, or told by the past."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence

from gradus.errors import GradusError, unknown
from gradus.nn.network import generator
from gradus.settings import Hyper, active
from gradus.space import Value
from gradus.sweep.trial import Trial, drawn

MOST_GRID = 100_000  # trials; a larger grid is surely a mistake


class Search(abc.ABC):
    """A source of values to try.

    Args:
        hypers: the hyperparameters.
        trials: how many there are to be.
        seed: of the draws.
    """

    batch: int | None = None  # how many are asked for before any is told; None for all

    def __init__(self, hypers: Mapping[str, Hyper], trials: int, seed: int) -> None:
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


class Random(Search):
    """Each value drawn by itself: trial k's depend on the seed and on k alone.

    Source: Bergstra & Bengio 2012, "Random search for hyper-parameter optimization".
    """

    def ask(self, first: int, count: int) -> list[dict[str, Value]]:
        """Return random values."""
        return [self._trial(number) for number in range(first, first + count)]

    def _trial(self, number: int) -> dict[str, Value]:
        draw = generator(self.seed, "trial", str(number))
        return drawn(self.hypers, {name: draw.random() for name in self.hypers})


class Sobol(Search):
    """Values that fill the space evenly: a scrambled Sobol sequence, a dimension for each name.

    Source: Sobol' 1967; scrambled: Owen 1998. Best with a power of two of trials.
    """

    def ask(self, first: int, count: int) -> list[dict[str, Value]]:
        """Return the next values of the sequence."""
        import warnings

        from scipy.stats import qmc

        sequence = qmc.Sobol(len(self.hypers), seed=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the count is no power of two
            points = sequence.random(first + count)[first:].tolist()
        return [drawn(self.hypers, dict(zip(self.hypers, p, strict=True))) for p in points]


class Grid(Search):
    """Every combination of the options.

    Raises:
        GradusError: for a continuous range, or a grid of more combinations than can be meant.
    """

    def __init__(self, hypers: Mapping[str, Hyper], trials: int, seed: int) -> None:
        super().__init__(hypers, trials, seed)
        for name, hyper in hypers.items():
            if hyper.space.size is None:
                low, high = getattr(hyper.space, "low", 0), getattr(hyper.space, "high", 1)
                raise GradusError(
                    f"search='grid' needs a finite set for {name}, not {hyper.space!r}: write "
                    f"linspace({low}, {high}, 5), or logspace, or another search."
                )
        most = self._count()
        if most > MOST_GRID:
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
            values = [hyper.space.draw((place + 0.5) / size) for place in range(size)]
            found = [
                {**point, name: value} if counts else point
                for point in found
                for counts in [active(self.hypers, point, name)]
                for value in (values if counts else values[:1])
            ]
        return found


SEARCHES: dict[str, type[Search]] = {"random": Random, "sobol": Sobol, "grid": Grid}


def get(search: str, hypers: Mapping[str, Hyper], trials: int, seed: int) -> Search:
    """Return the search of a name.

    Raises:
        GradusError: for an unknown name, with the nearest; or for a package that is missing.
    """
    from gradus.sweep import bayes  # which is made of what is above

    known = SEARCHES | bayes.SEARCHES
    if search not in known:
        raise unknown("search", search, known)
    return known[search](hypers, trials, seed)
