"""Layers that act on each sample, its axes, and its features: fully connected ones and others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradus.exports.onnx.activations import activate
from gradus.exports.onnx.graph import Graph, Tensor
from gradus.exports.onnx.layers import array_of, axes, convert, converts, to_float
from gradus.nn.layer import Layer
from gradus.nn.layers.augmentation import RandomCrop, RandomFlip, RandomRotation, RandomTranslation
from gradus.nn.layers.dense import Dense, Maxout
from gradus.nn.layers.dropout import Dropout, GaussianNoise, MaskingNoise, SaltAndPepperNoise
from gradus.nn.layers.embedding import ColumnEmbedding, Embedding
from gradus.nn.layers.masking import Masking
from gradus.nn.layers.normalization import BatchNormalization, LayerNormalization
from gradus.nn.layers.reshaping import Flatten, Rescaling, Reshape
from gradus.nn.layers.sparsity import Sparsity


@converts(Dropout, MaskingNoise, SaltAndPepperNoise, RandomFlip, RandomTranslation, Sparsity)
def leave_out(graph: Graph, layer: Layer, x: Tensor) -> Tensor:
    """Leave out a layer that acts in training only."""
    return x


@converts(GaussianNoise, RandomRotation)
def only_floats(graph: Graph, layer: Layer, x: Tensor) -> Tensor:
    """Leave out a layer that acts in training only, but makes floats of whole numbers."""
    return to_float(graph, x)


@converts(Dense)
def convert_dense(graph: Graph, layer: Dense, x: Tensor) -> Tensor:
    """`activation(x @ kernel + bias)`."""
    kernel = graph.weight("kernel", array_of(layer, "kernel"))
    z = graph.op("MatMul", to_float(graph, x), kernel)
    if layer.use_bias:
        z = graph.op("Add", z, graph.weight("bias", array_of(layer, "bias")))
    return activate(graph, layer, layer.activation, z)


@converts(Maxout)
def convert_maxout(graph: Graph, layer: Maxout, x: Tensor) -> Tensor:
    """The largest of the pieces of each unit."""
    z = graph.op("MatMul", to_float(graph, x), graph.weight("kernel", array_of(layer, "kernel")))
    z = graph.op("Add", z, graph.weight("bias", array_of(layer, "bias")))
    pieces = graph.op("Reshape", z, axes(0, *x.shape[:-1], layer.units, layer.pieces))
    return graph.op("ReduceMax", pieces, axes(-1), keepdims=0)


@converts(Flatten)
def convert_flatten(graph: Graph, layer: Flatten, x: Tensor) -> Tensor:
    """Flatten each sample."""
    return graph.op("Reshape", x, axes(0, math.prod(x.shape)))


@converts(Reshape)
def convert_reshape(graph: Graph, layer: Reshape, x: Tensor) -> Tensor:
    """Reshape each sample."""
    return graph.op("Reshape", x, axes(0, *map(int, layer.target_shape)))


@converts(Rescaling)
def convert_rescaling(graph: Graph, layer: Rescaling, x: Tensor) -> Tensor:
    """`x · scale + offset`."""
    scaled = graph.op("Mul", to_float(graph, x), array_of(layer, "scale"))
    return graph.op("Add", scaled, array_of(layer, "offset"))


@converts(RandomCrop)
def convert_crop(graph: Graph, layer: RandomCrop, x: Tensor) -> Tensor:
    """Crop images to their center."""
    starts = (x.shape[0] - layer.height) // 2, (x.shape[1] - layer.width) // 2
    ends = starts[0] + layer.height, starts[1] + layer.width
    return graph.op("Slice", x, axes(*starts), axes(*ends), axes(1, 2))


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


@converts(Embedding)
def convert_embedding(graph: Graph, layer: Embedding, x: Tensor) -> Tensor:
    """The vectors of the codes; NaN for a code that has none, as in prediction."""
    vectors = array_of(layer, "embeddings")
    count, int64 = len(vectors), graph.onnx.TensorProto.INT64
    unknown = np.full((1, vectors.shape[1]), np.nan, np.float32)
    codes = graph.op("Cast", x, to=int64)
    outside = graph.op("Or", *_beyond(graph, codes, count))
    codes = graph.op("Where", outside, np.int64(count), codes)
    table = graph.weight("embeddings", np.concatenate([vectors, unknown]))
    y = graph.op("Gather", table, codes)
    if not layer.mask_zero:
        return y
    real = graph.op("Not", graph.op("Equal", x, np.int64(0)))
    return y.replace(mask=real.replace(shape=x.shape, kind="b"))


def _beyond(graph: Graph, codes: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return which codes are less than 0, and which are too large."""
    below = graph.op("Less", codes, np.int64(0))
    return below, graph.op("GreaterOrEqual", codes, np.int64(count))


@converts(ColumnEmbedding)
def convert_column_embedding(graph: Graph, layer: ColumnEmbedding, x: dict[str, Any]) -> Tensor:
    """The numbers of a table, and the vectors of its codes."""
    numbers, codes = x["numbers"], x["categories"]
    parts = [to_float(graph, numbers)] if numbers.shape[-1] else []
    for index, embed in enumerate(layer.columns):
        column = graph.op("Gather", codes, np.int64(index), axis=1).replace(kind="i")
        parts.append(convert(graph, embed, column))
    return graph.op("Concat", *parts, axis=-1)


@converts(Masking)
def convert_masking(graph: Graph, layer: Masking, x: Tensor) -> Tensor:
    """Zeros in the steps that are padding, and their mask."""
    x = to_float(graph, x)
    inner = tuple(range(2, len(x.shape) + 1))
    differs = graph.op("Not", graph.op("Equal", x, array_of(layer, "mask_value")))
    counts = graph.op("Cast", differs, to=graph.onnx.TensorProto.INT32)
    any_differs = graph.op("ReduceMax", counts, axes(*inner), keepdims=0)
    mask = graph.op("Cast", any_differs, to=graph.onnx.TensorProto.BOOL)
    y = graph.op("Where", graph.op("Unsqueeze", mask, axes(*inner)), x, np.float32(0))
    return y.replace(mask=mask.replace(shape=x.shape[:1], kind="b"))
