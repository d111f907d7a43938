"""Convolution, pooling, and the other layers of windows and images.

Here, channels are last, and in ONNX first, so images are transposed before and after.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.exports.onnx.activations import activate
from gradus.exports.onnx.graph import Graph, Tensor
from gradus.exports.onnx.layers import array_of, axes, converts, to_float
from gradus.nn.layers.conv import Conv1D, Conv2D, DepthwiseConv2D
from gradus.nn.layers.conv_transpose import BaseConvTranspose, Conv1DTranspose, Conv2DTranspose
from gradus.nn.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    BaseGlobalPooling,
    BasePooling,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPooling1D,
    MaxPooling2D,
)
from gradus.nn.layers.resizing import UpSampling2D, ZeroPadding2D
from gradus.nn.layers.window import per_axis
from gradus.nn.ops.conv import Pads, Sizes, padding_sizes

LOWEST = np.finfo(np.float32).min


@converts(Conv1D, Conv2D, DepthwiseConv2D)
def convert_convolution(graph: Graph, layer: Any, x: Tensor) -> Tensor:
    """`activation(x ∗ kernel + bias)`, with the mask of the output's steps if there is one."""
    kernel, groups = array_of(layer, "kernel"), getattr(layer, "groups", 1)
    if isinstance(layer, DepthwiseConv2D):
        channels, multiplier = kernel.shape[-2:]
        kernel = kernel.reshape(*kernel.shape[:-2], 1, channels * multiplier)
        groups = channels
    sizes, rank = tuple(kernel.shape[:-2]), layer.rank
    strides, dilation = _strides(layer)
    pads = padding_sizes(layer.padding, x.shape[:-1], sizes, strides, dilation)
    z = graph.op(
        "Conv",
        _channels_first(graph, _real_steps(graph, x), rank),
        graph.weight("kernel", kernel.transpose(rank + 1, rank, *range(rank))),
        *_bias(graph, layer),
        strides=strides,
        dilations=dilation,
        pads=_pads(pads),
        group=int(groups),
    )
    y = activate(graph, layer, layer.activation, _channels_last(graph, z, rank))
    if x.mask is None or not isinstance(layer, Conv1D):
        return y
    spans = (dilation[0] * (sizes[0] - 1) + 1,)
    return y.replace(mask=_mask_of_windows(graph, x.mask, strides, spans, layer.padding))


@converts(Conv1DTranspose, Conv2DTranspose)
def convert_transposed_convolution(graph: Graph, layer: BaseConvTranspose, x: Tensor) -> Tensor:
    """The transposed convolution, of the output size that the layer has."""
    kernel, rank = array_of(layer, "kernel"), layer.rank
    sizes, (strides, dilation) = kernel.shape[:-2], _strides(layer)
    spans = [d * (k - 1) + 1 for k, d in zip(sizes, dilation, strict=True)]
    valid = layer.padding == "valid"
    extra = [max(span - s, 0) if valid else 0 for span, s in zip(spans, strides, strict=True)]
    space = tuple(n * s + more for n, s, more in zip(x.shape, strides, extra, strict=False))
    before = [low for low, _ in padding_sizes(layer.padding, space, sizes, strides, dilation)]
    after = [
        (n - 1) * s + span - size - low
        for n, s, span, size, low in zip(x.shape, strides, spans, space, before, strict=False)
    ]
    z = graph.op(
        "ConvTranspose",
        _channels_first(graph, _real_steps(graph, x), rank),
        graph.weight("kernel", kernel.transpose(rank + 1, rank, *range(rank))),
        *_bias(graph, layer),
        strides=strides,
        dilations=dilation,
        pads=[*before, *(max(high, 0) for high in after)],
        output_padding=[max(-high, 0) for high in after],
    )
    return activate(graph, layer, layer.activation, _channels_last(graph, z, rank))


@converts(MaxPooling1D, MaxPooling2D, AveragePooling1D, AveragePooling2D)
def convert_pooling(graph: Graph, layer: BasePooling, x: Tensor) -> Tensor:
    """The largest or the mean value of each window, in a masked sequence of its real steps."""
    rank = layer.rank
    sizes = per_axis(layer, "pool_size", rank)
    strides = sizes if layer.strides is None else per_axis(layer, "strides", rank)
    pads = padding_sizes(layer.padding, x.shape[:-1], sizes, strides, (1,) * rank)
    windows = sizes, strides, pads
    takes_max = isinstance(layer, MaxPooling1D | MaxPooling2D)
    kind = "MaxPool" if takes_max else "AveragePool"
    x = to_float(graph, x)
    if x.mask is None or rank == 2:
        return _pool(graph, kind, x, windows)
    real = graph.op("Unsqueeze", x.mask, axes(2))
    share = _pool(graph, "AveragePool", _as_numbers(graph, real), windows)
    some = graph.op("Greater", share, np.float32(0))
    filled = graph.op("Where", real, x, LOWEST if takes_max else np.float32(0))
    pooled = _pool(graph, kind, filled, windows)
    if not takes_max:
        pooled = graph.op("Div", pooled, graph.op("Where", some, share, np.float32(1)))
    mask = _mask_of_windows(graph, x.mask, strides, sizes, layer.padding)
    kept = graph.op("And", graph.op("Unsqueeze", mask, axes(2)), some)
    return graph.op("Where", kept, pooled, np.float32(0)).replace(mask=mask)


