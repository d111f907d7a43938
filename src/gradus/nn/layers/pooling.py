"""Layers without weights that pool windows, or all positions, of sequences, images, and volumes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import jax.numpy as jnp

from gradus.errors import GradusError
from gradus.nn import mask_tracking
from gradus.nn.arguments import check_choice, check_flags
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.nn.layers.window import (
    check_axes,
    check_fits,
    check_per_axis,
    mask_of_windows,
    per_axis,
)
from gradus.nn.ops.conv import padding_sizes
from gradus.nn.ops.pooling import average_pool, max_pool


class BasePooling(Layer):
    """The base of the layers that pool windows.

    Attributes:
        rank: the number of spatial axes, 1 to 3, set by subclasses.
        pool: the function of the windows, `max_pool` or `average_pool`.
    """

    rank: ClassVar[int]
    pool: ClassVar[Callable[..., Any]]

    def __init__(self, pool_size: Any = 2, strides: Any = None, padding: str = "valid") -> None:
        self.pool_size = pool_size
        self.strides = strides
        self.padding = padding
        check_per_axis(self, "pool_size", self.rank)
        check_per_axis(self, "strides", self.rank)
        check_choice(self, "padding", ("valid", "same"))

    def call(self, x: Any) -> Any:
        """Return the largest or the mean value of each window and channel."""
        return type(self).pool(as_float(x), *self._windows(x))

    def _windows(self, x: Any) -> tuple[Any, Any, Any]:
        """Return the sizes and strides of the windows, and the padding."""
        check_axes(self, x.shape, self.rank)
        sizes = per_axis(self, "pool_size", self.rank)
        strides = sizes if self.strides is None else per_axis(self, "strides", self.rank)
        check_fits(self, "pool_size", sizes, x.shape, self.padding)
        dilation = (1,) * self.rank
        pads = padding_sizes(self.padding, x.shape[1:-1], sizes, strides, dilation)
        return sizes, strides, pads


class BasePooling1D(BasePooling):
    """The base of the layers that pool windows of a sequence, of which only real steps count.

    What is no real step of the output (`mask_of_windows`) is zero.
    """

    rank = 1

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return the largest or the mean value of the real steps of each window and channel."""
        if mask is None:
            return super().call(x)
        sizes, strides, _ = windows = self._windows(x)
        share = average_pool(mask[..., None].astype(jnp.float32), *windows)
        pooled = self.pool_real(as_float(x), mask[..., None], share, windows)
        real = mask_of_windows(mask, pooled.shape[1], strides[0], sizes, self.padding)
        pooled = jnp.where(real[..., None] & (share > 0), pooled, 0.0)
        mask_tracking.set_mask(pooled, real)
        return pooled

    def pool_real(self, x: Any, real: Any, share: Any, windows: tuple[Any, Any, Any]) -> Any:
        """Pool the real steps; where a window has none, the result does not matter.

        Args:
            x: `(batch, steps, channels)`.
            real: which steps are real, `(batch, steps, 1)`.
            share: the share of each window that is real, `(batch, new steps, 1)`.
            windows: the sizes, the strides, and the padding.
        """
        raise GradusError(f"{type(self).__name__} has no pool_real: write one.")


class MaxPooling1D(BasePooling1D):
    """The largest value of each window of a sequence.

    `x` has shape `(batch, steps, channels)`, the output `(batch, new steps, channels)`. In a
    sequence with a mask only the real steps count. Arguments and errors are those of
    `MaxPooling2D`, with one number in place of each pair.

    Examples:
        >>> x = jnp.array([1.0, 3.0, 2.0, 0.0]).reshape(1, 4, 1)
        >>> gr.init(gr.MaxPooling1D(2), 0, x)(x).ravel().tolist()
        [3.0, 2.0]
    """

    pool = staticmethod(max_pool)

    def pool_real(self, x: Any, real: Any, share: Any, windows: tuple[Any, Any, Any]) -> Any:
        """Return the largest value of the real steps of each window."""
        return max_pool(jnp.where(real, x, jnp.finfo(x.dtype).min), *windows)


