"""Convolution over one to three spatial axes, channels last.

On a CPU, XLA's convolution is slow, slower inside a loop, and slowest mapped over a population. So
there `convolve` multiplies patches by a matrix, as do both its gradients; on other devices it calls
XLA's convolution.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Pads = tuple[tuple[int, int], ...]
Sizes = tuple[int, ...]

counted: ContextVar[bool] = ContextVar("gradus_convolutions_counted", default=False)


@contextmanager
def countable_flops() -> Iterator[None]:
    """Trace convolutions so that XLA's cost analysis counts their operations, on any device."""
    token = counted.set(True)
    try:
        yield
    finally:
        counted.reset(token)


def convolve(
    x: jax.Array,
    kernel: jax.Array,
    strides: Sizes,
    pads: Pads,
    dilation: Sizes,
    groups: int = 1,
) -> jax.Array:
    """Return `y[n, p, f] = Σ_{q, c} x[n, s p + d q − low, c] · kernel[q, c, f]`.

    Args:
        x: `(batch, *space, channels)`, with one to three spatial axes.
        kernel: `(*size, channels / groups, filters)`.
        strides: s, for each spatial axis.
        pads: how many zeros to add before and after each spatial axis.
        dilation: d, the distance between the kernel's elements along each axis.
        groups: how many groups the channels and filters are divided into; each group of filters
            sees only its group of channels.

    Returns:
        `(batch, *space, filters)`.
    """
    use_xla = jax.default_backend() != "cpu" or counted.get()
    if use_xla or groups not in (1, x.shape[-1]):
        return _convolve_with_xla(x, kernel, strides, pads, dilation, groups)
    if groups == 1:
        return _convolve_by_patches(x, kernel, strides, pads, dilation)
    return _convolve_by_channel(x, kernel, strides, pads, dilation)


