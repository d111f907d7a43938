"""Some samples as a table of numbers, from which a linear model or neighbors can tell targets."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus.data.array_trees import named_leaves
from gradus.rng import host_rng

if TYPE_CHECKING:
    from jaxtyping import Float, Int

ROWS, FEWEST = 1_500, 90  # at most, and at least, so many samples are looked at
WIDTH = 256  # at most so many columns, evenly spread
CODES = 5_000  # different ones are counted as columns
CLIPPED = 10.0  # deviations, beyond which a number is no farther


def draw_rows(count: int) -> Int[np.ndarray, "rows"] | None:
    """Return the numbers of the rows that are looked at; None where there are too few."""
    if count < FEWEST:
        return None
    return host_rng(0, "linear model").permutation(count)[:ROWS]


def make_columns(
    x: Any, rows: np.ndarray, codes: Collection[str] = ()
) -> Float[np.ndarray, "rows columns"]:
    """Return numbers, and counts and places of codes, of all arrays, in `WIDTH` columns at most.

    Args:
        x: all inputs.
        rows: which of the samples.
        codes: the names of the arrays that are codes, such as "x" or "x['word']".
    """
    parts = []
    for name, leaf in named_leaves(x, "x"):
        flat = leaf[rows].reshape(len(rows), -1)
        parts.append(_counts(flat) if name in codes else flat)
    columns = np.concatenate(parts, axis=1, dtype=np.float64)
    if columns.shape[1] > WIDTH:
        columns = columns[:, np.linspace(0, columns.shape[1] - 1, WIDTH).astype(int)]
    return columns


def _counts(codes: Int[np.ndarray, "rows steps"]) -> Float[np.ndarray, "rows columns"]:
    """Return how often a row has each of the most frequent codes, and which one at each step.

    The latter only where it takes at most `WIDTH` columns: what counts tell of a sequence is what
    does not depend on its order.
    """
    found, numbers, often = np.unique(codes, return_inverse=True, return_counts=True)
    counts = np.zeros((len(codes), len(found) if len(found) <= CODES else 0))
    if counts.size:
        where = np.repeat(np.arange(len(codes)), codes.shape[1])
        np.add.at(counts, (where, numbers.reshape(-1)), 1)
    if not counts.size:
        return counts
    frequent = counts[:, np.sort(np.argsort(-often, kind="stable")[:WIDTH])]
    if codes.shape[1] == 1 or codes.shape[1] * len(found) > WIDTH - len(found):
        return frequent
    places = np.eye(len(found))[numbers.reshape(-1)].reshape(len(codes), -1)
    return np.concatenate([frequent, places], axis=1)


def standardize(
    columns: Float[np.ndarray, "rows columns"], fitted: np.ndarray
) -> Float[np.ndarray, "rows varied"]:
    """Return the columns that vary in some of the rows, standardized by these.

    Args:
        columns: of all rows.
        fitted: which rows give the means and deviations.
    """
    mean, deviation = columns[fitted].mean(axis=0), columns[fitted].std(axis=0)
    varies = deviation > 1e-12 * np.abs(mean)
    scaled = (columns[:, varies] - mean[varies]) / deviation[varies]
    return np.clip(scaled, -CLIPPED, CLIPPED)
