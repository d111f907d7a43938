"""The variational autoencoder: its bound by hand, its divergence by Monte Carlo, its samples."""

import jax
import numpy as np
import pytest
from scipy.stats import norm

import gradus as gr
from gradus.errors import GradusError, ShapeError
from gradus.nn.network import added_losses, fresh

RNG = np.random.default_rng(0)
X = (RNG.uniform(size=(64, 3, 2, 1)) < [[[0.2], [0.9]]]).astype(np.float32)


def distribution(model, x):
    """Return μ and σ of the codes of `x`, by the weights."""
    w = model.weights
    hidden = x.reshape(len(x), -1) @ w["encoder/dense/kernel"] + w["encoder/dense/bias"]
    hidden = np.maximum(hidden, 0)
    mean, log_variance = (
        hidden @ w[f"code/{name}/kernel"] + w[f"code/{name}/bias"]
        for name in ("mean", "log_variance")
    )
    return mean, np.exp(0.5 * log_variance)


@pytest.mark.slow
def test_the_divergence_is_the_integral_that_it_stands_for():
    model = gr.VariationalAutoencoder([5], code=2, beta=3.0, seed=4).build(X)
    mean, deviation = distribution(model, X)
    z = mean + deviation * RNG.normal(size=(20_000, 64, 2))
    drawn = (norm.logpdf(z, mean, deviation) - norm.logpdf(z)).sum(-1).mean(0)
    net = fresh(model.net)
    np.testing.assert_allclose(net.encode(X), mean, atol=1e-5)
    (found,) = added_losses(net)
    np.testing.assert_allclose(found, 3 * drawn, atol=3 * 0.05)


@pytest.mark.parametrize("loss", ["binary_crossentropy", "mse"])
def test_the_loss_is_the_bound_of_a_sample_in_nats(loss):
    model = gr.VariationalAutoencoder([5], code=2, loss=loss).build(X)
    mean, deviation = distribution(model, X)
    p, variance = model.decode(mean), deviation**2
    divergence = 0.5 * (mean**2 + variance - np.log(variance) - 1).sum(1)
    entropy = -X * np.log(p) - (1 - X) * np.log(1 - p) if loss != "mse" else 0.5 * (X - p) ** 2
    measured = model.evaluate(X)
    assert measured["divergence"] == pytest.approx(divergence.mean(), rel=1e-4)
    assert measured["loss"] == pytest.approx((entropy.sum((1, 2, 3)) + divergence).mean(), rel=1e-4)


@pytest.mark.slow
def test_the_code_is_drawn_in_training_and_is_its_mean_outside():
    model = gr.VariationalAutoencoder([5], code=2).build(X)
    mean, deviation = distribution(model, X)
    np.testing.assert_allclose(model.encode(X), mean, atol=1e-5)
    np.testing.assert_allclose(model.reconstruct(X), model.decode(mean), atol=1e-5)
    drawn = np.stack(
        [fresh(model.net, jax.random.key(k), training=True).encode(X) for k in range(100)]
    )
    scores = (drawn - mean) / deviation  # 12,800 standard normal numbers
    assert scores.mean() == pytest.approx(0, abs=0.04)
    assert scores.std() == pytest.approx(1, abs=0.03)


@pytest.mark.slow
def test_it_learns_what_the_data_are_like_and_is_saved(tmp_path):
    model = gr.VariationalAutoencoder([8], code=2, optimizer=gr.Adam(0.01), seed=1)
    first = model.build(X).weights
    history = model.fit(X, epochs=60, probes=False, verbose=False)
    assert set(history) >= {"loss", "divergence"}
    for name in ("mean", "log_variance"):  # the gradient reaches both
        assert (
            np.abs(model.weights[f"code/{name}/kernel"] - first[f"code/{name}/kernel"]).max() > 0.01
        )
    assert history["loss"][-1] < 0.75 * history["loss"][0]
    samples = model.sample(500, seed=1)
    assert samples.shape == (500, 3, 2, 1)
    np.testing.assert_allclose(samples.mean((0, 1, 3)), X.mean((0, 1, 3)), atol=0.1)
    again = gr.Model.load(model.save(tmp_path / "vae"))
    np.testing.assert_array_equal(again.sample(3), model.sample(3))
    assert again.evaluate(X) == model.evaluate(X)
    assert not np.array_equal(model.sample(3, seed=1), model.sample(3, seed=2))


def test_networks_of_ones_own():
    encoder = gr.Sequential([gr.Conv2D(2, 2, activation="relu")])  # codes are made of its pixels
    decoder = gr.Sequential([gr.Dense(6), gr.Reshape((3, 2, 1)), gr.Activation("sigmoid")])
    model = gr.VariationalAutoencoder(encoder, decoder, code=3).build(X)
    assert model.sample(4).shape == (4, 3, 2, 1)
    assert model.weights["code/mean/kernel"].shape == (4, 3)


def test_bad_input():
    with pytest.raises(GradusError, match="mirror image"):
        gr.VariationalAutoencoder(gr.Conv2D(2, 2))
    with pytest.raises(GradusError, match="code"):
        gr.VariationalAutoencoder([4], code=0)
    with pytest.raises(ShapeError, match=r"write \(n, 2\)"):
        gr.VariationalAutoencoder([4]).build(X).decode(np.zeros((4, 3)))
    with pytest.raises(ShapeError, match=r"makes samples of shape \(5,\)"):
        gr.VariationalAutoencoder([4], gr.Dense(5)).build(X)
