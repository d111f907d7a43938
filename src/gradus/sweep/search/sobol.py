"""Sobol search: values that fill the space evenly."""

from __future__ import annotations

from gradus.space import Value
from gradus.sweep.search.base import Search
from gradus.sweep.search.values import values_at


class Sobol(Search):
    """Values that fill the space evenly: a scrambled Sobol sequence, one dimension per name.

    Source: Sobol' 1967; scrambled: Owen 1998. Best if the number of trials is a power of two.
    """

    def ask(self, first: int, count: int) -> list[dict[str, Value]]:
        """Return the next values of the sequence."""
        import warnings

        from scipy.stats import qmc

        sequence = qmc.Sobol(len(self.hypers), seed=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the count may not be a power of two
            points = sequence.random(first + count)[first:].tolist()
        return [values_at(self.hypers, dict(zip(self.hypers, p, strict=True))) for p in points]
