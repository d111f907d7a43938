"""Schedules against Optax's at many steps; reduce-on-plateau against Keras's callback."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradus.errors import GradusError
from gradus.optim import schedules as s

STEPS = jnp.arange(0, 130)
OURS_AND_THEIRS = [
    (s.Constant(0.3), optax.constant_schedule(0.3)),
    (
        s.StepDecay(0.3, 20, 0.5),
        optax.exponential_decay(0.3, transition_steps=20, decay_rate=0.5, staircase=True),
    ),
    (
        s.PiecewiseConstant((10, 50), (0.4, 0.2, 0.05)),
        optax.piecewise_constant_schedule(0.4, {10: 0.5, 50: 0.25}),
    ),
    (s.ExponentialDecay(0.3, 20, 0.7), optax.exponential_decay(0.3, 20, 0.7)),
    (
        s.ExponentialDecay(0.3, 20, 0.7, staircase=True),
        optax.exponential_decay(0.3, 20, 0.7, staircase=True),
    ),
    (s.PolynomialDecay(0.3, 100, 0.01), optax.linear_schedule(0.3, 0.01, 100)),
    (s.PolynomialDecay(0.3, 100, 0.01, 2.5), optax.polynomial_schedule(0.3, 0.01, 2.5, 100)),
    (s.CosineDecay(0.3, 100), optax.cosine_decay_schedule(0.3, 100)),
    (s.CosineDecay(0.3, 100, 0.1), optax.cosine_decay_schedule(0.3, 100, 0.1)),
    (s.WarmUp(30, 0.3), optax.warmup_constant_schedule(0.0, 0.3, 30)),
    (s.WarmUp(30, 0.3, start=0.1), optax.warmup_constant_schedule(0.1, 0.3, 30)),
    (
        s.WarmUp(30, 0.3, s.CosineDecay(0.3, 70, 0.1)),
        optax.warmup_cosine_decay_schedule(0.0, 0.3, 30, 100, 0.03),
    ),
    (s.OneCycle(0.3, 100), optax.cosine_onecycle_schedule(100, 0.3)),
    (
        s.OneCycle(0.3, 95, 0.25, 10.0, 100.0),
        optax.cosine_onecycle_schedule(95, 0.3, 0.25, 10.0, 100.0),
    ),
    (s.FromFunction(lambda step: 0.1 / (step + 1)), lambda step: 0.1 / (step + 1)),
]
KERAS = [
    (
        s.CosineDecay(0.3, 100, 0.1),
        keras.optimizers.schedules.CosineDecay(0.3, 100, 0.1),
    ),
    (
        s.ExponentialDecay(0.3, 20, 0.7),
        keras.optimizers.schedules.ExponentialDecay(0.3, 20, 0.7),
    ),
    (
        s.InverseTimeDecay(0.3, 7, 0.5),
        keras.optimizers.schedules.InverseTimeDecay(0.3, 7, 0.5),
    ),
    (
        s.InverseTimeDecay(0.3, 7, 0.5, staircase=True),
        keras.optimizers.schedules.InverseTimeDecay(0.3, 7, 0.5, staircase=True),
    ),
    (
        s.PolynomialDecay(0.3, 100, 0.01, 2.0),
        keras.optimizers.schedules.PolynomialDecay(0.3, 100, 0.01, 2.0),
    ),
    (  # the same, one step earlier
        s.PiecewiseConstant((11, 51), (0.4, 0.2, 0.05)),
        keras.optimizers.schedules.PiecewiseConstantDecay([10, 50], [0.4, 0.2, 0.05]),
    ),
]


def name(value):
    return type(value).__name__ if isinstance(value, s.Schedule) else ""


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "theirs"), OURS_AND_THEIRS, ids=name)
def test_as_optax(ours, theirs):
    run = jax.jit(lambda schedule, steps: jax.vmap(schedule)(steps))
    expected = jax.jit(jax.vmap(theirs))(STEPS)
    np.testing.assert_allclose(run(ours, STEPS), expected, rtol=2e-5, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "theirs"), KERAS, ids=name)
def test_as_keras(ours, theirs):
    expected = [float(theirs(int(step))) for step in STEPS[::7]]
    np.testing.assert_allclose(jax.vmap(ours)(STEPS[::7]), expected, rtol=2e-5)


@pytest.mark.parametrize("schedule", [pair[0] for pair in OURS_AND_THEIRS], ids=name)
def test_values_are_leaves(schedule):
    run = jax.jit(lambda schedule, step: schedule(step))
    leaves, structure = jax.tree.flatten(schedule)
    for factor in (1.0, 1.5, 2.0):
        changed = jax.tree.unflatten(structure, [jnp.float32(factor * x) for x in leaves])
        rate = run(changed, jnp.int32(40))
        assert rate.dtype == jnp.float32
        assert not rate.weak_type
        np.testing.assert_allclose(rate, changed(40), rtol=1e-5)
    assert run._cache_size() == 1
    assert schedule(40).shape == ()


def test_rate_grows_for_a_finder():
    assert s.ExponentialDecay(1e-4, 100, 1e4)(100) == pytest.approx(1.0, rel=1e-4)


def test_warm_up_of_no_steps_is_its_target():
    assert s.WarmUp(0, 0.3)(0) == pytest.approx(0.3)
    assert s.WarmUp(0, 0.3, lambda step: 0.2)(0) == pytest.approx(0.2)


# --- Reduce on plateau -----------------------------------------------------------------------


class Holder:
    """The part of a model that Keras's callback needs: an optimizer with a learning rate."""

    def __init__(self, rate):
        self.optimizer = keras.optimizers.SGD(rate)


