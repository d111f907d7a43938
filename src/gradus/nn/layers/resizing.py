"""Layers without weights that make sequences and images smaller or larger, position by position."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from gradus.errors import GradusError, ShapeError
from gradus.nn import mask_tracking
from gradus.nn.arguments import check_choice, check_sizes
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.nn.layers.window import (
    check_axes,
    check_per_axis,
    format_sizes,
    is_whole,
    per_axis,
)
from gradus.space import given_values


class UpSampling1D(Layer):
    """Repeat each step, so `(batch, steps, channels)` grows by `size`.

    The repeated steps of a sequence with a mask are as real as the step.

    Args:
        size: how often each step occurs in the output.

    Raises:
        GradusError: for a size that is not a positive whole number.
        ShapeError: for an input that is not a batch of sequences.

    Examples:
        >>> x = jnp.array([1.0, 2.0]).reshape(1, 2, 1)
        >>> gr.init(gr.UpSampling1D(2), 0, x)(x).ravel().tolist()
        [1.0, 1.0, 2.0, 2.0]
    """

    def __init__(self, size: int = 2) -> None:
        self.size = size
        check_per_axis(self, "size", 1)

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return the longer sequences."""
        check_axes(self, x.shape, 1)
        (size,) = per_axis(self, "size", 1)
        y = jnp.repeat(x, size, 1)
        if mask is not None:
            mask_tracking.set_mask(y, jnp.repeat(mask, size, 1))
        return y


class UpSampling2D(Layer):
    """Repeat each pixel, so `(batch, height, width, channels)` grows by `size`.

    Args:
        size: how often along height and width, two numbers or one for both.

    Raises:
        GradusError: for sizes that are not positive whole numbers.
        ShapeError: for an input that is not a batch of images.

    Examples:
        >>> x = jnp.zeros((2, 7, 7, 16))
        >>> gr.init(gr.UpSampling2D((2, 3)), 0, x)(x).shape
        (2, 14, 21, 16)
    """

    def __init__(self, size: Any = 2) -> None:
        self.size = size
        check_per_axis(self, "size", 2)

    def call(self, x: Any) -> Any:
        """Return the larger images."""
        check_axes(self, x.shape, 2)
        rows, columns = per_axis(self, "size", 2)
        n, height, width, channels = x.shape
        wide = jnp.broadcast_to(x[:, :, None, :, None], (n, height, rows, width, columns, channels))
        return wide.reshape(n, height * rows, width * columns, channels)


class BaseSides(Layer):
    """The base of the layers that add or remove positions at the sides of their inputs.

    Attributes:
        rank: the number of spatial axes, 1 or 2.
        argument: the name of the argument that says how many.
        forms: how it may be written, in words.
    """

    rank: ClassVar[int]
    argument: ClassVar[str]
    forms: ClassVar[str]

    def counts(self) -> list[Any]:
        """Return how many positions before and after each spatial axis."""
        return [tuple(map(int, side)) for side in _sides(getattr(self, self.argument), self.rank)]

    def _check_sides(self) -> None:
        for value in given_values(getattr(self, self.argument)):
            sides = _sides(value, self.rank)
            if [len(side) for side in sides] != [2] * self.rank or not all(
                is_whole(count, 0)
                for side in sides
                for each in side
                for count in given_values(each)
            ):
                name = type(self).__name__
                raise GradusError(f"{name}({self.argument}={value!r}): write {self.forms}.")

    def _counts(self, x: Any) -> list[Any]:
        """Return how many positions before and after each spatial axis of `x`."""
        check_axes(self, x.shape, self.rank)
        return self.counts()


