"""Activations as operations of ONNX: one entry for each name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradus.exports.onnx.graph import Graph, Tensor
from gradus.exports.onnx.layers import (
    array_of,
    cannot_export,
    convert_shapeless,
    converts,
    to_float,
)
from gradus.nn import activations
from gradus.nn.heads import WITH_LOGITS
from gradus.nn.layer import Layer
from gradus.nn.layers.activation import Activation, PReLU

_ZERO = np.float32(0)


def activate(graph: Graph, layer: Layer, activation: Any, x: Tensor) -> Tensor:
    """Apply an activation of a layer, a name, a function, or a layer.

    Raises:
        GradusError: naming the layer, for a function that is not gradus's own.
    """
    function: Any = activations.get(activation)
    if isinstance(function, Layer):
        applied: Tensor = convert_shapeless(graph, function, x)
        return applied
    if function is activations.linear:
        return x
    name = activations.REGISTRY.name_of(function)
    if name not in OPERATIONS:
        raise cannot_export(layer, f"its activation is {activation!r}, not one of gradus's own")
    y = OPERATIONS[name](graph, x)
    # A softmax that a loss computes from logits is looked up by what it was applied to.
    before = x if name in WITH_LOGITS else None
    return y.replace(shape=x.shape, activation=name, before=before)


@converts(Activation)
def convert_activation(graph: Graph, layer: Activation, x: Tensor) -> Tensor:
    """Apply an activation, with its slope or scale if it has one."""
    x = to_float(graph, x)
    if layer.alpha is None:
        return activate(graph, layer, layer.activation, x)
    is_elu = activations.get(layer.activation) is activations.elu
    kind = "elu" if is_elu else "leaky_relu"
    y = graph.op("Elu" if is_elu else "LeakyRelu", x, alpha=float(array_of(layer, "alpha")))
    return y.replace(activation=kind)


@converts(PReLU)
def convert_prelu(graph: Graph, layer: PReLU, x: Tensor) -> Tensor:
    """`x` where it is positive, `alpha · x` elsewhere."""
    return graph.op("PRelu", to_float(graph, x), graph.weight("alpha", array_of(layer, "alpha")))


def _positive(graph: Graph, x: Tensor) -> Tensor:
    return graph.op("Cast", graph.op("Greater", x, _ZERO), to=graph.onnx.TensorProto.FLOAT)


def _silu(graph: Graph, x: Tensor) -> Tensor:
    return graph.op("Mul", x, graph.op("Sigmoid", x))


def _mish(graph: Graph, x: Tensor) -> Tensor:
    return graph.op("Mul", x, graph.op("Tanh", graph.op("Softplus", x)))


def _plain(kind: str, **attributes: Any) -> Callable[[Graph, Tensor], Tensor]:
    return lambda graph, x: graph.op(kind, x, **attributes)


OPERATIONS: dict[str | None, Callable[[Graph, Tensor], Tensor]] = {
    "step": _positive,
    "sign": _plain("Sign"),
    "step_ste": _positive,
    "sign_ste": _plain("Sign"),
    "sigmoid": _plain("Sigmoid"),
    "hard_sigmoid": _plain("HardSigmoid", alpha=1 / 6, beta=0.5),
    "tanh": _plain("Tanh"),
    "softsign": _plain("Softsign"),
    "relu": _plain("Relu"),
    "relu6": lambda graph, x: graph.op("Clip", x, _ZERO, np.float32(6)),
    "leaky_relu": _plain("LeakyRelu", alpha=0.2),
    "elu": _plain("Elu", alpha=1.0),
    "selu": _plain("Selu", alpha=activations.SELU_ALPHA, gamma=activations.SELU_SCALE),
    "gelu": _plain("Gelu"),
    "silu": _silu,
    "softplus": _plain("Softplus"),
    "mish": _mish,
    "exponential": _plain("Exp"),
    "softmax": _plain("Softmax", axis=-1),
    "log_softmax": _plain("LogSoftmax", axis=-1),
}
