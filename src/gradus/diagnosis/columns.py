"""Columns of the inputs that number the rows, or that alone tell the target."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

FEWEST = 20  # rows, of which a column may be right by chance
GAP = 0.1  # of the range, between classes that a column tells: a threshold may be a rule of nature
CHANCE = 10.0  # pairs of equal numbers that chance would give, had the column any


@dataclasses.dataclass(frozen=True)
class TellingColumn:
    """The column that alone tells the target best.

    Attributes:
        column: its number, from 0, or its name where that is known.
        first: how well: the magnitude of its correlation with a number, or the share of samples
            whose class it tells.
        second: how well the best of the other columns does.
    """

    column: int | str
    first: float
    second: float


def numbering_column(x: Float[np.ndarray, "samples columns"]) -> int | None:
    """Return the first column of whole numbers that differ in all rows, as those of a list do.

    Among n numbers drawn from R different ones, n² / 2R pairs are equal by chance; where at least
    `CHANCE` would be, and none is, the column numbers the rows.

    Args:
        x: some rows.
    """
    count = len(x)
    if count < FEWEST:
        return None
    span = np.ptp(x, axis=0) + 1
    possible = (span >= count) & (count**2 > 2 * CHANCE * span) & (x[:FEWEST] % 1 == 0).all(axis=0)
    for column in np.flatnonzero(possible):
        values = x[:, column]
        if (values % 1 == 0).all() and len(np.unique(values)) == count:
            return int(column)
    return None


def telling_column(
    x: Float[np.ndarray, "samples columns"],
    y: Float[np.ndarray, "samples"] | Int[np.ndarray, "samples"],
    are_classes: bool,
) -> TellingColumn | None:
    """Return the column that tells the target best; of classes, the one that tells them always.

    It does so if each class has an interval of its own, with a gap of `GAP` between them.

    Args:
        x: some rows.
        y: their targets, numbers or labels.
        are_classes: whether they are labels.
    """
    if len(x) < FEWEST or x.shape[1] < 2:
        return None
    if not are_classes:
        return _best(_correlations(x, y.astype(np.float64)))
    classes, labels = np.unique(y, return_inverse=True)
    members = [labels == label for label in range(len(classes))]
    if len(members) < 2:
        return None
    lowest = np.stack([x[each].min(axis=0) for each in members])
    highest = np.stack([x[each].max(axis=0) for each in members])
    order = lowest.argsort(axis=0)
    after = np.take_along_axis(lowest, order, 0)[1:]
    before = np.take_along_axis(highest, order, 0)[:-1]
    separates = (after - before > GAP * np.ptp(x, axis=0)).all(axis=0)
    if separates.sum() != 1:
        return None
    means = np.stack([x[each].mean(axis=0) for each in members])
    distances = np.abs(x[:, None] - means)  # (samples, classes, columns)
    shares = (distances.argmin(axis=1) == labels[:, None]).mean(axis=0)
    return _best(np.where(separates, 1.0, shares))


def _correlations(x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "columns"]:
    """Return the magnitudes of the correlations of columns with numbers; 0 for constant ones."""
    x, y = x - x.mean(axis=0), y - y.mean()
    sizes = np.sqrt(np.square(x).sum(axis=0) * np.square(y).sum())
    return np.abs(y @ x) / np.where(sizes > 0, sizes, np.inf)


def _best(values: Float[np.ndarray, "columns"]) -> TellingColumn:
    second, first = np.sort(values)[-2:]
    return TellingColumn(int(values.argmax()), float(first), float(second))


def describe_column(name: str, column: int | str) -> str:
    """Return what a column of the inputs of that name is called in a sentence.

    Args:
        name: of the inputs, as "x".
        column: its number, from 0, or its name.
    """
    return f"Column {column} of {name}" if isinstance(column, int) else f"Column {column!r}"


def without_column(name: str, column: int | str) -> str:
    """Return what to write to train without a column, which `describe_column` describes."""
    if isinstance(column, int):
        return f"np.delete({name}, {column}, axis=1)"
    return f"{name}.drop(columns=[{column!r}]), or --drop-columns {shlex.quote(column)}"
