"""Penalties and constraints against Keras and against arithmetic by hand."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.nn import penalties

WEIGHT = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (penalties.L1(0.02), keras.regularizers.L1(0.02)),
        (penalties.L2(0.02), keras.regularizers.L2(0.02)),
        (penalties.L1L2(0.01, 0.03), keras.regularizers.L1L2(0.01, 0.03)),
        (penalties.get("l1"), keras.regularizers.get("l1")),
        (penalties.get("l2"), keras.regularizers.get("l2")),
        (penalties.get(penalties.L1), keras.regularizers.L1()),
    ],
)
def test_penalties_and_gradients_are_those_of_keras(ours, theirs):
    value, grad = jax.value_and_grad(ours)(WEIGHT)
    expected, expected_grad = jax.value_and_grad(theirs)(WEIGHT)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(grad, expected_grad, rtol=1e-6)
    assert value.dtype == jnp.float32


def test_penalties_by_hand():
    weight = jnp.array([[3.0, -4.0], [0.0, 0.0]])
    assert penalties.L1(2.0)(weight) == 14
    assert penalties.L2(2.0)(weight) == 50  # no factor ½
    np.testing.assert_array_equal(jax.grad(penalties.L1(2.0))(weight), [[2, -2], [0, 0]])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (penalties.MaxNorm(1.5), keras.constraints.MaxNorm(1.5)),
        (penalties.MaxNorm(1.5, axis=1), keras.constraints.MaxNorm(1.5, axis=1)),
        (penalties.MaxNorm(1.0, axis=(0, 1)), keras.constraints.MaxNorm(1.0, axis=(0, 1))),
        (penalties.NonNeg(), keras.constraints.NonNeg()),
        (penalties.UnitNorm(), keras.constraints.UnitNorm()),
        (penalties.get_constraint("max_norm"), keras.constraints.get("max_norm")),
        (penalties.get_constraint("non_neg"), keras.constraints.get("non_neg")),
        (penalties.get_constraint("UnitNorm"), keras.constraints.get("UnitNorm")),
    ],
)
def test_constraints_are_those_of_keras_and_idempotent(ours, theirs):
    projected = ours.project(WEIGHT)
    np.testing.assert_allclose(projected, theirs(WEIGHT), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.project(projected), projected, rtol=1e-6)


def test_constraints_keep_valid_weights_and_accept_zero():
    small = np.array([[0.1, -0.2]], np.float32)
    np.testing.assert_array_equal(penalties.MaxNorm(2.0).project(small), small)
    for constraint in (penalties.MaxNorm(0.0), penalties.UnitNorm()):
        np.testing.assert_array_equal(constraint.project(np.zeros((2, 2))), np.zeros((2, 2)))


def test_a_sweep_over_strengths_is_one_mapped_program():
    strengths = np.array([0.0, 0.1, 1.0], np.float32)
    mapped = jax.jit(jax.vmap(lambda penalty: penalty(WEIGHT)))(penalties.L2(strengths))
    np.testing.assert_allclose(mapped, strengths * np.square(WEIGHT).sum(), rtol=1e-6)


def test_get_takes_objects_and_functions():
    l2 = penalties.L2(0.5)
    assert penalties.get(l2) is l2
    assert penalties.get(jnp.max)(WEIGHT) == WEIGHT.max()
    halved = penalties.get_constraint(lambda weight: weight / 2)
    np.testing.assert_array_equal(halved.project(WEIGHT), WEIGHT / 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: penalties.get("l1_l3"), "Unknown penalty 'l1_l3'. Did you mean 'l1_l2'"),
        (lambda: penalties.get(0.01), r"A penalty is a name, an object such as L2\(1e-4\)"),
        (lambda: penalties.get(penalties.MaxNorm()), "A penalty is a name"),
        (lambda: penalties.get(penalties.MaxNorm), "A penalty is a name"),
        (lambda: penalties.get_constraint("l2"), "Unknown constraint 'l2'"),
        (lambda: penalties.get_constraint(penalties.L2(1.0)), "A constraint is a name"),
        (lambda: penalties.L1(-1.0), r"L1\(strength=-1\): strength must be at least 0"),
        (lambda: penalties.L2([0.1, 0.9]), r"L2\(strength=\[0.1, 0.9\]\).*gr.choice\(0.1, 0.9\)"),
        (lambda: penalties.L1L2(l2=(0.1, 0.9)), r"L1L2\(l2=\(0.1, 0.9\)\).*gr.choice"),
        (lambda: penalties.MaxNorm(-1.0), "max_value must be at least 0"),
    ],
)
def test_invalid_settings_are_refused(call, message):
    with pytest.raises(GradusError, match=message):
        call()


@pytest.mark.parametrize("penalty", [gr.L1(np.array([0.1, 0.2])), lambda weight: weight.sum(0)])
def test_a_penalty_of_several_numbers_is_refused(penalty):
    net = gr.Sequential([gr.Dense(2, kernel_regularizer=penalty), gr.Dense(1)])
    with pytest.raises(
        GradusError, match=r"an array of shape \(2,\) for a weight of shape \(3, 2\)"
    ):
        gr.Model(net, "mse").fit(np.ones((4, 3)), np.ones((4, 1)), verbose=False)
