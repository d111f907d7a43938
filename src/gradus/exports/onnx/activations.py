"""Activations as operations of ONNX: one entry for each name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradus.exports.onnx.graph import Graph, Tensor
from gradus.exports.onnx.layers import (
    CONVERTERS,
    array_of,
    cannot_export,
    convert_shapeless,
    converts,
    over_features,
    to_float,
)
from gradus.nn import activations
from gradus.nn.heads import WITH_LOGITS
from gradus.nn.layer import Layer
from gradus.nn.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax, rectified

LOWEST = np.finfo(np.float32).min
ELEMENTWISE = (Activation, PReLU, ReLU, LeakyReLU, ELU)  # whatever the shape of their input
_ZERO = np.float32(0)


def activate(graph: Graph, layer: Layer, activation: Any, x: Tensor) -> Tensor:
    """Apply an activation of a layer, a name, a function, or a layer.

    Raises:
        GradusError: naming the layer, for a function that is not gradus's own, or for a layer that
            depends on the shape of its input, which is not known here.
    """
    function: Any = activations.get(activation)
    if isinstance(function, Layer):
        is_softmax = isinstance(function, Softmax) and function.axis == -1
        if type(function) in CONVERTERS and not (is_softmax or isinstance(function, ELEMENTWISE)):
            reason = f"its activation is {function!r}; write that as a layer of its own after it"
            raise cannot_export(layer, reason)
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


@converts(ReLU)
def convert_relu(graph: Graph, layer: ReLU, x: Tensor) -> Tensor:
    """`x` from the threshold to the ceiling, and a slope below it."""
    x = to_float(graph, x)
    if layer.activation == "leaky_relu":
        return graph.op("LeakyRelu", x, alpha=float(array_of(layer, "negative_slope")))
    if layer.activation is not rectified:
        return activate(graph, layer, layer.activation, x)
    threshold = array_of(layer, "threshold")
    below = graph.op("Mul", graph.op("Sub", x, threshold), array_of(layer, "negative_slope"))
    y = graph.op("Where", graph.op("GreaterOrEqual", x, threshold), x, below)
    if layer.max_value is None:
        return y
    ceiling = array_of(layer, "max_value")
    return graph.op("Where", graph.op("GreaterOrEqual", x, ceiling), ceiling, y)


@converts(LeakyReLU)
def convert_leaky_relu(graph: Graph, layer: LeakyReLU, x: Tensor) -> Tensor:
    """`x` where it is positive, a slope elsewhere."""
    slope = float(array_of(layer, "negative_slope"))
    return graph.op("LeakyRelu", to_float(graph, x), alpha=slope)


@converts(ELU)
def convert_elu(graph: Graph, layer: ELU, x: Tensor) -> Tensor:
    """`x` where it is positive, `alpha · (exp(x) − 1)` elsewhere."""
    return graph.op("Elu", to_float(graph, x), alpha=float(array_of(layer, "alpha")))


@converts(Softmax)
def convert_softmax(graph: Graph, layer: Softmax, x: Tensor) -> Tensor:
    """The softmax along an axis, along steps of the real ones."""
    mask, x = x.mask, to_float(graph, x)
    axis = layer.axis % (len(x.shape) + 1)
    if layer.axis == -1 or axis == len(x.shape):
        return activate(graph, layer, "softmax", x)
    if mask is None or axis != 1:
        return graph.op("Softmax", x, axis=axis)
    real = over_features(graph, mask, x)
    y = graph.op("Softmax", graph.op("Where", real, x, LOWEST), axis=axis)
    return graph.op("Where", real, y, _ZERO)


def _positive(graph: Graph, x: Tensor) -> Tensor:
    return graph.op("Cast", graph.op("Greater", x, _ZERO), to=graph.onnx.TensorProto.FLOAT)


def _silu(graph: Graph, x: Tensor) -> Tensor:
    return graph.op("Mul", x, graph.op("Sigmoid", x))


def _hard_silu(graph: Graph, x: Tensor) -> Tensor:
    return graph.op("Mul", x, graph.op("HardSigmoid", x, alpha=1 / 6, beta=0.5))


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
    "hard_silu": _hard_silu,
    "softplus": _plain("Softplus"),
    "mish": _mish,
    "exponential": _plain("Exp"),
    "softmax": _plain("Softmax", axis=-1),
    "log_softmax": _plain("LogSoftmax", axis=-1),
}
