"""Random splits into training and validation rows."""

from __future__ import annotations

import numpy as np

from gradus.checks import MAX_INT, flag, is_number
from gradus.errors import DataError
from gradus.rng import seeded_rng

FEW_CLASSES = 20  # as many whole floats, or fewer, are classes


def split(
    n_or_y: int | np.ndarray, share: float = 0.2, seed: int = 0, stratify: bool | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows at random into training and validation rows.

    A stratified split holds out each class in proportion (largest remainders), but keeps at least
    one row of each in training.

    Args:
        n_or_y: the number of rows, or their targets; classes are labels, (n,) or (n, 1), or one-hot
            rows.
        share: the fraction held out for validation, between 0 and 1; at least one row.
        seed: the same seed draws the same rows.
        stratify: by class; by default if the targets are classes.

    Returns:
        Two disjoint int32 arrays of row numbers, each in ascending order.

    Raises:
        DataError: if the share is not between 0 and 1, or there are fewer than two rows.

    Examples:
        >>> train, validation = gr.data.split(100, share=0.2)
        >>> len(train), len(validation)
        (80, 20)
        >>> labels = np.array([0, 0, 0, 0, 1, 1])
        >>> _, validation = gr.data.split(labels, share=0.5)
        >>> labels[validation].tolist()
        [0, 0, 1]
    """
    if not is_number(share) or not 0 < share < 1:
        raise DataError(f"share must be the fraction held out, between 0 and 1, not {share!r}.")
    n, labels = _check_rows(n_or_y, stratify)
    held_out = min(max(round(n * share), 1), n - 1)
    rng = seeded_rng(seed)
    order = rng.permutation(n)
    if labels is not None:
        counts = np.bincount(labels)
        quota = _apportion(counts, held_out)
        if quota.sum() > 0:
            order = order[_first_of_each(labels[order], quota)]
            held_out = len(order)
    validation = np.sort(order[:held_out])
    train = np.setdiff1d(np.arange(n), validation, assume_unique=True)
    return train.astype(np.int32), validation.astype(np.int32)


def k_folds(
    n_or_y: int | np.ndarray, k: int = 5, seed: int = 0, stratify: bool | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split rows at random into k folds for cross-validation.

    Args:
        n_or_y: the number of rows, or their targets, as in `split`.
        k: the number of folds, from 2 to the number of rows.
        seed: the same seed draws the same folds.
        stratify: spread each class evenly over the folds; by default as in `split`.

    Returns:
        k pairs (training rows, validation rows), int32 and ascending; the sizes of the folds
        differ by at most one.

    Raises:
        DataError: if k is not in that range.

    Examples:
        >>> for train, validation in gr.data.k_folds(6, k=3):
        ...     print(len(train), len(validation))
        4 2
        4 2
        4 2
    """
    n, labels = _check_rows(n_or_y, stratify)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 2 <= k <= n:
        raise DataError(f"k must be an integer from 2 to the number of rows ({n}), not {k!r}.")
    order = seeded_rng(seed).permutation(n)
    if labels is not None:
        # Deal the rows class by class: the counts of a class differ by at most one.
        order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(n, np.int64)
    fold[order] = np.arange(n) % k
    rows = np.arange(n, dtype=np.int32)
    return [(rows[fold != index], rows[fold == index]) for index in range(k)]


def _check_rows(n_or_y: int | np.ndarray, stratify: bool | None) -> tuple[int, np.ndarray | None]:
    """Return the number of rows, and labels 0…K-1 if the split is stratified."""
    if isinstance(n_or_y, int | np.integer):
        n, y = int(n_or_y), None
    else:
        y = np.asarray(n_or_y)
        if y.ndim == 0:
            raise DataError("split takes the number of rows, or an array of labels.")
        n = len(y)
    if not 2 <= n <= MAX_INT:
        raise DataError(f"A split needs from 2 to {MAX_INT} rows, not {n}.")
    stratify = None if stratify is None else flag("stratify", stratify)
    labels = None if y is None or stratify is False else class_labels(y)
    if stratify and labels is None:
        raise DataError(
            "stratify=True needs classes: labels of shape (n,) or (n, 1), or one-hot rows."
        )
    return n, labels


def class_labels(y: np.ndarray) -> np.ndarray | None:
    """Return the labels 0…K-1 of targets that are classes, shape (n,); None for other targets.

    Classes are names, booleans or integers, (n,) or (n, 1); whole numbers of any type with at most
    `FEW_CLASSES` distinct values; and rows of zeros with a single one.
    """
    if y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind in "biuf":
        one_hot = ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()
        return y.argmax(axis=1) if one_hot else None
    if y.ndim > 2 or (y.ndim == 2 and y.shape[1] != 1):
        return None
    flat = y.reshape(-1)
    if flat.dtype.kind == "f" and not (np.isfinite(flat).all() and (flat == np.rint(flat)).all()):
        return None
    if flat.dtype.kind not in "biufUSO":
        return None
    if flat.dtype.kind == "O":
        flat = flat.astype(str)  # with None among names
    values, labels = np.unique(flat, return_inverse=True)
    return None if flat.dtype.kind == "f" and len(values) > FEW_CLASSES else labels


def _apportion(counts: np.ndarray, total: int) -> np.ndarray:
    """Divide `total` in proportion to `counts` by largest remainders, each below its count."""
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
