"""Errors by sample, and comparisons, against arithmetic by hand and SciPy."""

import numpy as np
import pytest
from scipy import stats

from gradus.doctor.scores import (
    LARGEST,
    compare,
    constant_errors,
    no_worse_than_constant,
    sample_errors,
)
from gradus.models.supervised import make_supervised

CLASSES = make_supervised("sparse_categorical_crossentropy")


def errors(task, kind, predicted, y, trained_on=None):
    trained_on = y if trained_on is None else trained_on
    return sample_errors(task, [kind], np.asarray(predicted), np.asarray(y), np.asarray(trained_on))


def test_classes_are_right_or_wrong():
    predicted = [[0.1, 0.9], [0.8, 0.2], [0.4, 0.6], [np.nan, 1.0]]
    assert errors(CLASSES, "classes", predicted, [1, 1, 1, 1]).tolist() == [0, 1, 0, 1]
    hot = make_supervised("categorical_crossentropy")
    assert errors(hot, "classes", predicted[:2], [[0, 1], [0, 1]]).tolist() == [0, 1]
    flag = make_supervised("binary_crossentropy")
    assert errors(flag, "classes", [[0.7], [0.2]], [[1], [1]]).tolist() == [0, 1]
    hinge = make_supervised("hinge")  # decides at 0
    assert errors(hinge, "classes", [[0.2], [-0.2]], [[1], [1]]).tolist() == [0, 1]


def test_numbers_that_stand_for_classes_go_to_the_nearest():
    squared = make_supervised("mse")
    assert errors(squared, "classes", [[2.4], [0.6], [7.0]], [2, 0, 3]).tolist() == [0, 1, 1]


def test_steps_of_a_sequence_and_flags_are_shares():
    predicted = np.eye(3)[[[0, 1, 2, 2]]]
    assert errors(CLASSES, "classes", predicted, [[0, 1, 1, 1]]).tolist() == [0.5]
    flags = make_supervised("binary_crossentropy")
    assert errors(flags, "flags", [[0.9, 0.1, 0.9, 0.9]], [[1, 1, 1, 0]]).tolist() == [0.5]


def test_numbers_are_in_variances_of_the_training_targets():
    trained_on = np.array([[0.0, 0.0], [4.0, 2.0]])  # variances 4 and 1
    found = errors(make_supervised("mae"), "values", [[2.0, 1.0]], [[4.0, 0.0]], trained_on)
    assert found.tolist() == [(4 + 1) / (4 + 1)]
    lost = errors(
        make_supervised("mse"), "values", [[np.nan], [1e9]], [[0.0], [0.0]], [[0.0], [2.0]]
    )
    assert lost.tolist() == [LARGEST, LARGEST]


def test_columns_of_an_output_count_as_in_a_squared_loss(rng):
    """A constant has an error of 1, however little a column varies, and a good network less."""
    y = rng.normal(size=(500, 4)) * [1.0, 1e-3, 1e-3, 0.0]
    squared = make_supervised("mse")
    constant = errors(squared, "values", np.tile(y.mean(0), (500, 1)), y)
    assert constant.mean() == pytest.approx(1)
    near = y * [0.9, 0.0, 0.0, 0.0] + [0.0, 0.1, 0.1, 0.1]
    expected = ((near - y) ** 2).sum() / 500 / y.var(axis=0).sum()
    found = errors(squared, "values", near, y).mean()
    assert found == pytest.approx(expected)
    assert found < 0.05
    # What does not vary at all divides by nothing, and what is no number is the largest error.
    assert errors(squared, "values", [[0.5, 0.1]], [[0.0, 0.0]]).tolist() == [(0.25 + 0.01) / 2]
    assert errors(squared, "values", [[np.nan, 0.0]], [[0.0, 0.0]]).tolist() == [LARGEST]


def test_one_column_is_in_its_own_variances(rng):
    predicted, y, trained_on = rng.normal(size=(3, 50, 1)) * 7
    expected = (predicted - y) ** 2 / trained_on.var(axis=0)
    found = errors(make_supervised("mse"), "values", predicted, y, trained_on)
    np.testing.assert_array_equal(found, expected[:, 0])


def test_a_training_that_failed_counts_as_a_constant_prediction():
    assert no_worse_than_constant(np.array([8.0, 0.0])).tolist() == [2, 0]  # of mean 1
    for kept in ([0.0, 1.0], [np.inf, np.inf]):
        assert no_worse_than_constant(np.array(kept)).tolist() == kept


