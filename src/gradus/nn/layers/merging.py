"""Layers that make one array of several, such as the outputs of branches."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, ClassVar

import jax.numpy as jnp

from gradus.checks import as_result
from gradus.errors import ShapeError
from gradus.nn import mask_tracking
from gradus.nn.arguments import values_of
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.nn.layers.activation import axis_of, check_axis

_PAIRWISE = {
    "add": jnp.add,
    "subtract": jnp.subtract,
    "multiply": jnp.multiply,
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
}
MERGES = ("concatenate", "average", *_PAIRWISE)


def merge(layer: Layer, how: str, arrays: Sequence[Any], axis: int = -1) -> Any:
    """Return one array of several, with a mask of its steps if all of them have one.

    A step of the result is real if it is in any of the arrays.

    Args:
        layer: the layer that merges, for errors.
        how: one of `MERGES`.
        arrays: of as many axes each, which broadcast as in NumPy.
        axis: along which they are concatenated; along it their sizes may differ.

    Raises:
        ShapeError: for arrays whose shapes do not fit, or other than two to subtract.
    """
    shapes = [tuple(array.shape) for array in arrays]
    if how == "subtract" and len(arrays) != 2:
        raise ShapeError(f"{layer._label()} subtracts one array from another, not {len(arrays)}.")
    if not _fit(shapes, how, axis):
        sizes = ", ".join(map(str, shapes))
        along = f", except along axis {axis}" if how == "concatenate" else ""
        raise ShapeError(
            f"{layer._label()} merges arrays of the shapes {sizes}: they must be equal{along}."
        )
    if how == "concatenate":
        return _concatenated(arrays, axis_of(layer, len(shapes[0]), axis))
    operation = _PAIRWISE["add" if how == "average" else how]
    output = functools.reduce(operation, map(as_float, arrays))
    output = output / len(arrays) if how == "average" else output
    mask_tracking.propagate(_common_mask(arrays), output)
    return output


class BaseMerge(Layer):
    """The base of the layers that merge several arrays.

    Attributes:
        how: how they merge them, one of `MERGES`.
    """

    takes_several = True
    how: ClassVar[str]

    def __init__(self) -> None:
        pass

    def call(self, x: Any, *others: Any) -> Any:
        """Return one array of a list, tuple, or dict of arrays."""
        return merge(self, self.how, self._arrays(x, others))

    def _require_built(self, built: bool) -> None:
        """Pass: there are no weights, so `Add()([a, b])` works wherever it is written."""

    def _arrays(self, x: Any, others: tuple[Any, ...]) -> list[Any]:
        """Return the arrays in their order, those of a dict in that of their sorted names."""
        arrays: Any = [x[name] for name in sorted(x)] if isinstance(x, dict) else x
        several = isinstance(arrays, list | tuple) and len(arrays) > 0 and not others
        if several and all(hasattr(array, "shape") for array in arrays):
            return list(arrays)
        name = type(self).__name__
        raise ShapeError(
            f"{self._label()} takes a list, tuple, or dict of arrays but was given "
            f"{' and '.join(map(as_result, (x, *others)))}: write {name}()([a, b]) in a layer's "
            "call, or put it after Parallel([...])."
        )


class Add(BaseMerge):
    """The sum of several arrays.

    The arrays come as a list or tuple, or as a dict, such as a `Parallel` returns, whose entries
    are taken in the order of their sorted names. They have equal shapes, or shapes that broadcast.
    If all of them have a mask, a step of the output is real where it is real in any of them.

    Raises:
        ShapeError: for a single array, or for arrays whose shapes do not fit.

    Examples:
        >>> x = (jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 5.0]]))
        >>> gr.init(gr.Add(), 0, x)(x).tolist()
        [[4.0, 7.0]]
    """

    how = "add"


class Subtract(BaseMerge):
    """The first of two arrays minus the second. Inputs and errors are those of `Add`.

    Examples:
        >>> x = (jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 5.0]]))
        >>> gr.init(gr.Subtract(), 0, x)(x).tolist()
        [[-2.0, -3.0]]
    """

    how = "subtract"


class Multiply(BaseMerge):
    """The product of several arrays, element by element. Inputs and errors are those of `Add`.

    Examples:
        >>> x = (jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 5.0]]))
        >>> gr.init(gr.Multiply(), 0, x)(x).tolist()
        [[3.0, 10.0]]
    """

    how = "multiply"


class Average(BaseMerge):
    """The mean of several arrays, element by element. Inputs and errors are those of `Add`.

    Examples:
        >>> x = (jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 5.0]]))
        >>> gr.init(gr.Average(), 0, x)(x).tolist()
        [[2.0, 3.5]]
    """

    how = "average"


class Maximum(BaseMerge):
    """The largest of several arrays, element by element. Inputs and errors are those of `Add`.

    Examples:
        >>> x = (jnp.array([[1.0, 7.0]]), jnp.array([[3.0, 5.0]]))
        >>> gr.init(gr.Maximum(), 0, x)(x).tolist()
        [[3.0, 7.0]]
    """

    how = "maximum"


class Minimum(BaseMerge):
    """The smallest of several arrays, element by element. Inputs and errors are those of `Add`.

    Examples:
        >>> x = (jnp.array([[1.0, 7.0]]), jnp.array([[3.0, 5.0]]))
        >>> gr.init(gr.Minimum(), 0, x)(x).tolist()
        [[1.0, 5.0]]
    """

    how = "minimum"


class Concatenate(BaseMerge):
    """Several arrays, one after another along an axis.

    Inputs are those of `Add`. Along the steps of sequences, the masks are concatenated, too.

    Args:
        axis: along which the arrays are joined, and may differ in size; the batch is axis 0.

    Raises:
        GradusError: for an axis that is 0 or no whole number.
        ShapeError: for a single array, an axis that the arrays do not have, or arrays whose other
            axes differ.

    Examples:
        >>> x = {"a": jnp.zeros((2, 3)), "b": jnp.zeros((2, 4))}
        >>> gr.init(gr.Concatenate(), 0, x)(x).shape
        (2, 7)
    """

    how = "concatenate"

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis
        for value in values_of(self, "axis"):
            check_axis(self, value)

    def call(self, x: Any, *others: Any) -> Any:
        """Return the arrays as one."""
        return merge(self, self.how, self._arrays(x, others), self.axis)


def _fit(shapes: Sequence[tuple[int, ...]], how: str, axis: int) -> bool:
    """Whether arrays of these shapes can be merged."""
    if len({len(shape) for shape in shapes}) > 1:
        return False  # NumPy would take the axis of steps for that of the batch
    if how == "concatenate":
        axis %= len(shapes[0])
        return len({shape[:axis] + shape[axis + 1 :] for shape in shapes}) == 1
    try:
        jnp.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


def _concatenated(arrays: Sequence[Any], axis: int) -> Any:
    output = jnp.concatenate(arrays, axis)
    masks = [mask_tracking.get_mask(array) for array in arrays]
    if axis != 1 or all(mask is None for mask in masks):
        mask_tracking.propagate(_common_mask(arrays), output)
        return output
    known = [
        jnp.ones(array.shape[:2], bool) if mask is None else mask
        for array, mask in zip(arrays, masks, strict=True)
    ]
    mask_tracking.propagate(jnp.concatenate(known, 1), output)
    return output


def _common_mask(arrays: Sequence[Any]) -> Any:
    """Return which steps are real in any of some arrays; None, for all, if one has no mask."""
    masks: list[Any] = [mask_tracking.get_mask(array) for array in arrays]
    return None if any(mask is None for mask in masks) else functools.reduce(jnp.logical_or, masks)
