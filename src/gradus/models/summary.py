"""A table of a network's layers: shapes, weights and floating-point operations."""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np

from gradus.nn.layer import Layer, has_sublayers, named_layers
from gradus.nn.network import fresh, recorded
from gradus.nn.ops.conv import countable_flops

COLUMNS = ("layer", "class", "output", "trained", "fixed", "FLOPs")


NOTE = "FLOPs: of a sample's forward pass, matrix products and convolutions."


def summarize(net: Layer, example: Any) -> str:
    """Return a table of the layers as text; the arguments are those of `summary_rows`."""
    return f"{_format_table([COLUMNS, *summary_rows(net, example)])}\n{NOTE}"


def summary_rows(net: Layer, example: Any) -> list[tuple[str, ...]]:
    """Return a row for each layer, and one of totals, with the values of `COLUMNS`.

    FLOPs are those of a forward pass at prediction, in matrix products and convolutions only:
    2·m·n·k for (m, k) times (k, n), a multiplication and an addition for each term. Elementwise
    operations are not counted. A layer that is called twice has the FLOPs of one call, the total
    those of both; a loop whose length depends on the values counts as one pass.

    Args:
        net: a built network.
        example: inputs, or their shapes and types, batch first.
    """
    sample = jax.tree.map(lambda a: jax.ShapeDtypeStruct((1, *a.shape[1:]), a.dtype), example)
    inputs, outputs = jax.eval_shape(_record, net, sample)
    frozen = _frozen_layers(net)
    rows: list[tuple[str, ...]] = []
    for path, layer in named_layers(net):
        kinds = layer.__dict__.get("_weights", {})
        if path not in outputs or (has_sublayers(layer) and not kinds):
            continue
        sizes = {name: int(np.size(getattr(layer, name))) for name in kinds}
        trained = sum(
            size for name, size in sizes.items() if kinds[name] == "param" and path not in frozen
        )
        rows.append(
            (
                path or "(network)",
                type(layer).__name__,
                _shapes(outputs[path]),
                f"{trained:,}",
                f"{sum(sizes.values()) - trained:,}",
                f"{flops(layer, *inputs[path]):,}",
            )
        )
    totals = [sum(int(row[i].replace(",", "")) for row in rows) for i in (3, 4)]
    rows.append(("total", "", "", *(f"{n:,}" for n in totals), f"{flops(net, sample):,}"))
    return rows


def flops(layer: Layer, *inputs: Any) -> int:
    """Return the FLOPs of calling a built layer at prediction, in products and convolutions.

    Args:
        layer: a layer or a network.
        inputs: arrays, or their shapes and types; a batch of 1 for the FLOPs of a sample.
    """
    with countable_flops():
        jaxpr = jax.make_jaxpr(lambda layer, inputs: fresh(layer)(*inputs))(layer, inputs)
    return _count_flops(jaxpr.jaxpr)


def _count_flops(jaxpr: Any) -> int:
    total = 0
    for equation in jaxpr.eqns:
        kind, parameters = equation.primitive.name, equation.params
        if kind == "dot_general":
            (contracted, _), _ = parameters["dimension_numbers"]
            left = equation.invars[0].aval.shape
            terms = math.prod(left[axis] for axis in contracted)
            total += 2 * equation.outvars[0].aval.size * terms
        elif kind == "conv_general_dilated":
            total += _convolution_flops(equation)
        else:
            counts = [_count_flops(inner) for inner in _inner_jaxprs(parameters)]
            times = parameters["length"] if kind == "scan" else 1
            total += times * (max(counts, default=0) if kind == "cond" else sum(counts))
    return total


def _convolution_flops(equation: Any) -> int:
    """Return the FLOPs of a convolution, including those with the zeros of its padding."""
    x, kernel = (operand.aval for operand in equation.invars)
    outputs, inputs, *_ = equation.params["dimension_numbers"].rhs_spec  # axes of the kernel
    if max(equation.params["lhs_dilation"], default=1) == 1:
        return 2 * equation.outvars[0].aval.size * (kernel.size // kernel.shape[outputs])
    # Transposed: each input is multiplied by the elements of all its filters; zeros do not count.
    filters = kernel.size // kernel.shape[inputs] // equation.params["feature_group_count"]
    return 2 * x.size * filters


def _inner_jaxprs(parameters: dict[str, Any]) -> list[Any]:
    """Return the jaxprs that an equation calls."""
    jaxprs = []
    for value in parameters.values():
        for item in value if isinstance(value, list | tuple) else [value]:
            jaxpr = getattr(item, "jaxpr", item)
            if hasattr(jaxpr, "eqns"):
                jaxprs.append(jaxpr)
    return jaxprs


def _record(net: Layer, x: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    copy = fresh(net, recording=True)
    copy(x)
    return recorded(copy)


def _frozen_layers(net: Layer) -> set[str]:
    """Return the paths of the layers that are frozen, or are part of a frozen layer."""
    frozen: set[str] = set()
    for path, layer in named_layers(net):
        in_frozen = any(not top or path.startswith(f"{top}/") for top in frozen)
        if in_frozen or not layer.trainable:
            frozen.add(path)
    return frozen


def _shapes(outputs: Any) -> str:
    """Return the shapes of a layer's outputs, the batch axis as n."""
    shapes = (leaf.shape[1:] for leaf in jax.tree.leaves(outputs))
    return " ".join("(" + ", ".join(["n", *map(str, shape)]) + ")" for shape in shapes)


def _format_table(rows: list[tuple[str, ...]]) -> str:
    """Return rows as aligned columns of text, with rules around the body."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i >= 3 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    rule = "─" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