@converts(GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalMaxPooling1D, GlobalMaxPooling2D)
def convert_global_pooling(graph: Graph, layer: BaseGlobalPooling, x: Tensor) -> Tensor:
    """The mean or the largest value of each channel, in a masked sequence of its real steps."""
    takes_max = isinstance(layer, GlobalMaxPooling1D | GlobalMaxPooling2D)
    where, keep = axes(*range(1, layer.rank + 1)), int(layer.keepdims)
    mask, x = x.mask, to_float(graph, x)
    if mask is None or layer.rank == 2:
        return graph.op("ReduceMax" if takes_max else "ReduceMean", x, where, keepdims=keep)
    real = graph.op("Unsqueeze", mask, axes(2))
    filled = graph.op("Where", real, x, LOWEST if takes_max else np.float32(0))
    count = graph.op("ReduceSum", _as_numbers(graph, real), where, keepdims=keep)
    if takes_max:
        largest = graph.op("ReduceMax", filled, where, keepdims=keep)
        return graph.op("Where", graph.op("Greater", count, np.float32(0)), largest, np.float32(0))
    total = graph.op("ReduceSum", filled, where, keepdims=keep)
    return graph.op("Div", total, graph.op("Max", count, np.float32(1)))


@converts(UpSampling2D)
def convert_upsampling(graph: Graph, layer: UpSampling2D, x: Tensor) -> Tensor:
    """Repeat each pixel."""
    scales = np.array([1, *per_axis(layer, "size", 2), 1], np.float32)
    options = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return graph.op("Resize", x, None, scales, mode="nearest", **options)


@converts(ZeroPadding2D)
def convert_padding(graph: Graph, layer: ZeroPadding2D, x: Tensor) -> Tensor:
    """Add rows and columns of zeros around images."""
    padding = layer.padding
    pair = padding if isinstance(padding, list | tuple) else (padding, padding)
    sides = [side if isinstance(side, list | tuple) else (side, side) for side in pair]
    starts, ends = zip(*sides, strict=True)
    return graph.op("Pad", x, axes(0, *starts, 0, 0, *ends, 0))


def _strides(layer: Any) -> tuple[Sizes, Sizes]:
    """Return the strides and the dilation of a layer."""
    return per_axis(layer, "strides", layer.rank), per_axis(layer, "dilation_rate", layer.rank)


def _bias(graph: Graph, layer: Any) -> list[Tensor]:
    return [graph.weight("bias", array_of(layer, "bias"))] if layer.use_bias else []


def _pads(pads: Pads) -> list[int]:
    """Return the padding as ONNX takes it: before each axis, then after each axis."""
    return [low for low, _ in pads] + [high for _, high in pads]


def _channels_first(graph: Graph, x: Tensor, rank: int) -> Tensor:
    return graph.op("Transpose", x, perm=[0, rank + 1, *range(1, rank + 1)])


def _channels_last(graph: Graph, x: Tensor, rank: int) -> Tensor:
    return graph.op("Transpose", x, perm=[0, *range(2, rank + 2), 1])


def _as_numbers(graph: Graph, x: Tensor) -> Tensor:
    return graph.op("Cast", x, to=graph.onnx.TensorProto.FLOAT)


def _real_steps(graph: Graph, x: Tensor) -> Tensor:
    """Return a layer's input with zeros in the steps that are padding."""
    mask, x = x.mask, to_float(graph, x)
    if mask is None:
        return x
    inner = axes(*range(2, len(x.shape) + 1))
    return graph.op("Where", graph.op("Unsqueeze", mask, inner), x, np.float32(0))


def _pool(graph: Graph, kind: str, x: Tensor, windows: tuple[Sizes, Sizes, Pads]) -> Tensor:
    sizes, strides, pads = windows
    options: dict[str, Any] = {"kernel_shape": sizes, "strides": strides, "pads": _pads(pads)}
    pooled = graph.op(kind, _channels_first(graph, x, len(sizes)), **options)
    return _channels_last(graph, pooled, len(sizes))


def _mask_of_windows(
    graph: Graph, mask: Tensor, strides: Sizes, spans: Sizes, padding: str
) -> Tensor:
    """Return which windows are real steps of the output, as `nn.layers.window` does."""
    if padding != "valid":
        steps = mask.shape[0]
        starts = graph.op("Slice", mask, axes(0), axes(steps), axes(1), axes(strides[0]))
        return starts.replace(shape=(-(-steps // strides[0]),), kind="b")
    numbers = graph.op("Unsqueeze", _as_numbers(graph, mask), axes(1))
    pooled = graph.op("MaxPool", numbers, kernel_shape=spans, strides=strides)
    count = (mask.shape[0] - spans[0]) // strides[0] + 1
    some = graph.op("Greater", graph.op("Squeeze", pooled, axes(1)), np.float32(0))
    return some.replace(shape=(count,), kind="b")
