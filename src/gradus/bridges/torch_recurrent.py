"""Recurrent layers in PyTorch: the order of their gates, their weights, and their outputs."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from gradus.bridges.torch_modules import array_of_tensor, import_torch

RECURRENT = {"LSTM": "LSTM", "GRU": "GRU", "RNN": "SimpleRNN"}  # PyTorch's name and gradus's


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


def recurrent_weights(module: Any, kind: str, suffix: str) -> list[np.ndarray]:
    """Return kernel, recurrent kernel, and bias of one layer and direction."""
    order = gate_order(kind, module.hidden_size)

    def rows(name: str) -> np.ndarray:
        return np.asarray(array_of_tensor(getattr(module, f"{name}_{suffix}")))[order]

    kernels = [rows("weight_ih").T, rows("weight_hh").T]
    if not module.bias:
        return kernels
    biases = rows("bias_ih"), rows("bias_hh")
    return [*kernels, np.stack(biases) if kind == "GRU" else biases[0] + biases[1]]


def recurrent_arrays(layer: Any, kind: str, suffix: str) -> dict[str, Any]:
    """Return a recurrent layer's weights under PyTorch's names."""
    order = gate_order(kind, layer.units)
    arrays = {
        f"weight_ih_{suffix}": np.asarray(layer.kernel).T[order],
        f"weight_hh_{suffix}": np.asarray(layer.recurrent_kernel).T[order],
    }
    if layer.use_bias:
        bias = np.asarray(layer.bias)
        bias = bias if kind == "GRU" else np.stack([bias, np.zeros_like(bias)])
        arrays |= {f"bias_ih_{suffix}": bias[0][order], f"bias_hh_{suffix}": bias[1][order]}
    return arrays
