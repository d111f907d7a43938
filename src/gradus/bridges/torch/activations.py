"""Activations, with and without settings of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.bridges.own_layers import own_layer
from gradus.bridges.torch.layouts import ReadLayout, WriteLayout
from gradus.bridges.torch.modules import ACTIVATIONS, array_of_tensor
from gradus.errors import GradusError
from gradus.nn import activations
from gradus.nn.layer import Layer

MODULES = {name: kind for kind, name in ACTIVATIONS.items()}


def read_activation(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return an `Activation` for a module without settings."""
    if getattr(module, "approximate", "none") != "none":
        raise GradusError(f"{where}: approximate={module.approximate!r} cannot be carried.")
    if getattr(module, "beta", 1) != 1:
        raise GradusError(f"{where}: beta={module.beta!r} cannot be carried.")
    return [own_layer("Activation")(ACTIVATIONS[type(module).__name__])]


def read_softmax(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a softmax over the features, or its logarithm."""
    last = {1} if reader.channels is not None or reader.axes == 2 else {reader.axes - 1}
    if reader.channels is None:
        last.add(-1)
    if module.dim not in last:
        raise GradusError(f"{where}: dim={module.dim} is not the axis of features.")
    return [
        own_layer("Activation")("softmax" if type(module).__name__ == "Softmax" else "log_softmax")
    ]


def read_prelu(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a `PReLU` with one slope, or one for each channel."""
    alpha = array_of_tensor(module.weight)
    shared = tuple(range(1, reader.axes if alpha.size == 1 else reader.axes - 1))
    if alpha.size > 1 and reader.axes > 2:
        reader.require_channels_first(where, alpha.size)
    layer = own_layer("PReLU")(shared_axes=shared)
    alpha = reader.features(alpha) if alpha.size > 1 else alpha
    return [reader.give(layer, alpha.reshape(*(1 for _ in range(reader.axes - 2)), -1))]


def activation_modules(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return the module of a layer's activation."""
    if isinstance(layer.activation, Layer):
        raise writer.refusal(layer, "its activation is a layer: write it after the layer")
    name = name_of(layer.activation)
    if name == "linear":
        return []
    if name in MODULES:
        return [getattr(writer.nn, MODULES[name])()]
    if name in ("softmax", "log_softmax"):
        cls = writer.nn.Softmax if name == "softmax" else writer.nn.LogSoftmax
        return [cls(dim=1 if writer.channels_first else -1)]
    if name == "leaky_relu":
        return [writer.nn.LeakyReLU(0.2)]
    if name == "elu":
        return [writer.nn.ELU()]
    raise writer.refusal(layer, f"it has no activation {name or layer.activation!r}")


def write_activation(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return the module of an `Activation`, with its setting."""
    name = name_of(layer.activation)
    if layer.alpha is not None and name == "leaky_relu":
        return [writer.nn.LeakyReLU(float(layer.alpha))]
    if layer.alpha is not None and name == "elu":
        return [writer.nn.ELU(float(layer.alpha))]
    return activation_modules(writer, layer)


def write_relu(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return a `ReLU`, or a `ReLU6` for one that ends at 6."""
    if float(layer.negative_slope) or float(layer.threshold):
        raise writer.refusal(layer, "PyTorch's has no slope below zero and no threshold")
    if layer.max_value is None:
        return [writer.nn.ReLU()]
    if float(layer.max_value) != 6:
        raise writer.refusal(layer, "PyTorch's ends at 6")
    return [writer.nn.ReLU6()]


def write_softmax(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return a `Softmax` over the axis that features have in PyTorch."""
    if layer.axis not in (-1, len(writer.shapes[layer.path]) - 1):
        raise writer.refusal(layer, "only a softmax over the features is")
    return [writer.nn.Softmax(dim=1 if writer.channels_first else -1)]


def write_prelu(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return a `PReLU` with one slope, or one for each channel."""
    alpha = np.asarray(layer.alpha)
    if alpha.size not in (1, alpha.shape[-1]) or (alpha.ndim == 2 and not writer.channels_first):
        raise writer.refusal(layer, "PyTorch's has one slope, or one for each channel")
    alpha = alpha.ravel() if alpha.size == 1 else np.asarray(writer.features(alpha.ravel()))
    module = writer.nn.PReLU(alpha.size)
    writer.fill(module, weight=alpha)
    return [module]


def name_of(activation: Any) -> str:
    """Return the name of an activation of gradus; "" for a user's function."""
    return activations.REGISTRY.name_of(activations.get(activation)) or ""