class ZeroPadding1D(BaseSides):
    """Add steps of zeros before and after sequences `(batch, steps, channels)`.

    In a sequence with a mask, the added steps are not real.

    Args:
        padding: how many on each side: one number, or `(before, after)`.

    Raises:
        GradusError: for a padding of any other form.
        ShapeError: for an input that is not a batch of sequences.

    Examples:
        >>> x = jnp.ones((1, 2, 1))
        >>> gr.init(gr.ZeroPadding1D((1, 2)), 0, x)(x).ravel().tolist()
        [0.0, 1.0, 1.0, 0.0, 0.0]
    """

    rank, argument, forms = 1, "padding", "a whole number, or (before, after)"

    def __init__(self, padding: Any = 1) -> None:
        self.padding = padding
        self._check_sides()

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return the longer sequences."""
        (counts,) = self._counts(x)
        y = jnp.pad(x, ((0, 0), counts, (0, 0)))
        if mask is not None:
            mask_tracking.set_mask(y, jnp.pad(mask, ((0, 0), counts)))
        return y


class ZeroPadding2D(BaseSides):
    """Add rows and columns of zeros around images `(batch, height, width, channels)`.

    Args:
        padding: how many on each side: one number, `(height, width)`, or
            `((above, below), (left, right))`.

    Raises:
        GradusError: for a padding of any other form.
        ShapeError: for an input that is not a batch of images.

    Examples:
        >>> x = jnp.zeros((2, 7, 7, 16))
        >>> gr.init(gr.ZeroPadding2D(((0, 1), (0, 1))), 0, x)(x).shape
        (2, 8, 8, 16)
    """

    rank, argument = 2, "padding"
    forms = "a whole number, (height, width), or ((above, below), (left, right))"

    def __init__(self, padding: Any = 1) -> None:
        self.padding = padding
        self._check_sides()

    def call(self, x: Any) -> Any:
        """Return the larger images."""
        return jnp.pad(x, ((0, 0), *self._counts(x), (0, 0)))


class Cropping1D(BaseSides):
    """Remove steps at the ends of sequences `(batch, steps, channels)`.

    Args:
        cropping: how many on each side: one number, or `(before, after)`.

    Raises:
        GradusError: for a cropping of any other form.
        ShapeError: for an input that is not a batch of sequences, or of which nothing is left.

    Examples:
        >>> x = jnp.arange(5.0).reshape(1, 5, 1)
        >>> gr.init(gr.Cropping1D((1, 2)), 0, x)(x).ravel().tolist()
        [1.0, 2.0]
    """

    rank, argument, forms = 1, "cropping", "a whole number, or (before, after)"

    def __init__(self, cropping: Any = 1) -> None:
        self.cropping = cropping
        self._check_sides()

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return the shorter sequences."""
        ((before, after),) = _what_is_left(self, x, self._counts(x))
        y = x[:, before:after]
        if mask is not None:
            mask_tracking.set_mask(y, mask[:, before:after])
        return y


class Cropping2D(BaseSides):
    """Remove rows and columns at the sides of images `(batch, height, width, channels)`.

    Args:
        cropping: how many on each side: one number, `(height, width)`, or
            `((above, below), (left, right))`.

    Raises:
        GradusError: for a cropping of any other form.
        ShapeError: for an input that is not a batch of images, or of which nothing is left.

    Examples:
        >>> x = jnp.zeros((2, 7, 7, 16))
        >>> gr.init(gr.Cropping2D(((0, 1), (2, 2))), 0, x)(x).shape
        (2, 6, 3, 16)
    """

    rank, argument = 2, "cropping"
    forms = "a whole number, (height, width), or ((above, below), (left, right))"

    def __init__(self, cropping: Any = 0) -> None:
        self.cropping = cropping
        self._check_sides()

    def call(self, x: Any) -> Any:
        """Return the smaller images."""
        (top, bottom), (left, right) = _what_is_left(self, x, self._counts(x))
        return x[:, top:bottom, left:right]


