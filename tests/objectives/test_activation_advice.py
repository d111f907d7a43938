"""Final activations that do, and do not, suit a loss."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradus.objectives import losses
from gradus.objectives.activation_advice import activation_warning

FITS = [
    ("categorical_crossentropy", "softmax", 3),
    ("sparse_categorical_crossentropy", "log_softmax", 3),
    ("sparse_categorical_crossentropy", "linear", 3),
    ("bce", "sigmoid", 1),
    ("bce", "linear", 4),
    ("focal", "sigmoid", 1),
    ("kl_divergence", "softmax", 5),
    ("mse", "linear", 1),
    ("mse", "sigmoid", 784),
    ("mse", "relu", 1),
    ("hinge", "tanh", 1),
    ("categorical_hinge", "linear", 3),
    ("poisson", "softplus", 1),
    (lambda y_true, y_pred: y_pred, "softmax", 3),
]

FAULTS = [
    ("categorical_crossentropy", "sigmoid", 3, "do not sum to 1.*End with softmax"),
    ("sparse_categorical_crossentropy", "relu", 3, "not probabilities.*End with softmax"),
    ("sparse_categorical_crossentropy", "softmax", 1, r"always 1.*Dense\(1, \"sigmoid\"\)"),
    ("bce", "softmax", 3, "compete.*End with sigmoid"),
    ("bce", "softmax", 1, "always 1"),
    ("bce", "tanh", 1, "not probabilities.*End with sigmoid"),
    ("mse", "softmax", 3, "gradient vanishes"),
    ("mse", "softmax", 1, "always 1"),
    ("mae", "log_softmax", 3, "End with linear"),
    ("hinge", "sigmoid", 1, "End with linear"),
    ("categorical_hinge", "softmax", 3, "End with linear"),
    ("poisson", "linear", 1, "cannot be negative"),
    ("poisson", "sigmoid", 1, "may exceed 1"),
]


@pytest.mark.parametrize(("loss", "head", "units"), FITS)
def test_suitable_activations_pass(loss, head, units):
    assert activation_warning(losses.get(loss), head, (None, units)) is None


@pytest.mark.parametrize(("loss", "head", "units", "message"), FAULTS)
def test_unsuitable_activations_get_a_warning(loss, head, units, message):
    found = losses.get(loss)
    said = activation_warning(found, head, (None, units))
    assert said.startswith(f"A {head} output with {found.name}: ")
    assert re.search(message, said)


@pytest.mark.slow
def test_the_claims_hold_softmax_under_mse_stalls_where_crossentropy_does_not():
    z, y = jnp.array([[20.0, 0.0]]), np.array([[0.0, 1.0]])  # confident and wrong
    of_logits = losses.categorical_crossentropy.per_sample_from_logits
    sums = (
        lambda z: losses.mean_squared_error(y, jax.nn.softmax(z)).sum(),
        lambda z: of_logits(y, z).sum(),
    )
    squared, entropy = jax.jit(lambda z: [jax.grad(each)(z) for each in sums])(z)
    assert np.abs(squared).max() < 1e-6
    np.testing.assert_allclose(entropy, [[1, -1]], atol=1e-6)
