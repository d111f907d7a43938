"""Convolution and pooling.

Here, channels are last, and in ONNX first, so images are transposed before and after.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.exports.onnx.activations import LOWEST, activate
from gradus.exports.onnx.graph import Graph, Tensor
from gradus.exports.onnx.layers import array_of, axes, converts, over_features, to_float
from gradus.nn.layers.conv import Conv1D, Conv2D, Conv3D, DepthwiseConv2D, WindowLayer
from gradus.nn.layers.conv_transpose import BaseConvTranspose, Conv1DTranspose, Conv2DTranspose
from gradus.nn.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    BaseGlobalPooling,
    BasePooling,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from gradus.nn.layers.separable_conv import BaseSeparableConv, SeparableConv1D, SeparableConv2D
from gradus.nn.layers.window import per_axis
from gradus.nn.ops.conv import Pads, Sizes, padding_sizes


@converts(Conv1D, Conv2D, Conv3D)
def convert_convolution(graph: Graph, layer: Any, x: Tensor) -> Tensor:
    """`activation(x ∗ kernel + bias)`."""
    z = _convolve(
        graph, layer, x, array_of(layer, "kernel"), int(layer.groups), _bias(graph, layer)
    )
    return _activated(graph, layer, x, z)


@converts(DepthwiseConv2D)
def convert_depthwise(graph: Graph, layer: DepthwiseConv2D, x: Tensor) -> Tensor:
    """The convolution of each channel with filters of its own."""
    z = _convolve_channels(graph, layer, x, array_of(layer, "kernel"), _bias(graph, layer))
    return _activated(graph, layer, x, z)


@converts(SeparableConv1D, SeparableConv2D)
def convert_separable(graph: Graph, layer: BaseSeparableConv, x: Tensor) -> Tensor:
    """The convolution of each channel with filters of its own, and mixtures of these."""
    pointwise = array_of(layer, "pointwise")
    mixing = graph.weight("pointwise", pointwise.reshape(pointwise.shape[-2:]))
    each = _convolve_channels(graph, layer, x, array_of(layer, "depthwise"), [])
    z = graph.op("MatMul", each, mixing)
    for bias in _bias(graph, layer):
        z = graph.op("Add", z, bias)
    return _activated(graph, layer, x, z)


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


@converts(MaxPooling1D, MaxPooling2D, MaxPooling3D)
@converts(AveragePooling1D, AveragePooling2D, AveragePooling3D)
def convert_pooling(graph: Graph, layer: BasePooling, x: Tensor) -> Tensor:
    """The largest or the mean value of each window, in a masked sequence of its real steps."""
    rank = layer.rank
    sizes = per_axis(layer, "pool_size", rank)
    strides = sizes if layer.strides is None else per_axis(layer, "strides", rank)
    pads = padding_sizes(layer.padding, x.shape[:-1], sizes, strides, (1,) * rank)
    windows = sizes, strides, pads
    takes_max = isinstance(layer, MaxPooling1D | MaxPooling2D | MaxPooling3D)
    kind = "MaxPool" if takes_max else "AveragePool"
    x = to_float(graph, x)
    if x.mask is None or rank > 1:
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


@converts(GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalAveragePooling3D)
@converts(GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D)
def convert_global_pooling(graph: Graph, layer: BaseGlobalPooling, x: Tensor) -> Tensor:
    """The mean or the largest value of each channel, in a masked sequence of its real steps."""
    takes_max = isinstance(layer, GlobalMaxPooling1D | GlobalMaxPooling2D | GlobalMaxPooling3D)
    where, keep = axes(*range(1, layer.rank + 1)), int(layer.keepdims)
    mask, x = x.mask, to_float(graph, x)
    if mask is None or layer.rank > 1:
        return graph.op("ReduceMax" if takes_max else "ReduceMean", x, where, keepdims=keep)
    real = graph.op("Unsqueeze", mask, axes(2))
    filled = graph.op("Where", real, x, LOWEST if takes_max else np.float32(0))
    count = graph.op("ReduceSum", _as_numbers(graph, real), where, keepdims=keep)
    if takes_max:
        largest = graph.op("ReduceMax", filled, where, keepdims=keep)
        return graph.op("Where", graph.op("Greater", count, np.float32(0)), largest, np.float32(0))
    total = graph.op("ReduceSum", filled, where, keepdims=keep)
    return graph.op("Div", total, graph.op("Max", count, np.float32(1)))


def _convolve(
    graph: Graph, layer: Any, x: Tensor, kernel: np.ndarray, groups: int, bias: list[Tensor]
) -> Tensor:
    """Return `x ∗ kernel + bias`, in which the steps that pad a sequence are zeros."""
    strides, dilation = _strides(layer)
    pads = padding_sizes(layer.padding, x.shape[:-1], kernel.shape[:-2], strides, dilation)
    z = graph.op(
        "Conv",
        _channels_first(graph, _real_steps(graph, x), layer.rank),
        graph.weight("kernel", kernel.transpose(-1, -2, *range(layer.rank))),
        *bias,
        strides=strides,
        dilations=dilation,
        pads=_pads(pads),
        group=groups,
    )
    return _channels_last(graph, z, layer.rank)


def _convolve_channels(
    graph: Graph, layer: Any, x: Tensor, kernel: np.ndarray, bias: list[Tensor]
) -> Tensor:
    """Return the convolution of each channel with its filters, `(*size, channels, multiplier)`."""
    *sizes, channels, multiplier = kernel.shape
    kernel = kernel.reshape(*sizes, 1, channels * multiplier)
    return _convolve(graph, layer, x, kernel, channels, bias)


def _activated(graph: Graph, layer: WindowLayer, x: Tensor, z: Tensor) -> Tensor:
    """Return the activation of a convolution, with the mask of its steps if there is one."""
    y = activate(graph, layer, layer.activation, z)
    if x.mask is None or layer.rank > 1:
        return y
    strides, (dilation,) = _strides(layer)
    (size,) = per_axis(layer, "kernel_size", 1)
    spans = (dilation * (size - 1) + 1,)
    return y.replace(mask=_mask_of_windows(graph, x.mask, strides, spans, layer.padding))


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
    return graph.op("Where", over_features(graph, mask, x), x, np.float32(0))


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
