"""Layers without weights that change the shape or the scale of their inputs."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from gradus.checks import as_index, whole_number
from gradus.errors import GradusError, ShapeError
from gradus.nn import mask_tracking
from gradus.nn.arguments import check_sizes
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.space import given_values


class Identity(Layer):
    """Return the input unchanged.

    Examples:
        >>> x = jnp.array([[1.0, 2.0]])
        >>> gr.init(gr.Identity(), 0, x)(x).tolist()
        [[1.0, 2.0]]
    """

    takes_several = True

    def __init__(self) -> None:
        pass

    def call(self, x: Any) -> Any:
        """Return `x`."""
        return x


class Flatten(Layer):
    """Flatten each sample: `(batch, ...)` becomes `(batch, product of the rest)`.

    Examples:
        >>> x = jnp.zeros((2, 28, 28))
        >>> gr.init(gr.Flatten(), 0, x)(x).shape
        (2, 784)
    """

    def __init__(self) -> None:
        pass

    def call(self, x: Any) -> Any:
        """Return the flattened samples."""
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))


class Reshape(Layer):
    """Reshape each sample: `(batch, ...)` becomes `(batch, *target_shape)`.

    Args:
        target_shape: the shape of one sample; one size may be -1, to be inferred.

    Raises:
        GradusError: if more than one size is -1.
        ShapeError: if a sample has another number of values.

    Examples:
        >>> x = jnp.zeros((2, 784))
        >>> gr.init(gr.Reshape((28, 28, -1)), 0, x)(x).shape
        (2, 28, 28, 1)
    """

    def __init__(self, target_shape: tuple[int, ...]) -> None:
        for shape in given_values(target_shape):
            _check_target(shape)
        self.target_shape = target_shape

    def call(self, x: Any) -> Any:
        """Return the reshaped samples."""
        size, target = math.prod(x.shape[1:]), tuple(self.target_shape)
        known = math.prod(n for n in target if n != -1)
        if (size % known if -1 in target else size - known) != 0:
            raise ShapeError(
                f"{self._label()} makes samples of shape {target} but was given samples of shape "
                f"{tuple(x.shape[1:])}, which have {size} values each."
            )
        return x.reshape(x.shape[0], *target)


class Permute(Layer):
    """Put the axes of each sample into another order.

    Args:
        dims: the axes in their new order, counted from 1: `(2, 1)` exchanges the two axes of a
            sample.

    Raises:
        GradusError: if these are not the numbers from 1 in some order.
        ShapeError: if a sample has another number of axes.

    Examples:
        >>> x = jnp.zeros((2, 10, 64))
        >>> gr.init(gr.Permute((2, 1)), 0, x)(x).shape
        (2, 64, 10)
    """

    def __init__(self, dims: tuple[int, ...]) -> None:
        self.dims = dims
        for value in given_values(dims):
            axes = [as_index(axis) for axis in value] if isinstance(value, list | tuple) else []
            if not axes or {*axes} != {*range(1, len(axes) + 1)}:
                raise GradusError(
                    f"Permute({value!r}): write the axes of a sample, counted from 1, in their new "
                    "order, such as Permute((2, 1))."
                )

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return the samples with their axes in another order."""
        if x.ndim != len(self.dims) + 1:
            raise ShapeError(
                f"{self._label()} orders the axes {tuple(self.dims)} of a sample but was given "
                f"samples of shape {tuple(x.shape[1:])}."
            )
        y = x.transpose((0, *self.dims))
        if mask is not None and self.dims[0] != 1:  # what is now axis 1 are no steps
            mask_tracking.set_mask(y, jnp.ones(y.shape[:2], bool))
        return y


class RepeatVector(Layer):
    """Repeat each sample as the steps of a sequence: `(batch, d)` becomes `(batch, n, d)`.

    Args:
        n: how many steps.

    Raises:
        GradusError: if it is not a positive whole number.
        ShapeError: for samples that are no vectors.

    Examples:
        >>> x = jnp.array([[1.0, 2.0]])
        >>> gr.init(gr.RepeatVector(3), 0, x)(x).tolist()
        [[[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]]
    """

    def __init__(self, n: int) -> None:
        self.n = n
        check_sizes(self, "n")

    def call(self, x: Any) -> Any:
        """Return the sequences."""
        if x.ndim != 2:
            raise ShapeError(
                f"{self._label()} takes vectors, shape (batch, features), but was given shape "
                f"{tuple(x.shape)}: put Flatten() before it."
            )
        return jnp.broadcast_to(x[:, None], (x.shape[0], self.n, x.shape[1]))


class Rescaling(Layer):
    """Multiply and shift the input: `x · scale + offset`; `Rescaling(1 / 255)` for images in bytes.

    Args:
        scale: a number, or one for each feature of the last axis.
        offset: the same.

    Examples:
        >>> x = jnp.array([[0, 51, 255]], jnp.uint8)
        >>> y = gr.init(gr.Rescaling(1 / 255), 0, x)(x)
        >>> print(np.asarray(y).round(2))
        [[0.  0.2 1. ]]
    """

    def __init__(self, scale: Any, offset: Any = 0.0) -> None:
        self.scale = scale
        self.offset = offset
        for name in ("scale", "offset"):
            for value in given_values(getattr(self, name)):
                if np.asarray(value).dtype.kind not in "iuf":
                    raise GradusError(
                        f"Rescaling({name}={value!r}): write a number, or one for each feature."
                    )

    def call(self, x: Any) -> Any:
        """Return `x · scale + offset` as float32."""
        return as_float(x) * _constant(self.scale) + _constant(self.offset)


def _check_target(shape: Any) -> None:
    if not isinstance(shape, list | tuple):
        raise GradusError(
            f"Reshape({shape!r}): write the sizes of a sample's axes, such as Reshape((28, 28, 1))."
        )
    for each in shape:
        for size in given_values(each):
            if size != -1:
                whole_number("target_shape", size, 0, "Reshape")
    if list(shape).count(-1) > 1:
        raise GradusError(
            f"Reshape({tuple(shape)}) has more than one -1: only one size can be inferred."
        )


def _constant(value: Any) -> np.ndarray:
    return np.asarray(value, np.float32)
