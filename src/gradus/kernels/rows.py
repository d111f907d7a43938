"""Rows of arrays by their numbers."""

from __future__ import annotations

from typing import Any

import jax

from gradus.kernels.library import in_use


def gather_rows(arrays: Any, rows: jax.Array) -> Any:
    """Return `array[rows]` of each array, for numbers of rows that are there; without derivatives.

    Args:
        arrays: a tree of arrays, of shapes `(n, ...)`.
        rows: int32, shape `(count,)`, each from 0 to n - 1.
    """
    leaves, structure = jax.tree.flatten(arrays)
    if not (in_use() and rows.dtype == "int32" and all(_takes(leaf) for leaf in leaves)):
        return plain_rows(arrays, rows)
    shapes = [jax.ShapeDtypeStruct((*rows.shape, *leaf.shape[1:]), leaf.dtype) for leaf in leaves]
    call = jax.ffi.ffi_call("gradus_take_rows", shapes, vmap_method="sequential")
    return jax.tree.unflatten(structure, call(rows, *leaves))


def plain_rows(arrays: Any, rows: jax.Array) -> Any:
    """Return what the kernel does."""

    def take(array: jax.Array) -> jax.Array:
        return array.at[rows].get(mode="promise_in_bounds", wrap_negative_indices=False)

    return jax.tree.map(take, arrays)


def _takes(array: Any) -> bool:
    return bool(array.dtype.itemsize * array.size)
