"""Rows of an array by their numbers."""

from __future__ import annotations

import jax

from gradus.kernels.library import in_use


def gather_rows(array: jax.Array, rows: jax.Array) -> jax.Array:
    """Return `array[rows]`, for numbers of rows that are there; it has no derivative.

    Args:
        array: shape `(n, ...)`.
        rows: int32, shape `(count,)`, each from 0 to n - 1.
    """
    if not (in_use() and rows.dtype == "int32" and array.dtype.itemsize * array.size):
        return plain_rows(array, rows)
    shape = jax.ShapeDtypeStruct((*rows.shape, *array.shape[1:]), array.dtype)
    taken: jax.Array = jax.ffi.ffi_call("gradus_take_rows", shape, vmap_method="sequential")(
        array, rows
    )
    return taken


def plain_rows(array: jax.Array, rows: jax.Array) -> jax.Array:
    """Return what the kernel does."""
    return array.at[rows].get(mode="promise_in_bounds", wrap_negative_indices=False)
