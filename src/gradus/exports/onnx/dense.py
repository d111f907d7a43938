"""Layers that act on each sample, its axes, and its features: fully connected ones and others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradus.exports.onnx.activations import activate
from gradus.exports.onnx.graph import Graph, Tensor
from gradus.exports.onnx.layers import all_real, array_of, axes, convert, converts, to_float
from gradus.nn.layer import Layer
from gradus.nn.layers.augmentation import (
    RandomBrightness,
    RandomContrast,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from gradus.nn.layers.dense import Dense, Maxout
from gradus.nn.layers.dropout import (
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    MaskingNoise,
    SaltAndPepperNoise,
    SpatialDropout1D,
    SpatialDropout2D,
)
from gradus.nn.layers.embedding import ColumnEmbedding, Embedding
from gradus.nn.layers.masking import Masking
from gradus.nn.layers.reshaping import (
    Flatten,
    Identity,
    Permute,
    RepeatVector,
    Rescaling,
    Reshape,
)
from gradus.nn.layers.sparsity import ActivityRegularization, Sparsity


@converts(Dropout, SpatialDropout1D, SpatialDropout2D, AlphaDropout, GaussianDropout)
@converts(MaskingNoise, SaltAndPepperNoise, RandomFlip, RandomTranslation)
@converts(Sparsity, ActivityRegularization, Identity)
def leave_out(graph: Graph, layer: Layer, x: Any) -> Any:
    """Leave out a layer that acts in training only, or never."""
    return x


@converts(GaussianNoise, RandomRotation, RandomZoom, RandomBrightness, RandomContrast)
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


@converts(Permute)
def convert_permute(graph: Graph, layer: Permute, x: Tensor) -> Tensor:
    """The axes of each sample in another order; if the steps are not first, all are real."""
    y = graph.op("Transpose", x, perm=[0, *map(int, layer.dims)])
    if x.mask is None or layer.dims[0] == 1:
        return y
    shape = tuple(x.shape[axis - 1] for axis in layer.dims)
    return y.replace(mask=all_real(graph, y.replace(shape=shape)))


@converts(RepeatVector)
def convert_repeat_vector(graph: Graph, layer: RepeatVector, x: Tensor) -> Tensor:
    """Each sample as the steps of a sequence."""
    return graph.op("Expand", graph.op("Unsqueeze", x, axes(1)), axes(1, int(layer.n), 1))


@converts(Rescaling)
def convert_rescaling(graph: Graph, layer: Rescaling, x: Tensor) -> Tensor:
    """`x · scale + offset`."""
    scaled = graph.op("Mul", to_float(graph, x), array_of(layer, "scale"))
    return graph.op("Add", scaled, array_of(layer, "offset"))


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
    codes = x["categories"]
    parts = [to_float(graph, x["numbers"])] if "numbers" in x else []
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