def padding_sizes(mode: str, space: Sizes, sizes: Sizes, strides: Sizes, dilation: Sizes) -> Pads:
    """Return the zeros before and after each axis for "valid", "same", or "causal" padding.

    "same" makes the output `ceil(size / stride)` long, with an odd zero at the end, as TensorFlow
    and Keras do; "causal" puts all zeros before, so no output depends on later steps.
    """
    if mode == "valid":
        return tuple((0, 0) for _ in space)
    spans = [d * (k - 1) + 1 for k, d in zip(sizes, dilation, strict=True)]
    if mode == "causal":
        return tuple((span - 1, 0) for span in spans)
    totals = [
        max((math.ceil(n / s) - 1) * s + span - n, 0)
        for n, s, span in zip(space, strides, spans, strict=True)
    ]
    return tuple((zeros // 2, zeros - zeros // 2) for zeros in totals)


def _convolve_with_xla(
    x: jax.Array, kernel: jax.Array, strides: Sizes, pads: Pads, dilation: Sizes, groups: int
) -> jax.Array:
    letters = "DHW"[-len(strides) :]
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        pads,
        rhs_dilation=dilation,
        dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
        feature_group_count=groups,
    )


def _convolve_by_channel(
    x: jax.Array, kernel: jax.Array, strides: Sizes, pads: Pads, dilation: Sizes
) -> jax.Array:
    """Convolve each channel with its own filters: a sum of shifted products."""
    sizes, channels = kernel.shape[:-2], x.shape[-1]
    filters = kernel.reshape(*sizes, channels, -1)  # (*size, channels, filters of a channel)
    total: Any = 0.0
    for offset, view in shifted_views(x, sizes, strides, pads, dilation):
        total = total + view[..., None] * filters[offset]
    return total.reshape(*total.shape[:-2], -1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _convolve_by_patches(
    x: jax.Array, kernel: jax.Array, strides: Sizes, pads: Pads, dilation: Sizes
) -> jax.Array:
    patches = _patches(x, kernel.shape[:-2], strides, pads, dilation)
    return patches @ kernel.reshape(-1, kernel.shape[-1])


def _forward(
    x: jax.Array, kernel: jax.Array, strides: Sizes, pads: Pads, dilation: Sizes
) -> tuple[jax.Array, Any]:
    patches = _patches(x, kernel.shape[:-2], strides, pads, dilation)
    # An empty slice keeps the shape of x without its memory.
    return patches @ kernel.reshape(-1, kernel.shape[-1]), (patches, kernel, x[:0])


def _backward(
    strides: Sizes, pads: Pads, dilation: Sizes, residuals: Any, dy: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the gradients with respect to x and the kernel, both matrix products again.

    That of the kernel is `patchesᵀ · dy`; that of the patches is `dy · kernelᵀ`, and each of its
    parts is added where the patch came from. (A convolution of dy with the flipped kernel gives the
    same but takes a third longer.)
    """
    patches, kernel, empty = residuals
    *sizes, _, filters = kernel.shape
    dkernel = patches.reshape(-1, patches.shape[-1]).T @ dy.reshape(-1, filters)
    dpatches = dy @ kernel.reshape(-1, filters).T  # (batch, *space, product of sizes · channels)
    dx = add_overlapping(dpatches, empty.shape[1:-1], tuple(sizes), strides, pads, dilation)
    return dx, dkernel.reshape(kernel.shape)


_convolve_by_patches.defvjp(_forward, _backward)


def add_overlapping(
    parts: jax.Array, space: Sizes, sizes: Sizes, strides: Sizes, pads: Pads, dilation: Sizes
) -> jax.Array:
    """Put patches back where they were extracted, and add them up where they overlap.

    Args:
        parts: the patches, `(batch, *positions, product of sizes · channels)`.
        space: the size of the whole array along each spatial axis.
        sizes: the size of the window along each axis.
        strides: the distance from one position to the next.
        pads: the padding before and after each axis.
        dilation: the distance between the window's elements.

    Returns:
        `(batch, *space, channels)`.
    """
    channels = parts.shape[-1] // math.prod(sizes)
    summands = []
    for index, offset in enumerate(itertools.product(*map(range, sizes))):
        padding = []
        for axis, q in enumerate(offset):
            before = dilation[axis] * q - pads[axis][0]
            covered = (parts.shape[1 + axis] - 1) * strides[axis] + 1
            padding.append((before, space[axis] - covered - before, strides[axis] - 1))
        part = parts[..., index * channels : (index + 1) * channels]
        zero = jnp.zeros((), parts.dtype)
        summands.append(lax.pad(part, zero, [(0, 0, 0), *padding, (0, 0, 0)]))
    return functools.reduce(jnp.add, summands)


def _patches(
    x: jax.Array, sizes: Sequence[int], strides: Sizes, pads: Pads, dilation: Sizes
) -> jax.Array:
    """Return the window of each output, `(batch, *space, product of sizes · channels)`."""
    views = [view for _, view in shifted_views(x, tuple(sizes), strides, pads, dilation)]
    return jnp.concatenate(views, axis=-1) if len(views) > 1 else views[0]


def shifted_views(
    x: jax.Array,
    sizes: Sizes,
    strides: Sizes,
    pads: Pads,
    dilation: Sizes | None = None,
    fill: float = 0.0,
) -> list[tuple[Sizes, jax.Array]]:
    """Return, for each element of a window, its offset and the values under it at all positions.

    Args:
        x: `(batch, *space, channels)`.
        sizes: the size of the window along each spatial axis.
        strides: the distance from one position to the next.
        pads: the padding before and after each axis.
        dilation: the distance between the window's elements; 1 by default.
        fill: the padding value.

    Returns:
        An array `(batch, *positions, channels)` for each element, the last axis varying fastest.
    """
    dilation = dilation or (1,) * len(sizes)
    if any(map(any, pads)):
        x = jnp.pad(x, ((0, 0), *pads, (0, 0)), constant_values=fill)
    counts = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(x.shape[1:-1], sizes, strides, dilation, strict=True)
    ]
    views = []
    for offset in itertools.product(*map(range, sizes)):
        starts = [d * q for d, q in zip(dilation, offset, strict=True)]
        ends = [a + s * (p - 1) + 1 for a, s, p in zip(starts, strides, counts, strict=True)]
        view = lax.slice(x, (0, *starts, 0), (x.shape[0], *ends, x.shape[-1]), (1, *strides, 1))
        views.append((offset, view))
    return views
