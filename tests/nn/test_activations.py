"""Activations against Keras, their closed-form derivatives against JAX and finite differences."""

import gc
import os
import weakref

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from gradus.errors import GradusError
from gradus.nn import activations
from gradus.nn.heads import record_heads

X = np.concatenate([np.linspace(-12, 12, 97), [0.0, 1e-3, -1e-3, 40.0, -40.0]]).astype(np.float32)
# Away from the points where a piecewise function has a corner.
SMOOTH = np.linspace(-11.3, 11.7, 57).astype(np.float32)
IN_KERAS = [
    "linear", "sigmoid", "hard_sigmoid", "tanh", "softsign", "relu", "relu6", "leaky_relu", "elu",
    "selu", "gelu", "silu", "swish", "hard_silu", "softplus", "mish", "exponential", "softmax",
    "log_softmax",
]  # fmt: skip
ELEMENTWISE = [
    name for name in activations.REGISTRY if activations.info(name).derivative is not None
]
SATURATING = {  # name -> an x that is saturated and one that is not, by the docstring
    "sigmoid": ([-5.1, 5.1, 30.0], [-4.9, 0.0, 4.9]),
    "tanh": ([-5.1, 5.1, 30.0], [-4.9, 0.0, 4.9]),
    "hard_sigmoid": ([-3.1, 3.1], [-2.9, 0.0, 2.9]),
    "softsign": ([-9.1, 9.1], [-8.9, 0.0, 8.9]),
    "relu6": ([6.0, 7.0], [-1.0, 0.01, 5.9]),
    "elu": ([-5.1, -30.0], [-4.9, 0.0, 100.0]),
    "selu": ([-5.1, -30.0], [-4.9, 0.0, 100.0]),
    "softplus": ([-5.1, -30.0], [-4.9, 0.0, 100.0]),
}


@pytest.mark.parametrize("name", IN_KERAS)
def test_values_are_those_of_keras(name):
    x = X[:72].reshape(9, 8)  # softmax needs rows
    both = jax.jit(lambda x: (activations.get(name)(x), keras.activations.get(name)(x)))
    np.testing.assert_allclose(*both(x), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "gelu", "softmax"])
