"""Recurrent layers in PyTorch: the order of their gates, their weights, and their outputs."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from gradus.bridges.own_layers import own_layer
from gradus.bridges.torch.activations import name_of
from gradus.bridges.torch.layouts import ReadLayout, WriteLayout
from gradus.bridges.torch.modules import array_of_tensor, import_torch
from gradus.errors import GradusError
from gradus.nn.layer import Layer

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


def read_recurrent(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a layer for each of a module's, whose tuple a `LastOutput` must take apart."""
    if not module.batch_first:
        raise GradusError(f"{where}: write batch_first=True, the order of axes that gradus has.")
    if getattr(module, "proj_size", 0):
        raise GradusError(f"{where}: proj_size={module.proj_size} cannot be carried.")
    if reader.channels is not None:
        raise GradusError(f"{where} follows layers whose channels are first.")
    layers: list[Layer] = []
    for index in range(module.num_layers):
        if index and module.dropout:
            layers.append(own_layer("Dropout")(module.dropout))
        layers.append(_recurrent_layer(reader, module, index))
    reader.pending = where
    return layers


def _recurrent_layer(reader: ReadLayout, module: Any, index: int) -> Layer:
    kind = RECURRENT[type(module).__name__]
    options = {"activation": module.nonlinearity} if kind == "SimpleRNN" else {}
    layer: Any = own_layer(kind)(
        module.hidden_size, use_bias=module.bias, return_sequences=True, **options
    )
    arrays = recurrent_weights(module, kind, f"l{index}")
    if module.bidirectional:
        layer = own_layer("Bidirectional")(layer)
        arrays += recurrent_weights(module, kind, f"l{index}_reverse")
    return reader.give(layer, *arrays)


def read_last_output(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Have the last recurrent layer return what the module takes of its tuple."""
    if reader.pending is None:
        raise GradusError(f"{where} follows no LSTM, GRU, or RNN.")
    reader.pending = None
    if not module.all_steps:
        layer: Any = reader.given[-1][0]
        recurrent = getattr(layer, "layer", layer)
        recurrent.return_sequences = False
        reader.axes -= 1
    return []


def write_recurrent(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return a recurrent module, and what takes the output from its tuple."""
    both = type(layer).__name__ == "Bidirectional"
    parts = [layer.layer, layer.backward] if both else [layer]
    inner, kind = parts[0], type(parts[0]).__name__
    if both and layer.merge_mode != "concat":
        raise writer.refusal(layer, "PyTorch concatenates the two directions")
    if writer.channels_first or (inner.go_backwards and not both):
        raise writer.refusal(layer, "PyTorch reads features last, forward or both ways")
    _check_gates(writer, layer, inner, kind)
    name = next(theirs for theirs, ours in RECURRENT.items() if ours == kind)
    options = {"nonlinearity": name_of(inner.activation)} if name == "RNN" else {}
    module = getattr(writer.nn, name)(
        writer.shapes[layer.path][-1], inner.units, bias=inner.use_bias, batch_first=True,
        bidirectional=both, **options,
    )  # fmt: skip
    for part, suffix in zip(parts, ("l0", "l0_reverse"), strict=False):
        writer.fill(module, **recurrent_arrays(part, kind, suffix))
    return [module, last_output_class()(bool(inner.return_sequences))]


def _check_gates(writer: WriteLayout, layer: Layer, inner: Any, kind: str) -> None:
    """Refuse what PyTorch's recurrent modules cannot be told."""
    known = ("tanh", "relu") if kind == "SimpleRNN" else ("tanh",)
    gates = name_of(getattr(inner, "recurrent_activation", "sigmoid"))
    if name_of(inner.activation) not in known or gates != "sigmoid":
        raise writer.refusal(layer, "PyTorch's has other activations")
    if not getattr(inner, "reset_after", True):
        raise writer.refusal(layer, "reset_after=False, and PyTorch resets after the product")
    if inner.dropout is not None and float(inner.dropout):
        raise writer.refusal(layer, "PyTorch has no dropout of the inputs: put a Dropout before it")
