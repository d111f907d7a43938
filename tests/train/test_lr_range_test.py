"""The range test against a quadratic whose stable rates are known, and against training itself."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError


def linear(optimizer):
    net = gr.Dense(1, use_bias=False, kernel_initializer="ones")
    return gr.Model(net, "mse", optimizer)


def test_losses_are_those_of_descent_by_hand():
    """One weight, x = 1, y = 0: loss w², gradient 2w, so w ← w (1 − 2η)."""
    x, y = np.ones((4, 1), np.float32), np.zeros((4, 1), np.float32)
    found = linear(gr.SGD(0.1)).find_learning_rate(
        x, y, lowest=0.01, highest=0.4, steps=5, batch_size=4
    )
    np.testing.assert_allclose(found.rates, 0.01 * 40 ** (np.arange(5) / 4), rtol=1e-6)
    w, expected = 1.0, []
    for rate in found.rates:
        expected.append(w**2)
        w *= 1 - 2 * rate
    np.testing.assert_allclose(found.losses, expected, rtol=1e-5)


@pytest.mark.slow
def test_the_suggestion_is_stable_and_the_model_is_left_alone():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 4)).astype(np.float32)
    y = x @ rng.normal(size=(4, 1)).astype(np.float32)
    model = linear(gr.SGD(0.1)).build(x)
    before = model.weights["kernel"].copy()
    found = model.find_learning_rate(x, y, lowest=1e-4, highest=100.0)
    np.testing.assert_array_equal(model.weights["kernel"], before)
    assert model.history.epochs == 0
    largest = np.linalg.eigvalsh(2 * x.T @ x / len(x)).max()
    assert 0.002 < found.suggestion < 2 / largest  # descent is stable below 2 / curvature
    assert not np.isfinite(found.smoothed[-1]) or found.smoothed[-1] > 100
    trained = linear(gr.SGD(found.suggestion))
    trained.fit(x, y, epochs=20, probes=False, verbose=False)
    assert trained.evaluate(x, y)["loss"] < 0.01


def test_rates_in_the_wrong_order_are_refused():
    with pytest.raises(GradusError, match="0 < lowest < highest"):
        linear("sgd").find_learning_rate(np.ones((4, 1)), np.ones((4, 1)), lowest=1, highest=0.1)