class CenterCrop(Layer):
    """Crop each image to its center.

    Args:
        height: the height of the crop, in pixels.
        width: the width of the crop, in pixels.

    Raises:
        GradusError: for sizes that are not positive whole numbers.
        ShapeError: for an input that is not a batch of images, or is smaller than the crop (Keras
            enlarges those; put `Resizing` before it).

    Examples:
        >>> x = jnp.arange(5.0).reshape(1, 1, 5, 1)
        >>> gr.init(gr.CenterCrop(1, 3), 0, x)(x).ravel().tolist()
        [1.0, 2.0, 3.0]
    """

    def __init__(self, height: int, width: int) -> None:
        self.height = height
        self.width = width
        check_sizes(self, "height", "width")

    def call(self, x: Any) -> Any:
        """Return the crops, `(batch, height, width, channels)`."""
        return center_crop(x, spare_pixels(self, x, self.height, self.width))


INTERPOLATIONS = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")


class Resizing(Layer):
    """Resize each image to one size: `(batch, height, width, channels)`.

    Values between the pixels are interpolated. An image that is made smaller is not smoothed first,
    as in Keras, so fine patterns may alias.

    Args:
        height: the new height, in pixels.
        width: the new width, in pixels.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3", or "lanczos5".

    Raises:
        GradusError: for sizes that are not positive whole numbers, or an unknown interpolation.
        ShapeError: for an input that is not a batch of images.

    Examples:
        >>> x = jnp.array([0.0, 4.0]).reshape(1, 1, 2, 1)
        >>> gr.init(gr.Resizing(1, 4), 0, x)(x).ravel().tolist()
        [0.0, 1.0, 3.0, 4.0]
    """

    def __init__(self, height: int, width: int, interpolation: str = "bilinear") -> None:
        self.height = height
        self.width = width
        self.interpolation = interpolation
        check_sizes(self, "height", "width")
        check_choice(self, "interpolation", INTERPOLATIONS)

    def call(self, x: Any) -> Any:
        """Return the resized images."""
        check_axes(self, x.shape, 2)
        shape = (x.shape[0], self.height, self.width, x.shape[-1])
        return jax.image.resize(as_float(x), shape, self.interpolation, antialias=False)


def spare_pixels(layer: Layer, x: Any, height: int, width: int) -> tuple[int, int]:
    """Return by how many pixels images are higher and wider than a crop of them.

    Raises:
        ShapeError: for an input that is not a batch of images, or is smaller than the crop.
    """
    check_axes(layer, x.shape, 2)
    spare = x.shape[1] - height, x.shape[2] - width
    if min(spare) < 0:
        raise ShapeError(
            f"{layer._label()} crops to {format_sizes((height, width))} but was given images of "
            f"shape {tuple(x.shape)}, {format_sizes(x.shape[1:3])} large: write a smaller "
            "height and width."
        )
    return spare


def center_crop(x: Any, spare: tuple[int, int]) -> Any:
    """Return images without their `spare` rows and columns, removed on both sides alike."""
    top, left = spare[0] // 2, spare[1] // 2
    height, width = x.shape[1] - spare[0], x.shape[2] - spare[1]
    return x[:, top : top + height, left : left + width]


def _sides(counts: Any, rank: int) -> list[Any]:
    """Return counts as [(before, after)] for each spatial axis."""
    if rank == 1:
        return [counts if isinstance(counts, list | tuple) else (counts, counts)]
    pair = counts if isinstance(counts, list | tuple) else (counts, counts)
    return [side if isinstance(side, list | tuple) else (side, side) for side in pair]


def _what_is_left(layer: Layer, x: Any, counts: list[Any]) -> list[tuple[int, int]]:
    """Return the first position that is kept along each spatial axis, and that after the last."""
    space = x.shape[1 : 1 + len(counts)]
    kept = [(before, n - after) for n, (before, after) in zip(space, counts, strict=True)]
    if any(start >= stop for start, stop in kept):
        raise ShapeError(
            f"{layer._label()} leaves nothing of an input of shape {tuple(x.shape)}: crop less."
        )
    return kept
