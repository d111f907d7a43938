"""Windows that slide over sequences and images: their sizes, read and checked against an input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradus.errors import GradusError, ShapeError, unknown
from gradus.nn.layer import Layer
from gradus.nn.ops.conv import Sizes


def per_axis(layer: Layer, name: str, rank: int, least: int = 1) -> Sizes:
    """Return the argument `name` of a layer, one whole number for each axis of space.

    Args:
        layer: the layer whose attribute it is; one number stands for all axes.
        name: of the argument, such as "kernel_size".
        rank: how many axes of space there are.
        least: the smallest number that makes sense.

    Raises:
        GradusError: naming the layer's class and the argument, if it is anything else.
    """
    value = getattr(layer, name)
    values = tuple(value) if isinstance(value, list | tuple) else (value,) * rank
    if len(values) != rank or not all(is_whole(each, least) for each in values):
        several = ", or two of them, for height and width" if rank == 2 else ""
        raise GradusError(
            f"{type(layer).__name__}({name}={value!r}): write a whole number of at least "
            f"{least}{several}."
        )
    return tuple(int(each) for each in values)


def is_whole(value: Any, least: int = 1) -> bool:
    """Return whether `value` is a whole number of at least `least`."""
    return (
        not isinstance(value, bool) and hasattr(value, "__index__") and value.__index__() >= least
    )


def padding_mode(layer: Layer, known: Sequence[str] = ("valid", "same")) -> str:
    """Return the padding of a layer, which must be one of the `known` words.

    Raises:
        GradusError: with the nearest word, if it is not.
    """
    padding: Any = getattr(layer, "padding")  # noqa: B009
    if padding not in known:
        raise unknown(f"padding of {type(layer).__name__}", padding, known)
    return str(padding)


def check_axes(layer: Layer, shape: Sizes, rank: int) -> None:
    """Refuse an input that is not `(batch, *space, channels)` with `rank` axes of space.

    Raises:
        ShapeError: naming the layer, the shape it takes and the one it was given.
    """
    if len(shape) == rank + 2:
        return
    taken = (
        "sequences, shape (batch, steps, channels)"
        if rank == 1
        else "images, shape (batch, height, width, channels)"
    )
    hint = ""
    if len(shape) == rank + 1:
        what = "sequences of single numbers" if rank == 1 else "gray images"
        hint = f": for {what} write x[..., None]"
    elif len(shape) == 2:
        hint = ": put Reshape((height, width, channels)) before it"
    raise ShapeError(f"{layer._label()} takes {taken}, but was given shape {tuple(shape)}{hint}.")


def check_fits(layer: Layer, name: str, spans: Sizes, shape: Sizes, padding: str) -> None:
    """Refuse a window that is larger than its input where nothing is put around it.

    Args:
        layer: whose window it is.
        name: of its argument, "kernel_size" or "pool_size".
        spans: from the window's first element to its last, along each axis of space.
        shape: of the input, `(batch, *space, channels)`.
        padding: "valid", "same" or "causal".

    Raises:
        ShapeError: naming the layer and both sizes.
    """
    space = shape[1:-1]
    fits = all(span <= size for span, size in zip(spans, space, strict=True))
    if min(space) < 1 or not (fits or padding != "valid"):
        raise ShapeError(
            f"{layer._label()} has a window of {format_sizes(spans)} but was given an input of "
            f'shape {tuple(shape)}, {format_sizes(space)} large: write padding="same", a smaller '
            f"{name}, or leave out a layer before it that makes its input smaller."
        )


def format_sizes(sizes: Sizes) -> str:
    """Return sizes as they are said: "5 × 5"."""
    return " × ".join(map(str, sizes))
