"""Pooling, upsampling, and padding of images and sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.bridges.own_layers import own_layer
from gradus.bridges.torch.layouts import ReadLayout, WriteLayout
from gradus.bridges.torch.modules import per_axis_of, require_settings, zero_padding
from gradus.errors import GradusError
from gradus.nn.layer import Layer
from gradus.nn.ops.conv import padding_sizes


def read_max_pool(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a max pooling; after a ReLU, zeros may pad before it."""
    require_settings(where, module, ceil_mode=False, return_indices=False)
    if set(per_axis_of(module.dilation, 1)) != {1}:
        raise GradusError(f"{where}: dilation={module.dilation} cannot be carried.")
    return _read_pool(reader, "MaxPooling", module, where)


def read_average_pool(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return an average pooling, which counts zeros that pad if PyTorch does."""
    require_settings(where, module, ceil_mode=False)
    if getattr(module, "divisor_override", None) is not None:
        raise GradusError(f"{where}: divisor_override cannot be carried.")
    return _read_pool(reader, "AveragePooling", module, where, module.count_include_pad)


def _read_pool(
    reader: ReadLayout, kind: str, module: Any, where: str, counts_padding: bool = False
) -> list[Layer]:
    reader.require_channels_first(where)
    rank = reader.axes - 2
    sizes = per_axis_of(module.kernel_size, rank)
    strides, zeros = per_axis_of(module.stride, rank), per_axis_of(module.padding, rank)
    cls = own_layer(f"{kind}{rank}D", where)
    if not any(zeros):
        return [cls(sizes, strides)]
    if counts_padding or (kind == "MaxPooling" and reader.positive):
        return [zero_padding(zeros, where), cls(sizes, strides)]
    if (
        set(strides) == {1}
        and all(2 * p == k - 1 for p, k in zip(zeros, sizes, strict=True))
        and not counts_padding
    ):
        return [cls(sizes, strides, "same")]
    after = ", except after a ReLU" if kind == "MaxPooling" else ""
    raise GradusError(f"{where}: padding={module.padding} cannot be carried{after}.")


def read_adaptive(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a pooling over all positions; only to one position is it carried."""
    reader.require_channels_first(where)
    rank = reader.axes - 2
    if per_axis_of(module.output_size, rank) != (1,) * rank:
        raise GradusError(f"{where}: only an output_size of 1 can be carried.")
    reader.pooled = True
    kind = "Average" if "Avg" in type(module).__name__ else "Max"
    return [own_layer(f"Global{kind}Pooling{rank}D", where)(keepdims=True)]


def read_upsample(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return an `UpSampling2D` by whole factors."""
    factor = module.scale_factor
    factors = per_axis_of(factor, 2) if factor is not None else (0.5,)
    if module.mode != "nearest" or reader.axes != 4 or any(f != int(f) for f in factors):
        raise GradusError(f"{where}: only whole factors of images, mode='nearest', are carried.")
    return [own_layer("UpSampling2D")(tuple(map(int, factors)))]


def read_zero_pad(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a layer that pads with zeros."""
    reader.require_channels_first(where)
    if getattr(module, "value", 0) != 0:
        raise GradusError(f"{where}: value={module.value} cannot be carried, only 0.")
    sides = tuple(map(int, module.padding))
    if len(sides) == 2:
        return [own_layer("ZeroPadding1D")(sides)]
    left, right, top, bottom = sides
    return [own_layer("ZeroPadding2D")(((top, bottom), (left, right)))]


def write_pool(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return a pooling, and before it a module that pads where the two sides differ."""
    writer.require_channels_first(layer)
    rank = layer.rank
    sizes, strides = per_axis_of(layer.pool_size, rank), layer.strides
    strides = sizes if strides is None else per_axis_of(strides, rank)
    space, average = writer.shapes[layer.path][1:-1], "Average" in type(layer).__name__
    pads = padding_sizes(layer.padding, space, sizes, strides, (1,) * rank)
    before, zeros = writer.padded(pads, -np.inf)
    if average and before:
        raise writer.refusal(layer, "PyTorch counts padding that is not equal on both sides")
    options = {"count_include_pad": False} if average else {}
    name = f"{'Avg' if average else 'Max'}Pool{rank}d"
    return [*before, getattr(writer.nn, name)(sizes, strides, zeros, **options)]


def write_global_pool(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return a pooling over all positions, flattened unless the axes are kept."""
    writer.require_channels_first(layer)
    kind = "Avg" if "Average" in type(layer).__name__ else "Max"
    module = getattr(writer.nn, f"Adaptive{kind}Pool{layer.rank}d")(1)
    if layer.keepdims:
        return [module]
    writer.channels_first = False
    return [module, writer.nn.Flatten()]


def write_upsample(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return an `Upsample` that repeats rows and columns."""
    return [writer.nn.Upsample(scale_factor=per_axis_of(layer.size, 2), mode="nearest")]


def write_zero_pad(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return a module that pads with zeros."""
    if type(layer).__name__ == "ZeroPadding1D":
        return [writer.nn.ZeroPad1d(per_axis_of(layer.padding, 2))]
    pair = per_axis_of(layer.padding, 2)
    (top, bottom), (left, right) = (per_axis_of(side, 2) for side in pair)
    return [writer.nn.ZeroPad2d((left, right, top, bottom))]
