"""Strata of rows, their classes or labels, which a split holds out in proportion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

FEW_CLASSES = 20  # as many whole floats, or fewer, are classes
MOST_LABELS = 100  # of a row, beyond which columns of 0 and 1 are images, or the like


def find_strata(y: Any) -> np.ndarray | None:
    """Return the labels (n,) of targets that are classes, or flags (n, k) of several labels.

    Several targets, a dict, are stratified by all that are classes. None if there are no classes.
    """
    if isinstance(y, Mapping):
        of_each = (class_labels(np.asarray(values)) for values in y.values())
        found = [labels for labels in of_each if labels is not None]
        return found[0] if len(found) == 1 else _joined(found) if found else None
    labels = class_labels(y)
    return _flags(y) if labels is None else labels


def _joined(several: list[np.ndarray]) -> np.ndarray:
    """Return flags of the classes of several targets, of two classes those of the second."""
    parts = []
    for labels in several:
        flags = (labels[:, None] == np.arange(labels.max() + 1)).astype(np.int64)
        parts.append(flags[:, 1:] if flags.shape[1] == 2 else flags)
    return np.concatenate(parts, axis=1)


def _flags(y: np.ndarray) -> np.ndarray | None:
    """Return flags of several labels, int64 (n, k); None for other targets."""
    if y.ndim != 2 or not 1 < y.shape[1] <= MOST_LABELS or y.dtype.kind not in "biuf":
        return None
    return y.astype(np.int64) if ((y == 0) | (y == 1)).all() else None


def _is_one_hot(y: np.ndarray) -> bool:
    """Whether each row has zeros and a single one."""
    return bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())


def class_labels(y: np.ndarray) -> np.ndarray | None:
    """Return the labels 0…K-1 of targets that are classes, shape (n,); None for other targets.

    Classes are names, booleans or integers, (n,) or (n, 1); whole numbers of any type with at most
    `FEW_CLASSES` distinct values; and rows of zeros with a single one.
    """
    if y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind in "biuf":
        # The first rows rule out nearly all other targets, such as images, at little cost.
        return y.argmax(axis=1) if _is_one_hot(y[:100]) and _is_one_hot(y) else None
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


def apportion(counts: np.ndarray, total: int) -> np.ndarray:
    """Divide `total` in proportion to `counts` by largest remainders, each below its count."""
    exact = counts * total / counts.sum()
    quota = np.minimum(np.floor(exact).astype(int), np.maximum(counts - 1, 0))
    for index in np.argsort(quota - exact, kind="stable"):
        if quota.sum() < total and quota[index] < counts[index] - 1:
            quota[index] += 1
    return quota


def first_of_each(labels: np.ndarray, quota: np.ndarray) -> np.ndarray:
    """Return the positions of the first `quota[c]` labels of each class c."""
    by_class = np.argsort(labels, kind="stable")
    starts = np.cumsum(np.bincount(labels)) - np.bincount(labels)
    rank = np.empty(len(labels), int)
    rank[by_class] = np.arange(len(labels)) - starts[labels[by_class]]
    return np.flatnonzero(rank < quota[labels])


def spread_labels(flags: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the part of each row, so that each part has its share of the rows with each label.

    The rarest label is divided first, as its rows leave the least choice; then the rarest of the
    rows that are left, and so on; rows without a label fill the parts up. Source: Sechidis et al.
    (2011), "On the stratification of multi-label data", whose rows of one label are divided here
    all at once.

    Args:
        flags: 0 and 1, (n, k).
        shares: of the parts, with the sum 1; a label of few rows goes to the larger ones first.
        rng: draws the rows.
    """
    part = np.full(len(flags), -1)
    rows_wanted, wanted = len(flags) * shares, flags.sum(axis=0)[:, None] * shares
    while (left := part < 0).any():
        counts = flags[left].sum(axis=0)
        label = int(np.where(counts > 0, counts, len(flags) + 1).argmin()) if counts.any() else None
        chosen = left if label is None else left & (flags[:, label] == 1)
        rows = rng.permutation(np.flatnonzero(chosen))
        quota = _divide(len(rows), rows_wanted if label is None else wanted[label], rows_wanted)
        part[rows] = np.repeat(np.arange(len(shares)), quota)
        rows_wanted = rows_wanted - quota
        for index in range(len(shares)):
            wanted[:, index] -= flags[rows[part[rows] == index]].sum(axis=0)
    return part


def _divide(count: int, wanted: np.ndarray, rows_wanted: np.ndarray) -> np.ndarray:
    """Divide a count by what is wanted, by largest remainders, then by what lacks most rows."""
    wanted = np.maximum(wanted, 0)
    if not wanted.any():
        wanted = np.maximum(rows_wanted, 0) + 1e-9
    exact = count * wanted / wanted.sum()
    quota = np.floor(exact + 1e-9).astype(int)
    order = np.lexsort((-rows_wanted, np.round(quota - exact, 9)))
    quota[order[: count - quota.sum()]] += 1
    return np.asarray(quota)
