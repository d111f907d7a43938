"""What PyTorch's modules and gradus's layers have in common, and one module that PyTorch lacks."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from gradus.optional import import_optional

# The names of activations without settings.
ACTIVATIONS = {
    "ReLU": "relu",
    "ReLU6": "relu6",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "SELU": "selu",
    "SiLU": "silu",
    "GELU": "gelu",
    "Mish": "mish",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Hardsigmoid": "hard_sigmoid",
}
RECURRENT = {"LSTM": "LSTM", "GRU": "GRU", "RNN": "SimpleRNN"}  # PyTorch's name and gradus's
# Modules that tell that their inputs have the channels first.
SPATIAL = ("Conv", "MaxPool", "AvgPool", "Adaptive", "BatchNorm1d", "ZeroPad", "PReLU")


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


def gate_order(kind: str, units: int) -> np.ndarray:
    """Return where the columns of each of gradus's gates are among PyTorch's rows.

    A GRU's gates are reset, update, candidate in PyTorch, and update, reset, candidate here; to
    exchange the first two is its own inverse. All others have the same order.
    """
    rows = np.arange(units * {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}[kind]).reshape(-1, units)
    if kind == "GRU":
        rows = rows[[1, 0, 2]]
    return rows.ravel()


def __getattr__(name: str) -> Any:
    """Return `LastOutput`, which is defined when PyTorch is there (PEP 562)."""
    if name != "LastOutput":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return last_output_class()


@functools.cache
def last_output_class() -> Any:
    """Return the module that makes an array of what PyTorch's recurrent modules return."""
    nn = import_torch("to_torch").nn

    class LastOutput(nn.Module):  # type: ignore[misc,name-defined]
        """Takes a recurrent module's `(outputs, state)`, and returns the last output or all.

        Args:
            all_steps: whether the outputs of all steps are returned.
        """

        def __init__(self, all_steps: bool = False) -> None:
            super().__init__()
            self.all_steps = all_steps

        def forward(self, result: Any) -> Any:
            outputs, state = result
            if self.all_steps:
                return outputs
            last = state[0] if isinstance(state, tuple) else state  # (layers · ways, batch, units)
            ways = outputs.shape[-1] // last.shape[-1]
            return last[-ways:].transpose(0, 1).flatten(1)

        def extra_repr(self) -> str:
            return f"all_steps={self.all_steps}"

    LastOutput.__module__, LastOutput.__qualname__ = __name__, "LastOutput"
    return LastOutput
