"""The penalties on activations, by hand and against Keras."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np
import pytest
from scipy.special import rel_entr

import gradus as gr
from gradus.errors import GradusError
from gradus.nn.network import added_losses, fresh

A = np.random.default_rng(3).uniform(0.05, 0.9, size=(6, 2, 2)).astype(np.float32)


def penalty(layer, x=A):
    net = fresh(gr.init(layer, 0, x))
    np.testing.assert_array_equal(net(x), x)
    (value,) = added_losses(net)
    return np.asarray(value)


def test_without_a_target_it_is_l1_of_each_sample():
    found = penalty(gr.Sparsity(0.3), A - 0.5)
    np.testing.assert_allclose(found, 0.3 * np.abs(A - 0.5).sum((1, 2)), rtol=1e-6)


def test_with_a_target_it_is_the_divergence_of_each_units_mean():
    mean, rho = A.reshape(6, 4).mean(0), 0.1
    each = rel_entr(rho, mean) + rel_entr(1 - rho, 1 - mean)
    np.testing.assert_allclose(penalty(gr.Sparsity(2.0, rho)), 2 * each.sum(), rtol=1e-5)
    at_target = np.full((6, 3), rho, np.float32)
    assert penalty(gr.Sparsity(2.0, rho), at_target) == pytest.approx(0, abs=1e-6)


def test_units_that_never_or_always_fire_have_a_finite_penalty():
    assert np.isfinite(penalty(gr.Sparsity(1.0, 0.1), np.array([[0.0, 1.0]], np.float32)))


def test_strength_and_target_are_swept_without_another_program():
    built = gr.init(gr.Sparsity(0.1, 0.2), 0, A)
    other = gr.init(gr.Sparsity(0.5, 0.3), 0, A)
    assert jax.tree.structure(built) == jax.tree.structure(other)
    assert jax.tree.leaves(other) == [0.5, 0.3]


def test_bad_settings():
    with pytest.raises(GradusError, match="at least 0"):
        gr.Sparsity(-1.0)
    with pytest.raises(GradusError, match="between 0 and 1"):
        gr.Sparsity(1.0, target=1.0)


def test_a_regularization_of_activity_is_that_of_keras_and_by_sample():
    theirs = keras.layers.ActivityRegularization(0.3, 0.2)
    theirs(A - 0.5)
    found = penalty(gr.ActivityRegularization(0.3, 0.2), A - 0.5)
    assert found.shape == (6,)
    np.testing.assert_allclose(found.mean(), float(theirs.losses[0]), rtol=1e-5)
    built = gr.init(gr.ActivityRegularization(0.1, 0.2), 0, A)
    assert jax.tree.leaves(built) == [0.1, 0.2]
    with pytest.raises(GradusError, match=r"ActivityRegularization\(l2=-1\)"):
        gr.ActivityRegularization(l2=-1)
