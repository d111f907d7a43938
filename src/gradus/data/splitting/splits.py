"""Splits into training and validation rows: at random, by groups of rows, or by time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradus.checks import MAX_INT, flag, is_number, shown
from gradus.data.splitting.groups import grouped_folds, whole_groups
from gradus.data.splitting.strata import (
    apportion,
    find_strata,
    first_of_each,
    spread_labels,
)
from gradus.errors import DataError
from gradus.foreign_names.arguments import explain_arguments
from gradus.rng import seeded_rng


@explain_arguments
def split(
    n_or_y: int | np.ndarray | Mapping[str, np.ndarray],
    share: float = 0.2,
    seed: int = 0,
    stratify: bool | None = None,
    *,
    groups: Any = None,
    times: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows into training and validation rows: at random, or the latest ones.

    A stratified split holds out each class in proportion (largest remainders), but keeps at least
    one row of each in training. Where a row may have several labels, each of them is held out as
    nearly in proportion as the others allow (iterative stratification, Sechidis et al. 2011). With
    groups, all come as near to that as whole groups do.

    Args:
        n_or_y: the number of rows, or their targets; classes are labels, (n,) or (n, 1), or one-hot
            rows; several labels of a row are 0 and 1, (n, k); several targets are a dict of such.
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
        >>> flags = np.array([[1, 1], [1, 0], [0, 1], [1, 0], [0, 1], [1, 1]])
        >>> _, validation = gr.data.split(flags, share=0.5)
        >>> flags[validation].sum(axis=0).tolist()
        [2, 2]
        >>> _, validation = gr.data.split(6, share=0.5, groups=["a", "b", "a", "b", "c", "c"])
        >>> len(validation)
        2
        >>> _, validation = gr.data.split(5, share=0.2, times=[2024, 2021, 2024, 2022, 2023])
        >>> validation.tolist()
        [0, 2]
    """
    if not is_number(share) or not 0 < share < 1:
        raise DataError(
            f"share must be the fraction held out, between 0 and 1, not {shown(share)}."
        )
    if groups is not None and times is not None:
        raise DataError("split takes groups or times, not both.")
    n, strata = _check_rows(n_or_y, stratify)
    if times is not None:
        if stratify:
            raise DataError("stratify=True: a split by time takes the classes as they come.")
        return _masked(_latest(_codes(times, n, "times"), share))
    rng = seeded_rng(seed)
    if groups is not None:
        return _masked(whole_groups(_codes(groups, n, "groups"), strata, share, rng))
    if strata is not None and strata.ndim == 2:
        held = spread_labels(strata, np.array([1 - share, share]), rng) == 1
        if 0 < held.sum() < n:
            return _masked(held)
        strata = None  # so few rows that a part would have none
    held_out = min(max(round(n * share), 1), n - 1)
    order = rng.permutation(n)
    if strata is not None:
        counts = np.bincount(strata)
        quota = apportion(counts, held_out)
        if quota.sum() > 0:
            order = order[first_of_each(strata[order], quota)]
            held_out = len(order)
    held = np.zeros(n, bool)
    held[order[:held_out]] = True
    return _masked(held)


