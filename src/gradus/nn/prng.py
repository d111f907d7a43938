"""Random numbers inside a training program: Threefry, in one kernel.

JAX's own Threefry is compiled for a CPU as a loop of many small kernels, which costs a small
network more than all its arithmetic. This one is the same function written out, and no bit that it
gives is thrown away: a mask costs a small part. Keys are JAX's typed keys: all of `jax.random`
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


def make_key(seed: Any) -> jax.Array:
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


def keep_mask(key: jax.Array, rate: Any, shape: tuple[int, ...]) -> jax.Array:
    """Return an array that is False in a share of `rate` of its places, and True elsewhere.

    Of each place 16 bits are drawn, so that the share is a whole number of 65,536ths, the next one
    from `rate` up.

    Args:
        key: of what is drawn.
        rate: a number in [0, 1).
        shape: of the array.
    """
    drawn = jax.random.bits(key, shape, jnp.uint16).astype(jnp.float32)
    # Drawn once, for going forward and for going back.
    return jax.lax.optimization_barrier(drawn >= rate * 2.0**16)


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
    drawn = threefry((key[0], key[1]), (jnp.uint32(0), jax.lax.iota(jnp.uint32, pairs)))
    # Both words are used, and XLA must not compute them again wherever their bits are read.
    words = jax.lax.optimization_barrier(jnp.concatenate(drawn))
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
