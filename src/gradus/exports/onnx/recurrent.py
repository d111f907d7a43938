"""Recurrent layers: the operations LSTM, GRU, and RNN, or a loop over the steps.

The operations know neither masks with gaps nor every activation. Where a layer has one of these,
its cell is the body of a Scan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradus.exports.onnx.activations import activate
from gradus.exports.onnx.graph import Graph, Tensor
from gradus.exports.onnx.layers import array_of, axes, convert, converts, to_float
from gradus.nn import activations
from gradus.nn.layers.bidirectional import Bidirectional
from gradus.nn.layers.rnn import GRU, LSTM, SimpleRNN

_OPERATIONS: dict[Any, str] = {SimpleRNN: "RNN", LSTM: "LSTM", GRU: "GRU"}
_GATES: dict[Any, list[int]] = {
    SimpleRNN: [0],
    LSTM: [0, 3, 1, 2],
    GRU: [0, 1, 2],
}  # in the order of ONNX
_ACTIVATIONS = {
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "relu": "Relu",
    "softsign": "Softsign",
    "softplus": "Softplus",
}


@converts(SimpleRNN, LSTM, GRU)
def convert_recurrent(graph: Graph, layer: Any, x: Tensor) -> Tensor:
    """The output of the last step, or of all."""
    mask, x = x.mask, to_float(graph, x)
    names = [_ACTIVATIONS.get(str(name)) for name in _activations(layer)]
    known = [name for name in names if name is not None]
    if mask is None and len(known) == len(names):
        return _with_operation(graph, layer, x, known)
    return _with_loop(graph, layer, x, mask)


@converts(Bidirectional)
def convert_bidirectional(graph: Graph, layer: Bidirectional, x: Tensor) -> Any:
    """The outputs of both directions, merged step by step."""
    both = [convert(graph, each, x) for each in (layer.layer, layer.backward)]
    if layer.layer.return_sequences:
        both[1] = _flipped(graph, both[1])
        if x.mask is not None:
            real, zero = graph.op("Unsqueeze", x.mask, axes(2)), np.float32(0)
            both = [graph.op("Where", real, h, zero).replace(mask=x.mask) for h in both]
    if layer.merge_mode is None:
        return tuple(both)
    if layer.merge_mode == "concat":
        return graph.op("Concat", *both, axis=-1)
    merged = graph.op("Mul" if layer.merge_mode == "mul" else "Add", *both)
    return graph.op("Div", merged, np.float32(2)) if layer.merge_mode == "ave" else merged


def _activations(layer: Any) -> list[str | None]:
    """Return the names of the activations in the order of ONNX, the gates' first."""
    name_of = activations.REGISTRY.name_of
    own = name_of(activations.get(layer.activation))
    if isinstance(layer, SimpleRNN):
        return [own]
    gates = name_of(activations.get(layer.recurrent_activation))
    return [gates, own, own] if isinstance(layer, LSTM) else [gates, own]


def _with_operation(graph: Graph, layer: Any, x: Tensor, names: list[str]) -> Tensor:
    """Return the output of one of ONNX's own recurrent operations."""
    units, gates = int(layer.units), _GATES[type(layer)]

    def ordered(array: np.ndarray) -> np.ndarray:
        """Return the gates, along the last axis, in the order of ONNX, as the first axis."""
        parts = np.split(array, len(gates), axis=-1)
        return np.concatenate([parts[gate] for gate in gates], axis=-1).T

    biases = np.zeros((2, len(gates) * units), np.float32)
    if layer.use_bias:
        own = array_of(layer, "bias")
        biases[: own.ndim] = own
    options: dict[str, Any] = {"hidden_size": units, "activations": names}
    options["direction"] = "reverse" if layer.go_backwards else "forward"
    if isinstance(layer, GRU):
        options["linear_before_reset"] = int(bool(layer.reset_after))
    steps, last = graph.ops(
        _OPERATIONS[type(layer)],
        graph.op("Transpose", x, perm=[1, 0, 2]),
        graph.weight("kernel", ordered(array_of(layer, "kernel"))[None]),
        graph.weight("recurrent_kernel", ordered(array_of(layer, "recurrent_kernel"))[None]),
        graph.weight("bias", np.concatenate([ordered(b) for b in biases])[None]),
        count=2,
        **options,
    )
    if not layer.return_sequences:
        return graph.op("Squeeze", last, axes(0))
    h = graph.op("Transpose", graph.op("Squeeze", steps, axes(1)), perm=[1, 0, 2])
    return _flipped(graph, h) if layer.go_backwards else h


def _flipped(graph: Graph, x: Tensor) -> Tensor:
    """Return a sequence from its last step to its first."""
    return graph.op("Slice", x, axes(-1), axes(-(2**31)), axes(1), axes(-1))


# --- a loop over the steps ------------------------------------------------------------------------


