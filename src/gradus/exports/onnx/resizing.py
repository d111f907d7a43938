"""Layers that make sequences and images smaller or larger."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gradus.exports.onnx.graph import Graph, Tensor
from gradus.exports.onnx.layers import axes, converts, to_float
from gradus.nn.layers.augmentation import RandomCrop
from gradus.nn.layers.resizing import (
    BaseSides,
    CenterCrop,
    Cropping1D,
    Cropping2D,
    Resizing,
    UpSampling1D,
    UpSampling2D,
    ZeroPadding1D,
    ZeroPadding2D,
)
from gradus.nn.layers.window import per_axis


@converts(UpSampling1D)
def convert_repeated_steps(graph: Graph, layer: UpSampling1D, x: Tensor) -> Tensor:
    """Repeat each step, which stays as real as it was."""
    index = np.repeat(np.arange(x.shape[0]), per_axis(layer, "size", 1))
    y = graph.op("Gather", x, index, axis=1)
    if x.mask is None:
        return y
    mask = graph.op("Gather", x.mask, index, axis=1)
    return y.replace(mask=mask.replace(shape=index.shape, kind="b"))


@converts(UpSampling2D)
def convert_upsampling(graph: Graph, layer: UpSampling2D, x: Tensor) -> Tensor:
    """Repeat each pixel."""
    scales = np.array([1, *per_axis(layer, "size", 2), 1], np.float32)
    options = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return graph.op("Resize", x, None, scales, mode="nearest", **options)


@converts(ZeroPadding1D, ZeroPadding2D)
def convert_padding(graph: Graph, layer: BaseSides, x: Tensor) -> Tensor:
    """Add zeros at the sides, which are no real steps of a sequence."""
    before, after = zip(*layer.counts(), strict=True)
    y = graph.op("Pad", x, axes(0, *before, 0, 0, *after, 0))
    if x.mask is None or layer.rank > 1:
        return y
    mask = graph.op("Pad", x.mask, axes(0, *before, 0, *after))
    steps = x.shape[0] + before[0] + after[0]
    return y.replace(mask=mask.replace(shape=(steps,), kind="b"))


@converts(Cropping1D, Cropping2D)
def convert_cropping(graph: Graph, layer: BaseSides, x: Tensor) -> Tensor:
    """Remove what is at the sides."""
    sides = zip(x.shape, layer.counts(), strict=False)
    kept = [(before, size - after) for size, (before, after) in sides]
    y = _sliced(graph, x, kept)
    if x.mask is None or layer.rank > 1:
        return y
    ((start, stop),) = kept
    return y.replace(mask=_sliced(graph, x.mask, kept).replace(shape=(stop - start,), kind="b"))


@converts(CenterCrop, RandomCrop)
def convert_crop(graph: Graph, layer: CenterCrop | RandomCrop, x: Tensor) -> Tensor:
    """Crop images to their center."""
    sizes = int(layer.height), int(layer.width)
    starts = [(have - size) // 2 for have, size in zip(x.shape, sizes, strict=False)]
    return _sliced(graph, x, [(low, low + size) for low, size in zip(starts, sizes, strict=True)])


@converts(Resizing)
def convert_resizing(graph: Graph, layer: Resizing, x: Tensor) -> Tensor:
    """Resize images: each row of the result is a mixture of rows, and each column of columns.

    The matrices of both are what the layer makes of unit vectors, as not all of its interpolations
    are among ONNX's.
    """
    kind = layer.interpolation
    rows = graph.weight("rows", _mixtures(x.shape[0], int(layer.height), kind))
    columns = graph.weight("columns", _mixtures(x.shape[1], int(layer.width), kind))
    return graph.op("Einsum", rows, to_float(graph, x), columns, equation="ah,nhwc,bw->nabc")


def _mixtures(have: int, size: int, interpolation: str) -> np.ndarray:
    """Return the share of each of `have` positions in each of `size`, `(size, have)`."""
    unit = jnp.eye(have, dtype=jnp.float32)
    return np.asarray(jax.image.resize(unit, (size, have), interpolation, antialias=False))


def _sliced(graph: Graph, x: Tensor, kept: list[tuple[int, int]]) -> Tensor:
    """Return the positions from a first one to before a last one, along each spatial axis."""
    starts, stops = zip(*kept, strict=True)
    return graph.op("Slice", x, axes(*starts), axes(*stops), axes(*range(1, len(kept) + 1)))
