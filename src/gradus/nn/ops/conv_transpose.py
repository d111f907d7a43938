"""Transposed convolution over one or two spatial axes, channels last.

It is the reverse of convolution: what `convolve` gathers under a window, it spreads there. On a CPU
it is a product with the kernel, whose parts are added up where they overlap, so nothing is
multiplied by the zeros between the positions.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from gradus.nn.ops.conv import (
    Pads,
    Sizes,
    add_overlapping,
    convolve,
    counted,
    padding_sizes,
    shifted_views,
)


def convolve_transposed(
    x: jax.Array, kernel: jax.Array, strides: Sizes, mode: str, dilation: Sizes
) -> jax.Array:
    """Return `y[n, s p + d q − low, f] = Σ_{p, q, c} x[n, p, c] · kernel[q, f, c]`.

    It is the transpose, as a linear map, of `convolve` from the output's size to the input's.

    Args:
        x: `(batch, *space, channels)`, with one or two spatial axes.
        kernel: `(*size, filters, channels)`.
        strides: s, for each spatial axis.
        mode: "same" makes the output `size · s` long, "valid" `(size − 1) · s + max(span, s)`.
        dilation: d, the distance between the kernel's elements along each axis.

    Returns:
        `(batch, *space, filters)`.
    """
    sizes, axes = kernel.shape[:-2], range(kernel.ndim - 2)
    spans = [dilation[i] * (sizes[i] - 1) + 1 for i in axes]
    extra = [0 if mode == "same" else max(spans[i] - strides[i], 0) for i in axes]
    space = tuple(x.shape[1 + i] * strides[i] + extra[i] for i in axes)
    pads = padding_sizes(mode, space, sizes, strides, dilation)
    if jax.default_backend() == "cpu" or counted.get():
        return _convolve_by_overlap(x, kernel, space, strides, pads, dilation)
    convolution = functools.partial(
        convolve, kernel=kernel, strides=strides, pads=pads, dilation=dilation
    )
    shape = jax.ShapeDtypeStruct((x.shape[0], *space, kernel.shape[-2]), x.dtype)
    (y,) = jax.linear_transpose(convolution, shape)(x)
    return y


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4, 5))
def _convolve_by_overlap(
    x: jax.Array, kernel: jax.Array, space: Sizes, strides: Sizes, pads: Pads, dilation: Sizes
) -> jax.Array:
    # (batch, *space, product of sizes · filters)
    parts = x @ kernel.reshape(-1, kernel.shape[-1]).T
    return add_overlapping(parts, space, kernel.shape[:-2], strides, pads, dilation)


def _forward(x: jax.Array, kernel: jax.Array, *static: Any) -> tuple[jax.Array, Any]:
    return _convolve_by_overlap(x, kernel, *static), (x, kernel)


def _backward(
    space: Sizes, strides: Sizes, pads: Pads, dilation: Sizes, residuals: Any, dy: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the gradients with respect to x, a convolution of dy, and the kernel."""
    x, kernel = residuals
    sizes, channels = kernel.shape[:-2], kernel.shape[-1]
    views = [view for _, view in shifted_views(dy, sizes, strides, pads, dilation)]
    patches = jnp.concatenate(views, axis=-1)  # (batch, *space, product of sizes · filters)
    width = math.prod(kernel.shape[:-1])
    dkernel = patches.reshape(-1, width).T @ x.reshape(-1, channels)
    return patches @ kernel.reshape(width, channels), dkernel.reshape(kernel.shape)


_convolve_by_overlap.defvjp(_forward, _backward)
