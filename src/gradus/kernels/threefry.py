"""Random bits by Threefry, and the masks that are drawn with them.

Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import core
from jax.extend.core import Primitive

from gradus.kernels.library import in_use
from gradus.kernels.primitive import define_kernel

ROUNDS = 20
_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = 0x1BD11BDA


@jax.jit  # traced once for all programs; XLA inlines it
def threefry(words: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[jax.Array, jax.Array]:
    """Return two random 32-bit words, a function of the key and a counter.

    Args:
        words: the key, two uint32.
        counter: two uint32, or arrays of them.
    """
    schedule = words[0], words[1], words[0] ^ words[1] ^ jnp.uint32(_PARITY)
    x, y = counter[0] + schedule[0], counter[1] + schedule[1]
    for index in range(ROUNDS):
        x = x + y
        rotation = _ROTATIONS[index % len(_ROTATIONS)]
        y = (y << jnp.uint32(rotation)) | (y >> jnp.uint32(32 - rotation))
        y = x ^ y
        if index % 4 == 3:
            count = index // 4 + 1
            x = x + schedule[count % 3]
            y = y + schedule[(count + 1) % 3] + jnp.uint32(count)
    return x, y


def fold_in(key: Any, number: Any) -> jax.Array:
    """Return the key, two words, that follows from a key and a number."""
    return jnp.stack(threefry((key[0], key[1]), (jnp.uint32(1), number.astype(jnp.uint32))))


def random_bits(key: Any, width: int, shape: tuple[int, ...]) -> jax.Array:
    """Return unsigned integers of so many random bits.

    Args:
        key: two words.
        width: 8, 16, 32, or 64.
        shape: the shape of the array.
    """
    count = math.prod(shape)
    pairs = -(-count * width // 64)
    pair = threefry((key[0], key[1]), (jnp.uint32(0), jax.lax.iota(jnp.uint32, pairs)))
    # Both words are used; the barrier keeps XLA from computing them again for every use.
    words = jax.lax.optimization_barrier(jnp.concatenate(pair))
    if width == 64:
        words = words.reshape(-1, 2)
    bits = jax.lax.bitcast_convert_type(words, jnp.dtype(f"uint{width}"))
    return bits.reshape(-1)[:count].reshape(shape)


def keep_mask(key: Any, numbers: Sequence[Any], rate: Any, shape: tuple[int, ...]) -> jax.Array:
    """Return an array that is False with probability `rate`, and True elsewhere.

    Each element takes 16 random bits, so the probability is `rate` rounded up to a multiple of
    1/65,536.

    Args:
        key: two words, uint32.
        numbers: integers that are folded into the key, one after the other.
        rate: a number in [0, 1).
        shape: the shape of the array.
    """
    rate, numbers = jnp.asarray(rate), [_unsigned(number) for number in numbers]
    if in_use() and rate.dtype == jnp.float32 and rate.ndim == 0 and math.prod(shape):
        mask: jax.Array = _keep_mask.bind(key, rate, *numbers, shape=shape)
        return mask
    return plain_keep_mask(key, rate, *numbers, shape=shape)


def plain_keep_mask(key: Any, rate: Any, *numbers: Any, shape: tuple[int, ...]) -> jax.Array:
    """Return what `keep_mask` does."""
    for number in numbers:
        key = fold_in(key, number)
    bits = random_bits(key, 16, shape).astype(jnp.float32)
    # The barrier makes XLA compute the mask once for both the forward and the backward pass.
    mask: jax.Array = jax.lax.optimization_barrier(bits >= rate * 2.0**16)
    return mask


def _unsigned(number: Any) -> Any:
    """Return an integer as a scalar of 32 bits, of whatever sign: the kernel takes the bits."""
    if isinstance(number, int | np.integer):
        return np.uint32(int(number) & 0xFFFFFFFF)
    return number if number.dtype.itemsize == 4 else number.astype(jnp.uint32)


def _shape(key: Any, rate: Any, *numbers: Any, shape: tuple[int, ...]) -> core.ShapedArray:
    return core.ShapedArray(shape, np.dtype(bool))


def _lower(context: Any, *arguments: Any, shape: tuple[int, ...]) -> Any:
    return jax.ffi.ffi_lowering("gradus_keep_mask")(context, *arguments)


_keep_mask = Primitive("gradus_keep_mask")
_keep_mask.def_abstract_eval(_shape)
define_kernel(_keep_mask, plain_keep_mask, _lower, elementwise=True)
