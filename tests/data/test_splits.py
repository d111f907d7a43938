import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    StratifiedGroupKFold,
    TimeSeriesSplit,
    train_test_split,
)

from gradus.data import k_folds, split
from gradus.errors import DataError

labels = st.lists(st.integers(0, 6), min_size=2, max_size=60).map(np.array)


@given(labels, st.floats(0.01, 0.99), st.integers(0, 5))
def test_a_split_covers_the_rows_and_every_class_is_trained_on(y, share, seed):
    train, validation = split(y, share, seed)
    assert sorted([*train, *validation]) == list(range(len(y)))
    assert train.dtype == validation.dtype == np.int32
    assert len(train) >= 1
    assert len(validation) >= 1
    if np.bincount(y).max() > 1:
        assert set(y[train]) == set(y)
    again = split(y, share, seed)
    assert np.array_equal(train, again[0])


def test_classes_are_held_out_in_the_proportions_of_scikit_learn():
    y = np.repeat([0, 1, 2], [100, 50, 10])
    ours = np.bincount(y[split(y, 0.3)[1]])
    theirs = np.bincount(train_test_split(y, test_size=0.3, stratify=y, random_state=0)[1])
    assert ours.tolist() == theirs.tolist() == [30, 15, 3]


def test_numbers_are_not_stratified_and_seeds_differ():
    train, validation = split(10, 0.3)
    assert (len(train), len(validation)) == (7, 3)
    assert len(split(np.linspace(0, 1, 10), 0.3)[1]) == 3
    assert any(not np.array_equal(validation, split(10, 0.3, seed)[1]) for seed in (1, 2, 3))


@given(labels, st.data())
def test_each_row_validates_once_and_classes_are_spread_evenly(y, data):
    k = data.draw(st.integers(2, len(y)))
    folds = k_folds(y, k)
    assert sorted(np.concatenate([validation for _, validation in folds])) == list(range(len(y)))
    for train, validation in folds:
        assert len(train) + len(validation) == len(y)
        assert not set(train) & set(validation)
    for label in set(y):
        counts = [int((y[validation] == label).sum()) for _, validation in folds]
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: split(1),
        lambda: split(10, 0.0),
        lambda: split(10, 1.5),
        lambda: split(10, seed=-1),
        lambda: split(10, seed=0.5),
        lambda: split(np.linspace(0, 1, 5), stratify=True),
        lambda: k_folds(10, 1),
        lambda: k_folds(10, 11),
    ],
)
def test_invalid_splits_raise(call):
    with pytest.raises(DataError):
        call()


def test_classes_are_split_alike_however_they_are_written():
    y = np.zeros(200, int)
    y[[3, 60, 120, 180]] = 1
    shapes = (
        y,
        y[:, None],
        y.astype(np.float32)[:, None],
        y == 1,
        np.eye(2)[y],
        np.eye(2, dtype=int)[y],
    )
    for seed in range(20):
        expected = split(y, 0.25, seed)
        folds = k_folds(y, 4, seed)
        assert y[expected[1]].sum() == 1
        for other in shapes:
            for ours, theirs in zip(split(other, 0.25, seed), expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)
            for ours, theirs in zip(k_folds(other, 4, seed), folds, strict=True):
                np.testing.assert_array_equal(ours[1], theirs[1])
    values = np.linspace(0, 1, 200)
    for targets in (values, values[:, None], np.arange(200.0)):
        np.testing.assert_array_equal(split(targets, 0.25, 0)[1], split(200, 0.25, 0)[1])
        with pytest.raises(DataError, match="needs classes"):
            split(targets, 0.25, stratify=True)


def test_names_with_a_missing_one_are_split():
    train, validation = split(np.array(["a", None, "b"] * 10, dtype=object), 0.2)
    assert (len(train), len(validation)) == (24, 6)


# --- groups and times ----------------------------------------------------------------------------

patients = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=4, max_size=80)


