"""Threefry equals JAX's bit for bit, and its keys behave like JAX's keys."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.random import threefry_2x32
from scipy import stats

from gradus.kernels.threefry import threefry
from gradus.nn.prng import DerivedKey, make_key


# The second is from Random123's known-answer tests, for 20 rounds of threefry2x32.
@pytest.mark.slow
@pytest.mark.parametrize("words", [(1, 2), (0, 0), (0x13198A2E, 0x03707344)])
def test_it_is_threefry(words):
    counter = jnp.array([0, 0, 0x243F6A88, 7, 0, 0, 0x85A308D3, 0xFFFFFFFF], jnp.uint32)
    high, low = threefry(tuple(map(jnp.uint32, words)), (counter[:4], counter[4:]))
    theirs = threefry_2x32(jnp.array(words, jnp.uint32), counter)
    np.testing.assert_array_equal(jnp.concatenate([high, low]), theirs)
    if words == (0, 0):
        assert (int(high[0]), int(low[0])) == (0x6B200159, 0x99BA4EFE)


def test_draws_are_uniform_and_normal():
    uniform = jax.random.uniform(make_key(5), (100, 200))
    assert stats.kstest(np.ravel(uniform), "uniform").pvalue > 0.01
    assert abs(np.corrcoef(uniform[:-1].ravel(), uniform[1:].ravel())[0, 1]) < 0.03
    assert stats.kstest(np.ravel(jax.random.normal(make_key(6), (100, 200))), "norm").pvalue > 0.01


def test_every_key_has_different_draws():
    one = make_key(3)
    keys = [
        one,
        make_key(4),
        *jax.random.split(one, 4),
        *(jax.random.fold_in(one, i) for i in range(4)),
    ]
    drawn = np.array([jax.random.bits(each, (8,)) for each in keys])
    assert len(np.unique(drawn)) == drawn.size


def test_members_under_vmap_draw_what_they_draw_alone():
    seeds = np.arange(5)
    together = jax.vmap(lambda one: jax.random.normal(one, (3, 2)))(jax.vmap(make_key)(seeds))
    alone = [jax.random.normal(make_key(seed), (3, 2)) for seed in seeds]
    np.testing.assert_allclose(together, np.stack(alone), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("width", [8, 16, 32])
def test_bits_of_every_width(width):
    bits = jax.random.bits(make_key(0), (4096,), dtype=f"uint{width}")
    shares = [(np.asarray(bits) >> place & 1).mean() for place in range(width)]
    assert np.abs(np.array(shares) - 0.5).max() < 0.04


@pytest.mark.parametrize("seed", [0, 5, 2**32 - 1, -1, 2**40 + 3])
def test_a_seed_has_the_same_key_on_host_and_device(seed):
    made = jax.random.key(seed, impl=jax.random.key_impl(make_key(0)))
    assert (jax.random.key_data(make_key(seed)) == jax.random.key_data(made)).all()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (4, 0)])
@pytest.mark.parametrize("width", [8, 16, 32])
def test_bits_of_every_shape(shape, width):
    """One counter gives several values; their number need not divide the size of the shape."""
    bits = jax.random.bits(make_key(0), shape, dtype=f"uint{width}")
    assert bits.shape == shape
    assert bits.dtype.itemsize * 8 == width


def keep_mask(key, rate, shape):
    return DerivedKey(key).keep_mask(rate, shape)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.93])
def test_keep_mask_keeps_its_share(rate):
    share = jax.jit(lambda seed: keep_mask(make_key(seed), rate, (300, 100)).mean())
    rates = np.array([share(seed) for seed in range(20)])
    assert abs(rates.mean() - (1 - rate)) <= 4 * np.sqrt(rate * (1 - rate) / 600_000)
    if rate:  # counts deviate like binomial ones; the standard deviation is within about a sixth
        spread = rates.std(ddof=1) / np.sqrt(rate * (1 - rate) / 30_000)
        assert 0.5 < spread < 1.6


@pytest.mark.slow
def test_neighbors_are_kept_independently():
    """Halves of one word, the two words of one counter, and neighboring counters."""
    mask = np.ravel(keep_mask(make_key(1), 0.5, (400, 100))).astype(float)
    for lag in (1, 2, 10_000, 20_000):
        assert abs(np.corrcoef(mask[:-lag], mask[lag:])[0, 1]) < 4 / np.sqrt(len(mask) - lag)


@pytest.mark.parametrize("impl", ["threefry2x32", None])
def test_a_mask_is_drawn_from_the_key_that_follows_from_the_numbers(impl):
    key = make_key(3) if impl is None else jax.random.key(3, impl=impl)
    derived = DerivedKey(key).fold_in(5).fold_in(jnp.int32(7))
    folded = jax.random.fold_in(jax.random.fold_in(key, 5), 7)
    bits = jax.random.bits(folded, (9, 4), jnp.uint16)
    np.testing.assert_array_equal(derived.keep_mask(0.3, (9, 4)), bits >= 0.3 * 2**16)
