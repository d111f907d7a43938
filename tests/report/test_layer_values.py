"""Figures of one batch show what `gr.inside` sees."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import DataError

X = np.array([[0.5, -1.0], [2.0, 0.3], [-0.7, 1.1]], np.float32)


@pytest.fixture(scope="module")
def model():
    net = gr.Sequential([gr.Dense(4, "tanh"), gr.Dropout(0.0), gr.Dense(1)])
    return gr.Model(net, "mse").build(X)


def test_forward_values(model):
    inputs, hidden, output = gr.figures.forward_values(model, X).data
    np.testing.assert_array_equal(inputs.z, X)
    w = model.weights
    expected = np.tanh(X @ w["dense/kernel"])
    np.testing.assert_allclose(hidden.z, expected, rtol=1e-5)
    assert -hidden.zmin == hidden.zmax == pytest.approx(np.abs(expected).max())
    np.testing.assert_allclose(output.z, model.predict(X), rtol=1e-5)


@pytest.mark.slow
def test_gradient_flow(model):
    y = np.ones((3, 1), np.float32)
    outputs, weights = gr.figures.gradient_flow(model, X, y).data
    assert outputs.x == ("dense", "dense_1")
    w = model.weights
    hidden = np.tanh(X @ w["dense/kernel"])
    by_output = 2 * (hidden @ w["dense_1/kernel"] - y) / 3
    by_hidden = by_output @ w["dense_1/kernel"].T
    sizes = [np.sqrt(np.mean(g**2)) for g in (by_hidden, by_output)]
    np.testing.assert_allclose(outputs.y, sizes, rtol=1e-4)
    of_weights = [X.T @ (by_hidden * (1 - hidden**2)), hidden.T @ by_output]
    np.testing.assert_allclose(weights.y, [np.linalg.norm(g) for g in of_weights], rtol=1e-4)
    with pytest.raises(DataError, match="needs targets"):
        gr.figures.gradient_flow(model, X, None)
