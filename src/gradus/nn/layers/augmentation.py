"""Layers that change images at random, in training only, so a network sees more variety.

They are part of the compiled program: no image is changed on the host, and each sample gets a new
draw in each step (Simard et al. 2003, "Best practices for convolutional neural networks").
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradus.checks import as_written, is_number
from gradus.errors import GradusError
from gradus.nn.arguments import check_choice, check_numbers, check_sizes, values_of
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.nn.layers.resizing import center_crop, spare_pixels
from gradus.nn.layers.window import check_axes

MODES = ("horizontal", "vertical", "horizontal_and_vertical")


class RandomFlip(Layer):
    """Mirror each image with probability ½ in training.

    Args:
        mode: "horizontal" exchanges left and right, "vertical" top and bottom;
            "horizontal_and_vertical" decides on each independently.

    Raises:
        GradusError: for an unknown mode.
        ShapeError: for an input that is not a batch of images, `(batch, height, width, channels)`.

    Examples:
        >>> x = jnp.arange(3.0).reshape(1, 1, 3, 1)
        >>> net = gr.init(gr.RandomFlip("horizontal"), 0, x)
        >>> y = gr.fresh(net, jax.random.key(0))(jnp.tile(x, (50, 1, 1, 1)), training=True)
        >>> np.unique(y[:, 0, :, 0], axis=0).tolist()
        [[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]
    """

    def __init__(self, mode: str = "horizontal_and_vertical") -> None:
        self.mode = mode
        check_choice(self, "mode", MODES)

    def call(self, x: Any, training: bool) -> Any:
        """Return the images, some of them mirrored, or `x` outside training."""
        check_axes(self, x.shape, 2)
        if not training:
            return x
        flip = jax.random.bernoulli(self.random(), 0.5, (2, x.shape[0], 1, 1, 1))
        if self.mode != "horizontal":
            x = jnp.where(flip[0], x[:, ::-1], x)
        if self.mode != "vertical":
            x = jnp.where(flip[1], x[:, :, ::-1], x)
        return x


class RandomTranslation(Layer):
    """Shift each image by whole pixels in training, filling with zeros.

    All shifts from `-⌊factor · size⌋` to `⌊factor · size⌋` pixels are equally likely.

    Args:
        height_factor: the largest shift up or down, as a share of the height, in [0, 1]; a swept
            setting.
        width_factor: the largest shift left or right, as a share of the width, in [0, 1]; a swept
            setting.

    Raises:
        GradusError: for a factor outside [0, 1].
        ShapeError: for an input that is not a batch of images, `(batch, height, width, channels)`.

    Examples:
        >>> x = jnp.ones((1, 8, 8, 1))
        >>> net = gr.init(gr.RandomTranslation(0.25, 0.25), 0, x)
        >>> gr.fresh(net, jax.random.key(0))(x, training=True).shape
        (1, 8, 8, 1)
    """

    hypers = ("height_factor", "width_factor")

    def __init__(self, height_factor: float, width_factor: float) -> None:
        self.height_factor = height_factor
        self.width_factor = width_factor
        check_numbers(self, "height_factor", "width_factor", low=0, high=1)

    def call(self, x: Any, training: bool) -> Any:
        """Return the shifted images, or `x` outside training."""
        check_axes(self, x.shape, 2)
        if not training:
            return x
        draws = jax.random.uniform(self.random(), (2, x.shape[0]), jnp.float32)
        for axis, factor in ((1, self.height_factor), (2, self.width_factor)):
            size = x.shape[axis]
            limit = jnp.floor(factor * size + 1e-3)  # 0.7 · 10 in float32 may lie just below 7
            shift = jnp.floor(draws[axis - 1] * (2 * limit + 1)) - limit
            x = _take(x, jnp.arange(size) - shift.astype(jnp.int32)[:, None], axis)
        return x


class RandomCrop(Layer):
    """Crop each image: at random in training, to the center at prediction.

    Args:
        height: the height of the crop, in pixels.
        width: the width of the crop, in pixels.

    Raises:
        GradusError: for sizes that are not positive whole numbers.
        ShapeError: for an input that is not a batch of images, or is smaller than the crop.

    Examples:
        >>> x = jnp.arange(5.0).reshape(1, 1, 5, 1)
        >>> gr.init(gr.RandomCrop(1, 3), 0, x)(x).ravel().tolist()
        [1.0, 2.0, 3.0]
    """

    def __init__(self, height: int, width: int) -> None:
        self.height = height
        self.width = width
        check_sizes(self, "height", "width")

    def call(self, x: Any, training: bool) -> Any:
        """Return the crops, `(batch, height, width, channels)`."""
        height, width = self.height, self.width
        spare = spare_pixels(self, x, height, width)
        if not training:
            return center_crop(x, spare)
        count = x.shape[0]
        rows, columns = jax.random.split(self.random())
        top = jax.random.randint(rows, (count, 1), 0, spare[0] + 1)
        left = jax.random.randint(columns, (count, 1), 0, spare[1] + 1)
        return _take(_take(x, top + jnp.arange(height), 1), left + jnp.arange(width), 2)


class RandomRotation(Layer):
    """Rotate each image about its center in training, by an angle from U(−2π·factor, 2π·factor).

    Pixels are interpolated bilinearly; outside the image they are zero.

    Args:
        factor: the largest angle as a share of a full turn, in [0, 1]; a swept setting.

    Raises:
        GradusError: for a factor outside [0, 1].
        ShapeError: for an input that is not a batch of images, `(batch, height, width, channels)`.

    Examples:
        >>> x = jnp.ones((1, 8, 8, 1))
        >>> net = gr.init(gr.RandomRotation(1 / 12), 0, x)  # at most 30° either way
        >>> gr.fresh(net, jax.random.key(0))(x, training=True).shape
        (1, 8, 8, 1)
    """

    hypers = ("factor",)

    def __init__(self, factor: float) -> None:
        self.factor = factor
        check_numbers(self, "factor", low=0, high=1)

    def call(self, x: Any, training: bool) -> Any:
        """Return the rotated images, or `x` outside training."""
        check_axes(self, x.shape, 2)
        x = as_float(x)
        if not training:
            return x
        share = jax.random.uniform(self.random(), (x.shape[0],), jnp.float32, -1.0, 1.0)
        return rotate(x, 2 * jnp.pi * self.factor * share)


class RandomZoom(Layer):
    """Enlarge or shrink each image about its center in training.

    It then shows `1 + s` times the height and width of the image, `s` from U(−factor, factor): more
    of it than there is where `s` is positive. Pixels are interpolated bilinearly; outside the image
    they are zero.

    Args:
        height_factor: the largest `s` of the height, in [0, 1); a swept setting.
        width_factor: the same of the width, drawn independently; None for the `s` of the height,
            which keeps the proportions; a swept setting.

    Raises:
        GradusError: for a factor outside [0, 1).
        ShapeError: for an input that is not a batch of images, `(batch, height, width, channels)`.

    Examples:
        >>> x = jnp.ones((1, 8, 8, 1))
        >>> net = gr.init(gr.RandomZoom(0.2), 0, x)
        >>> gr.fresh(net, jax.random.key(0))(x, training=True).shape
        (1, 8, 8, 1)
    """

    hypers = ("height_factor", "width_factor")

    def __init__(self, height_factor: float, width_factor: float | None = None) -> None:
        self.height_factor = height_factor
        self.width_factor = width_factor
        check_numbers(self, "height_factor", "width_factor", low=0, high=1, below=True)

    def call(self, x: Any, training: bool) -> Any:
        """Return the zoomed images, or `x` outside training."""
        check_axes(self, x.shape, 2)
        x = as_float(x)
        if not training:
            return x
        rows, columns = jax.random.uniform(
            self.random(), (2, x.shape[0]), jnp.float32, minval=-1.0, maxval=1.0
        )
        height = 1.0 + self.height_factor * rows
        return zoom(
            x, height, height if self.width_factor is None else 1.0 + self.width_factor * columns
        )


class RandomBrightness(Layer):
    """Make each image brighter or darker in training: `x + s · (high − low)`.

    `s` is drawn from U(−factor, factor) for each image, and the result is clipped to the range.

    Args:
        factor: the largest change, as a share of the range, in [0, 1]; a swept setting.
        value_range: the lowest and highest value of a pixel, in bytes by default: of images that
            were scaled before it, write (0, 1).

    Raises:
        GradusError: for a factor outside [0, 1], or a range that is not two numbers in order.
        ShapeError: for an input that is not a batch of images, `(batch, height, width, channels)`.

    Examples:
        >>> x = jnp.full((100, 1, 1, 1), 0.5)
        >>> net = gr.init(gr.RandomBrightness(0.2, (0, 1)), 0, x)
        >>> y = gr.fresh(net, jax.random.key(0))(x, training=True)
        >>> round(float(y.min()), 1), round(float(y.max()), 1)
        (0.3, 0.7)
    """

    hypers = ("factor",)

    def __init__(self, factor: float, value_range: Any = (0, 255)) -> None:
        self.factor = factor
        self.value_range = value_range
        check_numbers(self, "factor", low=0, high=1)
        _check_range(self)

    def call(self, x: Any, training: bool) -> Any:
        """Return the images, brighter or darker, or `x` outside training."""
        check_axes(self, x.shape, 2)
        x = as_float(x)
        if not training:
            return x
        low, high = self.value_range
        share = jax.random.uniform(self.random(), (len(x), 1, 1, 1), jnp.float32, -1.0, 1.0)
        return jnp.clip(x + self.factor * share * (high - low), low, high)


class RandomContrast(Layer):
    """Change the contrast of each image in training: `m + s · (x − m)`, m a channel's mean.

    `s` is drawn from U(1 − factor, 1 + factor) for each image, and the result is clipped to the
    range.

    Args:
        factor: the largest change, in [0, 1]; a swept setting.
        value_range: as in `RandomBrightness`.

    Raises:
        GradusError: for a factor outside [0, 1], or a range that is not two numbers in order.
        ShapeError: for an input that is not a batch of images, `(batch, height, width, channels)`.

    Examples:
        >>> x = jnp.array([0.4, 0.6]).reshape(1, 1, 2, 1)
        >>> net = gr.init(gr.RandomContrast(0.5, (0, 1)), 0, x)
        >>> y = gr.fresh(net, jax.random.key(0))(x, training=True)
        >>> round(float(y.mean()), 2)
        0.5
    """

    hypers = ("factor",)

    def __init__(self, factor: float, value_range: Any = (0, 255)) -> None:
        self.factor = factor
        self.value_range = value_range
        check_numbers(self, "factor", low=0, high=1)
        _check_range(self)

    def call(self, x: Any, training: bool) -> Any:
        """Return the images with more or less contrast, or `x` outside training."""
        check_axes(self, x.shape, 2)
        x = as_float(x)
        if not training:
            return x
        share = jax.random.uniform(self.random(), (len(x), 1, 1, 1), jnp.float32, -1.0, 1.0)
        mean = x.mean((1, 2), keepdims=True)
        return jnp.clip(mean + (1.0 + self.factor * share) * (x - mean), *self.value_range)


def zoom(x: Any, height: Any, width: Any) -> Any:
    """Return images that show other shares of their height and width, about their center.

    Args:
        x: `(batch, height, width, channels)`.
        height: the share of each image, `(batch,)`; above 1 it is shrunk.
        width: likewise.
    """
    rows, columns = x.shape[1:3]
    center = (rows - 1) / 2, (columns - 1) / 2
    down = jnp.arange(rows, dtype=x.dtype)[:, None] - center[0]
    right = jnp.arange(columns, dtype=x.dtype) - center[1]
    size = (len(x), rows, columns)
    return _interpolate(
        x,
        jnp.broadcast_to(height[:, None, None] * down + center[0], size),
        jnp.broadcast_to(width[:, None, None] * right + center[1], size),
    )


def _check_range(layer: Layer) -> None:
    """Refuse a `value_range` that is not two numbers, the lower first."""
    for value in values_of(layer, "value_range"):
        pair = value if isinstance(value, list | tuple) else ()
        if len(pair) != 2 or not all(map(is_number, pair)) or pair[0] >= pair[1]:
            setting = as_written("value_range", value, type(layer).__name__)
            raise GradusError(f"{setting}: write two numbers, such as (0, 1).")


def rotate(x: Any, angle: Any) -> Any:
    """Return images rotated clockwise about their center, bilinearly interpolated.

    Args:
        x: `(batch, height, width, channels)`.
        angle: the angle of each image, `(batch,)`, in radians.
    """
    height, width = x.shape[1:3]
    center = (height - 1) / 2, (width - 1) / 2
    down = jnp.arange(height, dtype=x.dtype)[:, None] - center[0]
    right = jnp.arange(width, dtype=x.dtype) - center[1]
    cos, sin = jnp.cos(angle)[:, None, None], jnp.sin(angle)[:, None, None]
    return _interpolate(
        x, cos * down - sin * right + center[0], sin * down + cos * right + center[1]
    )


def _interpolate(x: Any, rows: Any, columns: Any) -> Any:
    """Return the images' values at positions `(batch, h, w)` between their pixels."""
    batch, height, width, channels = x.shape
    # A border of zeros gives every position its four neighbors.
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).reshape(batch, -1, channels)
    rows, columns = jnp.clip(rows, -1, height), jnp.clip(columns, -1, width)
    above = jnp.minimum(jnp.floor(rows), height - 1)
    before = jnp.minimum(jnp.floor(columns), width - 1)
    corner = (above.astype(jnp.int32) + 1) * (width + 2) + before.astype(jnp.int32) + 1

    def pixel(offset: int) -> Any:
        index = (corner + offset).reshape(batch, -1, 1)
        values = jnp.take_along_axis(padded, index, 1, mode="promise_in_bounds")
        return values.reshape(*corner.shape, channels)

    down, right = (rows - above)[..., None], (columns - before)[..., None]
    top = pixel(0) * (1 - right) + pixel(1) * right
    bottom = pixel(width + 2) * (1 - right) + pixel(width + 3) * right
    return top * (1 - down) + bottom * down


def _take(x: Any, index: Any, axis: int) -> Any:
    """Return rows or columns of each image by `index`, `(batch, count)`; zeros outside."""
    size = x.shape[axis]
    shape = [index.shape[0], 1, 1, 1]
    shape[axis] = index.shape[1]
    index = index.reshape(shape)
    values = jnp.take_along_axis(x, jnp.clip(index, 0, size - 1), axis, mode="promise_in_bounds")
    return jnp.where((index >= 0) & (index < size), values, jnp.zeros((), x.dtype))