def keras_rates(losses, rate, **settings):
    callback = keras.callbacks.ReduceLROnPlateau(monitor="loss", **settings)
    callback.set_model(Holder(rate))
    callback.on_train_begin()
    rates = []
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"loss": loss})
        rates.append(float(callback.model.optimizer.learning_rate))
    return rates


def our_rates(plateau, losses):
    return scan_rates(plateau, jnp.asarray(losses, jnp.float32))


@jax.jit
def scan_rates(plateau, losses):
    def observe(state, loss):
        state = plateau.update(state, loss)
        return state, plateau(0) * state["scale"]

    return jax.lax.scan(observe, plateau.init_state(), losses)[1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation")  # inside Keras
@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=25),
    st.integers(1, 4),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.3, 2.0]),
)
def test_plateau_as_keras(losses, patience, cooldown, minimum):
    """Whole-number losses, so that rounding decides no comparison."""
    plateau = s.ReduceOnPlateau(1.0, 0.5, patience, 0.5, cooldown, minimum)
    expected = keras_rates(
        losses, 1.0, factor=0.5, patience=patience, min_delta=0.5, cooldown=cooldown,
        min_lr=minimum,
    )  # fmt: skip
    np.testing.assert_allclose(our_rates(plateau, losses + [9] * (25 - len(losses)))[: len(losses)],
                               expected, rtol=1e-6)  # fmt: skip


def test_plateau_by_hand():
    # patience 2: the best is 3 at the second value; after two more without progress, halve.
    plateau = s.ReduceOnPlateau(0.8, 0.5, patience=2)
    assert our_rates(plateau, [4.0, 3.0, 3.0, 3.0, 3.0, 3.0]).tolist() == pytest.approx(
        [0.8, 0.8, 0.8, 0.4, 0.4, 0.2]
    )


def test_plateau_under_vmap_and_in_a_loop():
    losses = jnp.array([4.0, 3.0, 3.0, 3.0, 3.0])
    plateaus = s.ReduceOnPlateau(1.0, 0.5, jnp.array([1, 2, 9]))
    axes = jax.tree.map(lambda leaf: 0 if jnp.ndim(leaf) else None, plateaus)

    def final(plateau):
        body = lambda i, state: plateau.update(state, losses[i])  # noqa: E731
        return jax.lax.fori_loop(0, len(losses), body, plateau.init_state())["scale"]

    assert jax.vmap(final, in_axes=(axes,))(plateaus).tolist() == [0.125, 0.5, 1.0]


def test_a_loss_of_nan_is_no_improvement():
    assert our_rates(s.ReduceOnPlateau(1.0, 0.5, 1), [1.0, float("nan")])[-1] == 0.5


# --- Names and errors ------------------------------------------------------------------------


def test_get():
    assert s.get("cosine", initial_learning_rate=0.1, decay_steps=5) == s.CosineDecay(0.1, 5)
    assert s.get(0.1) == s.Constant(0.1)
    cosine = s.CosineDecay(0.1, 5)
    assert s.get(cosine) is cosine
    assert s.get(lambda step: 0.5)(3) == 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: s.get("cosin"), "Did you mean 'cosine'"),
        (lambda: s.get("cosine", learning_rate=0.1), "learning_rate"),
        (lambda: s.get([0.1]), "not a schedule"),
        (lambda: s.PiecewiseConstant((10,), (0.1,)), "one more value"),
        (lambda: s.WarmUp(5, 0.1, s.ReduceOnPlateau(0.1)), "never reduce"),
    ],
)
def test_errors(make, message):
    with pytest.raises(GradusError, match=message):
        make()
