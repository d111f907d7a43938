"""The layers of an ensemble, whose members are averaged in log space as in prediction."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.exports.onnx.activations import OPERATIONS
from gradus.exports.onnx.graph import Graph, Tensor
from gradus.exports.onnx.layers import axes, convert, converts
from gradus.models.ensemble_layers import (
    MIN_PROBABILITY,
    EnsembleMembers,
    WeightedAverage,
    map_outputs,
)
from gradus.objectives.loss import takes_logits

ONE = np.float32(1)


@converts(EnsembleMembers)
def convert_members(graph: Graph, layer: EnsembleMembers, x: Any) -> Any:
    """The predictions of all members in log space, stacked along a last axis."""
    outputs = [convert(graph, member, x) for member in layer.layers]

    def stacked(link: str | None, each: list[Tensor]) -> Tensor:
        logs = [_log_prediction(graph, link, y) for y in each]
        columns = [graph.op("Unsqueeze", y, axes(-1)) for y in logs]
        return graph.op("Concat", *columns, axis=-1).replace(mask=each[0].mask)

    if isinstance(outputs[0], dict):
        together: Any = {name: [each[name] for each in outputs] for name in outputs[0]}
    elif isinstance(outputs[0], tuple):
        together = tuple(map(list, zip(*outputs, strict=True)))
    else:
        together = outputs
    return map_outputs(layer.links, stacked, together)


@converts(WeightedAverage)
def convert_average(graph: Graph, layer: WeightedAverage, logs: Any) -> Any:
    """The weighted mean of the members' predictions."""
    shares = np.asarray(layer.shares, np.float32)
    shares = shares / shares.sum()
    return map_outputs(layer.links, lambda link, log: _mean(graph, link, log, shares), logs)


def prediction(graph: Graph, link: str | None, y: Tensor) -> Tensor:
    """Return what a network's output predicts under a loss with a link: see `train.task`."""
    if not takes_logits(link, y.activation) or y.activation == link:
        return y
    logits = y if y.before is None else y.before
    return OPERATIONS[link](graph, logits)


def _log_prediction(graph: Graph, link: str | None, y: Tensor) -> Tensor:
    """Return log p for a softmax, the log-odds of p for a sigmoid, the output without a link."""
    if link is None:
        return y
    if takes_logits(link, y.activation):
        logits = y if y.before is None else y.before
        return OPERATIONS["log_softmax"](graph, logits) if link == "softmax" else logits
    if link == "softmax":
        return _safe_log(graph, y)
    other = graph.op("Sub", ONE, y)
    return graph.op("Sub", _safe_log(graph, y), _safe_log(graph, other))


def _safe_log(graph: Graph, p: Tensor) -> Tensor:
    return graph.op("Log", graph.op("Max", p, np.float32(MIN_PROBABILITY)))


def _mean(graph: Graph, link: str | None, logs: Tensor, shares: np.ndarray) -> Tensor:
    """Return the mean over the last axis as a prediction."""
    if link is None:
        return graph.op("ReduceSum", graph.op("Mul", logs, shares), axes(-1), keepdims=0)
    if link == "softmax":
        mean = _log_mean(graph, logs, shares)
        return OPERATIONS["softmax"](graph, mean).replace(activation="softmax", before=mean)
    negative = graph.op("Neg", logs)
    # log σ(z) = -softplus(-z)
    log_p, log_not_p = (
        _log_mean(graph, graph.op("Neg", graph.op("Softplus", z)), shares) for z in (negative, logs)
    )
    odds = graph.op("Sub", log_p, log_not_p)
    return OPERATIONS["sigmoid"](graph, odds).replace(activation="sigmoid", before=odds)


def _log_mean(graph: Graph, logs: Tensor, shares: np.ndarray) -> Tensor:
    with np.errstate(divide="ignore"):
        shifted = graph.op("Add", logs, np.log(shares))
    return graph.op("ReduceLogSumExp", shifted, axes(-1), keepdims=0)