@given(patients, st.floats(0.05, 0.95), st.integers(0, 5))
def test_groups_stay_whole_and_no_other_split_of_them_is_nearer_by_one_group(rows, share, seed):
    groups, y = np.array(rows).T
    if len(set(groups)) < 2:
        with pytest.raises(DataError, match="always"):
            split(y, share, seed, groups=groups)
        return
    for stratify in (None, False):
        train, held = split(y, share, seed, stratify, groups=[f"P{group}" for group in groups])
        assert sorted([*train, *held]) == list(range(len(y)))
        assert not set(groups[train]) & set(groups[held])
        assert len(train)
        assert len(held)
    # Not stratified: to add one more group would not bring the share nearer.
    left_out = [np.sum(groups == group) for group in set(groups[train])]
    gap = abs(len(held) - share * len(y))
    if len(set(groups[train])) > 1:
        assert all(abs(len(held) + more - share * len(y)) >= gap - 1e-9 for more in left_out)
    again = split(y, share, seed, False, groups=groups)
    assert np.array_equal(train, again[0])


def test_shares_of_groups_and_of_classes_are_kept_as_scikit_learn_keeps_them():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 1000)
    y = (rng.random(1000) < 0.2 + 0.3 * (groups % 3 == 0)).astype(int)
    _, held = split(y, 0.2, groups=groups)
    (_, theirs) = next(GroupShuffleSplit(1, test_size=0.2, random_state=0).split(y, y, groups))
    assert abs(len(held) - 200) <= abs(len(theirs) - 200) + 5
    assert y[held].mean() == pytest.approx(y.mean(), abs=0.03)
    assert any(set(held) != set(split(y, 0.2, seed, groups=groups)[1]) for seed in (1, 2, 3))


def test_folds_of_groups_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 40, 400) ** 2  # groups of many sizes
    ours = k_folds(400, 5, groups=groups)
    theirs = list(GroupKFold(5).split(np.zeros(400), groups=groups))
    assert sorted(len(held) for _, held in ours) == sorted(len(held) for _, held in theirs)
    y = (groups % 3 == 0).astype(int)
    by_class = StratifiedGroupKFold(5).split(np.zeros(400), y, groups)
    spread = max(abs(y[held].mean() - y.mean()) for _, held in by_class)
    held_once = []
    for train, held in k_folds(y, 5, groups=groups):
        assert not set(groups[train]) & set(groups[held])
        assert abs(y[held].mean() - y.mean()) <= spread + 0.05
        held_once += held.tolist()
    assert sorted(held_once) == list(range(400))


@given(st.lists(st.integers(0, 8), min_size=2, max_size=50), st.floats(0.05, 0.95))
def test_the_latest_rows_are_held_out_and_no_time_is_divided(times, share):
    times = np.array(times)
    if len(set(times.tolist())) < 2:
        with pytest.raises(DataError, match="always"):
            split(len(times), share, times=times)
        return
    train, held = split(len(times), share, times=times)
    assert times[train].max() < times[held].min()
    gap = abs(len(held) - share * len(times))
    cuts = [(times >= first).sum() for first in set(times.tolist()) - {times.min()}]
    assert gap == pytest.approx(min(abs(cut - share * len(times)) for cut in cuts))


def test_times_may_be_dates_and_are_those_of_scikit_learn_if_none_is_twice():
    days = np.datetime64("2024-01-01") + np.random.default_rng(0).permutation(60)
    train, held = split(60, 0.25, times=days)
    *_, (theirs_train, theirs) = TimeSeriesSplit(3).split(np.zeros(60))
    order = np.argsort(days)
    assert set(held) == set(order[theirs])
    assert set(train) == set(order[theirs_train])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: split(4, groups=[1, 1, 2]), "one of each of the 4 rows"),
        (lambda: split(4, groups=["a", None, "b", "c"]), "missing in 1 rows.* row 1"),
        (lambda: split(4, times=[1.0, np.nan, 2.0, np.nan]), "missing in 2 rows"),
        (lambda: split(4, times=["a", 1, None, 2]), "missing"),
        (lambda: split(4, times=np.array(["a", 1, (), 2], object)), "cannot be ordered"),
        (lambda: split(4, groups=[1, 1, 2, 2], times=[1, 2, 3, 4]), "not both"),
        (lambda: split(np.array([0, 1, 0, 1]), stratify=True, times=[1, 2, 3, 4]), "as they come"),
        (lambda: k_folds(4, 3, groups=[1, 1, 2, 2]), "k=3 folds need as many groups.* 2"),
    ],
)
def test_groups_and_times_that_cannot_be_split_say_why(call, message):
    with pytest.raises(DataError, match=message):
        call()


