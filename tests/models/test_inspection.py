"""What is seen inside a network is what arithmetic by hand says, and differences confirm it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradus as gr
from gradus.errors import DataError, GradusError

X = np.array([[0.5, -1.0], [2.0, 0.3], [-0.7, 1.1]], np.float32)
LABELS = np.array([0, 2, 1])


@pytest.fixture(scope="module")
def classifier():
    net = gr.Sequential([gr.Dense(4, "tanh"), gr.Dense(3, "softmax")])
    return gr.Model(net, "sparse_categorical_crossentropy", seed=3).build(X)


def test_forward_and_backward_by_hand(classifier):
    seen = gr.inside(classifier, X, LABELS)
    w = classifier.weights
    h = np.tanh(X @ w["dense/kernel"] + w["dense/bias"])
    z = h @ w["dense_1/kernel"] + w["dense_1/bias"]
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert list(seen) == ["dense", "dense_1", ""]
    np.testing.assert_array_equal(seen["dense"].inputs, X)
    np.testing.assert_allclose(seen["dense"].outputs, h, rtol=1e-5)
    np.testing.assert_allclose(seen["dense_1"].outputs, p, rtol=1e-5)
    # Of the mean cross-entropy: (p − y) / n by the logits, then back through the product and tanh.
    by_z = (p - np.eye(3)[LABELS]) / 3
    by_h = by_z @ w["dense_1/kernel"].T
    by_a = by_h * (1 - h**2)
    close = {"rtol": 1e-4, "atol": 1e-7}
    np.testing.assert_allclose(seen["dense_1"].gradient, by_z, **close)
    np.testing.assert_allclose(seen[""].gradient, by_z, **close)
    np.testing.assert_allclose(seen["dense"].gradient, by_h, **close)
    np.testing.assert_allclose(seen["dense_1"].gradients["kernel"], h.T @ by_z, **close)
    np.testing.assert_allclose(seen["dense"].gradients["kernel"], X.T @ by_a, **close)
    np.testing.assert_allclose(seen["dense"].gradients["bias"], by_a.sum(0), **close)
    np.testing.assert_array_equal(seen["dense"].weights["kernel"], w["dense/kernel"])


def test_without_targets_there_are_no_gradients(classifier):
    seen = gr.inside(classifier, X)
    assert seen["dense"].gradient is None
    assert seen["dense"].gradients == {}
    np.testing.assert_allclose(seen[""].outputs, classifier.predict(X), rtol=1e-5)


def test_layers_behave_as_in_training_if_asked():
    net = gr.Sequential([gr.BatchNormalization(), gr.Dense(1)])
    model = gr.Model(net, "mse").build(X)
    at_rest = gr.inside(model, X, X[:, :1])["batch_normalization"].outputs
    trained = gr.inside(model, X, X[:, :1], training=True)["batch_normalization"].outputs
    np.testing.assert_allclose(at_rest, X, rtol=1e-2)  # its running statistics are 0 and 1
    np.testing.assert_allclose(trained.mean(axis=0), 0, atol=1e-6)
    model.net.layers[1].freeze()
    frozen = gr.inside(model, X, X[:, :1])["dense"]
    assert set(frozen.weights) == {"kernel", "bias"}
    assert frozen.gradients == {}


@pytest.mark.slow
def test_gradients_of_every_kind_of_layer_agree_with_differences():
    net = gr.Sequential(
        [
            gr.Dense(4, "sigmoid"),
            gr.BatchNormalization(),
            gr.Dropout(0.3),
            gr.Residual([gr.Dense(4, "gelu")]),
            gr.LayerNormalization(),
            gr.Dense(3, "softmax"),
        ]
    )
    loss = "sparse_categorical_crossentropy"
    model = gr.Model(net, loss, penalty=gr.L2(1e-2)).build(X)
    for training in (False, True):
        errors = gr.check_gradients(model, X, LABELS, training=training)
        assert set(errors) == set(model.weights) - {
            "batch_normalization/moving_mean",
            "batch_normalization/moving_variance",
        }
        assert max(errors.values()) < 1e-6


def test_masks_reach_the_layers_behind():
    x = np.ones((2, 3, 2), np.float32)
    x[0, 1:] = 0  # which only fill
    model = gr.Model(gr.Sequential([gr.Masking(), gr.SimpleRNN(2), gr.Dense(1)]), "mse").build(x)
    plain = gr.inside(model, x)["simple_rnn"].outputs
    seen = gr.inside(model, x, np.ones((2, 1)))
    np.testing.assert_allclose(seen["simple_rnn"].outputs, plain)
    one_step = np.tanh(x[0, 0] @ model.weights["simple_rnn/kernel"])
    np.testing.assert_allclose(plain[0], one_step, rtol=1e-5)
    assert (seen["masking"].gradient[0, 1:] == 0).all()
    assert seen["masking"].gradient[0, 0].any()


def test_a_wrong_gradient_is_found():
    @jax.custom_vjp
    def square(x):
        return x * x

    # It should be 2 x: this is half of it, so that the error is ½ of the difference.
    square.defvjp(lambda x: (x * x, x), lambda x, dy: (x * dy,))
    model = gr.Model(gr.Sequential([gr.Dense(2, square), gr.Dense(1)]), "mse").build(X)
    errors = gr.check_gradients(model, X, jnp.ones((3, 1)))
    assert errors["dense/kernel"] == pytest.approx(0.5, abs=1e-3)
    assert errors["dense_1/kernel"] < 1e-6


def test_what_cannot_be_looked_at_is_refused(classifier):
    with pytest.raises(GradusError, match="no weights yet"):
        gr.inside(gr.Model(gr.Dense(1), "mse"), X)
    with pytest.raises(GradusError, match="needs targets"):
        gr.check_gradients(classifier, X)
    with pytest.raises(DataError):
        gr.inside(classifier, X[:2], LABELS)
