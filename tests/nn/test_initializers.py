"""Initializers: their distributions against SciPy's, their definitions against Keras's."""

import math
import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras.src.initializers.random_initializers import compute_fans
from scipy import stats

import gradus as gr
from gradus.errors import GradusError
from gradus.nn import initializers as init

SHAPE = (120, 80)  # n_in = 120, n_out = 80
N_IN, N_OUT = SHAPE
CUT = stats.truncnorm(-2, 2).std()


def rng(seed=0):
    return np.random.Generator(np.random.Philox(seed))


def truncated(stddev):
    """A normal truncated at two standard deviations, widened to the standard deviation `stddev`."""
    return stats.truncnorm(-2, 2, scale=stddev / CUT)


def uniform(limit):
    return stats.uniform(-limit, 2 * limit)


# The right-hand sides are the formulas of the textbooks, written out.
DISTRIBUTIONS = [
    (init.RandomNormal(), stats.norm(0, 0.05)),
    (init.RandomNormal(stddev=0.01), stats.norm(0, 0.01)),
    (init.RandomNormal(1.0, 2.0), stats.norm(1.0, 2.0)),
    (init.RandomUniform(), uniform(0.05)),
    (init.RandomUniform(0, 1), stats.uniform(0, 1)),
    (init.TruncatedNormal(1.0, 0.5), stats.truncnorm(-2, 2, loc=1.0, scale=0.5)),
    (init.LecunNormal(), truncated(1 / math.sqrt(N_IN))),
    (init.LecunUniform(), uniform(math.sqrt(3 / N_IN))),
    (init.GlorotNormal(), truncated(math.sqrt(2 / (N_IN + N_OUT)))),
    (init.GlorotNormal(truncated=False), stats.norm(0, math.sqrt(2 / (N_IN + N_OUT)))),
    (init.GlorotNormal(mode="fan_in", truncated=False), stats.norm(0, 1 / math.sqrt(N_IN))),
    (init.GlorotUniform(), uniform(math.sqrt(6 / (N_IN + N_OUT)))),
    (init.HeNormal(), truncated(math.sqrt(2 / N_IN))),
    (init.HeNormal(truncated=False), stats.norm(0, math.sqrt(2 / N_IN))),
    (
        init.HeNormal(mode="fan_avg", truncated=False),
        stats.norm(0, math.sqrt(2) * math.sqrt(2 / (N_IN + N_OUT))),
    ),
    (init.HeUniform(), uniform(math.sqrt(6 / N_IN))),
    (init.VarianceScaling(3.0, "fan_out", "normal"), stats.norm(0, math.sqrt(3 / N_OUT))),
    (init.VarianceScaling(), truncated(1 / math.sqrt(N_IN))),
]


@pytest.mark.parametrize(
    ("initializer", "distribution"), DISTRIBUTIONS, ids=[str(made) for made, _ in DISTRIBUTIONS]
)
def test_distribution(initializer, distribution):
    w = initializer(rng(7), SHAPE)
    assert w.shape == SHAPE
    assert w.dtype == np.float32
    flat = w.ravel().astype(np.float64)
    assert stats.kstest(flat, distribution.cdf).pvalue > 1e-3
    assert abs(flat.mean() - distribution.mean()) < 4 * distribution.std() / math.sqrt(w.size)
    assert flat.std() == pytest.approx(distribution.std(), rel=0.03)
    low, high = distribution.support()
    assert flat.min() >= low - 1e-6
    assert flat.max() <= high + 1e-6


@pytest.mark.parametrize(
    "name",
    ["glorot_uniform", "glorot_normal", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform",
     "random_normal", "random_uniform", "truncated_normal", "variance_scaling"],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(90, 70), (3, 3, 20, 40), (60,)])
def test_same_distribution_as_keras(name, shape):
    theirs = keras.initializers.get(name)
    theirs.seed = 3
    theirs = np.asarray(theirs(shape)).ravel()
    ours = init.get(name)(rng(5), shape).ravel()
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3