RARE = np.random.default_rng(0).random((600, 5)) < [0.5, 0.3, 0.9, 0.04, 0.01]


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_several_labels_are_held_out_in_proportion(share):
    _, held = split(RARE, share)
    assert np.abs(RARE[held].sum(axis=0) - share * RARE.sum(axis=0)).max() <= 1
    assert abs(len(held) - share * len(RARE)) <= 2
    folds = [held for _, held in k_folds(RARE.astype(float), 4)]
    assert sorted(np.concatenate(folds)) == list(range(600))
    counts = np.array([RARE[held].sum(axis=0) for held in folds])
    assert np.ptp(counts, axis=0).max() <= 2
    assert np.ptp([len(held) for held in folds]) <= 3


def test_a_random_split_of_several_labels_is_further_from_their_proportions():
    _, drawn = split(RARE, 0.25, stratify=False)
    assert np.abs(RARE[drawn].sum(axis=0) - 0.25 * RARE.sum(axis=0)).max() > 1


def test_whole_groups_of_several_labels_come_near_their_proportions():
    groups = np.random.default_rng(1).integers(0, 150, 600)
    folds = [held for _, held in k_folds(RARE, 3, groups=groups)]
    _, held = split(RARE, 1 / 3, groups=groups)
    for rows in (*folds, held):
        assert not set(groups[rows]) & set(np.delete(groups, rows))
        assert np.abs(RARE[rows].sum(axis=0) - RARE.sum(axis=0) / 3).max() <= 12


def test_several_targets_are_stratified_by_those_that_are_classes():
    color, size = np.repeat(["red", "green", "blue"], [300, 280, 20]), RARE[:, 3].astype(int)
    _, held = split({"color": color, "size": size, "price": np.arange(600) / 7}, 0.2)
    assert [(color[held] == name).sum() for name in ("red", "green", "blue")] == [60, 56, 4]
    assert abs(size[held].sum() - size.sum() / 5) <= 1
    alone = split({"size": size, "price": np.arange(600) / 7}, 0.2)
    assert np.array_equal(alone[1], split(size, 0.2)[1])


@pytest.mark.parametrize(("n", "k"), [(100, 5), (23, 4), (7, 3)])
def test_windows_of_time_are_those_of_scikit_learn_if_no_time_is_twice(n, k):
    times = np.random.default_rng(n).permutation(n)
    rows = np.argsort(times)
    theirs = TimeSeriesSplit(k).split(rows)
    for (train, held), (earlier, later) in zip(k_folds(n, k, times=times), theirs, strict=True):
        assert train.tolist() == sorted(rows[earlier])
        assert held.tolist() == sorted(rows[later])


def test_no_time_is_divided_between_windows():
    years = np.repeat(np.arange(2015, 2025), [9, 1, 14, 3, 8, 10, 10, 6, 4, 15])
    folds = k_folds(len(years), 3, times=years)
    for train, held in folds:
        assert years[train].max() < years[held].min()
    ends = [0, *(len(train) for train, _ in folds), len(years)]
    assert [len(held) for _, held in folds] == np.diff(ends)[1:].tolist()
    with pytest.raises(DataError, match=r"k=6 folds by time .* 4 different times"):
        k_folds(len(years), 6, times=np.minimum(years, 2018))
