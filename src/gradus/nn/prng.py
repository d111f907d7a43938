"""Random numbers inside a training program: keys of Threefry, unrolled.

XLA compiles JAX's own Threefry for a CPU as a loop of many small kernels, which costs a small
network more than all its arithmetic. This is the same function, unrolled, and it discards no random
bits, so a mask is cheap. Keys are JAX's typed keys: all of `jax.random` works with them, and under
`vmap` every member draws what it would draw alone.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import define_prng_impl

from gradus.kernels.threefry import fold_in, keep_mask, random_bits, threefry


def make_key(seed: Any) -> jax.Array:
    """Return the key of a seed, an integer of which the last 32 bits count."""
    if not isinstance(seed, int | np.integer):
        return jax.random.key(seed, impl=_IMPLEMENTATION)
    # The same key, made on the host: on the device it takes ten times as long.
    words: Any = np.array([0, seed & 0xFFFFFFFF], np.uint32)
    return jax.random.wrap_key_data(words, impl=_IMPLEMENTATION)


@dataclasses.dataclass(frozen=True)
class DerivedKey:
    """A key, and the numbers to fold into it where random numbers are drawn.

    So a network that draws none is traced and compiled without Threefry, a tenth of a small
    program, and a mask is drawn in one call.
    """

    key: jax.Array
    numbers: tuple[Any, ...] = ()

    def fold_in(self, number: Any) -> DerivedKey:
        """Return the key derived with one more number."""
        return DerivedKey(self.key, (*self.numbers, number))

    def folded(self) -> jax.Array:
        """Return the key with all numbers folded in."""
        return functools.reduce(jax.random.fold_in, self.numbers, self.key)

    def keep_mask(self, rate: Any, shape: tuple[int, ...]) -> jax.Array:
        """Return an array that is False with probability `rate`, and True elsewhere.

        Each element takes 16 random bits, so the probability is `rate` rounded up to a multiple of
        1/65,536.

        Args:
            rate: a number in [0, 1).
            shape: the shape of the array.
        """
        if jax.random.key_impl(self.key) == _IMPLEMENTATION:
            words = jax.random.key_data(self.key)
            return keep_mask(words, self.numbers, rate, shape)
        bits = jax.random.bits(self.folded(), shape, jnp.uint16).astype(jnp.float32)
        return bits >= rate * 2.0**16


def _seed(seed: Any) -> jax.Array:
    low = seed.astype(jnp.uint32)
    wide = seed.dtype.itemsize > 4
    return jnp.stack([(seed >> 32).astype(jnp.uint32) if wide else jnp.zeros_like(low), low])


def _split(key: Any, shape: tuple[int, ...]) -> jax.Array:
    counter = jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape)
    pair = threefry((key[0], key[1]), (jnp.full_like(counter, 2), counter))
    return jnp.stack(pair, axis=-1)


_IMPLEMENTATION = define_prng_impl(
    key_shape=(2,),
    seed=_seed,
    split=_split,
    random_bits=random_bits,
    fold_in=fold_in,
    name="gradus_threefry",
    tag="gra",
)
