"""Random numbers inside a training program: Threefry, in one kernel.

XLA compiles JAX's own Threefry for a CPU as a loop of many small kernels, which costs a small
network more than all its arithmetic. This is the same function, unrolled, and it discards no random
bits, so a mask is cheap. Keys are JAX's typed keys: all of `jax.random` works with them, and under
`vmap` every member draws what it would draw alone.

Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
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

ROUNDS = 20
_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = 0x1BD11BDA


def make_key(seed: Any) -> jax.Array:
    """Return the key of a seed, an integer of which the last 32 bits count."""
    if not isinstance(seed, int | np.integer):
        return jax.random.key(seed, impl=_threefry)
    # The same key, made on the host: on the device it takes ten times as long.
    words: Any = np.array([0, seed & 0xFFFFFFFF], np.uint32)
    return jax.random.wrap_key_data(words, impl=_threefry)


@dataclasses.dataclass(frozen=True)
class DerivedKey:
    """A key, and the numbers to fold into it where random numbers are drawn.

    So a network that draws none is traced and compiled without Threefry, a tenth of a small
    program.
    """

    key: jax.Array
    numbers: tuple[Any, ...] = ()

    def fold_in(self, number: Any) -> DerivedKey:
        """Return the key derived with one more number."""
        return DerivedKey(self.key, (*self.numbers, number))

    def folded(self) -> jax.Array:
        """Return the key with all numbers folded in."""
        return functools.reduce(jax.random.fold_in, self.numbers, self.key)


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


def keep_mask(key: jax.Array, rate: Any, shape: tuple[int, ...]) -> jax.Array:
    """Return an array that is False with probability `rate`, and True elsewhere.

    Each element takes 16 random bits, so the probability is `rate` rounded up to a multiple of
    1/65,536.

    Args:
        key: a JAX key.
        rate: a number in [0, 1).
        shape: the shape of the array.
    """
    bits = jax.random.bits(key, shape, jnp.uint16).astype(jnp.float32)
    # The barrier makes XLA compute the mask once for both the forward and the backward pass.
    return jax.lax.optimization_barrier(bits >= rate * 2.0**16)


def _seed(seed: Any) -> jax.Array:
    low = seed.astype(jnp.uint32)
    wide = seed.dtype.itemsize > 4
    return jnp.stack([(seed >> 32).astype(jnp.uint32) if wide else jnp.zeros_like(low), low])


def _fold_in(key: Any, data: Any) -> jax.Array:
    return jnp.stack(threefry((key[0], key[1]), (jnp.uint32(1), data.astype(jnp.uint32))))


def _split(key: Any, shape: tuple[int, ...]) -> jax.Array:
    counter = jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape)
    pair = threefry((key[0], key[1]), (jnp.full_like(counter, 2), counter))
    return jnp.stack(pair, axis=-1)


def _bits(key: Any, width: int, shape: tuple[int, ...]) -> jax.Array:
    count = math.prod(shape)
    pairs = -(-count * width // 64)
    pair = threefry((key[0], key[1]), (jnp.uint32(0), jax.lax.iota(jnp.uint32, pairs)))
    # Both words are used; the barrier keeps XLA from computing them again for every use.
    words = jax.lax.optimization_barrier(jnp.concatenate(pair))
    if width == 64:
        words = words.reshape(-1, 2)
    bits = jax.lax.bitcast_convert_type(words, jnp.dtype(f"uint{width}"))
    return bits.reshape(-1)[:count].reshape(shape)


_threefry = define_prng_impl(
    key_shape=(2,),
    seed=_seed,
    split=_split,
    random_bits=_bits,
    fold_in=_fold_in,
    name="gradus_threefry",
    tag="gra",
)