def _with_loop(graph: Graph, layer: Any, x: Tensor, mask: Tensor | None) -> Tensor:
    """Return the output of a Scan, whose body is the layer's cell."""
    projected = graph.op("MatMul", x, graph.weight("kernel", array_of(layer, "kernel")))
    bias = array_of(layer, "bias") if layer.use_bias else None
    if bias is not None and isinstance(layer, GRU):
        rows = bias.reshape(-1, bias.shape[-1])
        projected = graph.op("Add", projected, rows[0])
        bias = rows[1] if len(rows) > 1 else None
    size = graph.op("Concat", graph.op("Shape", x, start=0, end=1), axes(layer.units), axis=0)
    start = graph.op("Expand", np.float32(0), size)
    kernel = graph.weight("recurrent_kernel", array_of(layer, "recurrent_kernel"))
    states = [graph.local("state") for _ in range(layer.states)]
    step = graph.local("step")
    inputs = [*states, step]
    with graph.body() as nodes:
        new = _CELLS[type(layer)](graph, layer, step, states, (kernel, bias))
        if mask is not None:
            real = graph.local("real", "b")
            inputs.append(real)
            is_real = graph.op("Unsqueeze", real, axes(1))
            pairs = zip(new, states, strict=True)
            new = [graph.op("Where", is_real, now, before) for now, before in pairs]
        new.append(graph.op("Identity", new[0]))
    scanned = [projected] if mask is None else [projected, mask]
    count, backwards = len(scanned), int(bool(layer.go_backwards))
    *ends, steps = graph.ops(
        "Scan",
        *[start] * layer.states,
        *scanned,
        count=layer.states + 1,
        body=graph.subgraph(nodes, inputs, new),
        num_scan_inputs=count,
        scan_input_axes=[1] * count,
        scan_input_directions=[backwards] * count,
        scan_output_axes=[1],
    )
    if not layer.return_sequences:
        return ends[0]
    if mask is not None and backwards:
        mask = _flipped(graph, mask).replace(shape=mask.shape, kind="b")
    return steps.replace(mask=mask)


Weights = tuple[Tensor, np.ndarray | None]


def _recurrent_input(graph: Graph, h: Tensor, weights: Weights) -> Tensor:
    kernel, bias = weights
    r = graph.op("MatMul", h, kernel)
    return r if bias is None else graph.op("Add", r, bias)


def _simple_cell(
    graph: Graph, layer: Any, x: Tensor, state: Sequence[Tensor], weights: Weights
) -> list[Tensor]:
    """`h = φ(x + r)`."""
    z = graph.op("Add", x, _recurrent_input(graph, state[0], weights))
    return [activate(graph, layer, layer.activation, z)]


def _lstm_cell(
    graph: Graph, layer: Any, x: Tensor, state: Sequence[Tensor], weights: Weights
) -> list[Tensor]:
    """`c = σ(f) c + σ(i) φ(g)`, `h = σ(o) φ(c)`."""
    z = graph.op("Add", x, _recurrent_input(graph, state[0], weights))
    i, f, g, o = graph.ops("Split", z, count=4, axis=-1, num_outputs=4)
    i, f, o = (activate(graph, layer, layer.recurrent_activation, gate) for gate in (i, f, o))
    new = graph.op("Mul", i, activate(graph, layer, layer.activation, g))
    c = graph.op("Add", graph.op("Mul", f, state[1]), new)
    return [graph.op("Mul", o, activate(graph, layer, layer.activation, c)), c]


def _gru_cell(
    graph: Graph, layer: Any, x: Tensor, state: Sequence[Tensor], weights: Weights
) -> list[Tensor]:
    """`h = σ(u) h + (1 − σ(u)) φ(candidate)`, the reset gate after or before the product."""
    (h,), units = state, int(layer.units)
    sizes = axes(2 * units, units)
    x_gates, x_candidate = graph.ops("Split", x, sizes, count=2, axis=-1)
    if layer.reset_after:
        r = _recurrent_input(graph, h, weights)
        r_gates, r_candidate = graph.ops("Split", r, sizes, count=2, axis=-1)
    else:
        gates, candidate = graph.ops("Split", weights[0], sizes, count=2, axis=-1)
        r_gates = graph.op("MatMul", h, gates)
    z = graph.op("Add", x_gates, r_gates)
    opened = activate(graph, layer, layer.recurrent_activation, z)
    update, reset = graph.ops("Split", opened, count=2, axis=-1, num_outputs=2)
    if layer.reset_after:
        r_candidate = graph.op("Mul", reset, r_candidate)
    else:
        r_candidate = graph.op("MatMul", graph.op("Mul", reset, h), candidate)
    new = activate(graph, layer, layer.activation, graph.op("Add", x_candidate, r_candidate))
    kept = graph.op("Mul", update, h)
    return [graph.op("Add", kept, graph.op("Mul", graph.op("Sub", np.float32(1), update), new))]


_CELLS: dict[Any, Callable[..., list[Tensor]]] = {
    SimpleRNN: _simple_cell,
    LSTM: _lstm_cell,
    GRU: _gru_cell,
}
