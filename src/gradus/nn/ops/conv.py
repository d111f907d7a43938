"""Convolution itself, over one or two axes, channels last: what the layers compute with.

On a CPU, XLA's own convolution is slow, slower inside a loop, and slower still when it is mapped
over a population. There it is done as patches times a matrix, and so are both its gradients; on
other devices XLA's own is used. `convolve` alone chooses.
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
    """Trace convolutions, on all devices, in the way in which their operations can be counted."""
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
        x: `(batch, *space, channels)`, with one or two axes of space.
        kernel: `(*size, channels / groups, filters)`.
        strides: s, of each axis of space.
        pads: how many zeros are put before and after each axis of space.
        dilation: d, the distance between the kernel's elements along each axis.
        groups: into how many the channels and filters are divided; each group of filters sees
            only its group of channels.

    Returns:
        `(batch, *space, filters)`.
    """
    whole = jax.default_backend() != "cpu" or counted.get()
    if whole or groups not in (1, x.shape[-1]):
        return _by_xla(x, kernel, strides, pads, dilation, groups)
    if groups == 1:
        return _by_patches(x, kernel, strides, pads, dilation)
    return _by_channel(x, kernel, strides, pads, dilation)


def padding_sizes(mode: str, space: Sizes, sizes: Sizes, strides: Sizes, dilation: Sizes) -> Pads:
    """Return the zeros before and after each axis for "valid", "same" or "causal" padding.

    "same" makes the output `ceil(size / stride)` long, with the odd zero at the end, as
    TensorFlow and Keras do; "causal" puts all zeros before, so that no output sees what follows.
    """
    if mode == "valid":
        return tuple((0, 0) for _ in space)
    spans = [d * (k - 1) + 1 for k, d in zip(sizes, dilation, strict=True)]
    if mode == "causal":
        return tuple((span - 1, 0) for span in spans)
    lacking = [
        max((math.ceil(n / s) - 1) * s + span - n, 0)
        for n, s, span in zip(space, strides, spans, strict=True)
    ]
    return tuple((zeros // 2, zeros - zeros // 2) for zeros in lacking)


def _by_xla(
    x: jax.Array, kernel: jax.Array, strides: Sizes, pads: Pads, dilation: Sizes, groups: int
) -> jax.Array:
    letters = "HW"[: len(strides)]
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        pads,
        rhs_dilation=dilation,
        dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
        feature_group_count=groups,
    )


def _by_channel(
    x: jax.Array, kernel: jax.Array, strides: Sizes, pads: Pads, dilation: Sizes
) -> jax.Array:
    """Convolve each channel with its own filters: a sum of shifted products."""
    sizes, channels = kernel.shape[:-2], x.shape[-1]
    each = kernel.reshape(*sizes, channels, -1)  # (*size, channels, filters of a channel)
    total: Any = 0.0
    for offset, view in shifted_views(x, sizes, strides, pads, dilation):
        total = total + view[..., None] * each[offset]
    return total.reshape(*total.shape[:-2], -1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _by_patches(
    x: jax.Array, kernel: jax.Array, strides: Sizes, pads: Pads, dilation: Sizes
) -> jax.Array:
    patches = _patches(x, kernel.shape[:-2], strides, pads, dilation)
    return patches @ kernel.reshape(-1, kernel.shape[-1])


def _forward(
    x: jax.Array, kernel: jax.Array, strides: Sizes, pads: Pads, dilation: Sizes
) -> tuple[jax.Array, Any]:
    patches = _patches(x, kernel.shape[:-2], strides, pads, dilation)
    # An empty slice tells the shape of x without keeping it.
    return patches @ kernel.reshape(-1, kernel.shape[-1]), (patches, kernel, x[:0])


def _backward(
    strides: Sizes, pads: Pads, dilation: Sizes, kept: Any, dy: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the gradients of x and of the kernel, both matrix products again.

    That of the kernel is `patchesᵀ · dy`; that of the patches is `dy · kernelᵀ`, and each of its
    parts goes back to where the patches were cut from. (A convolution of dy with the kernel
    turned round would do as well, and takes a third longer.)
    """
    patches, kernel, empty = kept
    *sizes, _, filters = kernel.shape
    flat = patches.reshape(-1, patches.shape[-1]).T @ dy.reshape(-1, filters)
    back = dy @ kernel.reshape(-1, filters).T  # (batch, *space, product of sizes · channels)
    dx = add_overlapping(back, empty.shape[1:-1], tuple(sizes), strides, pads, dilation)
    return dx, flat.reshape(kernel.shape)


_by_patches.defvjp(_forward, _backward)


def add_overlapping(
    parts: jax.Array, space: Sizes, sizes: Sizes, strides: Sizes, pads: Pads, dilation: Sizes
) -> jax.Array:
    """Put patches back to where they would be cut from, and add them up where they overlap.

    Args:
        parts: `(batch, *places, product of sizes · channels)`.
        space: how large the array was that patches are cut from, along each axis of space.
        sizes: of the window along each axis.
        strides: from one place to the next.
        pads: how much was put before and after each axis.
        dilation: the distance between the window's elements.

    Returns:
        `(batch, *space, channels)`.
    """
    channels = parts.shape[-1] // math.prod(sizes)
    found = []
    for number, offset in enumerate(itertools.product(*map(range, sizes))):
        spread = []
        for axis, q in enumerate(offset):
            before = dilation[axis] * q - pads[axis][0]
            covered = (parts.shape[1 + axis] - 1) * strides[axis] + 1
            spread.append((before, space[axis] - covered - before, strides[axis] - 1))
        part = parts[..., number * channels : (number + 1) * channels]
        zero = jnp.zeros((), parts.dtype)
        found.append(lax.pad(part, zero, [(0, 0, 0), *spread, (0, 0, 0)]))
    return functools.reduce(jnp.add, found)


def _patches(
    x: jax.Array, sizes: Sequence[int], strides: Sizes, pads: Pads, dilation: Sizes
) -> jax.Array:
    """Return what each place of the output sees, `(batch, *space, product of sizes · channels)`."""
    seen = [view for _, view in shifted_views(x, tuple(sizes), strides, pads, dilation)]
    return jnp.concatenate(seen, axis=-1) if len(seen) > 1 else seen[0]


def shifted_views(
    x: jax.Array,
    sizes: Sizes,
    strides: Sizes,
    pads: Pads,
    dilation: Sizes | None = None,
    fill: float = 0.0,
) -> list[tuple[Sizes, jax.Array]]:
    """Return, for each element of a window, its offset and what lies under it at all places.

    Args:
        x: `(batch, *space, channels)`.
        sizes: of the window along each axis of space.
        strides: from one place to the next.
        pads: how much is put before and after each axis.
        dilation: the distance between the window's elements; 1 unless it is given.
        fill: what is put there.

    Returns:
        An array `(batch, *places, channels)` for each element, the last axis running fastest.
    """
    dilation = dilation or (1,) * len(sizes)
    if any(map(any, pads)):
        x = jnp.pad(x, ((0, 0), *pads, (0, 0)), constant_values=fill)
    places = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(x.shape[1:-1], sizes, strides, dilation, strict=True)
    ]
    found = []
    for offset in itertools.product(*map(range, sizes)):
        starts = [d * q for d, q in zip(dilation, offset, strict=True)]
        ends = [a + s * (p - 1) + 1 for a, s, p in zip(starts, strides, places, strict=True)]
        view = lax.slice(x, (0, *starts, 0), (x.shape[0], *ends, x.shape[-1]), (1, *strides, 1))
        found.append((offset, view))
    return found
