"""The perceptron against a loop written by hand, and against what is known of AND, OR and XOR."""

import numpy as np
import pytest

from gradus.errors import DataError
from gradus.models.perceptron import Perceptron
from gradus.rng import host_rng

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)


def by_hand(x, y, rate, epochs, shuffle_seed):
    """The rule as the textbook has it, in NumPy."""
    w, b, errors = np.zeros(x.shape[1]), 0.0, []
    for epoch in range(epochs):
        wrong = 0
        for row in host_rng(shuffle_seed, "order", str(epoch)).permutation(len(x)):
            guess = float(x[row] @ w + b > 0)
            w, b = w + rate * (y[row] - guess) * x[row], b + rate * (y[row] - guess)
            wrong += guess != y[row]
        errors.append(wrong)
        if not wrong:
            break
    return w, b, errors


@pytest.mark.parametrize("targets", [[0, 0, 0, 1], [0, 1, 1, 1], [0, 1, 1, 0]])
@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_weights_and_errors_are_those_of_the_rule(targets, rate):
    y = np.array(targets, np.float32)
    model = Perceptron(learning_rate=rate)
    history = model.fit(CORNERS, y, epochs=20, shuffle_seed=3, verbose=False)
    w, b, errors = by_hand(CORNERS, y, rate, 20, 3)
    np.testing.assert_array_equal(history["errors"], errors)
    np.testing.assert_allclose(model.weights["kernel"][:, 0], w, atol=1e-6)
    np.testing.assert_allclose(model.weights["bias"], [b], atol=1e-6)


def test_it_separates_and_and_or_and_says_that_it_cannot_xor():
    for targets in ([0, 0, 0, 1], [0, 1, 1, 1]):
        model = Perceptron()
        model.fit(CORNERS, targets, verbose=False)
        assert model.separated
        assert model.history.stopped == "target"
        assert model.predict_classes(CORNERS).tolist() == targets
        assert model.evaluate(CORNERS, targets)["errors"] == 0
    model = Perceptron()
    model.fit(CORNERS, [0, 1, 1, 0], epochs=50, verbose=False)
    assert not model.separated
    assert model.history.epochs == 50
    assert "XOR" in model.history.notes[-1]


def test_several_units_learn_side_by_side():
    both = np.array([[0, 0], [0, 1], [0, 1], [1, 1]])  # AND and OR
    model = Perceptron(units=2)
    model.fit(CORNERS, both, verbose=False)
    assert model.separated
    np.testing.assert_array_equal(model.predict_classes(CORNERS), both)


def test_a_threshold_stands_for_a_bias():
    model = Perceptron(threshold=0.5)
    model.fit(CORNERS, [0, 0, 0, 1], verbose=False)
    z = CORNERS @ model.weights["kernel"] + model.weights["bias"]
    np.testing.assert_array_equal(model.predict_classes(CORNERS), (z[:, 0] > 0.5).astype(int))
    assert model.separated


def test_it_is_saved_and_loaded(tmp_path):
    model = Perceptron(threshold=0.5)
    model.fit(CORNERS, [0, 1, 1, 1], verbose=False)
    again = Perceptron.load(model.save(tmp_path / "or"))
    assert isinstance(again, Perceptron)
    np.testing.assert_array_equal(again.predict_classes(CORNERS), [0, 1, 1, 1])
    assert again.separated


@pytest.mark.parametrize(
    ("targets", "message"),
    [([1, 2, 1, 2], "write 0 and 1"), ([[0, 1]] * 4, r"write \(n,\) for one unit")],
)
def test_targets_that_are_no_decisions_are_refused(targets, message):
    with pytest.raises(DataError, match=message):
        Perceptron().fit(CORNERS, targets, verbose=False)


def test_its_rate_is_not_blamed():
    model = Perceptron(learning_rate=10.0)
    model.fit(CORNERS, CORNERS.all(1), epochs=30, verbose=False)
    assert model.separated
    assert "rate-invalid" not in [finding.code for finding in model.diagnose()]
