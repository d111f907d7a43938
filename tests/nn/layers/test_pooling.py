"""Pooling, upsampling, padding, and cropping against Keras on its JAX backend, and by hand."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.nn import mask_tracking


def draw(shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape", "settings"),
    [
        ("MaxPooling1D", (2, 7, 3), {}),
        ("MaxPooling1D", (2, 7, 3), {"pool_size": 3, "strides": 2, "padding": "same"}),
        ("AveragePooling1D", (2, 7, 3), {"pool_size": 3, "strides": 2, "padding": "same"}),
        ("MaxPooling2D", (2, 5, 7, 3), {}),
        ("MaxPooling2D", (2, 6, 4, 2), {"pool_size": (3, 2)}),
        ("MaxPooling2D", (2, 5, 4, 2), {"pool_size": 2, "strides": 3}),
        ("MaxPooling2D", (1, 5, 4, 2), {"pool_size": (3, 2), "strides": (1, 2), "padding": "same"}),
        ("MaxPooling2D", (2, 1, 1, 2), {"pool_size": 1}),
        ("AveragePooling2D", (2, 5, 7, 3), {"pool_size": 2}),
        (
            "AveragePooling2D",
            (1, 5, 4, 2),
            {"pool_size": (3, 2), "strides": (1, 3), "padding": "same"},
        ),
        ("GlobalMaxPooling1D", (2, 4, 3), {}),
        ("GlobalAveragePooling1D", (2, 4, 3), {"keepdims": True}),
        ("GlobalMaxPooling2D", (2, 4, 3, 2), {"keepdims": True}),
        ("GlobalAveragePooling2D", (2, 4, 3, 2), {}),
        ("MaxPooling3D", (2, 5, 4, 2, 2), {}),
        (
            "MaxPooling3D",
            (1, 5, 4, 3, 2),
            {"pool_size": (3, 2, 1), "strides": (1, 2, 1), "padding": "same"},
        ),
        ("AveragePooling3D", (1, 5, 4, 2, 2), {"pool_size": (3, 2, 2), "padding": "same"}),
        ("GlobalMaxPooling3D", (2, 4, 3, 2, 2), {"keepdims": True}),
        ("GlobalAveragePooling3D", (2, 4, 3, 2, 2), {}),
        ("UpSampling1D", (2, 3, 2), {"size": 3}),
        ("ZeroPadding1D", (1, 3, 2), {"padding": 2}),
        ("ZeroPadding1D", (1, 3, 2), {"padding": (0, 2)}),
        ("Cropping1D", (1, 6, 2), {}),
        ("Cropping1D", (1, 6, 2), {"cropping": (0, 2)}),
        ("Cropping2D", (1, 6, 7, 2), {"cropping": 2}),
        ("Cropping2D", (1, 6, 7, 2), {"cropping": ((1, 0), (2, 3))}),
        ("Resizing", (2, 5, 4, 2), {"height": 3, "width": 7}),
        ("Resizing", (2, 5, 4, 2), {"height": 8, "width": 3, "interpolation": "nearest"}),
        ("Resizing", (2, 5, 4, 2), {"height": 7, "width": 6, "interpolation": "bicubic"}),
        ("CenterCrop", (2, 5, 6, 2), {"height": 3, "width": 3}),
        ("UpSampling2D", (2, 3, 2, 2), {"size": (2, 3)}),
        ("ZeroPadding2D", (1, 3, 2, 2), {"padding": 2}),
        ("ZeroPadding2D", (1, 3, 2, 2), {"padding": (1, 2)}),
        ("ZeroPadding2D", (1, 3, 2, 2), {"padding": ((1, 0), (2, 3))}),
    ],
)
def test_values_and_gradients_equal_keras(name, shape, settings):
    x = draw(shape)
    ours = gr.init(getattr(gr, name)(**settings), 0, x)
    theirs = getattr(keras.layers, name)(**settings)

    @jax.jit
    def differentiated(x):
        with jax.numpy_dtype_promotion("strict"):
            y, back = jax.vjp(ours, x)
        expected, theirs_back = jax.vjp(theirs, x)
        dy = draw(expected.shape, 1)
        return y, expected, back(dy)[0], theirs_back(dy)[0]

    y, expected, dx, expected_dx = differentiated(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dx, expected_dx, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_of_masked_sequences_only_the_real_steps_count():
    x = np.array([[[1.0], [-5], [9]], [[-2.0], [-4], [9]], [[7.0], [7], [7]]], np.float32)
    mask = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]], bool)
    means, largest = (
        gr.init(layer(), 0, x) for layer in (gr.GlobalAveragePooling1D, gr.GlobalMaxPooling1D)
    )
    np.testing.assert_array_equal(means(x, mask=mask), [[-2], [-3], [0]])
    np.testing.assert_array_equal(largest(x, mask=mask), [[1], [-2], [0]])
    for layer in (means, largest):
        slope = jax.grad(lambda x, layer=layer: layer(x, mask=mask).sum())(x)
        assert np.isfinite(slope).all()
        assert not np.any(np.asarray(slope)[~mask])
    kept = gr.init(gr.GlobalAveragePooling1D(keepdims=True), 0, x)(x, mask=mask)
    assert kept.shape == gr.init(gr.GlobalMaxPooling1D(True), 0, x)(x, mask=mask).shape == (3, 1, 1)


@pytest.mark.parametrize(
    ("layer", "steps"),
    [
        (gr.UpSampling1D(2), [1, 1, 1, 1, 0, 0]),
        (gr.ZeroPadding1D((1, 2)), [0, 1, 1, 0, 0, 0]),
        (gr.Cropping1D((1, 0)), [1, 0]),
    ],
)
def test_the_mask_grows_and_shrinks_with_the_sequence(layer, steps):
    x = jnp.ones((1, 3, 2))
    with mask_tracking.tracking():
        y = gr.init(layer, 0, x)(x, mask=jnp.array([[True, True, False]]))
        assert mask_tracking.get_mask(y).tolist() == [[bool(step) for step in steps]]


def test_whole_numbers_are_pooled_as_numbers():
    x = np.array([[[1], [4], [2], [5]]], np.uint8)
    assert gr.init(gr.AveragePooling1D(), 0, x)(x).ravel().tolist() == [2.5, 3.5]
    assert gr.init(gr.MaxPooling1D(3, 1, "same"), 0, x)(x).ravel().tolist() == [4, 4, 5, 5]


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (
            lambda: gr.MaxPooling2D(3),
            (1, 2, 5, 1),
            r"'max_pooling2d' .* 3 × 3 .*\(1, 2, 5, 1\).*pool_size",
        ),
        (lambda: gr.AveragePooling1D(3), (1, 2, 1), r"window of 3 .*\(1, 2, 1\)"),
        (
            gr.MaxPooling2D,
            (1, 4, 4),
            r"\(1, 4, 4\): for gray images write x\[\.\.\., None\]",
        ),
        (gr.GlobalAveragePooling2D, (1, 4, 4), r"gray images"),
        (gr.GlobalMaxPooling1D, (1, 4), r"sequences"),
        (lambda: gr.MaxPooling2D(0), (1, 4, 4, 1), r"pool_size=0"),
        (lambda: gr.MaxPooling2D(2, "same"), (1, 4, 4, 1), r"strides='same'"),
        (lambda: gr.MaxPooling2D(2, padding="causal"), (1, 4, 4, 1), r"Known: same, valid"),
        (lambda: gr.UpSampling2D(0), (1, 4, 4, 1), r"size=0"),
        (lambda: gr.ZeroPadding2D((1, 2, 3)), (1, 4, 4, 1), r"padding=\(1, 2, 3\)"),
        (lambda: gr.ZeroPadding2D(-1), (1, 4, 4, 1), r"padding=-1"),
        (lambda: gr.ZeroPadding1D((1, 2, 3)), (1, 4, 1), r"padding=.*or \(before, after\)"),
        (lambda: gr.Cropping1D(-1), (1, 4, 1), r"Cropping1D\(cropping=-1\)"),
        (lambda: gr.Cropping1D(2), (1, 4, 1), r"leaves nothing of an input of shape \(1, 4, 1\)"),
        (lambda: gr.Cropping2D("1"), (1, 4, 4, 1), r"cropping='1'"),
        (lambda: gr.Cropping2D(((1, 3), 0)), (1, 4, 4, 1), r"leaves nothing"),
        (lambda: gr.CenterCrop(5, 2), (1, 4, 4, 1), r"crops to 5 × 2 .* 4 × 4 large"),
        (lambda: gr.CenterCrop(0, 2), (1, 4, 4, 1), r"CenterCrop\(height=0\)"),
        (lambda: gr.Resizing(2, 2.5), (1, 4, 4, 1), r"Resizing\(width=2.5\)"),
        (lambda: gr.Resizing(2, 2, "linear"), (1, 4, 4, 1), r"Unknown interpolation"),
        (lambda: gr.MaxPooling3D((2, 2)), (1, 4, 4, 4, 1), r"three of them, for depth, height"),
        (gr.MaxPooling3D, (1, 4, 4, 4), r"for volumes of single numbers write x\[\.\.\., None\]"),
        (gr.GlobalMaxPooling3D, (1, 4), r"put Reshape\(\(depth, height, width, channels\)\)"),
    ],
)
def test_what_does_not_fit_gets_a_clear_error(make, shape, message):
    with pytest.raises(GradusError, match=message):
        gr.init(gr.Sequential([make()]), 0, np.zeros(shape, np.float32))