def test_settings_are_those_of_keras(name):
    setting = {
        "leaky_relu": {"negative_slope": 0.3},
        "elu": {"alpha": 0.7},
        "gelu": {"approximate": True},
        "softmax": {"axis": 0},
    }[name]
    ours, theirs = getattr(activations, name), keras.activations.get(name)
    both = jax.jit(lambda x: (ours(x, **setting), theirs(x, **setting)))
    np.testing.assert_allclose(*both(X[:72].reshape(9, 8)), rtol=2e-6, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_derivative_is_the_gradient(name):
    gradient = jax.vmap(jax.grad(activations.get(name)))
    both = jax.jit(lambda x: (gradient(x), activations.info(name).derivative(x)))
    np.testing.assert_allclose(*both(X), rtol=1e-5, atol=1e-6)


# Not the straight-through ones, nor exp, whose finite difference is dominated by rounding.
@pytest.mark.parametrize(
    "name", [n for n in ELEMENTWISE if not n.endswith("_ste") and not n.startswith("exp")]
)
def test_derivative_is_the_finite_difference(name):
    h = 2.0**-6
    activation = jax.jit(activations.get(name))
    above, below = (np.asarray(activation(SMOOTH + d), np.float64) for d in (h, -h))
    difference = (above - below) / (2 * h)
    corner = np.minimum.reduce([np.abs(SMOOTH - c) for c in (-3, 0, 3, 6)]) < 2 * h
    closed = np.asarray(jax.jit(activations.info(name).derivative)(SMOOTH))
    np.testing.assert_allclose(closed[~corner], difference[~corner], atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(activations.REGISTRY))
def test_range_and_dtype(name):
    low, high = activations.info(name).range
    y = jax.jit(activations.get(name))(X.reshape(6, 17))
    assert y.dtype == jnp.float32
    assert y.shape == (6, 17)
    assert np.min(y) >= low - 1e-6
    assert np.max(y) <= high + 1e-6
    assert activations.get(name)(jnp.ones((2, 3), jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.slow
@pytest.mark.parametrize("name", list(activations.REGISTRY))
def test_not_a_number_and_extremes(name):
    activation = activations.get(name)
    if not activations.has_zero_gradient(name) and not name.endswith("_ste"):
        assert np.isnan(activation(jnp.array([jnp.nan, 1.0]))[0])
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(activation(x))))
    assert np.isfinite(gradient(jnp.array([-1e4, 0.0, 80.0]))).all()


def test_relu_passes_no_gradient_at_zero():
    assert jax.grad(activations.relu)(0.0) == 0.0


@pytest.mark.parametrize("name", ["sigmoid", "softmax", "log_softmax"])
def test_shifted_logits(name):
    x = jnp.array([[1.0, 2.0, 4.0]])
    if name != "sigmoid":
        got = activations.get(name)(x + 1e6)
        np.testing.assert_allclose(got, activations.get(name)(x), rtol=1e-6)
    assert jnp.all(jnp.isfinite(activations.sigmoid(x * 1e6)))


@pytest.mark.parametrize("name", SATURATING)
def test_saturation_is_told_from_the_output(name):
    activation, told = activations.get(name), activations.info(name).saturated
    saturated, lively = SATURATING[name]
    assert told(activation(jnp.array(saturated))).all()
    assert not told(activation(jnp.array(lively))).any()


def test_only_those_saturate():
    names = {n for n in activations.REGISTRY if activations.info(n).saturated is not None}
    assert names == set(SATURATING)


def test_step_and_sign():
    x = jnp.array([-2.0, 0.0, 3.0])
    assert activations.step(x).tolist() == [0, 0, 1]
    assert activations.sign(x).tolist() == [-1, 0, 1]
    assert activations.has_zero_gradient("step")
    assert activations.has_zero_gradient(activations.sign)
    assert not activations.has_zero_gradient("step_ste")
    assert not activations.has_zero_gradient(None)


@pytest.mark.parametrize("name", ["step", "sign"])
def test_straight_through_has_exact_values_and_a_clipped_derivative(name):
    through = activations.get(f"{name}_ste")
    assert through is activations.straight_through(activations.get(name))
    np.testing.assert_array_equal(through(X), activations.get(name)(X))
    gradient = jax.vmap(jax.grad(through))(jnp.array([-1.5, -1.0, -0.3, 0.0, 0.9, 1.1]))
    assert gradient.tolist() == [0, 1, 1, 1, 1, 0]


def test_integers_and_numbers_count_as_floats():
    assert activations.sigmoid(0) == 0.5
    assert activations.relu(np.array([-1, 2])).dtype == jnp.float32


def test_get():
    assert activations.get("ReLU") is activations.relu
    assert activations.get(None) is activations.linear
    assert activations.get(jnp.sin) is jnp.sin
    assert activations.info(jnp.sin) == activations.ActivationInfo()
    with pytest.raises(GradusError, match="Did you mean 'sigmoid'"):
        activations.get("sigmoyd")
    with pytest.raises(GradusError, match="neither a name nor a function"):
        activations.get(3)


# --- Heads -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["softmax", "log_softmax", "sigmoid"])
@pytest.mark.parametrize("how", ["eager", "jit", "grad", "vmap"])
def test_head_is_recognized(kind, how):
    seen = []

    def network(x):
        logits = x * 2
        with record_heads() as recorder:
            activations.sigmoid(logits)  # not the last operation of the network
            output = activations.get(kind)(logits)
            head = recorder.head_of(output)
            seen.append((head.activation, head.logits is logits))
            seen.append(recorder.head_of(output + 0).activation)
        return jnp.sum(head.logits)

    x = jnp.ones((2, 3))
    run = {"eager": lambda f: f, "jit": jax.jit, "grad": jax.grad, "vmap": jax.vmap}[how]
    run(network)(x)
    assert seen == [(kind, True), "linear"]


def test_every_activation_is_told_by_its_name_and_its_output_is_its_logits():
    x = jnp.ones((2, 3))
    for name in set(activations.REGISTRY) - {"softmax", "log_softmax", "sigmoid"}:
        function = activations.get(name)
        with record_heads() as recorder:
            output = function(x)
            head = recorder.head_of(output)
        assert activations.get(head.activation) is function, name
        assert head.logits is output


def test_what_stands_before_a_head_is_told():
    x = jnp.ones((2, 3))
    with record_heads() as recorder:
        assert recorder.head_of(activations.softmax(activations.softmax(x))).before == "softmax"
        assert recorder.head_of(activations.softmax(activations.relu(x))).before == "relu"
        assert recorder.head_of(activations.softmax(x)).before == "linear"


def test_linear_head_and_other_axis():
    x = jnp.ones((2, 3))
    with record_heads() as recorder:
        assert recorder.head_of(x) == ("linear", x, None, "linear")
        assert recorder.head_of(activations.softmax(x, axis=0)).activation == "linear"
        assert recorder.head_of(activations.softmax(x, axis=1)).activation == "softmax"
        assert recorder.head_of(activations.linear(activations.softmax(x))).activation == "softmax"


def test_recorders_nest_and_keep_apart():
    x = jnp.ones(3)
    with record_heads() as outer:
        a = activations.softmax(x)
        with record_heads() as inner:
            b = activations.softmax(x)
            assert inner.head_of(a).activation == "linear"
        assert outer.head_of(a).activation == "softmax"
        assert outer.head_of(b).activation == "linear"


@pytest.mark.slow
def test_nothing_is_kept_after_the_block():
    with record_heads() as recorder:
        output = activations.softmax(jnp.ones(3))
        gone = weakref.ref(output)
        del output
        assert gone() is not None  # kept alive, so that no other array gets its id
    gc.collect(1)  # the young ones: all would be what every other test has left
    assert gone() is None
    with pytest.raises(GradusError, match="inside the block"):
        recorder.head_of(jnp.ones(3))
