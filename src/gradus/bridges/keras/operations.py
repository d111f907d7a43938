"""Operations in a functional Keras model, such as `x / 255` and `keras.ops.relu(x)`, as layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gradus.bridges.keras.nesting import MERGES, Node, node_name
from gradus.errors import GradusError
from gradus.nn.layer import Layer, named_layers
from gradus.nn.layers.activation import ELU, Activation, LeakyReLU, Softmax
from gradus.nn.layers.attention import MultiHeadAttention
from gradus.nn.layers.embedding import Embedding
from gradus.nn.layers.masking import Masking
from gradus.nn.layers.merging import Concatenate, Maximum, Minimum, Subtract
from gradus.nn.layers.reshaping import Permute, Rescaling, Reshape
from gradus.nn.layers.rnn import Recurrent

OPERATIONS = "keras.src.ops."
# Activations by Keras's operation.
ACTIVATIONS = {
    "Relu": "relu",
    "Relu6": "relu6",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hard_sigmoid",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Silu": "silu",
    "HardSilu": "hard_silu",
    "Selu": "selu",
    "Exp": "exponential",
}
RESHAPING = ("Reshape", "ExpandDims", "Squeeze")
OF_TWO: dict[str, type[Layer]] = {"Subtract": Subtract, "Maximum": Maximum, "Minimum": Minimum}


def is_operation(entry: Mapping[str, Any]) -> bool:
    """Whether a description is of an operation of `keras.ops`, not of a layer."""
    return str(entry.get("module")).startswith(OPERATIONS)


def read_operation(entry: Mapping[str, Any], where: str) -> Node:
    """Return the call of an operation, as that of a layer.

    Raises:
        GradusError: for an operation that no layer of gradus computes.
    """
    kind, name = str(entry.get("class_name")), str(entry.get("name"))
    (call,) = entry["inbound_nodes"]
    arguments, config = _flat(call.get("args")), dict(entry.get("config") or {})
    tensors = [each["config"] for each in arguments if _is_tensor(each)]
    layer: Layer | None = None
    if call.get("kwargs") or not tensors:
        raise _unknown(kind, where)
    if len(tensors) < len(arguments):
        layer = _with_constant(kind, arguments, where)
    elif len(tensors) == 1:
        layer = _of_one(kind, config, tensors[0]["shape"], where)
    elif kind in OF_TWO:
        layer = OF_TWO[kind]()
    elif kind not in MERGES:
        raise _unknown(kind, where)
    elif kind == "Concatenate":
        axis = config.get("axis", -1)
        layer = None if axis in (-1, len(tensors[0]["shape"]) - 1) else Concatenate(axis)
    if layer is not None:
        layer.named(name)
    return Node(name, kind, [node_name(*each["keras_history"][:2]) for each in tensors], layer)


def check_dropped_masks(nodes: Mapping[str, Node], operations: Iterable[str]) -> None:
    """Refuse a graph in which gradus has a mask after an operation, where Keras drops it.

    Args:
        nodes: the calls by name, each after those whose outputs it takes.
        operations: the names of those that are operations.

    Raises:
        GradusError: naming the operation and the layer that would take the mask.
    """
    operations, masked = set(operations), set[str]()
    dropped: dict[str, str] = {}  # by node, the operation that its mask is lost at
    for name, node in nodes.items():
        if name in operations and masked.issuperset(node.inputs):  # one without has none here
            dropped[name] = name
        lost = next((dropped[each] for each in [name, *node.inputs] if each in dropped), None)
        if lost is not None and node.layer is not None and _takes_mask(node.layer):
            raise GradusError(
                f"Layer {lost!r} cannot be carried: the operation gets a mask, which Keras drops "
                f"there and gradus passes on to {node.name!r}: write the layer, such as "
                "keras.layers.Add()([x, y]) for x + y; if no layer needs the mask, mask_zero=False."
            )
        if isinstance(node.layer, Embedding | Masking) or _passes_mask(node.layer):
            if lost is not None:
                dropped[name] = lost
            elif _makes_mask(node.layer) or not masked.isdisjoint(node.inputs):
                masked.add(name)


def _with_constant(kind: str, arguments: Sequence[Any], where: str) -> Layer:
    """Return the layer for a sum, a difference, a product, or a quotient with numbers."""
    if len(arguments) != 2:
        raise _unknown(kind, where)
    reverse = _is_tensor(arguments[1])
    tensor, given = arguments[::-1] if reverse else arguments
    constant = _numbers(given)
    forms: dict[str, Callable[[Any], tuple[Any, Any]]] = {
        "Add": lambda c: (1.0, c),
        "Subtract": lambda c: (-1.0, c) if reverse else (1.0, -c),
        "Multiply": lambda c: (c, 0.0),
    }
    if not reverse:
        forms |= dict.fromkeys(("Divide", "TrueDivide"), lambda c: (1.0 / c, 0.0))
    whole = "int" in tensor["config"]["dtype"] and kind not in ("Divide", "TrueDivide")
    if constant is None or kind not in forms or whole:
        raise _unknown(kind, where)
    scale, offset = forms[kind](constant)
    return Rescaling(_plain(scale), _plain(offset))


def _of_one(kind: str, config: Mapping[str, Any], shape: Sequence[Any], where: str) -> Layer:
    """Return the layer for an operation on one array.

    Args:
        kind: the class of the operation.
        config: its arguments.
        shape: of the array, with None for what is not known.
        where: what errors call it.
    """
    last = config.get("axis", -1) in (-1, len(shape) - 1)
    if kind in ACTIVATIONS:
        return Activation(ACTIVATIONS[kind])
    if kind == "Gelu" and not config.get("approximate", True):
        return Activation("gelu")
    if kind == "LogSoftmax" and last:
        return Activation("log_softmax")
    if kind == "Softmax":
        return Softmax(config.get("axis", -1))
    if kind == "LeakyRelu":
        return LeakyReLU(config.get("negative_slope", 0.2))
    if kind == "Elu":
        return ELU(config.get("alpha", 1.0))
    if kind == "Negative":
        return Rescaling(-1.0)
    if kind == "Transpose" and (config.get("axes") or [1])[0] == 0:
        return Permute(tuple(config["axes"][1:]))
    if kind in RESHAPING and (target := _reshaped(kind, config, list(shape))) is not None:
        return Reshape(target)
    raise _unknown(kind, where)


def _reshaped(kind: str, config: Mapping[str, Any], shape: list[Any]) -> tuple[int, ...] | None:
    """Return the shape of a reshaped sample; None if it is not sample by sample, or not known."""
    if kind == "Reshape":
        first, *target = config["newshape"]
        sizes = [*shape[1:], *target]
        whole = all(isinstance(size, int) and size > 0 for size in sizes)
        if first not in (-1, None) or not whole or math.prod(target) != math.prod(shape[1:]):
            return None
        return tuple(target)
    axis = config.get("axis")
    if not isinstance(axis, int) or axis == 0:
        return None
    if kind == "ExpandDims":
        shape.insert(axis if axis > 0 else len(shape) + 1 + axis, 1)
    else:
        del shape[axis]
    left = [-1 if size is None else size for size in shape[1:]]
    return tuple(left) if left.count(-1) <= 1 and shape[:1] == [None] else None


def _unknown(kind: str, where: str) -> GradusError:
    return GradusError(
        f"{where}: the operation {kind} of keras.ops cannot be carried with these arguments: write "
        "a layer of Keras that computes the same."
    )


def _flat(value: Any) -> list[Any]:
    """Return what an operation is called with, the arrays of a list separately."""
    if isinstance(value, list | tuple):
        return [each for item in value for each in _flat(item)]
    return [value]


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__"


def _numbers(value: Any) -> Any:
    """Return a number, or one for each feature of the last axis; None for what is neither."""
    if isinstance(value, Mapping) and value.get("class_name") in ("__numpy__", "__tensor__"):
        value = value["config"]["value"]
    array = np.asarray(value if isinstance(value, int | float | list) else None)
    if array.dtype.kind not in "iuf" or array.size not in (1, *array.shape[-1:]):
        return None
    return array.astype(np.float64).ravel() if array.size > 1 else np.float64(array.item())


def _plain(value: Any) -> Any:
    """Return a number, or several as a tuple."""
    numbers = np.asarray(value, np.float64).tolist()
    return tuple(numbers) if isinstance(numbers, list) else numbers


def _makes_mask(layer: Layer | None) -> bool:
    return isinstance(layer, Masking) or (isinstance(layer, Embedding) and layer.mask_zero)


def _takes_mask(layer: Layer) -> bool:
    """Return whether a layer, or one within it, computes something else with a mask."""
    return any(
        isinstance(each, MultiHeadAttention) or "mask" in each._call_options(False, None)
        for _, each in named_layers(layer)
    )


def _passes_mask(layer: Layer | None) -> bool:
    """Return whether what a layer returns may still have steps, and so their mask."""
    inner: Any = getattr(layer, "layer", layer)  # of Bidirectional
    if isinstance(inner, Recurrent):
        return bool(inner.return_sequences)
    kind = type(layer).__name__
    return not (kind == "Flatten" or kind.startswith("Global"))
