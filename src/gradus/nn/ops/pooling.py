"""Pooling itself, over one or two axes of space, channels last: what the layers compute with."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradus.nn.ops.conv import Pads, Sizes, shifted_views


def max_pool(x: jax.Array, sizes: Sizes, strides: Sizes, pads: Pads) -> jax.Array:
    """Return the largest value of each window and channel; padding counts as −∞.

    Args:
        x: `(batch, *space, channels)`.
        sizes: of the windows along each axis of space.
        strides: from one window to the next.
        pads: how much is put before and after each axis.

    Returns:
        `(batch, *space, channels)`.
    """
    if sizes == strides and not any(map(any, pads)):
        return _max_of_tiles(x, sizes)
    largest = [view for _, view in shifted_views(x, sizes, strides, pads, fill=-np.inf)]
    return functools.reduce(jnp.maximum, largest)


def average_pool(x: jax.Array, sizes: Sizes, strides: Sizes, pads: Pads) -> jax.Array:
    """Return the mean of each window and channel; padding does not count."""
    total = _sum(x, sizes, strides, pads)
    if not any(map(any, pads)):
        return total / math.prod(sizes)
    return total / _sum(jnp.ones((1, *x.shape[1:-1], 1), x.dtype), sizes, strides, pads)


def _sum(x: jax.Array, sizes: Sizes, strides: Sizes, pads: Pads) -> jax.Array:
    return functools.reduce(jnp.add, [view for _, view in shifted_views(x, sizes, strides, pads)])


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _max_of_tiles(x: jax.Array, sizes: Sizes) -> jax.Array:
    return _forward(x, sizes)[0]


def _forward(x: jax.Array, sizes: Sizes) -> tuple[jax.Array, Any]:
    """Return the largest values, and which element of its tile each was, the first of equals."""
    none = tuple((0, 0) for _ in sizes)
    found = [view for _, view in shifted_views(x, sizes, sizes, none)]
    largest, which = found[0], jnp.zeros(found[0].shape, jnp.int16)
    for number, view in enumerate(found[1:], 1):
        # Never "equal to the largest": XLA may compute a value twice and round it differently.
        which = jnp.where(view > largest, jnp.int16(number), which)
        largest = jnp.maximum(largest, view)
    return largest, (which, x[:0])


def _backward(sizes: Sizes, kept: Any, dy: jax.Array) -> tuple[jax.Array]:
    """Give each gradient to the element that was the largest: one pass over the input."""
    which, empty = kept
    rank = len(sizes)
    # (batch, places, channels) -> (batch, places, 1, places, 1, channels), one 1 for each axis
    inner = tuple(2 + 2 * axis for axis in range(rank))
    wide, at = jnp.expand_dims(dy, inner), jnp.expand_dims(which, inner)
    shape = [1] * wide.ndim
    for axis, size in zip(inner, sizes, strict=True):
        shape[axis] = size
    numbers = jnp.arange(math.prod(sizes), dtype=jnp.int16).reshape(shape)
    tiles = jnp.where(at == numbers, wide, jnp.zeros((), dy.dtype))
    covered = [p * k for p, k in zip(dy.shape[1:-1], sizes, strict=True)]
    dx = tiles.reshape(dy.shape[0], *covered, dy.shape[-1])
    rest = [(0, n - c, 0) for n, c in zip(empty.shape[1:-1], covered, strict=True)]
    if any(after for _, after, _ in rest):
        dx = lax.pad(dx, jnp.zeros((), dy.dtype), [(0, 0, 0), *rest, (0, 0, 0)])
    return (dx,)


_max_of_tiles.defvjp(_forward, _backward)
