"""What reading and writing PyTorch's modules share: names of activations, and orders of axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.bridges.own_layers import own_layer
from gradus.errors import GradusError
from gradus.nn.layer import Layer
from gradus.optional import import_optional

# The names of activations without settings.
ACTIVATIONS = {
    "ReLU": "relu",
    "ReLU6": "relu6",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "SELU": "selu",
    "SiLU": "silu",
    "Hardswish": "hard_silu",
    "GELU": "gelu",
    "Mish": "mish",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Hardsigmoid": "hard_sigmoid",
}
# Modules that tell that their inputs have the channels first.
SPATIAL = (
    *("Conv", "MaxPool", "AvgPool", "Adaptive", "BatchNorm1d", "InstanceNorm", "PReLU"),
    *("ZeroPad", "ConstantPad"),
)


def import_torch(function: str) -> Any:
    """Import PyTorch.

    Raises:
        GradusError: if it is not installed, with the command that installs it.
    """
    return import_optional("torch", function, "torch")


def spatial_kernel(kernel: np.ndarray) -> np.ndarray:
    """Return a kernel with its spatial axes first and the other two exchanged.

    PyTorch's convolution has (filters, channels, *sizes), gradus's (*sizes, channels, filters); its
    transposed one (channels, filters, *sizes), gradus's (*sizes, filters, channels).
    """
    return kernel.transpose(*range(2, kernel.ndim), 1, 0)


def channels_first_kernel(kernel: np.ndarray) -> np.ndarray:
    """Return what `spatial_kernel` was given."""
    return kernel.transpose(kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2))


def channels_last_order(count: int, channels: int) -> np.ndarray:
    """Return where each value of flattened channels-last data is in channels-first data.

    Args:
        count: how many values a sample has.
        channels: how many channels.
    """
    return np.arange(count).reshape(channels, -1).T.ravel()


def array_of_tensor(tensor: Any) -> Any:
    """Return a tensor as a NumPy array; None as it is."""
    return None if tensor is None else tensor.detach().cpu().numpy()


def per_axis_of(value: Any, count: int) -> tuple[Any, ...]:
    """Return a setting as one value for each of some axes; one alone counts for all."""
    return tuple(value) if isinstance(value, list | tuple) else (value,) * count


def require_settings(where: str, module: Any, **settings: Any) -> None:
    """Refuse a module whose settings are not these."""
    for name, value in settings.items():
        if getattr(module, name) != value:
            raise GradusError(
                f"{where}: {name}={getattr(module, name)!r} cannot be carried, only {value!r}."
            )


def zero_padding(zeros: Sequence[int], where: str) -> Layer:
    """Return a layer that pads both sides of each spatial axis with so many zeros."""
    padding = zeros[0] if len(zeros) == 1 else tuple(zeros)
    return own_layer(f"ZeroPadding{len(zeros)}D", where)(padding)
