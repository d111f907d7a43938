"""Flattening images, and making images of rows, whose channels are first or last."""

from __future__ import annotations

from typing import Any

from gradus.bridges.own_layers import own_layer
from gradus.bridges.torch.layouts import ReadLayout, WriteLayout
from gradus.errors import GradusError
from gradus.nn.layer import Layer


def read_flatten(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a `Flatten`, after which the order of features is that of channels last."""
    if module.start_dim != 1 or module.end_dim not in (-1, reader.axes - 1):
        raise GradusError(f"{where}: only Flatten(1, -1) can be carried.")
    if reader.channels is not None and not reader.pooled:
        reader.flat_channels = reader.channels
    reader.axes, reader.channels = 2, None
    return [own_layer("Flatten")()]


def read_unflatten(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a `Reshape` of rows to images, and where channels come first a `Permute` after it."""
    channels, *space = map(int, module.unflattened_size)
    if module.dim not in (1, -1) or reader.axes != 2 or len(space) < 2:
        raise GradusError(f"{where}: only Unflatten(1, (channels, height, width)) can be carried.")
    if reader.flat_channels not in (None, 1, channels):
        raise GradusError(f"{where} makes other channels of those that were flattened.")
    last = channels in (reader.flat_channels, 1)
    reader.axes, reader.channels, reader.flat_channels = len(space) + 2, channels, None
    if last:
        return [own_layer("Reshape")((*space, channels))]
    # As PyTorch has it, and then the channels moved to the end.
    order = (*range(2, reader.axes), 1)
    return [own_layer("Reshape")((channels, *space)), own_layer("Permute")(order)]


def is_unflatten(writer: WriteLayout, layer: Any, after: Any) -> bool:
    """Return whether rows become images, channels first, whose channels then are moved last."""
    if type(layer).__name__ != "Reshape" or type(after).__name__ != "Permute":
        return False
    axes = len(layer.target_shape)
    rows = len(writer.shapes[layer.path]) == 2 and writer.flat_channels in (None, 1)
    return rows and axes > 2 and tuple(after.dims) == (*range(2, axes + 1), 1)


def write_flatten(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return a `Flatten`, after which the order of features is that of channels first."""
    *space, channels = writer.shapes[layer.path][1:]
    if writer.channels_first and set(space) != {1}:
        writer.flat_channels = channels
    writer.channels_first = False
    return [writer.nn.Flatten()]


def write_reshape(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return an `Unflatten` of rows to images."""
    sizes = tuple(layer.target_shape)
    channels = writer.flat_channels or 1  # their order is PyTorch's if they become channels again
    if len(writer.shapes[layer.path]) != 2 or len(sizes) < 3 or sizes[-1] != channels:
        raise writer.refusal(
            layer,
            "only rows become images, of one channel, or with Permute((2, 3, 1)) after a "
            "Reshape((channels, height, width))",
        )
    writer.channels_first, writer.flat_channels = True, None
    return [writer.nn.Unflatten(1, (channels, *sizes[:-1]))]
