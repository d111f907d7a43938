"""Convolutions and transposed ones: their kernels, padding, and what PyTorch crops."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.bridges.own_layers import own_layer
from gradus.bridges.torch.activations import activation_modules, name_of
from gradus.bridges.torch.layouts import ReadLayout, WriteLayout
from gradus.bridges.torch.modules import (
    array_of_tensor,
    channels_first_kernel,
    per_axis_of,
    require_settings,
    spatial_kernel,
    zero_padding,
)
from gradus.errors import GradusError
from gradus.nn.layer import Layer
from gradus.nn.ops.conv import padding_sizes


def read_conv(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a convolution, and before it a layer that pads where it is neither valid nor same."""
    reader.require_channels_first(where, module.out_channels)
    require_settings(where, module, padding_mode="zeros")
    rank = reader.axes - 2
    padding, before = _padding(reader, module, where)
    cls = own_layer(f"Conv{rank}D", where)
    layer = cls(
        module.out_channels,
        tuple(module.kernel_size),
        tuple(module.stride),
        padding,
        tuple(module.dilation),
        module.groups,
        use_bias=module.bias is not None,
    )
    kernel = spatial_kernel(array_of_tensor(module.weight))
    return [*before, reader.give(layer, kernel, array_of_tensor(module.bias))]


def _padding(reader: ReadLayout, module: Any, where: str) -> tuple[str, list[Layer]]:
    """Return the padding of a convolution, and layers that pad before it."""
    if isinstance(module.padding, str):
        return module.padding, []
    zeros = [int(p) for p in module.padding]
    spans = [d * (k - 1) for k, d in zip(module.kernel_size, module.dilation, strict=True)]
    if not any(zeros):
        return "valid", []
    if set(module.stride) == {1} and [2 * p for p in zeros] == spans:
        return "same", []
    return "valid", [zero_padding(zeros, where)]


def read_conv_transpose(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a transposed convolution, and after it a layer that crops what PyTorch pads."""
    reader.require_channels_first(where, module.out_channels)
    require_settings(where, module, padding_mode="zeros", groups=1)
    sizes, strides = tuple(module.kernel_size), tuple(module.stride)
    extra = [k - s for k, s in zip(sizes, strides, strict=True)]
    before, more = tuple(module.padding), tuple(module.output_padding)
    after = [p - o for p, o in zip(before, more, strict=True)]
    if set(module.dilation) != {1} or min(extra) < 0 or min(after) < 0:
        raise GradusError(
            f"{where}: dilation={tuple(module.dilation)}, padding={before}, output_padding="
            f"{more} cannot be carried: only a kernel of at least its strides, without "
            "dilation, and an output_padding of at most the padding."
        )
    same = not any(more) and [2 * p for p in before] == extra
    cls = own_layer(f"Conv{len(sizes)}DTranspose", where)
    layer = cls(
        module.out_channels,
        sizes,
        strides,
        "same" if same else "valid",
        use_bias=module.bias is not None,
    )
    kernel = spatial_kernel(array_of_tensor(module.weight))
    reader.give(layer, kernel, array_of_tensor(module.bias))
    if same or not any(before):
        return [layer]
    crops = tuple(zip(before, after, strict=True))
    cropping = own_layer(f"Cropping{len(sizes)}D", where)
    return [layer, cropping(crops if len(crops) > 1 else crops[0])]


def write_conv(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return a convolution, and before it a module that pads where the two sides differ."""
    writer.require_channels_first(layer)
    kernel, strides, dilation = _window(layer)
    groups = getattr(layer, "groups", 1)
    if type(layer).__name__ == "DepthwiseConv2D":
        groups, multiplier = kernel.shape[-2:]
        kernel = kernel.reshape(*kernel.shape[:-2], 1, groups * multiplier)
    weight = channels_first_kernel(kernel)
    sizes, space = kernel.shape[:-2], writer.shapes[layer.path][1:-1]
    pads = padding_sizes(layer.padding, space, sizes, strides, dilation)
    before, zeros = writer.padded(pads, 0.0)
    cls = getattr(writer.nn, f"Conv{len(sizes)}d")
    module = cls(
        weight.shape[1] * groups, weight.shape[0], sizes, strides, zeros, dilation, groups,
        bias=layer.use_bias,
    )  # fmt: skip
    writer.fill(module, weight=weight, bias=getattr(layer, "bias", None))
    return [*before, module, *activation_modules(writer, layer)]


def write_conv_transpose(writer: WriteLayout, layer: Any, cropping: Any = None) -> list[Any]:
    """Return a transposed convolution, which crops what a `Cropping` after the layer does."""
    writer.require_channels_first(layer)
    kernel, strides, dilation = _window(layer)
    weight, sizes = channels_first_kernel(kernel), kernel.shape[:-2]
    extra = [k - s for k, s in zip(sizes, strides, strict=True)]
    same = layer.padding == "same"
    if min(extra) < 0 or max(dilation) > 1 or (same and any(each % 2 for each in extra)):
        raise writer.refusal(layer, "PyTorch crops both sides equally, and pads nothing")
    zeros = [each // 2 if same else 0 for each in extra]
    cls = getattr(writer.nn, f"ConvTranspose{len(sizes)}d")
    more: Any = 0
    if cropping is not None:
        zeros = [before for before, _ in _sides(cropping)]
        more = [before - after for before, after in _sides(cropping)]
    module = cls(*weight.shape[:2], sizes, strides, zeros, more, bias=layer.use_bias)
    writer.fill(module, weight=weight, bias=getattr(layer, "bias", None))
    return [module, *activation_modules(writer, layer)]


def is_cropped(layer: Any, after: Any) -> bool:
    """Return whether a transposed convolution is cropped, no less at the beginning."""
    names = type(layer).__name__, type(after).__name__
    ranked = [(f"Conv{rank}DTranspose", f"Cropping{rank}D") for rank in (1, 2)]
    if names not in ranked or layer.padding != "valid" or name_of(layer.activation) != "linear":
        return False
    strides = per_axis_of(layer.strides, layer.rank)
    return all(0 <= a - b < stride for (a, b), stride in zip(_sides(after), strides, strict=True))


def _window(layer: Any) -> tuple[np.ndarray, tuple[int, ...], tuple[int, ...]]:
    """Return kernel, strides, and dilation."""
    rank = layer.rank
    strides, dilation = (per_axis_of(each, rank) for each in (layer.strides, layer.dilation_rate))
    return np.asarray(layer.kernel), strides, dilation


def _sides(cropping: Any) -> list[tuple[int, int]]:
    """Return by how much each spatial axis is cropped, before and after."""
    rank = cropping.rank
    pairs = [cropping.cropping] if rank == 1 else per_axis_of(cropping.cropping, rank)
    return [per_axis_of(pair, 2) for pair in pairs]  # type: ignore[misc]
