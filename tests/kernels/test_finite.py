"""Whether all numbers are finite, by the kernel and by the JAX function beside it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradus.kernels.finite import all_finite, plain_all_finite
from gradus.kernels.library import kernels

pytestmark = pytest.mark.usefixtures("native")
LARGEST = np.finfo(np.float32).max


def native(*arrays):
    with kernels():
        return all_finite(arrays)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, LARGEST, -LARGEST, 1e-45])
@pytest.mark.parametrize("at", [0, 17, 999])
def test_one_number_of_many_is_found(value, at):
    arrays = np.float32(3), np.ones((10, 100), np.float32), np.zeros((0, 2), np.float32)
    arrays[1].flat[at] = value
    for function in (native, plain_all_finite):
        assert jax.jit(function)(*arrays) == np.isfinite(value)


def test_members_that_are_mapped_are_told_apart():
    arrays = jnp.array([[1, np.nan], [1, 2]], jnp.float32)
    assert jax.vmap(native)(arrays).tolist() == [False, True]


def test_other_dtypes_take_the_plain_function():
    assert native(jnp.float16(1))
    assert not native(jnp.float32(1), jnp.float16(np.inf))
