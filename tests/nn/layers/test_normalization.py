"""Normalization with given or adapted statistics, against Keras; mistakes of all that normalize."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError, ShapeError
from gradus.nn.network import weights

RNG = np.random.default_rng(0)
X = RNG.normal([3, -1, 0], [5, 0.1, 1], (40, 3)).astype(np.float32)


def test_given_and_adapted_statistics_are_those_of_keras():
    theirs = keras.layers.Normalization()
    theirs.adapt(X)
    net = gr.init(gr.Normalization().adapt(X), 0, X)
    np.testing.assert_allclose(net(X), theirs(X), rtol=1e-4, atol=1e-5)
    given = {"mean": [1.0, 2.0, 3.0], "variance": [1.0, 4.0, 0.0]}  # σ is at least 1e-7
    ours, expected = gr.Normalization(**given), keras.layers.Normalization(**given)
    np.testing.assert_allclose(gr.init(ours, 0, X)(X), expected(X), rtol=1e-5)
    pictures = RNG.normal(2, 3, (6, 4, 4, 2)).astype(np.float32)
    y = gr.init(gr.Normalization().adapt(pictures), 0, pictures)(pictures)
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std((0, 1, 2)), 1, rtol=1e-5)


def test_other_statistics_are_not_another_program_and_no_weights(tmp_path):
    one, other = (gr.init(gr.Normalization().adapt(x), 0, X) for x in (X, X + 1))
    assert jax.tree.structure(one) == jax.tree.structure(other)
    assert weights(one) == {}
    model = gr.Model(gr.Sequential(gr.Normalization().adapt(X), gr.Dense(1)), "mse")
    model.fit(X, X[:, 0], epochs=1, verbose=False)
    np.testing.assert_allclose(model.net.layers[0].mean, X.mean(0), rtol=1e-4, atol=1e-6)
    again = gr.Model.load(model.save(tmp_path / "m"))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gr.Normalization(mean=1.0), r"variance=None\): write both"),
        (lambda: gr.Normalization("a", 1.0), r"mean='a'\): write a number"),
        (lambda: gr.Normalization(0.0, -1.0), r"variance=-1.0\): write a number of at least 0"),
        (lambda: gr.Normalization([[1.0]], [[1.0]]), r"mean=\[\[1.0\]\]"),
        (lambda: gr.Normalization(np.nan, 1.0), "mean=nan"),
        (lambda: gr.Normalization(1e300, 1.0), r"mean=1e\+300"),
        (lambda: gr.Normalization([[1.0], [1.0, 2.0]], 1.0), "mean="),
        (lambda: gr.Normalization(np.array(1j), 1.0), "mean="),
        (lambda: gr.Normalization("1", 1.0), "mean='1'"),
        (lambda: gr.init(gr.Normalization(), 0, X), r"write Normalization\(\).adapt\(x\)"),
        (lambda: gr.Normalization().adapt(["a"]), "rows of numbers"),
        (lambda: gr.Normalization().adapt(X[0]), r"an array of shape \(3,\)"),
        (lambda: gr.Normalization().adapt(np.full((2, 2), np.nan)), "missing"),
        (lambda: gr.GroupNormalization(0), r"groups=0"),
        (lambda: gr.GroupNormalization(2.0), r"groups=2.0"),
        (lambda: gr.GroupNormalization(2, -1.0), r"epsilon=-1.0"),
        (lambda: gr.RMSNormalization(None), r"epsilon=None"),
        (lambda: gr.UnitNormalization(0), r"axis=0"),
    ],
)
def test_mistakes_say_what_to_write(make, words):
    with pytest.raises(GradusError, match=words):
        make()


def test_what_does_not_fit_names_the_layer_and_the_shape():
    with pytest.raises(ShapeError, match=r"groups=32, which must divide the 3 channels"):
        gr.init(gr.GroupNormalization(), 0, X)
    with pytest.raises(ShapeError, match=r"a mean of shape \(2,\) .* each of 3 features"):
        gr.init(gr.Normalization([0.0, 0.0], [1.0, 1.0]), 0, X)
    with pytest.raises(ShapeError, match="axis=2 but was given an input of 2 axes"):
        gr.init(gr.UnitNormalization(2), 0, X)


def test_a_sample_without_real_steps_stays_finite():
    x = jnp.zeros((2, 3, 4)).at[0, :2].set(jnp.asarray(RNG.normal(size=(2, 4))))
    for layer in (gr.GroupNormalization(2), gr.UnitNormalization(axis=1)):
        net = gr.init(gr.Sequential(gr.Masking(), layer), 0, x)
        y, back = jax.vjp(net, x)
        assert np.isfinite(y).all()
        assert np.isfinite(back(y)[0]).all()
