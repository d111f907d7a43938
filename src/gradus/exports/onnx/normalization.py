"""Layers that normalize their inputs."""

from __future__ import annotations

import math

import numpy as np

from gradus.exports.onnx.graph import Graph, Tensor
from gradus.exports.onnx.layers import array_of, axes, converts, over_features, to_float
from gradus.nn.layers.normalization import (
    BaseNormalization,
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    Normalization,
    RMSNormalization,
    UnitNormalization,
)

SMALLEST = np.float32(1e-7), np.float32(1e-12)  # of a deviation, and of a sum of squares


@converts(BatchNormalization)
def convert_batch_normalization(graph: Graph, layer: BatchNormalization, x: Tensor) -> Tensor:
    """Standardize by the running statistics."""
    factor = 1 / np.sqrt(array_of(layer, "moving_variance") + array_of(layer, "epsilon"))
    if layer.scale:
        factor = factor * array_of(layer, "gamma")
    mean = graph.weight("moving_mean", array_of(layer, "moving_mean"))
    centered = graph.op("Sub", to_float(graph, x), mean)
    y = graph.op("Mul", centered, graph.weight("factor", factor))
    return graph.op("Add", y, graph.weight("beta", array_of(layer, "beta"))) if layer.center else y


@converts(LayerNormalization)
def convert_layer_normalization(graph: Graph, layer: LayerNormalization, x: Tensor) -> Tensor:
    """Standardize each sample over its last axis."""
    ones = np.ones(x.shape[-1], np.float32)
    gamma = graph.weight("gamma", array_of(layer, "gamma") if layer.scale else ones)
    beta = graph.weight("beta", array_of(layer, "beta")) if layer.center else None
    epsilon = float(array_of(layer, "epsilon"))
    return graph.op("LayerNormalization", to_float(graph, x), gamma, beta, epsilon=epsilon)


@converts(GroupNormalization)
def convert_group_normalization(graph: Graph, layer: GroupNormalization, x: Tensor) -> Tensor:
    """Standardize each sample over groups of channels and all positions, those that are real."""
    mask, x = x.mask, to_float(graph, x)
    groups = x.shape[-1] if layer.groups == -1 else int(layer.groups)
    shape = *x.shape[:-1], groups, x.shape[-1] // groups
    grouped = graph.op("Reshape", x, axes(0, *shape)).replace(shape=shape, mask=mask)
    mean = _mean_of_group(graph, grouped)
    centered = graph.op("Sub", grouped, mean).replace(shape=shape, mask=mask)
    square = graph.op("Mul", centered, centered).replace(shape=shape, mask=mask)
    y = graph.op("Mul", centered, _rsqrt(graph, layer, _mean_of_group(graph, square)))
    return _scaled(graph, layer, graph.op("Reshape", y, axes(0, *x.shape)))


@converts(RMSNormalization)
def convert_rms_normalization(graph: Graph, layer: RMSNormalization, x: Tensor) -> Tensor:
    """Divide each sample by the root mean square of its last axis, then scale it."""
    x = to_float(graph, x)
    mean = graph.op("ReduceMean", graph.op("Mul", x, x), axes(-1))
    y = graph.op("Mul", x, _rsqrt(graph, layer, mean))
    return graph.op("Mul", y, graph.weight("scale", array_of(layer, "scale")))


@converts(UnitNormalization)
def convert_unit_normalization(graph: Graph, layer: UnitNormalization, x: Tensor) -> Tensor:
    """Scale each sample to length 1 along an axis, along steps that of the real ones."""
    mask, x = x.mask, to_float(graph, x)
    shape, axis = x.shape, layer.axis % (len(x.shape) + 1)
    if mask is not None and axis == 1:
        x = graph.op("Where", over_features(graph, mask, x), x, np.float32(0))
    square = graph.op("ReduceSumSquare", x, axes(axis))
    length = graph.op("Sqrt", graph.op("Max", square, SMALLEST[1]))
    return graph.op("Div", x, length).replace(shape=shape)


@converts(Normalization)
def convert_normalization(graph: Graph, layer: Normalization, x: Tensor) -> Tensor:
    """Standardize each feature with a given mean and variance."""
    deviation = np.maximum(np.sqrt(array_of(layer, "variance")), SMALLEST[0])
    mean = graph.weight("mean", array_of(layer, "mean"))
    centered = graph.op("Sub", to_float(graph, x), mean)
    return graph.op("Div", centered, graph.weight("deviation", deviation))


def _mean_of_group(graph: Graph, x: Tensor) -> Tensor:
    """Return the mean of each sample and group, of real steps only.

    `x` is `(batch, ..., groups, channels of a group)`, the mean `(batch, 1, ..., groups, 1)`.
    """
    inner = axes(*range(1, len(x.shape) - 1), len(x.shape))
    if x.mask is None:
        return graph.op("ReduceMean", x, inner)
    real = over_features(graph, x.mask, x)
    total = graph.op("ReduceSum", graph.op("Where", real, x, np.float32(0)), inner)
    steps = graph.op("Cast", real, to=graph.onnx.TensorProto.FLOAT)
    each = np.float32(math.prod(x.shape[1:]) // x.shape[-2])  # numbers of a step and group
    count = graph.op("Mul", graph.op("ReduceSum", steps, axes(1)), each)
    return graph.op("Div", total, graph.op("Max", count, np.float32(1)))


def _rsqrt(graph: Graph, layer: GroupNormalization | RMSNormalization, x: Tensor) -> Tensor:
    """Return `1 / √(x + ε)`."""
    shifted = graph.op("Add", x, array_of(layer, "epsilon"))
    return graph.op("Reciprocal", graph.op("Sqrt", shifted))


def _scaled(graph: Graph, layer: BaseNormalization, y: Tensor) -> Tensor:
    """Return `γ y + β`, with those that the layer has."""
    if layer.scale:
        y = graph.op("Mul", y, graph.weight("gamma", array_of(layer, "gamma")))
    if layer.center:
        y = graph.op("Add", y, graph.weight("beta", array_of(layer, "beta")))
    return y
