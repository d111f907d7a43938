"""Augmentation: draws by hand and against SciPy; no change outside training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

import gradus as gr
from gradus.errors import GradusError
from gradus.nn.layers.augmentation import rotate

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


@pytest.mark.parametrize(
    "layer", [gr.RandomFlip(), gr.RandomTranslation(0.5, 0.5), gr.RandomRotation(0.5)]
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
        (lambda: changed(gr.RandomFlip("horizontl")), "Did you mean 'horizontal'"),
        (lambda: changed(gr.RandomCrop(6, 4)), r"6 × 4 .*\(300, 5, 4, 2\)"),
        (lambda: changed(gr.RandomCrop(0, 4)), "height=0"),
        (lambda: changed(gr.RandomFlip(), SAME[..., 0]), r"gray images"),
    ],
)
def test_what_does_not_fit_gets_a_clear_error(make, message):
    with pytest.raises(GradusError, match=message):
        make()
