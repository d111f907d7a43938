"""Which steps of a sequence are real: masks that follow arrays from layer to layer.

Sequences of different lengths share one array `(batch, steps, ...)`, padded at the end. The layer
that knows which steps are padding (`Masking`, `Embedding(mask_zero=True)`) sets a mask
`(batch, steps)`, true where a step is real. A layer whose `call` has an argument `mask` receives
it; every other layer passes it on with an output that still has those steps. As with heads, an
array is known by its identity during one call of a network:

    with tracking():
        set_mask(x, mask)
        y = layer(x)
        get_mask(y)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Shaped

    Mask = Bool[Array, "batch steps"]

# Mask and array by the array's `id`. The array is kept so that no other object can have its `id`.
_masks: ContextVar[dict[int, tuple[Any, Any]] | None] = ContextVar("gradus_masks", default=None)


@contextmanager
def tracking() -> Iterator[None]:
    """Track masks within the block; an inner block is part of the outer one."""
    if _masks.get() is not None:
        yield
        return
    token = _masks.set({})
    try:
        yield
    finally:
        _masks.reset(token)


def set_mask(array: Shaped[Array, "batch steps ..."], mask: Mask) -> None:
    """Set the mask of an array."""
    known = _masks.get()
    if known is not None:
        known[id(array)] = (mask, array)


def get_mask(*arrays: Any) -> Mask | None:
    """Return the mask of the first array that has one, or None."""
    known = _masks.get() or {}
    masks = (known[id(array)][0] for array in arrays if id(array) in known)
    return next(masks, None)


def masked_mean(
    x: Float[Array, "batch ... features"], mask: Mask | None
) -> Float[Array, "features"]:
    """Return the mean of each feature over all other axes, of the real steps only."""
    axes = tuple(range(x.ndim - 1))
    if mask is None:
        return x.mean(axes)
    real = mask.reshape(*mask.shape, *[1] * (x.ndim - 2))
    count = mask.sum(dtype=x.dtype) * (x[0, 0].size // x.shape[-1])
    return jnp.where(real, x, 0.0).sum(axes) / jnp.maximum(count, 1.0)


def propagate(mask: Mask | None, output: Any) -> None:
    """Pass the mask on to an output that still has its steps and has no mask yet."""
    if mask is None or get_mask(output) is not None:
        return
    if getattr(output, "ndim", 0) > 2 and output.shape[:2] == mask.shape:
        set_mask(output, mask)
