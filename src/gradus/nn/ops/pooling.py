"""Pooling over one to three spatial axes, channels last."""

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
        sizes: the size of the windows along each spatial axis.
        strides: the distance from one window to the next.
        pads: the padding before and after each axis.

    Returns:
        `(batch, *space, channels)`.
    """
    if sizes == strides and not any(map(any, pads)):
        return _max_of_tiles(x, sizes)
    views = [view for _, view in shifted_views(x, sizes, strides, pads, fill=-np.inf)]
    return functools.reduce(jnp.maximum, views)


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
    """Return the largest values, and the index of each in its tile, the first of equals."""
    no_padding = tuple((0, 0) for _ in sizes)
    views = [view for _, view in shifted_views(x, sizes, sizes, no_padding)]
    largest, argmax = views[0], jnp.zeros(views[0].shape, jnp.int16)
    for index, view in enumerate(views[1:], 1):
        # Not `view == largest`: XLA may compute a value twice and round it differently.
        argmax = jnp.where(view > largest, jnp.int16(index), argmax)
        largest = jnp.maximum(largest, view)
    return largest, (argmax, x[:0])


def _backward(sizes: Sizes, residuals: Any, dy: jax.Array) -> tuple[jax.Array]:
    """Pass each gradient to the element that was the largest, in one pass over the input."""
    argmax, empty = residuals
    rank = len(sizes)
    # (batch, tiles, channels) -> (batch, tiles, 1, tiles, 1, channels), one 1 for each axis
    inner = tuple(2 + 2 * axis for axis in range(rank))
    dy_of_tile, argmax_of_tile = jnp.expand_dims(dy, inner), jnp.expand_dims(argmax, inner)
    shape = [1] * dy_of_tile.ndim
    for axis, size in zip(inner, sizes, strict=True):
        shape[axis] = size
    indices = jnp.arange(math.prod(sizes), dtype=jnp.int16).reshape(shape)
    tiles = jnp.where(argmax_of_tile == indices, dy_of_tile, jnp.zeros((), dy.dtype))
    covered = [p * k for p, k in zip(dy.shape[1:-1], sizes, strict=True)]
    dx = tiles.reshape(dy.shape[0], *covered, dy.shape[-1])
    rest = [(0, n - c, 0) for n, c in zip(empty.shape[1:-1], covered, strict=True)]
    if any(after for _, after, _ in rest):
        dx = lax.pad(dx, jnp.zeros((), dy.dtype), [(0, 0, 0), *rest, (0, 0, 0)])
    return (dx,)


_max_of_tiles.defvjp(_forward, _backward)
