"""Dropout of channels, after SELU, and by a factor: what is drawn, and Keras's moments."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError, ShapeError
from gradus.nn.pytree import canonicalize


def dropped(layer, x, seed=0):
    """The output in training, compiled and without type promotion."""

    @jax.jit
    def run(net, x):
        with jax.numpy_dtype_promotion("strict"):
            return gr.fresh(net, jax.random.key(seed), training=True)(x)

    return np.asarray(run(gr.init(layer, 0, x), x))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(gr.SpatialDropout1D(0.3), (50, 4, 40)), (gr.SpatialDropout2D(0.3), (50, 3, 2, 40))],
)
def test_whole_channels_are_dropped_and_the_others_scaled(layer, shape):
    x = np.ones(shape, np.float32)
    y = dropped(layer, x).reshape(shape[0], -1, shape[-1])
    np.testing.assert_array_equal(y, np.repeat(y[:, :1], y.shape[1], 1))
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7], rtol=1e-6)
    assert (y[:, 0] == 0).mean() == pytest.approx(0.3, abs=0.04)  # of 2000 draws
    np.testing.assert_array_equal(gr.init(layer, 0, x)(x), x)


def test_alpha_dropout_has_keras_values_and_keeps_the_moments():
    ones = np.ones((200, 50), np.float32)
    theirs = np.asarray(keras.layers.AlphaDropout(0.3, seed=1)(ones, training=True))
    np.testing.assert_allclose(
        np.unique(dropped(gr.AlphaDropout(0.3), ones).round(4)), np.unique(theirs.round(4))
    )
    x = np.random.default_rng(0).normal(size=(400, 500)).astype(np.float32)
    y = dropped(gr.AlphaDropout(0.2), x)
    np.testing.assert_allclose([y.mean(), y.var()], [0, 1], atol=0.02)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5])
def test_gaussian_dropout_multiplies_by_noise_of_dropouts_variance(rate):
    y = dropped(gr.GaussianDropout(rate), np.full((300, 300), 2.0, np.float32)) / 2
    np.testing.assert_allclose([y.mean(), y.var()], [1, rate / (1 - rate)], atol=0.02)
    theirs = keras.layers.GaussianDropout(rate, seed=0)(np.ones((300, 300)), training=True)
    assert y.var() == pytest.approx(float(np.var(theirs)), abs=0.02)


@pytest.mark.parametrize("make", [gr.AlphaDropout, gr.GaussianDropout, gr.SpatialDropout1D])
def test_a_rate_is_a_number_that_never_recompiles(make):
    x = jnp.ones((2, 3, 4))
    one, other = (canonicalize(gr.init(make(rate), 0, x)) for rate in (0.1, 0.2))
    assert jax.tree.structure(one) == jax.tree.structure(other)
    assert jax.tree.leaves(one) == [np.float32(0.1)]
    for rate in (1, -0.1, "0.1", None):
        with pytest.raises(GradusError, match=rf"{make.__name__}\(rate="):
            make(rate)


def test_channels_need_axes():
    for layer, words in ((gr.SpatialDropout1D(0.5), "sequences"), (gr.SpatialDropout2D(0.5), "im")):
        with pytest.raises(ShapeError, match=words):
            gr.init(layer, 0, jnp.ones((2, 3)))


def test_a_repair_changes_the_rate_of_every_dropout():
    from gradus.doctor.network_edits import edit_layers

    net = gr.Sequential(gr.SpatialDropout1D(0.9), gr.AlphaDropout(0.9), gr.GaussianDropout(0.9))
    edited, changes = edit_layers(
        net, lambda path, layer: {"rate": 0.0} if isinstance(layer, gr.Dropout) else {}
    )
    assert len(changes) == 3
    assert [layer.rate for layer in edited.layers] == [0.0, 0.0, 0.0]
