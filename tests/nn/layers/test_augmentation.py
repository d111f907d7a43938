"""Augmentation: draws by hand, against SciPy and Keras; no change outside training."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from scipy import ndimage

import gradus as gr
from gradus.errors import GradusError
from gradus.nn.layers.augmentation import rotate, zoom

COUNT = 300
PICTURE = np.random.default_rng(0).uniform(1, 2, (5, 4, 2)).astype(np.float32)
SAME = np.repeat(PICTURE[None], COUNT, 0)


def changed(layer, x=SAME, seed=0):
    """Return a layer's output in training, compiled and without type promotion."""

    @jax.jit
    def run(net, x):
        with jax.numpy_dtype_promotion("strict"):
            return gr.fresh(net, jax.random.key(seed), training=True)(x)

    return np.asarray(run(gr.init(layer, 0, x), x))


def shares(images, candidates):
    """Return the share of each candidate; every image must be one of them."""
    which = [[np.array_equal(image, candidate) for candidate in candidates] for image in images]
    assert np.sum(which, 1).tolist() == [1] * len(images)
    return np.mean(which, 0)


@pytest.mark.parametrize(
    ("mode", "turned"),
    [
        ("horizontal", [PICTURE, PICTURE[:, ::-1]]),
        ("vertical", [PICTURE, PICTURE[::-1]]),
        (
            "horizontal_and_vertical",
            [PICTURE, PICTURE[::-1], PICTURE[:, ::-1], PICTURE[::-1, ::-1]],
        ),
    ],
)
def test_each_image_is_mirrored_independently(mode, turned):
    found = shares(changed(gr.RandomFlip(mode)), turned)
    # The standard deviation of a share of 300 draws is at most 0.03.
    np.testing.assert_allclose(found, 1 / len(turned), atol=0.12)


def test_shifts_are_whole_pixels_and_equally_likely():
    def shifted(down, right):
        return ndimage.shift(PICTURE, (down, right, 0), order=0)

    # ⌊0.4 · 5⌋ = 2 rows, ⌊0.25 · 4⌋ = 1 column: 5 · 3 places.
    places = [shifted(down, right) for down in range(-2, 3) for right in range(-1, 2)]
    found = shares(changed(gr.RandomTranslation(0.4, 0.25)), places)
    np.testing.assert_allclose(found, 1 / 15, atol=0.06)
    np.testing.assert_array_equal(changed(gr.RandomTranslation(0.1, 0.0)), SAME)


def test_crops_are_random_in_training_and_central_at_prediction():
    crop = gr.RandomCrop(3, 4)
    parts = [PICTURE[top : top + 3] for top in range(3)]
    np.testing.assert_allclose(shares(changed(crop), parts), 1 / 3, atol=0.12)
    middle = gr.init(crop, 0, SAME)(SAME)
    np.testing.assert_array_equal(middle, np.repeat(parts[1][None], COUNT, 0))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(9, 9), (6, 9), (1, 1)])
def test_rotation_equals_scipy_within_the_image(shape):
    x = np.random.default_rng(1).normal(size=(3, *shape, 2)).astype(np.float32)
    angles = np.array([0.0, 0.4, -2.0], np.float32)
    for image, angle, mine in zip(
        x, angles, rotate(jnp.asarray(x), jnp.asarray(angles)), strict=True
    ):
        cos, sin = np.cos(angle), np.sin(angle)
        matrix = np.array([[cos, -sin], [sin, cos]])
        middle = (np.array(shape) - 1) / 2
        for channel in range(2):
            # SciPy does not interpolate between the border and the zeros outside, so pad first.
            expected = ndimage.affine_transform(
                np.pad(image[..., channel], 1), matrix, middle + 1 - matrix @ (middle + 1),
                order=1, mode="grid-constant",
            )[1:-1, 1:-1]  # fmt: skip
            np.testing.assert_allclose(mine[..., channel], expected, atol=1e-4)


@pytest.mark.slow
def test_a_quarter_turn_clockwise():
    x = jnp.asarray(PICTURE[None, :4])
    turned = rotate(x, jnp.array([np.pi / 2], jnp.float32))[0]
    np.testing.assert_allclose(turned, np.rot90(PICTURE[:4], -1), atol=1e-5)


def test_angles_lie_within_the_factor():
    # The position of a bright pixel above the center shows the angle of rotation.
    x = np.zeros((COUNT, 21, 21, 1), np.float32)
    x[:, 0, 10] = 1
    y = changed(gr.RandomRotation(0.1), x)[..., 0]
    rows, columns = np.mgrid[:21, :21] - 10
    mass = y.sum((1, 2))
    angles = np.arctan2((y * columns).sum((1, 2)) / mass, -(y * rows).sum((1, 2)) / mass)
    # Uniform over ±0.1 turns; interpolation moves the center by a hundredth of a turn at most.
    assert np.abs(angles).max() / (2 * np.pi) <= 0.11
    assert np.quantile(angles, [0.25, 0.5, 0.75]) / (2 * np.pi) == pytest.approx(
        [-0.05, 0, 0.05], abs=0.02
    )
    np.testing.assert_allclose(changed(gr.RandomRotation(0.0)), SAME, atol=1e-6)


@pytest.mark.parametrize("shape", [(9, 9), (6, 9), (1, 1)])
def test_a_zoom_is_that_of_keras(shape):
    x = np.random.default_rng(1).normal(size=(3, *shape, 2)).astype(np.float32)
    height, width = np.array([[1, 0.6, 1.3], [1, 1.5, 0.9]], np.float32)
    theirs = keras.layers.RandomZoom(0.5, fill_mode="constant").transform_images(
        jnp.asarray(x), {"height_zoom": height[:, None], "width_zoom": width[:, None]}
    )
    np.testing.assert_allclose(jax.jit(zoom)(x, height, width), theirs, atol=1e-5)


