"""When training ends, against the rule written out in plain Python."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradus.train.early_stopping import EarlyStopping

OBSERVE = jax.jit(EarlyStopping.update)
VALUES = st.lists(
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 2.0, np.nan]), min_size=1, max_size=12
)


@given(
    VALUES, st.sampled_from(["min", "max"]), st.integers(1, 4), st.sampled_from([0.0, 0.25, 0.3])
)
def test_patience_follows_the_rule(values, mode, patience, min_delta):
    stopping = EarlyStopping("loss", mode, float(patience), min_delta)
    state, best, best_epoch, wait = stopping.init_state(), None, 0, 0
    for epoch, value in enumerate(values, 1):
        state, better, stop = OBSERVE(stopping, state, jnp.float32(value), jnp.int32(epoch))
        gain = np.nan if best is None else (best - value if mode == "min" else value - best)
        improved = not np.isnan(value) and (best is None or gain > min_delta)
        if improved:
            best, best_epoch, wait = value, epoch, 0
        elif not np.isnan(value):  # what is not a number says nothing
            wait += 1
        assert bool(better) == improved
        assert bool(stop) == (wait >= patience)
        assert int(state["epoch"]) == best_epoch


@pytest.mark.parametrize(
    ("mode", "target", "value", "stops"),
    [
        ("min", 0.5, 0.5, True),
        ("min", 0.5, 0.51, False),
        ("max", 0.9, 0.9, True),
        ("max", 0.9, 0.89, False),
        ("max", 0.9, np.nan, False),
    ],
)
def test_a_target_stops(mode, target, value, stops):
    stopping = EarlyStopping("loss", mode, target=target)
    assert bool(stopping.update(stopping.init_state(), value, jnp.int32(1))[2]) == stops


def test_by_default_nothing_stops():
    for mode in ("min", "max"):
        stopping = EarlyStopping("loss", mode)
        state = stopping.init_state()
        for epoch, value in enumerate([1, 1, 2, -np.inf, np.inf, np.nan, 0], 1):
            state, _, stop = OBSERVE(stopping, state, jnp.float32(value), jnp.int32(epoch))
            assert not bool(stop)


@pytest.mark.parametrize(("mode", "value"), [("min", -np.inf), ("max", np.inf)])
def test_an_infinite_value_is_no_improvement(mode, value):
    stopping = EarlyStopping("loss", mode, patience=3)
    state, improved, _ = stopping.update(stopping.init_state(), value, jnp.int32(1))
    assert not bool(improved)
    assert int(state["wait"]) == 1
    assert bool(stopping.update(state, jnp.float32(0.5), jnp.int32(2))[1])