@given(st.lists(st.integers(1, 9), max_size=5))
def test_fans_are_those_of_keras(shape):
    assert init.fans(tuple(shape)) == compute_fans(shape)


def test_fans_by_hand():
    assert init.fans((3, 3, 16, 32)) == (144, 288)


def test_plain_ones():
    assert (init.Zeros()(rng(), (2, 3)) == 0).all()
    assert (init.Ones()(rng(), (2, 3)) == 1).all()
    assert (init.Constant(2.5)(rng(), (2, 3)) == 2.5).all()
    np.testing.assert_array_equal(init.Identity(2.0)(rng(), (2, 3)), [[2, 0, 0], [0, 2, 0]])


@pytest.mark.parametrize("shape", [(20, 8), (8, 20), (9, 9), (3, 3, 2, 7)])
def test_orthogonal(shape):
    w = init.Orthogonal(gain=3.0)(rng(), shape).reshape(-1, shape[-1]).astype(np.float64)
    product = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(product, 9 * np.eye(len(product)), atol=1e-5)


def test_orthogonal_is_uniform_over_rotations():
    """The first entry of a uniform 3x3 orthogonal matrix is uniform on [-1, 1] (Archimedes)."""
    generator = rng(2)
    first = [init.Orthogonal()(generator, (3, 3))[0, 0] for _ in range(800)]
    assert stats.kstest(first, uniform(1).cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", list(init.REGISTRY))
@pytest.mark.parametrize("shape", [(4, 5), (0, 5)])
def test_every_name_is_drawn_float32_and_repeats(name, shape):
    if name == "orthogonal" and 0 in shape:
        shape = (3, 2)
    first, again = (init.draw_weight(name, rng(1), shape) for _ in range(2))
    assert first.dtype == np.float32
    assert first.shape == shape
    np.testing.assert_array_equal(first, again)
    assert hash(init.get(name)) == hash(init.get(name))
    assert init.get(name) == init.get(name)


@pytest.mark.parametrize("name", ["normal", "uniform", "truncated_normal", "glorot_normal"])
def test_scalar_weight(name):
    assert init.draw_weight(name, rng(), ()).shape == ()


def test_users_function():
    drawn = init.draw_weight(
        lambda generator, shape: generator.integers(0, 9, shape), rng(), (2, 3)
    )
    assert drawn.dtype == np.float32
    assert isinstance(init.get(init.HeNormal), init.HeNormal)
    with pytest.raises(GradusError, match=r"shape \(3,\) for a weight of shape \(2, 3\)"):
        init.draw_weight(lambda generator, shape: np.zeros(3), rng(), (2, 3))
    with pytest.raises(GradusError, match="real numbers"):
        init.draw_weight(lambda generator, shape: np.zeros(shape, complex), rng(), (2, 3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: init.get("glorot_unifrom"), "Did you mean 'glorot_uniform'"),
        (lambda: init.get(0.0), "neither a name nor a function"),
        (lambda: init.RandomNormal(stddev=-1), "stddev=-1"),
        (lambda: init.RandomUniform(1, 0), "minval must not"),
        (lambda: init.HeNormal(mode="fan"), "'fan_in', 'fan_out', 'fan_avg'"),
        (lambda: init.VarianceScaling(distribution="cauchy"), "'uniform'"),
        (lambda: init.Orthogonal()(rng(), (3,)), "two axes"),
        (lambda: init.Identity()(rng(), (3,)), "matrix"),
    ],
)
def test_errors(make, message):
    with pytest.raises(GradusError, match=message):
        make()


def test_a_setting_may_be_a_space():
    assert init.RandomNormal(stddev=gr.uniform(0.1, 1)).stddev.low == 0.1


@pytest.mark.parametrize(
    "initializer",
    [init.Orthogonal(1e40), init.Constant(np.nan), lambda rng, shape: np.ones(shape) * 1e39],
)
def test_weights_that_are_no_numbers_are_refused(initializer):
    with pytest.raises(GradusError, match="NaN or too large for float32"):
        init.draw_weight(initializer, np.random.default_rng(0), (3, 2))