@explain_arguments
def k_folds(
    n_or_y: int | np.ndarray | Mapping[str, np.ndarray],
    k: int = 5,
    seed: int = 0,
    stratify: bool | None = None,
    *,
    groups: Any = None,
    times: Any = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split rows into k folds for cross-validation: at random, or each later than its training.

    Args:
        n_or_y: the number of rows, or their targets, as in `split`.
        k: the number of folds, from 2 to the number of rows.
        seed: the same seed draws the same folds.
        stratify: spread each class evenly over the folds; by default as in `split`.
        groups: of each row the group that stays whole, (n,). The largest ones are dealt first, each
            to the fold that has least of its rows, or of its classes; the seed orders equal ones.
        times: of each row a number or a date, (n,). The folds are windows of equal size at the end,
            in the order of time, and the rows before each of them, ever more, are its training
            rows, as of scikit-learn's TimeSeriesSplit; but no time is divided between windows.

    Returns:
        k pairs (training rows, validation rows), int32 and ascending. At random, the sizes of the
        folds differ by at most one, or of several labels by a few.

    Raises:
        DataError: if k is not in that range, or there are fewer groups, or times, than folds take.

    Examples:
        >>> for train, validation in gr.data.k_folds(6, k=3):
        ...     print(len(train), len(validation))
        4 2
        4 2
        4 2
        >>> [held.tolist() for _, held in gr.data.k_folds(5, k=2, groups=["a", "a", "b", "b", "a"])]
        [[0, 1, 4], [2, 3]]
        >>> folds = gr.data.k_folds(6, k=2, times=[2021, 2022, 2023, 2024, 2025, 2026])
        >>> [(train.tolist(), held.tolist()) for train, held in folds]
        [([0, 1], [2, 3]), ([0, 1, 2, 3], [4, 5])]
    """
    if groups is not None and times is not None:
        raise DataError("k_folds takes groups or times, not both.")
    n, strata = _check_rows(n_or_y, stratify)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 2 <= k <= n:
        raise DataError(f"k must be an integer from 2 to the number of rows ({n}), not {k!r}.")
    if times is not None:
        if stratify:
            raise DataError("stratify=True: folds by time take the classes as they come.")
        return _windows(_codes(times, n, "times"), int(k))
    rng = seeded_rng(seed)
    if groups is not None:
        fold = grouped_folds(_codes(groups, n, "groups"), strata, int(k), rng)
    elif strata is not None and strata.ndim == 2:
        fold = spread_labels(strata, np.full(k, 1 / k), rng)
    else:
        order = rng.permutation(n)
        if strata is not None:
            # Deal the rows class by class: the counts of a class differ by at most one.
            order = order[np.argsort(strata[order], kind="stable")]
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


def _windows(codes: np.ndarray, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the rows before each of k windows of time, and those in it.

    Windows begin where those of n // (k + 1) rows would, or at the nearest beginning of a time.
    """
    n, starts = len(codes), np.cumsum(np.bincount(codes))[:-1]  # of each time but the first
    size = n // (k + 1)
    wanted = n - size * np.arange(k, 0, -1)
    nearest = starts[np.abs(starts[:, None] - wanted).argmin(axis=0)]
    if size == 0 or len(np.unique(nearest)) < k:
        raise DataError(
            f"k={k} folds by time need more rows, or times, than these {n:,} rows of "
            f"{codes.max() + 1:,} different times: write a smaller number of folds."
        )
    rank = np.searchsorted(nearest, np.concatenate([[0], starts])[codes], side="right")
    return [
        (
            np.flatnonzero(rank < fold).astype(np.int32),
            np.flatnonzero(rank == fold).astype(np.int32),
        )
        for fold in range(1, k + 1)
    ]


def _check_rows(n_or_y: Any, stratify: bool | None) -> tuple[int, np.ndarray | None]:
    """Return the number of rows, and if the split is stratified labels (n,) or flags (n, k)."""
    y: Any = None
    if isinstance(n_or_y, int | np.integer):
        n = int(n_or_y)
    elif isinstance(n_or_y, Mapping) and n_or_y:
        y = {name: np.atleast_1d(values) for name, values in n_or_y.items()}
        sizes = {name: len(values) for name, values in y.items()}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{name!r} {size}" for name, size in sizes.items())
            raise DataError(f"The targets have different numbers of rows: {told}.")
        n = next(iter(sizes.values()))
    else:
        y = np.asarray(n_or_y)
        if y.ndim == 0:
            raise DataError("split takes the number of rows, or an array of labels.")
        n = len(y)
    if not 2 <= n <= MAX_INT:
        raise DataError(f"A split needs from 2 to {MAX_INT} rows, not {n}.")
    stratify = None if stratify is None else flag("stratify", stratify)
    strata = None if y is None or stratify is False else find_strata(y)
    if stratify and strata is None:
        raise DataError(
            "stratify=True needs classes: labels of shape (n,) or (n, 1), one-hot rows, or 0 and 1 "
            "for each of several labels, (n, k)."
        )
    return n, strata
