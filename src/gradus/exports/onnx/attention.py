"""Attention, and the position of each step."""

from __future__ import annotations

import functools
import math

import numpy as np

from gradus.exports.onnx.graph import Graph, Tensor
from gradus.exports.onnx.layers import array_of, axes, cannot_export, convert, converts, to_float
from gradus.nn.layers.attention import (
    MultiHeadAttention,
    PositionalEmbedding,
    PositionalEncoding,
    positional_encoding,
)

LOWEST_SCORE = np.finfo(np.float32).min


@converts(MultiHeadAttention)
def convert_attention(
    graph: Graph, layer: MultiHeadAttention, x: Tensor, other: Tensor | None = None
) -> Tensor:
    """Each step's weighted mean of the steps that it may attend to, its own or another sequence's.

    Raises:
        GradusError: naming the layer, if only the other sequence has padding.
    """
    heads, source = int(layer.num_heads), x if other is None else other
    if x.mask is None and source.mask is not None:  # `convert` would take its mask for the output's
        raise cannot_export(layer, "it attends to padding, and its own steps have none")
    query, key, value = (
        _split_heads(graph, convert(graph, each, given), heads)
        for each, given in ((layer.query, x), (layer.key, source), (layer.value, source))
    )
    size = layer.query.kernel.shape[1] // heads
    scaled = graph.op("Div", query, np.float32(math.sqrt(size)))
    scores = graph.op("MatMul", scaled, graph.op("Transpose", key, perm=[0, 1, 3, 2]))
    allowed = _allowed(graph, layer, x, source)
    if allowed is not None:
        scores = graph.op("Where", allowed, scores, LOWEST_SCORE)
    weights = graph.op("Softmax", scores, axis=-1)
    if allowed is not None:
        weights = graph.op("Where", allowed, weights, np.float32(0))
    merged = graph.op("Transpose", graph.op("MatMul", weights, value), perm=[0, 2, 1, 3])
    shape = x.shape[0], heads * size
    joined = graph.op("Reshape", merged, axes(0, *shape)).replace(shape=shape)
    y: Tensor = convert(graph, layer.output, joined)
    return y


def _split_heads(graph: Graph, x: Tensor, heads: int) -> Tensor:
    """(batch, steps, heads · size) -> (batch, heads, steps, size)."""
    parts = graph.op("Reshape", x, axes(0, x.shape[0], heads, x.shape[1] // heads))
    return graph.op("Transpose", parts, perm=[0, 2, 1, 3])


def _allowed(graph: Graph, layer: MultiHeadAttention, x: Tensor, source: Tensor) -> Tensor | None:
    """Return which steps to attend to, `(batch or 1, 1, steps or 1, others)`; None for all."""
    masks = []
    if source.mask is not None:
        masks.append(graph.op("Unsqueeze", source.mask, axes(1, 2)))
    if layer.causal:
        triangle = np.tri(x.shape[0], source.shape[0], dtype=bool)[None, None]
        masks.append(graph.weight("causal", triangle))
    return functools.reduce(lambda a, b: graph.op("And", a, b), masks) if masks else None


@converts(PositionalEncoding)
def convert_positions(graph: Graph, layer: PositionalEncoding, x: Tensor) -> Tensor:
    """Add sines and cosines of its position to each step."""
    encoding = graph.weight("encoding", positional_encoding(*x.shape))
    return graph.op("Add", to_float(graph, x), encoding)


@converts(PositionalEmbedding)
def convert_position_vectors(graph: Graph, layer: PositionalEmbedding, x: Tensor) -> Tensor:
    """Add a learned vector for its position to each step."""
    vectors = graph.weight("embeddings", array_of(layer, "embeddings")[: x.shape[0]])
    return graph.op("Add", to_float(graph, x), vectors)
