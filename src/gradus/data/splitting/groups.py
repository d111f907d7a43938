"""Splits by groups of rows, such as the rows of one patient, which stay whole."""

from __future__ import annotations

import numpy as np

from gradus.errors import DataError


def group_counts(codes: np.ndarray, strata: np.ndarray | None) -> np.ndarray:
    """Return the rows of each group, by class if they are stratified, (groups, classes).

    Each of several labels counts as two classes: of the rows that have it, and that lack it.

    Args:
        codes: of each row the group, 0, 1, ….
        strata: labels (n,) or flags (n, k), or None.
    """
    if strata is None:
        strata = np.zeros_like(codes)
    columns = [strata] if strata.ndim == 1 else [2 * k + flags for k, flags in enumerate(strata.T)]
    counts = np.zeros((codes.max() + 1, max(column.max() for column in columns) + 1), np.int64)
    for column in columns:
        np.add.at(counts, (codes, column), 1)
    return counts[:, counts.any(axis=0)]


def whole_groups(
    codes: np.ndarray, strata: np.ndarray | None, share: float, rng: np.random.Generator
) -> np.ndarray:
    """Return which rows are held out as whole groups.

    Groups are taken in random order while they fit and bring each class nearer to its share; then
    one more, if that does. None takes the last rows of a class from training, unless it has to.
    """
    counts = group_counts(codes, strata)
    total = counts.sum(axis=0)
    goal, most = total * share, total.sum() * share

    def distances(held: np.ndarray) -> np.ndarray:
        return np.asarray((np.square(held - goal) / total).sum(axis=-1))

    taken, held = np.zeros(len(counts), bool), np.zeros_like(total)
    for group in rng.permutation(len(counts)):
        more = held + counts[group]
        fits = more.sum() <= most and (more < total).all()
        if fits and distances(more) < distances(held):
            taken[group], held = True, more
    after = distances(held + counts)
    after[taken] = np.inf
    leaves_all = (held + counts < total).all(axis=1)
    if leaves_all.any():
        after[~leaves_all] = np.inf
    elif taken.any():
        after[:] = np.inf
    best = int(after.argmin())
    if not taken.any() or after[best] < distances(held):
        taken[best] = True
    return np.asarray(taken[codes])


def grouped_folds(
    codes: np.ndarray, strata: np.ndarray | None, k: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the fold of each row. Each group goes to the fold with least of its classes.

    That keeps the sum of the squares of the folds' counts low. Source: the greedy rule of
    scikit-learn's GroupKFold; by class, that of its StratifiedGroupKFold.
    """
    counts = group_counts(codes, strata)
    if len(counts) < k:
        raise DataError(f"k={k} folds need as many groups, but there are {len(counts)}.")
    weights = 1 / np.square(counts.sum(axis=0))
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts.sum(axis=1)[order], kind="stable")]
    in_fold = np.zeros((k, counts.shape[1]), np.int64)
    fold = np.empty(len(counts), np.int64)
    for position, group in enumerate(order):
        crowded = (in_fold * counts[group] * weights).sum(axis=1)
        if len(order) - position <= (in_fold.sum(axis=1) == 0).sum():
            crowded[in_fold.sum(axis=1) > 0] = np.inf  # so that no fold stays empty
        fold[group] = np.lexsort((in_fold.sum(axis=1), crowded))[0]
        in_fold[fold[group]] += counts[group]
    return np.asarray(fold[codes])
