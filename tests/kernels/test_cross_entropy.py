"""Cross-entropy and its derivatives by the kernel, against float64 arithmetic and JAX's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from gradus.kernels.cross_entropy import plain_softmax_cross_entropy, softmax_cross_entropy
from gradus.kernels.library import kernels

pytestmark = pytest.mark.usefixtures("native")
# One class, fewer rows than a vector has, more, and some for two threads.
SHAPES = [(1, 1), (3, 2), (33, 10), (7, 16), (5, 17), (9, 4097), (3000, 300)]


def draw(rows, classes, smoothing=0.1):
    """Return logits, labels of which some are of no class, the smoothing, and weights."""
    rng = np.random.default_rng(rows + classes)
    z = (5 * rng.normal(size=(rows, classes))).astype(np.float32)
    labels = rng.integers(-1, classes + 1, rows).astype(np.int32)
    return z, labels, np.float32(smoothing), rng.normal(size=rows).astype(np.float32)


def native(z, labels, smoothing):
    with kernels():
        return softmax_cross_entropy(z, labels, smoothing)


def weighted(function):
    return jax.jit(lambda z, labels, smoothing, w: (w * function(z, labels, smoothing)).sum())


@pytest.mark.parametrize("smoothing", [0, 0.1])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_those_of_the_formula(shape, smoothing):
    z, labels, smoothing, w = draw(*shape, smoothing)
    one_hot = labels[:, None] == np.arange(shape[1])
    targets = one_hot * (1 - smoothing) + smoothing / shape[1]
    # A label of no class takes nothing off the logarithm of the sum.
    logs = log_softmax(z.astype(np.float64), axis=1)
    expected = -(targets * logs).sum(1)
    outside = ~one_hot.any(1)
    expected[outside] -= (1 - smoothing) * (logs - z + z.max(1, keepdims=True)).mean(1)[outside]
    np.testing.assert_allclose(
        jax.jit(native)(z, labels, smoothing), expected, rtol=1e-5, atol=1e-5
    )
    found = jax.grad(weighted(native))(z, labels, smoothing, w)
    expected = w[:, None] * (np.exp(logs) - targets)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-6)


def test_second_derivatives_are_those_of_the_plain_function():
    z, labels, smoothing, w = draw(6, 5)
    found, expected = (
        jax.hessian(weighted(function))(z, labels, smoothing, w)
        for function in (native, plain_softmax_cross_entropy)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_the_derivative_by_the_smoothing_is_that_of_the_plain_function():
    z, labels, smoothing, w = draw(6, 5)
    found, expected = (
        jax.grad(weighted(function), argnums=(0, 2))(z, labels, smoothing, w)
        for function in (native, plain_softmax_cross_entropy)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), found, expected)


def test_members_that_are_mapped_have_the_bits_of_one_alone():
    z, labels, smoothing, _ = draw(24, 7)
    z, labels = z.reshape(3, 8, 7), labels.reshape(3, 8)
    mapped = jax.jit(jax.vmap(native, (0, 0, None)))(z, labels, smoothing)
    for i in range(3):
        np.testing.assert_array_equal(mapped[i], jax.jit(native)(z[i], labels[i], smoothing))


def test_steps_of_sequences_and_labels_of_64_bits_are_taken():
    z, labels, smoothing, _ = draw(12, 5)
    found = native(jnp.reshape(z, (3, 4, 5)), labels.reshape(3, 4).astype(np.int8), smoothing)
    assert found.shape == (3, 4)
    np.testing.assert_array_equal(found.ravel(), native(z, labels, smoothing))
    with jax.enable_x64(True):
        wide = native(jnp.asarray(z, jnp.float64), jnp.asarray(labels, jnp.int64), smoothing)
    assert wide.dtype == np.float64
    np.testing.assert_allclose(wide, native(z, labels, smoothing), rtol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_told(value):
    z = np.zeros((2, 5), np.float32)
    z[0, 1] = value
    found = native(jnp.array(z), jnp.array([0, 1]), jnp.float32(0))
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(np.log(5))


def test_each_instruction_set_computes_the_same(using):
    z, labels, smoothing, w = draw(33, 10)
    found = []
    for setting in ("avx512", "avx2", "baseline"):
        with using(setting):
            jax.clear_caches()
            found.append(jax.value_and_grad(weighted(native))(z, labels, smoothing, w))
    for other in found[1:]:
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), other, found[0]
        )
