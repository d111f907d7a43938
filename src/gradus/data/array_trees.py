"""One input or several: arrays in dicts and tuples, and what is checked of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gradus.data.arrays import FILL_IN, as_array, as_numpy, place_in
from gradus.errors import DataError


def as_tree(x: Any, name: str = "x", wide: bool = False) -> Any:
    """Convert one input, or a dict or tuple of several, with `as_array`.

    A list is always one array; a tuple is several inputs if each member is an array.

    Args:
        x: the input or inputs.
        name: what errors call it.
        wide: as in `as_array`.

    Raises:
        DataError: as `as_array`, naming the input; or if a dict is empty or has a key that is not
            a string.

    Examples:
        >>> inputs = gr.data.as_tree({"image": np.zeros((2, 8, 8)), "age": [20, 30]})
        >>> {name: (x.shape, x.dtype.name) for name, x in inputs.items()}
        {'image': ((2, 8, 8), 'float32'), 'age': ((2,), 'int32')}
    """
    if isinstance(x, dict):
        if not x or not all(isinstance(key, str) for key in x):
            raise DataError(f"{name} is a dict of inputs: its keys must be names, at least one.")
        return {key: as_tree(value, f"{name}[{key!r}]", wide) for key, value in x.items()}
    if _is_inputs(x):
        return tuple(as_tree(value, f"{name}[{index}]", wide) for index, value in enumerate(x))
    return as_array(x, name, wide)


def _is_inputs(x: Any) -> bool:
    def is_input(member: Any) -> bool:
        shape = getattr(member, "shape", ())
        return isinstance(member, dict) or len(shape) > 0 or _is_inputs(member)

    return isinstance(x, tuple) and len(x) > 0 and all(is_input(member) for member in x)


def named_leaves(tree: Any, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each array of `tree` with its name: `x`, `x['image']`, `x[0]`.

    They come in the order of `jax.tree.leaves`: those of a dict by their keys.
    """
    if isinstance(tree, dict):
        for key in sorted(tree):
            yield from named_leaves(tree[key], f"{name}[{key!r}]")
    elif isinstance(tree, tuple):
        for index, value in enumerate(tree):
            yield from named_leaves(value, f"{name}[{index}]")
    else:
        is_array = hasattr(tree, "reshape") and hasattr(tree, "dtype")
        yield name, tree if is_array else as_numpy(tree, name)


def check_finite(tree: Any, name: str = "x") -> None:
    """Check that no array of `tree` has NaN or infinity.

    Raises:
        DataError: with their number, and the row and column of the first.

    Examples:
        >>> gr.data.check_finite(np.array([[1.0, 2.0], [3.0, np.nan]]))
        Traceback (most recent call last):
        gradus.errors.DataError: x has 1 value that is not finite (1 NaN, 0 infinite), the first ...
    """
    for leaf_name, array in named_leaves(tree, name):
        if array.dtype.kind == "f":
            _check_array_finite(array, leaf_name)


def _check_array_finite(array: np.ndarray, name: str) -> None:
    # One pass of BLAS, on all cores: the sum of squares is finite only if every value is. A sum
    # that merely overflows leads to the exact count, which then finds nothing.
    flat = array.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.dot(flat, flat)):
            return
    array = np.atleast_1d(array)
    bad = ~np.isfinite(array)
    count = int(np.count_nonzero(bad))
    if count == 0:
        return
    nans = int(np.count_nonzero(np.isnan(array)))
    where = place_in(int(bad.argmax()), array.shape)
    values = "1 value that is" if count == 1 else f"{count} values that are"
    raise DataError(
        f"{name} has {values} not finite ({nans} NaN, {count - nans} infinite), the first at "
        f"{where}. {FILL_IN}"
    )


def check_same_length(x: Any, y: Any = None, weights: Any = None) -> int:
    """Check that inputs, targets and weights have the same number of rows, and return it.

    Args:
        x: an array or a tree of arrays.
        y: likewise, or None.
        weights: likewise, or None.

    Raises:
        DataError: if the numbers of rows differ, or there are no rows, or nothing in them.

    Examples:
        >>> gr.data.check_same_length(np.zeros((3, 2)), np.zeros(3))
        3
    """
    return same_length({"x": x, "y": y, "sample_weight": weights})


def same_length(parts: Mapping[str, Any]) -> int:
    """Check that arrays, or trees of them, have the same number of rows, and return it.

    Args:
        parts: by their names in an error; None for those that there are not.

    Raises:
        DataError: if the numbers of rows differ, or there are no rows, or nothing in them.
    """
    rows = {}
    for part, tree in parts.items():
        for name, array in () if tree is None else named_leaves(tree, part):
            if not np.shape(array):
                raise DataError(
                    f"{name} is a single value; pass an array whose first axis is rows."
                )
            if 0 in np.shape(array)[1:]:
                raise DataError(
                    f"{name} has shape {np.shape(array)}: its rows are empty; pass columns."
                )
            rows[name] = len(array)
    if not rows:
        raise DataError("There are no inputs: x is None.")
    if len(set(rows.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in rows.items())
        second = getattr(parts.get("x"), "shape", ())[1:2]  # a list of inputs became one array
        is_list = any(size in rows.values() and size != rows["x"] for size in second)
        hint = " Of several inputs write a tuple or a dict, not a list." if is_list else ""
        raise DataError(f"The numbers of rows differ: {listed}.{hint}")
    count = next(iter(rows.values()))
    if count == 0:
        raise DataError("There are no rows: the first axis of x has length 0.")
    return count
