"""Masks drawn by the kernel, and by the JAX function beside it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradus.kernels.library import kernels
from gradus.kernels.threefry import keep_mask, plain_keep_mask
from gradus.nn.prng import DerivedKey, make_key

pytestmark = pytest.mark.usefixtures("native")
# No element, one, numbers that do not fill the last counter or vector, and some for two threads.
SHAPES = [(4, 0), (), (3,), (7, 13, 17), (32, 64), (300, 1001)]
KEY = np.array([5, 0xFFFFFFF0], np.uint32)


def draw(rate, number, shape):
    with kernels():
        return keep_mask(KEY, (number, 0xFFFFFFFF), rate, shape)


def draw_plain(rate, number, shape):
    numbers = number, np.uint32(0xFFFFFFFF)
    return plain_keep_mask(KEY, rate, *numbers, shape=shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_masks_are_those_of_the_plain_function_bit_for_bit(shape):
    kernel, plain = (jax.jit(f, static_argnums=2) for f in (draw, draw_plain))
    for rate in np.array([0, 1e-9, 0.3, 0.5, 1 - 2**-24, np.nan], np.float32):
        found = kernel(rate, jnp.int32(-3), shape)
        np.testing.assert_array_equal(found, plain(rate, jnp.int32(-3), shape))
    assert "gradus_keep_mask" in str(jax.make_jaxpr(draw, static_argnums=2)(rate, 3, (2,)))


def test_each_instruction_set_draws_the_same_masks(using):
    found = []
    for setting in ("avx512", "avx2", "baseline"):
        with using(setting):
            found.append(jax.jit(draw, static_argnums=2)(np.float32(0.4), 1, (77, 5)))
    for mask in found[1:]:
        np.testing.assert_array_equal(mask, found[0])


def test_members_that_are_mapped_have_the_masks_of_one_alone():
    rates, numbers = np.array([0.2, 0.7], np.float32), np.arange(2)
    mapped = jax.jit(jax.vmap(lambda r, n: draw(r, n, (5, 9))))(rates, numbers)
    for rate, number, mask in zip(rates, numbers, mapped, strict=True):
        np.testing.assert_array_equal(jax.jit(draw, static_argnums=2)(rate, number, (5, 9)), mask)


def test_numbers_and_rates_of_64_bits_are_taken():
    with jax.enable_x64(True):
        found = draw(0.3, jnp.int64(4), (6, 6)), draw(jnp.float64(0.3), jnp.int64(4), (6, 6))
    for mask in found:
        np.testing.assert_array_equal(mask, draw(0.3, 4, (6, 6)))


def test_a_mask_has_no_derivative():
    def total(rate, x):
        return jnp.where(draw(rate, 1, (20,)), x, 0).sum()

    by_rate, by_x = jax.grad(total, (0, 1))(jnp.float32(0.5), jnp.float32(2))
    assert by_rate == 0
    assert by_x == draw(0.5, 1, (20,)).sum()


def test_a_key_with_numbers_takes_one_call():
    def drawn(step):
        with kernels():
            return DerivedKey(make_key(0)).fold_in(step).fold_in(9).keep_mask(0.5, (4,))

    program = jax.jit(drawn).lower(jnp.int32(2)).as_text()
    assert program.count("custom_call") == 1
    assert "shift_left" not in program