class MaxPooling2D(BasePooling):
    """The largest value of each window of an image, for each channel.

    `x` has shape `(batch, height, width, channels)`, the output `(batch, new height, new width,
    channels)`.

    Args:
        pool_size: the height and width of a window, two numbers or one for both.
        strides: the distance from one window to the next; None for the windows' size.
        padding: "valid" uses only whole windows; "same" pads so that the output size is
            `⌈size / stride⌉`, and the padding does not count.

    Raises:
        GradusError: for sizes that are not positive whole numbers, or an unknown padding.
        ShapeError: for an input that is not a batch of images, or is smaller than a window.

    Examples:
        >>> x = jnp.zeros((2, 28, 28, 16))
        >>> gr.init(gr.MaxPooling2D(2), 0, x)(x).shape
        (2, 14, 14, 16)
    """

    rank = 2
    pool = staticmethod(max_pool)


class AveragePooling1D(BasePooling1D):
    """The mean of each window of a sequence.

    `x` has shape `(batch, steps, channels)`, the output `(batch, new steps, channels)`. Mask,
    arguments and errors are those of `MaxPooling1D`.

    Examples:
        >>> x = jnp.array([1.0, 3.0, 2.0, 0.0]).reshape(1, 4, 1)
        >>> gr.init(gr.AveragePooling1D(2), 0, x)(x).ravel().tolist()
        [2.0, 1.0]
    """

    pool = staticmethod(average_pool)

    def pool_real(self, x: Any, real: Any, share: Any, windows: tuple[Any, Any, Any]) -> Any:
        """Return the mean of the real steps of each window."""
        return average_pool(jnp.where(real, x, 0.0), *windows) / jnp.where(share > 0, share, 1.0)


class AveragePooling2D(BasePooling):
    """The mean of each window of an image, for each channel.

    `x` has shape `(batch, height, width, channels)`, the output `(batch, new height, new width,
    channels)`. Arguments and errors are those of `MaxPooling2D`.

    Examples:
        >>> x = jnp.zeros((2, 28, 28, 16))
        >>> gr.init(gr.AveragePooling2D(3, strides=2, padding="same"), 0, x)(x).shape
        (2, 14, 14, 16)
    """

    rank = 2
    pool = staticmethod(average_pool)


class MaxPooling3D(BasePooling):
    """The largest value of each window of a volume, for each channel.

    `x` has shape `(batch, depth, height, width, channels)`, and so has the output. Arguments and
    errors are those of `MaxPooling2D`, with three numbers in place of each pair.

    Examples:
        >>> x = jnp.zeros((2, 8, 8, 8, 4))
        >>> gr.init(gr.MaxPooling3D((1, 2, 2)), 0, x)(x).shape
        (2, 8, 4, 4, 4)
    """

    rank = 3
    pool = staticmethod(max_pool)


class AveragePooling3D(BasePooling):
    """The mean of each window of a volume, for each channel.

    `x` has shape `(batch, depth, height, width, channels)`, and so has the output. Arguments and
    errors are those of `MaxPooling2D`, with three numbers in place of each pair.

    Examples:
        >>> x = jnp.zeros((2, 8, 8, 8, 4))
        >>> gr.init(gr.AveragePooling3D(), 0, x)(x).shape
        (2, 4, 4, 4, 4)
    """

    rank = 3
    pool = staticmethod(average_pool)


class BaseGlobalPooling(Layer):
    """The base of the layers that pool all positions.

    Attributes:
        rank: the number of spatial axes, 1 to 3, set by subclasses.
        pool: the function of a channel's values, `jnp.mean` or `jnp.max`.
    """

    rank: ClassVar[int]
    pool: ClassVar[Callable[..., Any]]

    def __init__(self, keepdims: bool = False) -> None:
        self.keepdims = keepdims
        check_flags(self)

    def call(self, x: Any) -> Any:
        """Return the pooled value of each channel."""
        check_axes(self, x.shape, self.rank)
        axes = tuple(range(1, self.rank + 1))
        return type(self).pool(as_float(x), axes, keepdims=self.keepdims)