def test_zooms_lie_within_the_factor_and_keep_proportions():
    # How far apart two bright pixels are shows the zoom, of the height and the width.
    x = np.zeros((COUNT, 41, 41, 1), np.float32)
    x[:, [10, 30], 20], x[:, 20, [10, 30]] = 1, 1
    for layer in (gr.RandomZoom(0.2), gr.RandomZoom(0.2, 0.2)):
        y = changed(layer, x)[..., 0]
        offsets = np.abs(np.arange(41) - 20)
        masses = [np.where(offsets > 3, y[:, :, 20], 0), np.where(offsets > 3, y[:, 20], 0)]
        down, right = (20 / ((mass * offsets).sum(1) / mass.sum(1) * 2) for mass in masses)
        for share in (down, right):
            assert np.abs(share - 1).max() <= 0.22
            quartiles = np.quantile(share - 1, [0.25, 0.5, 0.75])
            assert quartiles == pytest.approx([-0.1, 0, 0.1], abs=0.03)
        together = layer.width_factor is None
        assert (np.abs(down - right).max() < 1e-3) == together


def test_brightness_and_contrast_are_those_of_keras():
    images = np.random.default_rng(2).uniform(0, 255, (COUNT, 4, 3, 2)).astype(np.float32)
    brighter = changed(gr.RandomBrightness(0.2), images)
    middle = (brighter > 0) & (brighter < 255)  # not clipped
    shift = np.where(middle, brighter - images, np.nan)
    delta = np.nanmean(shift, (1, 2, 3), keepdims=True)
    theirs = keras.layers.RandomBrightness(0.2)
    np.testing.assert_allclose(
        brighter, theirs.transform_images(jnp.asarray(images), {"rgb_delta": delta}), atol=1e-3
    )
    assert np.quantile(delta, [0, 0.5, 1]) == pytest.approx([-51, 0, 51], abs=6)
    contrasted = changed(gr.RandomContrast(0.5), images)
    mean = images.mean((1, 2), keepdims=True)
    middle = (contrasted > 0) & (contrasted < 255) & (np.abs(images - mean) > 5)
    ratio = np.where(middle, contrasted - mean, np.nan) / (images - mean)
    factor = np.nanmedian(ratio, (1, 2, 3), keepdims=True)
    theirs = keras.layers.RandomContrast(0.5)
    expected = theirs.transform_images(jnp.asarray(images), {"contrast_factor": factor})
    np.testing.assert_allclose(contrasted, expected, atol=1e-2)
    assert np.quantile(factor, [0, 0.5, 1]) == pytest.approx([0.5, 1, 1.5], abs=0.07)


@pytest.mark.parametrize(
    "layer",
    [
        gr.RandomFlip(),
        gr.RandomTranslation(0.5, 0.5),
        gr.RandomRotation(0.5),
        gr.RandomZoom(0.3),
        gr.RandomContrast(0.3),
        gr.RandomBrightness(0.3),
    ],
)
def test_draws_differ_by_key_alone_and_nothing_happens_at_prediction(layer):
    np.testing.assert_array_equal(gr.init(layer, 0, SAME)(SAME), SAME)
    first = changed(layer)
    np.testing.assert_array_equal(first, changed(layer))
    assert not np.array_equal(first, changed(layer, seed=1))


@pytest.mark.slow
def test_factors_map_over_a_population():
    nets = [gr.init(gr.RandomTranslation(factor, 0.0), 0, SAME) for factor in (0.0, 0.2)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack([jnp.float32(v) for v in leaves]), *nets)
    alone = [changed(net) for net in nets]
    together = jax.vmap(lambda net: gr.fresh(net, jax.random.key(0), training=True)(SAME))(stacked)
    np.testing.assert_array_equal(together, alone)
    assert not np.array_equal(*alone)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gr.RandomTranslation(1.5, 0), "RandomTranslation.height_factor=1.5"),
        (lambda: gr.RandomTranslation(0, (0, 1)), "width_factor"),
        (lambda: gr.RandomRotation(-0.1), "from 0 to 1"),
        (lambda: gr.RandomZoom(1.0), "from 0 up to, but not including, 1"),
        (lambda: gr.RandomZoom((-0.2, 0.2)), r"RandomZoom\(height_factor=.*write one number"),
        (lambda: gr.RandomZoom(0.2, "0.1"), "width_factor='0.1'"),
        (lambda: gr.RandomContrast(-0.5), "from 0 to 1"),
        (lambda: gr.RandomBrightness(0.2, (1, 0)), r"value_range=\(1, 0\)\): write two numbers"),
        (lambda: gr.RandomContrast(0.2, 255), "value_range=255"),
        (lambda: gr.init(gr.RandomZoom(0.1), 0, SAME[..., 0]), "gray images"),
        (lambda: changed(gr.RandomFlip("horizontl")), "Did you mean 'horizontal'"),
        (lambda: changed(gr.RandomCrop(6, 4)), r"6 × 4 .*\(300, 5, 4, 2\)"),
        (lambda: changed(gr.RandomCrop(0, 4)), "height=0"),
        (lambda: changed(gr.RandomFlip(), SAME[..., 0]), r"gray images"),
    ],
)
def test_what_does_not_fit_gets_a_clear_error(make, message):
    with pytest.raises(GradusError, match=message):
        make()
