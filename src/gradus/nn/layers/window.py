"""Windows that slide over sequences, images, and volumes: reading and checking their sizes."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from gradus.checks import MAX_INT, as_index
from gradus.errors import GradusError, ShapeError
from gradus.nn.arguments import activation_hint, values_of
from gradus.nn.layer import Layer
from gradus.nn.ops.conv import Sizes
from gradus.nn.ops.pooling import max_pool
from gradus.space import given_values

# By the number of spatial axes: how many numbers a size has, and what they are for.
COUNTS = {2: "two", 3: "three"}
AXES = {2: "height and width", 3: "depth, height, and width"}
# Likewise: what inputs are, their axes, and what they are without an axis of channels.
INPUTS = {
    1: ("sequences", "steps", "sequences of single numbers"),
    2: ("images", "height, width", "gray images"),
    3: ("volumes", "depth, height, width", "volumes of single numbers"),
}
FEWEST_PIXELS = 5  # along each axis of an image: there are one to four channels


def per_axis(layer: Layer, name: str, rank: int) -> Sizes:
    """Return the argument `name` of a layer as one whole number for each spatial axis.

    Args:
        layer: the layer that has the attribute; one number counts for all axes.
        name: the name of the argument, such as "kernel_size".
        rank: the number of spatial axes.
    """
    value = getattr(layer, name)
    values = value if isinstance(value, list | tuple) else (value,) * rank
    return tuple(int(each) for each in values)


def check_per_axis(layer: Layer, name: str, rank: int) -> None:
    """Check the argument `name` of a layer: a positive whole number, or one for each spatial axis.

    Raises:
        GradusError: naming the layer's class and the argument, for any other value.
    """
    for value in values_of(layer, name):
        values = value if isinstance(value, list | tuple) else (value,) * rank
        whole = all(is_whole(number) for each in values for number in given_values(each))
        if len(values) != rank or not whole:
            several = "" if rank == 1 else f", or {COUNTS[rank]} of them, for {AXES[rank]}"
            raise GradusError(
                f"{type(layer).__name__}({name}={value!r}): write a whole number of at least "
                f"1{several}.{activation_hint(layer, value)}"
            )


def is_whole(value: Any, least: int = 1) -> bool:
    """Return whether `value` is a whole number of at least `least` that JAX can count to."""
    index = as_index(value)
    return index is not None and least <= index <= MAX_INT


def mask_of_windows(mask: Any, count: int, stride: int, sizes: Sizes, padding: str) -> Any:
    """Return which windows of a sequence are real steps of the output, `(batch, count)`.

    Those are that begin within the sequence or, without padding, that hold a real step.

    Args:
        mask: which steps of the input are real, `(batch, steps)`.
        count: the number of windows.
        stride: the distance from one to the next.
        sizes: how many steps each spans, one number.
        padding: "valid", "same", or "causal".
    """
    starts = mask[:, ::stride][:, :count]
    if padding != "valid":
        return starts
    return max_pool(mask[..., None].astype(jnp.float32), sizes, (stride,), ((0, 0),))[..., 0] > 0


def check_axes(layer: Layer, shape: Sizes, rank: int) -> None:
    """Refuse an input that is not `(batch, *space, channels)` with `rank` spatial axes.

    Raises:
        ShapeError: naming the layer, the shape it takes, and the shape it was given.
    """
    if len(shape) == rank + 2:
        return
    several, axes, single = INPUTS[rank]
    expected = f"{several}, shape (batch, {axes}, channels)"
    hint = ""
    if len(shape) == rank + 1:
        hint = f": for {single} write x[..., None]"
    elif len(shape) == 2:
        hint = f": put Reshape(({axes}, channels)) before it"
    raise ShapeError(
        f"{layer._label()} takes {expected}, but was given shape {tuple(shape)}{hint}."
    )


def check_fits(layer: Layer, name: str, spans: Sizes, shape: Sizes, padding: str) -> None:
    """Refuse a window that is larger than its unpadded input.

    Args:
        layer: the layer that has the window.
        name: the name of the window's argument, "kernel_size" or "pool_size".
        spans: from the window's first element to its last, along each spatial axis.
        shape: the shape of the input, `(batch, *space, channels)`.
        padding: "valid", "same", or "causal".

    Raises:
        ShapeError: naming the layer and both sizes.
    """
    space = shape[1:-1]
    fits = all(span <= size for span, size in zip(spans, space, strict=True))
    if min(space) < 1 or not (fits or padding != "valid"):
        raise ShapeError(
            f"{layer._label()} has a window of {format_sizes(spans)} but was given an input of "
            f'shape {tuple(shape)}, {format_sizes(space)} large: write padding="same" or a smaller '
            f"{name}, or remove a layer before it that shrinks its input."
        )


def seems_channels_first(shape: Sizes) -> bool:
    """Whether samples of a shape look like images `(channels, height, width)`.

    That is one, three, or four rows, of at least `FEWEST_PIXELS` pixels with as many channels; for
    one row, of as many pixels as channels, as it may be a series, `(1, steps, features)`.
    """
    if len(shape) != 3:
        return False
    first, height, width = shape
    is_image = height == width if first == 1 else first in (3, 4)
    return is_image and min(height, width) >= FEWEST_PIXELS


def format_sizes(sizes: Sizes) -> str:
    """Return sizes in words: "5 × 5"."""
    return " × ".join(map(str, sizes))
