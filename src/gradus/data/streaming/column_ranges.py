"""Statistics of the columns of arrays that come in parts."""

from __future__ import annotations

import numpy as np

from gradus.data.array_preprocessor import Scaling
from gradus.data.columns.conversions import LARGEST
from gradus.errors import DataError


class ColumnRanges:
    """Mean, deviation, and range of each column (channel) of arrays that come in parts.

    Examples:
        >>> ranges = ColumnRanges()
        >>> for part in ([[0.0, 10.0]], [[2.0, 30.0]]):
        ...     ranges.add(np.array(part))
        >>> ranges.standard("x"), ranges.between()
        (Scaling(mean=(1.0, 20.0), std=(1.0, 10.0)), Scaling(mean=(0.0, 10.0), std=(2.0, 20.0)))
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean, self.squares = np.zeros(1), np.zeros(1)
        self.low, self.high = np.array(np.inf), np.array(-np.inf)

    def add(self, x: np.ndarray) -> None:
        """Add rows, (n, …, columns) (Chan, Golub & LeVeque 1983)."""
        columns = x.reshape(-1, x.shape[-1])
        count, mean = len(columns), columns.mean(axis=0, dtype=np.float64)
        total, distance = self.count + count, mean - self.mean
        own = np.square(columns - mean).sum(axis=0)
        self.squares = self.squares + own + distance**2 * self.count * count / total
        self.mean = self.mean + distance * count / total
        self.count = total
        self.low = np.minimum(self.low, columns.min(axis=0))
        self.high = np.maximum(self.high, columns.max(axis=0))

    def standard(self, name: str) -> Scaling:
        """Return the scaling to mean 0 and deviation 1; that of a constant column is 1.

        Raises:
            DataError: for numbers whose squares are not finite.
        """
        largest = float(max(self.high.max(), -self.low.min()))
        if largest > LARGEST:
            raise DataError(f"{name} has values as large as {largest:.3g}; rescale it.")
        std = np.where(self.low < self.high, np.sqrt(self.squares / self.count), 1.0)
        return Scaling(tuple(self.mean.tolist()), tuple(std.tolist()))

    def between(self) -> Scaling:
        """Return the scaling of the smallest number to 0 and of the largest to 1."""
        low, span = self.low.astype(np.float64), self.high.astype(np.float64) - self.low
        return Scaling(tuple(low.tolist()), tuple(np.where(span > 0, span, 1.0).tolist()))
