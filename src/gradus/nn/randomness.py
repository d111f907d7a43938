"""Random numbers inside a training program: Threefry, in one kernel.

JAX's own Threefry is compiled for a CPU as a loop of many small kernels, which costs a small
network more than all its arithmetic. This one is the same function written out, so that XLA
computes a mask where it is used, ten times as fast. Keys are JAX's typed keys: all of `jax.random`
works with them, and under `vmap` every member draws what it would draw alone.

Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import define_prng_impl

ROUNDS = 20
_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = 0x1BD11BDA


def key(seed: Any) -> jax.Array:
    """Return the key of a seed, a whole number of which the last 32 bits count."""
    if not isinstance(seed, int | np.integer):
        return jax.random.key(seed, impl=_threefry)
    # The same, made on the host: a device's arithmetic costs ten times as much.
    words: Any = np.array([0, seed & 0xFFFFFFFF], np.uint32)
    return jax.random.wrap_key_data(words, impl=_threefry)


def threefry(words: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[jax.Array, jax.Array]:
    """Return two words of 32 random bits, a function of the key's words and of a counter.

    Args:
        words: the key, two uint32.
        counter: two uint32, or arrays of them.
    """
    schedule = words[0], words[1], words[0] ^ words[1] ^ jnp.uint32(_PARITY)
    x, y = counter[0] + schedule[0], counter[1] + schedule[1]
    for number in range(ROUNDS):
        x = x + y
        turn = _ROTATIONS[number % len(_ROTATIONS)]
        y = (y << jnp.uint32(turn)) | (y >> jnp.uint32(32 - turn))
        y = x ^ y
        if number % 4 == 3:
            count = number // 4 + 1
            x = x + schedule[count % 3]
            y = y + schedule[(count + 1) % 3] + jnp.uint32(count)
    return x, y


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
    counter = jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    high, low = threefry((key[0], key[1]), (jnp.uint32(0), counter))
    if width == 64:
        return (high.astype(jnp.uint64) << 32) | low.astype(jnp.uint64)
    return low.astype({8: jnp.uint8, 16: jnp.uint16, 32: jnp.uint32}[width])


_threefry = define_prng_impl(
    key_shape=(2,),
    seed=_seed,
    split=_split,
    random_bits=_bits,
    fold_in=_fold_in,
    name="gradus_threefry",
    tag="gra",
)
