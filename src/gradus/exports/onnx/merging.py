"""Layers that make one array of several."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.exports.onnx.graph import Graph, Tensor
from gradus.exports.onnx.layers import all_real, converts, to_float
from gradus.nn.layers.merging import (
    Add,
    Average,
    BaseMerge,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
)

_PAIRWISE = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "average": "Add",
    "maximum": "Max",
    "minimum": "Min",
}


@converts(Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate)
def convert_merge(graph: Graph, layer: BaseMerge, x: Any) -> Tensor:
    """One array of several, those of a dict in the order of their sorted names."""
    arrays = [x[name] for name in sorted(x)] if isinstance(x, dict) else x
    return merge_into_one(graph, layer.how, arrays, getattr(layer, "axis", -1))


def merge_into_one(graph: Graph, how: str, arrays: Sequence[Tensor], axis: int = -1) -> Tensor:
    """Return one array of several, with their mask, as `nn.layers.merging` does."""
    if how == "concatenate":
        return _concatenated(graph, arrays, axis % (len(arrays[0].shape) + 1))
    floats = [to_float(graph, each) for each in arrays]
    y = functools.reduce(lambda a, b: graph.op(_PAIRWISE[how], a, b), floats)
    if how == "average":
        y = graph.op("Div", y, np.float32(len(arrays)))
    return y.replace(mask=_common_mask(graph, arrays))


def _concatenated(graph: Graph, arrays: Sequence[Tensor], axis: int) -> Tensor:
    y = graph.op("Concat", *_of_one_type(graph, arrays), axis=axis)
    if axis != 1 or all(each.mask is None for each in arrays):
        return y.replace(mask=_common_mask(graph, arrays))
    masks = [all_real(graph, each) if each.mask is None else each.mask for each in arrays]
    steps = sum(mask.shape[0] for mask in masks)
    mask = graph.op("Concat", *masks, axis=1).replace(shape=(steps,), kind="b")
    return y.replace(mask=mask)


def _of_one_type(graph: Graph, arrays: Sequence[Tensor]) -> Sequence[Tensor]:
    """Return values as floats if some are, and whole numbers of several sizes as int64."""
    kinds = {each.kind for each in arrays}
    if "f" in kinds:
        return [to_float(graph, each) for each in arrays]
    if kinds == {"b"}:
        return arrays
    return [graph.op("Cast", each, to=graph.onnx.TensorProto.INT64) for each in arrays]


def _common_mask(graph: Graph, arrays: Sequence[Tensor]) -> Tensor | None:
    """Return which steps are real in any of some arrays; None, for all, if one has no mask."""
    masks = [each.mask for each in arrays if each.mask is not None]
    if len(masks) < len(arrays):
        return None
    shape = np.broadcast_shapes(*(mask.shape for mask in masks))
    mask = functools.reduce(lambda a, b: graph.op("Or", a, b), masks)
    return mask.replace(shape=shape, kind="b")
