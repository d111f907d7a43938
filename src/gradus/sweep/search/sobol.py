"""A Sobol sequence: values that fill the space evenly."""

from __future__ import annotations

from gradus.space import Value
from gradus.sweep.search.base import Search
from gradus.sweep.search.trial import values_at


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
        return [values_at(self.hypers, dict(zip(self.hypers, p, strict=True))) for p in points]
