"""How each layer becomes operations of ONNX: a registry of one function per class.

A converter is a function of the graph, the built layer, and the layer's inputs; it returns the
output. `convert` calls it, finds the shape of the output by an abstract call of the layer, and
passes the mask on as a call of the layer would. A layer whose class has no converter is an error
that names it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np

from gradus.errors import GradusError
from gradus.exports.onnx.graph import Graph, Tensor
from gradus.nn.layer import Layer

Converter = Callable[..., Any]
C = TypeVar("C", bound=Converter)

CONVERTERS: dict[type[Layer], Converter] = {}


def converts(*classes: type[Layer]) -> Callable[[C], C]:
    """Register the decorated function as the converter of classes of layers."""

    def register(converter: C) -> C:
        for cls in classes:
            CONVERTERS[cls] = converter
        return converter

    return register


def convert(graph: Graph, layer: Layer, *inputs: Any) -> Any:
    """Add a layer to a graph and return its output: a value, or a tuple or dict of them.

    Args:
        graph: the graph.
        layer: a built layer.
        inputs: its inputs, values or trees of them; constants are arrays.

    Raises:
        GradusError: naming the layer, if it cannot be exported.
    """
    outputs = convert_shapeless(graph, layer, *inputs)
    mask = next((x.mask for x in inputs if isinstance(x, Tensor) and x.mask is not None), None)
    shapes = jax.eval_shape(layer, *map(_abstract, inputs))
    return jax.tree.map(lambda y, shape: _finished(y, shape, mask), outputs, shapes)


def convert_shapeless(graph: Graph, layer: Layer, *inputs: Any) -> Any:
    """Add a layer whose input's shape is not known, such as an activation; else as `convert`."""
    converter = CONVERTERS.get(type(layer))
    if converter is None:
        raise cannot_export(layer, "no operations are known for it")
    with graph.at(layer.path or type(layer).__name__):
        return converter(graph, layer, *inputs)


def cannot_export(layer: Layer, reason: str) -> GradusError:
    """Return the error for a layer that has no counterpart in ONNX."""
    name = f"Layer {layer.path!r}" if layer.path else "The network"
    return GradusError(
        f"{name} is a {type(layer).__name__}, which cannot be exported to ONNX: {reason}. "
        "A network of any layers can be exported as StableHLO: --format stablehlo."
    )


def to_float(graph: Graph, x: Tensor) -> Tensor:
    """Return a value as float32, if it holds whole numbers or booleans."""
    if x.kind == "f":
        return x
    return graph.op("Cast", x, to=graph.onnx.TensorProto.FLOAT).replace(shape=x.shape, mask=x.mask)


def over_features(graph: Graph, mask: Tensor, x: Tensor) -> Tensor:
    """Return the mask of a sequence with all its axes, `(batch, steps, 1, ...)`."""
    return graph.op("Unsqueeze", mask, axes(*range(2, len(x.shape) + 1)))


def all_real(graph: Graph, x: Tensor) -> Tensor:
    """Return a mask by which all steps of a sequence are real."""
    sizes = graph.op("Shape", x, start=0, end=2)
    return graph.op("Expand", np.array(True), sizes).replace(shape=x.shape[:1], kind="b")


def array_of(layer: Layer, name: str) -> np.ndarray:
    """Return a weight of a layer, or a number among its settings, as float32."""
    return np.asarray(getattr(layer, name), np.float32)


def axes(*numbers: int) -> np.ndarray:
    """Return numbers of axes, or sizes, as ONNX takes them."""
    return np.array(numbers, np.int64)


def _abstract(tree: Any) -> Any:
    """Return shapes for an abstract call of a layer, with any number of samples."""
    kinds = {"f": np.float32, "b": np.bool_}

    def shape_of(x: Any) -> jax.ShapeDtypeStruct:
        if isinstance(x, Tensor):
            return jax.ShapeDtypeStruct((2, *x.shape), kinds.get(x.kind, np.int32))
        return jax.ShapeDtypeStruct(x.shape, x.dtype)

    return jax.tree.map(shape_of, tree)


def _finished(y: Tensor, shape: jax.ShapeDtypeStruct, mask: Tensor | None) -> Tensor:
    """Return the output of a layer with its shape, and its input's mask if it has the steps."""
    sample = tuple(shape.shape[1:])
    has_steps = mask is not None and len(sample) > 1 and sample[:1] == mask.shape
    kept = mask if y.mask is None and has_steps else y.mask
    kind = "f" if np.issubdtype(shape.dtype, np.floating) else shape.dtype.kind
    return y.replace(shape=sample, kind=kind, mask=kept)