def test_several_outputs_are_averaged():
    task = make_supervised({"label": "sparse_categorical_crossentropy", "size": "mse"})
    predicted = {"label": np.array([[0.9, 0.1]]), "size": np.array([[1.0]])}
    y = {"label": np.array([1]), "size": np.array([[3.0]])}
    trained_on = {"label": np.array([0, 1]), "size": np.array([[0.0], [4.0]])}
    found = sample_errors(task, ["classes", "values"], predicted, y, trained_on)
    assert found.tolist() == [(1 + 4 / 4) / 2]


def test_a_constant_prediction_is_the_most_frequent_target_or_the_mean():
    y, trained_on = np.array([0, 1, 1]), np.array([0, 1, 0])
    for of, seen in ((y, trained_on), (np.eye(2)[y], np.eye(2)[trained_on])):
        assert constant_errors(CLASSES, ["classes"], of, seen).tolist() == [0, 1, 1]
    flags = make_supervised("binary_crossentropy")
    seen = np.array([[1, 0], [1, 1], [0, 0]])
    assert constant_errors(flags, ["flags"], seen, seen).tolist() == [0, 0.5, 0.5]
    numbers = np.array([[0.0], [4.0]])  # of mean 2 and variance 4
    squared = make_supervised("mse")
    assert constant_errors(squared, ["values"], np.array([[2.0], [6.0]]), numbers).tolist() == [
        0,
        4,
    ]


def test_the_noise_of_one_seed_is_that_of_paired_samples(rng):
    before, after = rng.normal(1, 1, 50), rng.normal(0.5, 1, 50)
    found = compare([before], [after])
    assert found.gain == pytest.approx(np.mean(before - after))
    assert found.noise == pytest.approx(stats.sem(before - after, ddof=0))


def test_the_noise_of_several_seeds_adds_theirs(rng):
    before, after = rng.normal(1, 1, (4, 50)), rng.normal(0.5, 1, (4, 50))
    gains = before - after
    found = compare(list(before), list(after))
    of_seeds, of_samples = stats.sem(gains.mean(1)), stats.sem(gains.mean(0), ddof=0)
    assert found.noise == pytest.approx(np.hypot(of_seeds, of_samples))


def test_seeds_that_are_all_better_are_no_noise_however_much_they_differ(rng):
    """A training that fails with one seed of three: by hand, gains of 0.6, 0.2, and 0.1."""
    before = [np.arange(100) < count for count in (75, 35, 25)]
    after = [np.arange(100) < 15] * 3
    found = compare([each.astype(float) for each in before], [each.astype(float) for each in after])
    assert found.gain == pytest.approx(0.3)
    assert found.noise < 0.05 < stats.sem([0.6, 0.2, 0.1])
    # Of six errors the three smallest are those of one training: 1 of 20 ways, as SciPy counts.
    ranks = stats.mannwhitneyu([75, 35, 25], [15, 14, 13], alternative="greater", method="exact")
    assert ranks.pvalue == pytest.approx(1 / 20)
    # One of the others is no worse than the training as it is with its best seed.
    after[1] = np.arange(100) < 25
    mixed = compare([each.astype(float) for each in before], [each.astype(float) for each in after])
    assert mixed.noise > stats.sem([0.6, 0.1, 0.1])
    # Two seeds of each are all better by chance in 1 of 6: too often.
    two = compare([before[0] * 1.0, before[1] * 1.0], [after[0] * 1.0] * 2)
    assert two.noise > stats.sem([0.6, 0.2])


def test_a_gain_must_be_beyond_noise_and_matter():
    one = np.tile([0.0, 1.0], 50)
    assert not compare([one], [one]).helps
    assert compare([one], [0 * one]).helps
    assert not compare([one], [one * 0.99]).helps  # sure, but a hundredth of the error
    assert not compare([one], [1 - one * 1.2]).helps


def test_what_could_not_be_trained_is_no_better_and_warns_of_nothing():
    one, lost = np.ones(4), np.full(4, np.inf)
    found = compare([one], [lost])
    assert (found.after, found.helps) == (np.inf, False)
    assert compare([lost], [one]).helps
    assert not compare([lost], [lost]).helps


def test_equal_is_said_only_where_there_are_samples_enough(rng):
    few, many = rng.normal(1, 1, (2, 20)), rng.normal(1, 1, (2, 20_000))
    assert not compare([few[0]], [few[1]]).is_equal
    assert compare([many[0]], [many[1]]).is_equal
    assert not compare([many[0]], [many[1] - 0.5]).is_equal
