"""Which rows train and which validate, drawn by a seed."""

from __future__ import annotations

import numpy as np

from gradus.errors import DataError
from gradus.rng import seeded_rng


def split(
    n_or_y: int | np.ndarray, share: float = 0.2, seed: int = 0, stratify: bool | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows at random into training and validation rows.

    Stratified, each class is held out in proportion (largest remainders), as far as it keeps a
    row in training: a class with a single row is only trained on.

    Args:
        n_or_y: the number of rows, or their labels, shape (n,).
        share: the part held out for validation, between 0 and 1; at least one row.
        seed: the same seed draws the same rows.
        stratify: by class; by default if labels are given and they are integers or booleans.

    Returns:
        Two int32 arrays of row numbers, each in ascending order, without a row in common.

    Raises:
        DataError: if the share is not between 0 and 1, or there are fewer than two rows.
    """
    if not 0 < share < 1:
        raise DataError(f"share is the part held out, between 0 and 1, not {share!r}.")
    n, labels = _rows(n_or_y, stratify)
    held = min(max(round(n * share), 1), n - 1)
    rng = seeded_rng(seed)
    order = rng.permutation(n)
    if labels is not None:
        counts = np.bincount(labels)
        quota = _apportion(counts, held)
        if quota.sum() > 0:
            order = order[_first_of_each(labels[order], quota)]
            held = len(order)
    validation = np.sort(order[:held])
    train = np.setdiff1d(np.arange(n), validation, assume_unique=True)
    return train.astype(np.int32), validation.astype(np.int32)


def k_folds(
    n_or_y: int | np.ndarray, k: int = 5, seed: int = 0, stratify: bool | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split rows at random into k folds, each the validation rows once.

    Args:
        n_or_y: the number of rows, or their labels, shape (n,), dealt evenly over the folds.
        k: the number of folds, from 2 to the number of rows.
        seed: the same seed draws the same folds.
        stratify: as in `split`.

    Returns:
        k pairs (training rows, validation rows), int32 and ascending; the folds' sizes differ by
        at most one.

    Raises:
        DataError: if k is not in that range.
    """
    n, labels = _rows(n_or_y, stratify)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 2 <= k <= n:
        raise DataError(f"k is a whole number from 2 to the number of rows ({n}), not {k!r}.")
    order = seeded_rng(seed).permutation(n)
    if labels is not None:
        # Class after class, dealt like cards: counts of a class differ by at most one.
        order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(n, np.int64)
    fold[order] = np.arange(n) % k
    rows = np.arange(n, dtype=np.int32)
    return [(rows[fold != index], rows[fold == index]) for index in range(k)]


def _rows(n_or_y: int | np.ndarray, stratify: bool | None) -> tuple[int, np.ndarray | None]:
    """Return the number of rows, and the classes as codes 0…K-1 if they are to be stratified."""
    if isinstance(n_or_y, int | np.integer):
        n, y = int(n_or_y), None
    else:
        y = np.asarray(n_or_y)
        if y.ndim == 0:
            raise DataError("split takes the number of rows, or an array of labels.")
        n = len(y)
    if n < 2:
        raise DataError(f"At least 2 rows are needed to split, not {n}.")
    discrete = y is not None and y.ndim == 1 and y.dtype.kind in "biuUSO"
    if stratify and not discrete:
        raise DataError("stratify=True needs labels of shape (n,): whole numbers or names.")
    if y is None or not discrete or stratify is False:
        return n, None
    return n, np.unique(y, return_inverse=True)[1]


def _apportion(counts: np.ndarray, total: int) -> np.ndarray:
    """Share `total` out in proportion to `counts` by largest remainders, each below its count."""
    exact = counts * total / counts.sum()
    quota = np.minimum(np.floor(exact).astype(int), np.maximum(counts - 1, 0))
    for index in np.argsort(quota - exact, kind="stable"):
        if quota.sum() < total and quota[index] < counts[index] - 1:
            quota[index] += 1
    return quota


def _first_of_each(labels: np.ndarray, quota: np.ndarray) -> np.ndarray:
    """Return the positions of the first `quota[c]` labels of each class c."""
    by_class = np.argsort(labels, kind="stable")
    starts = np.cumsum(np.bincount(labels)) - np.bincount(labels)
    rank = np.empty(len(labels), int)
    rank[by_class] = np.arange(len(labels)) - starts[labels[by_class]]
    return np.flatnonzero(rank < quota[labels])