class GlobalAveragePooling1D(BaseGlobalPooling):
    """The mean over all steps: `(batch, steps, channels)` becomes `(batch, channels)`.

    In a sequence with a mask only the real steps count; without real steps the result is zero.

    Args:
        keepdims: whether to keep the axis of steps, with length 1.

    Raises:
        ShapeError: for an input that is not a batch of sequences.

    Examples:
        >>> x = jnp.array([1.0, 3.0, 2.0]).reshape(1, 3, 1)
        >>> gr.init(gr.GlobalAveragePooling1D(), 0, x)(x).tolist()
        [[2.0]]
    """

    rank = 1
    pool = staticmethod(jnp.mean)

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return the mean over the real steps."""
        if mask is None:
            return super().call(x)
        check_axes(self, x.shape, 1)
        x = as_float(x)
        total = jnp.where(mask[..., None], x, 0.0).sum(1, keepdims=True)
        count = mask.sum(1, dtype=x.dtype)[:, None, None]
        mean = total / jnp.maximum(count, 1.0)
        return mean if self.keepdims else mean[:, 0]


class GlobalMaxPooling1D(BaseGlobalPooling):
    """The largest value over all steps: `(batch, steps, channels)` becomes `(batch, channels)`.

    Mask, arguments and errors are those of `GlobalAveragePooling1D`.

    Examples:
        >>> x = jnp.array([1.0, 3.0, 2.0]).reshape(1, 3, 1)
        >>> gr.init(gr.GlobalMaxPooling1D(), 0, x)(x).tolist()
        [[3.0]]
    """

    rank = 1
    pool = staticmethod(jnp.max)

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return the largest value over the real steps."""
        if mask is None:
            return super().call(x)
        check_axes(self, x.shape, 1)
        largest = jnp.where(mask[..., None], as_float(x), -jnp.inf).max(1, keepdims=True)
        largest = jnp.where(mask.any(1)[:, None, None], largest, 0.0)
        return largest if self.keepdims else largest[:, 0]


class GlobalAveragePooling2D(BaseGlobalPooling):
    """The mean of each channel: `(batch, height, width, channels)` becomes `(batch, channels)`.

    Args:
        keepdims: whether to keep height and width, with length 1.

    Raises:
        ShapeError: for an input that is not a batch of images.

    Examples:
        >>> x = jnp.zeros((2, 7, 7, 16))
        >>> gr.init(gr.GlobalAveragePooling2D(), 0, x)(x).shape
        (2, 16)
    """

    rank = 2
    pool = staticmethod(jnp.mean)


class GlobalMaxPooling2D(BaseGlobalPooling):
    """The largest value of each channel: `(batch, height, width, channels)` to `(batch, channels)`.

    Arguments and errors are those of `GlobalAveragePooling2D`.

    Examples:
        >>> x = jnp.zeros((2, 7, 7, 16))
        >>> gr.init(gr.GlobalMaxPooling2D(keepdims=True), 0, x)(x).shape
        (2, 1, 1, 16)
    """

    rank = 2
    pool = staticmethod(jnp.max)


class GlobalAveragePooling3D(BaseGlobalPooling):
    """The mean of each channel of a volume, `(batch, depth, height, width, channels)`.

    The output has shape `(batch, channels)`. Arguments and errors are those of
    `GlobalAveragePooling2D`.

    Examples:
        >>> x = jnp.zeros((2, 7, 7, 7, 16))
        >>> gr.init(gr.GlobalAveragePooling3D(), 0, x)(x).shape
        (2, 16)
    """

    rank = 3
    pool = staticmethod(jnp.mean)


class GlobalMaxPooling3D(BaseGlobalPooling):
    """The largest value of each channel of a volume, `(batch, depth, height, width, channels)`.

    The output has shape `(batch, channels)`. Arguments and errors are those of
    `GlobalAveragePooling2D`.

    Examples:
        >>> x = jnp.zeros((2, 7, 7, 7, 16))
        >>> gr.init(gr.GlobalMaxPooling3D(keepdims=True), 0, x)(x).shape
        (2, 1, 1, 1, 16)
    """

    rank = 3
    pool = staticmethod(jnp.max)
