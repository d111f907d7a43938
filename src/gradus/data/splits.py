"""Splits into training and validation rows: at random, by groups of rows, or by time."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.checks import MAX_INT, flag, is_number
from gradus.errors import DataError
from gradus.rng import seeded_rng

FEW_CLASSES = 20  # as many whole floats, or fewer, are classes


def split(
    n_or_y: int | np.ndarray,
    share: float = 0.2,
    seed: int = 0,
    stratify: bool | None = None,
    *,
    groups: Any = None,
    times: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows into training and validation rows: at random, or the latest ones.

    A stratified split holds out each class in proportion (largest remainders), but keeps at least
    one row of each in training. With groups, both come as near to that as whole groups do.

    Args:
        n_or_y: the number of rows, or their targets; classes are labels, (n,) or (n, 1), or one-hot
            rows.
        share: the fraction held out for validation, between 0 and 1; at least one row.
        seed: the same seed draws the same rows.
        stratify: by class; by default if the targets are classes, except by time.
        groups: of each row the group, such as a patient, that stays whole, (n,).
        times: of each row a number or a date, (n,): the latest rows are held out, and none that is
            as late as one for training.

    Returns:
        Two disjoint int32 arrays of row numbers, each in ascending order.

    Raises:
        DataError: if the share is not between 0 and 1, there are fewer than two rows, groups, or
            times, or a group or a time is missing.

    Examples:
        >>> train, validation = gr.data.split(100, share=0.2)
        >>> len(train), len(validation)
        (80, 20)
        >>> labels = np.array([0, 0, 0, 0, 1, 1])
        >>> _, validation = gr.data.split(labels, share=0.5)
        >>> labels[validation].tolist()
        [0, 0, 1]
        >>> _, validation = gr.data.split(6, share=0.5, groups=["a", "b", "a", "b", "c", "c"])
        >>> len(validation)
        2
        >>> _, validation = gr.data.split(5, share=0.2, times=[2024, 2021, 2024, 2022, 2023])
        >>> validation.tolist()
        [0, 2]
    """
    if not is_number(share) or not 0 < share < 1:
        raise DataError(f"share must be the fraction held out, between 0 and 1, not {share!r}.")
    if groups is not None and times is not None:
        raise DataError("split takes groups or times, not both.")
    n, labels = _check_rows(n_or_y, stratify)
    if times is not None:
        if stratify:
            raise DataError("stratify=True: a split by time takes the classes as they come.")
        return _masked(_latest(_codes(times, n, "times"), share))
    rng = seeded_rng(seed)
    if groups is not None:
        return _masked(_whole_groups(_codes(groups, n, "groups"), labels, share, rng))
    held_out = min(max(round(n * share), 1), n - 1)
    order = rng.permutation(n)
    if labels is not None:
        counts = np.bincount(labels)
        quota = _apportion(counts, held_out)
        if quota.sum() > 0:
            order = order[_first_of_each(labels[order], quota)]
            held_out = len(order)
    held = np.zeros(n, bool)
    held[order[:held_out]] = True
    return _masked(held)


def k_folds(
    n_or_y: int | np.ndarray,
    k: int = 5,
    seed: int = 0,
    stratify: bool | None = None,
    *,
    groups: Any = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split rows at random into k folds for cross-validation.

    Args:
        n_or_y: the number of rows, or their targets, as in `split`.
        k: the number of folds, from 2 to the number of rows.
        seed: the same seed draws the same folds.
        stratify: spread each class evenly over the folds; by default as in `split`.
        groups: of each row the group that stays whole, (n,). The largest ones are dealt first, each
            to the fold that has least of its rows, or of its classes; the seed orders equal ones.

    Returns:
        k pairs (training rows, validation rows), int32 and ascending; without groups, the sizes of
        the folds differ by at most one.

    Raises:
        DataError: if k is not in that range, or there are fewer groups than folds.

    Examples:
        >>> for train, validation in gr.data.k_folds(6, k=3):
        ...     print(len(train), len(validation))
        4 2
        4 2
        4 2
        >>> [held.tolist() for _, held in gr.data.k_folds(5, k=2, groups=["a", "a", "b", "b", "a"])]
        [[0, 1, 4], [2, 3]]
    """
    n, labels = _check_rows(n_or_y, stratify)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 2 <= k <= n:
        raise DataError(f"k must be an integer from 2 to the number of rows ({n}), not {k!r}.")
    rng = seeded_rng(seed)
    if groups is not None:
        fold = _grouped_folds(_codes(groups, n, "groups"), labels, int(k), rng)
        return [_masked(fold == index) for index in range(k)]
    order = rng.permutation(n)
    if labels is not None:
        # Deal the rows class by class: the counts of a class differ by at most one.
        order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(n, np.int64)
    fold[order] = np.arange(n) % k
    return [_masked(fold == index) for index in range(k)]


def _masked(held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the rows that are not held out, and of those that are."""
    return np.flatnonzero(~held).astype(np.int32), np.flatnonzero(held).astype(np.int32)


def _codes(values: Any, n: int, name: str) -> np.ndarray:
    """Return 0, 1, … for the distinct values of n rows, in their order."""
    array = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
    if array.shape != (n,):
        raise DataError(f"{name} has shape {array.shape}; write one of each of the {n} rows.")
    missing = array != array  # noqa: PLR0124 - NaN and NaT
    if array.dtype.kind == "O":
        missing = np.array([value is None or value != value for value in array])  # noqa: PLR0124
    if missing.any():
        raise DataError(
            f"{name} is missing in {missing.sum()} rows, the first of them row {missing.argmax()} "
            "(counted from 0): fill them in, or leave these rows out."
        )
    try:
        distinct, codes = np.unique(array, return_inverse=True)
    except TypeError:
        raise DataError(f"{name} has values that cannot be ordered: write one type.") from None
    if len(distinct) < 2:
        raise DataError(f"{name} is always {distinct[0]}: a split needs at least 2 of them.")
    return codes


def _latest(codes: np.ndarray, share: float) -> np.ndarray:
    """Return which rows are held out by time: about a share of them, and no time in part."""
    until = np.cumsum(np.bincount(codes))[:-1]  # rows up to each time but the last
    last = int(np.abs(until - len(codes) * (1 - share)).argmin())
    return codes > last


def _group_counts(codes: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """Return the rows of each group, by class if they are stratified, (groups, classes)."""
    labels = np.zeros_like(codes) if labels is None else labels
    counts = np.zeros((codes.max() + 1, labels.max() + 1), np.int64)
    np.add.at(counts, (codes, labels), 1)
    return counts


def _whole_groups(
    codes: np.ndarray, labels: np.ndarray | None, share: float, rng: np.random.Generator
) -> np.ndarray:
    """Return which rows are held out as whole groups.

    Groups are taken in random order while they fit and bring each class nearer to its share; then
    one more, if that does. None takes the last rows of a class from training, unless it has to.
    """
    counts = _group_counts(codes, labels)
    total = counts.sum(axis=0)
    goal, most = total * share, len(codes) * share

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


def _grouped_folds(
    codes: np.ndarray, labels: np.ndarray | None, k: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the fold of each row. Each group goes to the fold with least of its classes.

    That keeps the sum of the squares of the folds' counts low. Source: the greedy rule of
    scikit-learn's GroupKFold; by class, that of its StratifiedGroupKFold.
    """
    counts = _group_counts(codes, labels)
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
