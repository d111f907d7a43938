"""Rows in the order of time: how much alike the targets of neighbors are."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Shaped


@dataclasses.dataclass(frozen=True)
class TimeOrder:
    """A column of dates in whose order the rows stand, of which some were held out at random.

    Attributes:
        column: its name.
        rows: how many there are.
        likeness: of the targets of neighboring rows, see `neighbor_likeness`.
    """

    column: str
    rows: int
    likeness: float


def neighbor_likeness(y: Shaped[np.ndarray, "samples ..."], are_classes: bool) -> float:
    """Return how much alike the targets of neighboring rows are: 0 for chance, 1 for equal ones.

    Of numbers it is the correlation of each with the next one, the mean over the columns; of
    classes Cohen's kappa, (a - c) / (1 - c), with the share a of neighbors of the same class and
    the share c of any two rows that are.

    Args:
        y: the targets, in the order of the rows.
        are_classes: whether they are labels.
    """
    if are_classes:
        _, counts = np.unique(y, return_counts=True)
        chance = float(np.square(counts / len(y)).sum())
        alike = float((y[1:] == y[:-1]).mean())
        return (alike - chance) / (1 - chance) if chance < 1 else 0.0
    numbers = y.reshape(len(y), -1).astype(np.float64)
    numbers = numbers - numbers.mean(axis=0)
    total = np.square(numbers).sum(axis=0)
    products = (numbers[1:] * numbers[:-1]).sum(axis=0)
    return float(np.mean(np.where(total > 0, products / np.where(total > 0, total, 1.0), 0.0)))
