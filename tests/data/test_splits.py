import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

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
    several = np.eye(3)[y] + np.eye(3)[2]  # two labels a row
    for targets in (values, values[:, None], several, np.arange(200.0)):
        np.testing.assert_array_equal(split(targets, 0.25, 0)[1], split(200, 0.25, 0)[1])
        with pytest.raises(DataError, match="needs classes"):
            split(targets, 0.25, stratify=True)


def test_names_with_a_missing_one_are_split():
    train, validation = split(np.array(["a", None, "b"] * 10, dtype=object), 0.2)
    assert (len(train), len(validation)) == (24, 6)
