"""The layers of an ensemble: several networks on one input, and the mean of their predictions.

Probabilities are averaged in log space, `log Σ_k w_k p_k`, so that the loss of the mean is as exact
as that of one network and no logarithm is taken of an underflowed zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gradus.errors import GradusError
from gradus.nn import mask_tracking
from gradus.nn.activations import sigmoid, softmax
from gradus.nn.heads import Head
from gradus.nn.layer import Layer
from gradus.nn.network import forward, fresh
from gradus.objectives.loss import takes_logits
from gradus.train.tasks.base import is_head, predictions

MIN_PROBABILITY = 1e-30  # for the logarithm of a probability without logits


class EnsembleMembers(Layer):
    """Several networks on the same input.

    Networks of the same structure are computed together, vectorized over their stacked weights.

    Each output has shape `(batch, ..., members)`: if the loss is about classes, the logarithms of
    probabilities (log-odds for a sigmoid), else the outputs.

    Args:
        layers: the networks.
        links: the function that turns logits into probabilities: "softmax", "sigmoid" or None; a
            dict or tuple of them for several outputs.
    """

    def __init__(self, layers: Sequence[Layer], links: Any = None) -> None:
        self.layers = layers
        self.links = links

    def call(self, x: Any) -> Any:
        """Return the outputs of the networks, stacked along the last axis."""
        scope = self.__dict__.get("_scope")
        if scope is not None and (scope.training or scope.building or scope.recording):
            # One by one: each has its own randomness.
            outputs = [self._log_outputs(layer, x) for layer in self.layers]
        else:
            outputs = self._call_vectorized(x)
        stacked = jax.tree.map(lambda *each: jnp.stack(each, -1), *(logs for logs, _ in outputs))
        jax.tree.map(mask_tracking.set_mask, stacked, outputs[0][1])
        return stacked

    def _call_vectorized(self, x: Any) -> list[tuple[Any, Any]]:
        """Return each network's outputs; networks of the same structure are computed together."""
        bare = [fresh(layer) for layer in self.layers]
        groups: dict[Any, list[int]] = {}
        for index, layer in enumerate(bare):
            layer.__dict__.pop("_name", None)
            shapes = tuple(jnp.shape(leaf) for leaf in jax.tree.leaves(layer))
            groups.setdefault((jax.tree.structure(layer), shapes), []).append(index)
        by_index: dict[int, tuple[Any, Any]] = {}
        for indices in groups.values():
            stacked = jax.tree.map(lambda *each: jnp.stack(each), *(bare[k] for k in indices))
            outputs = jax.vmap(lambda layer: self._log_outputs(fresh(layer), x))(stacked)
            for position, index in enumerate(indices):
                by_index[index] = jax.tree.map(lambda a, k=position: a[k], outputs)
        return [by_index[index] for index in range(len(bare))]

    def _log_outputs(self, layer: Layer, x: Any) -> tuple[Any, Any]:
        """Return a network's outputs in log space and their masks, trees of the same structure."""
        heads = forward(layer, x)
        logs = map_outputs(self.links, _log_prediction, heads)
        return logs, jax.tree.map(lambda head: head.mask, heads, is_leaf=is_head)


class WeightedAverage(Layer):
    """The weighted mean of the predictions of several networks.

    `p = Σ_k w_k p_k / Σ_k w_k`, for an input `(batch, ..., members)` from `EnsembleMembers`; the
    output is `(batch, ...)`, after a softmax or sigmoid if there is a link.

    Args:
        shares: w, the weight of each network.
        links: as in `EnsembleMembers`.
    """

    hypers = ("shares",)

    def __init__(self, shares: Any, links: Any = None) -> None:
        self.shares = shares
        self.links = links

    def call(self, logs: Any) -> Any:
        """Return the mean predictions."""
        shares = jnp.asarray(self.shares, jnp.float32)
        shares = shares / jnp.sum(shares)
        return map_outputs(self.links, lambda link, log: _mean_prediction(link, log, shares), logs)


def map_outputs(links: Any, function: Any, outputs: Any) -> Any:
    """Return `function(link, output)` for a network's output, or for each of several."""
    if isinstance(links, Mapping):
        return {name: function(link, outputs[name]) for name, link in links.items()}
    if isinstance(links, tuple):
        pairs = zip(links, outputs, strict=True)
        return tuple(function(link, output) for link, output in pairs)
    return function(links, outputs)


def _log_prediction(link: str | None, head: Head) -> jax.Array:
    """Return log p for a softmax, the log-odds of p for a sigmoid, the output without a link."""
    if link is None:
        return predictions(None, head)
    if link == "softmax":
        if takes_logits(link, head.activation):
            return jax.nn.log_softmax(head.logits)
        return jnp.log(jnp.maximum(predictions(None, head), MIN_PROBABILITY))
    if link == "sigmoid":
        if takes_logits(link, head.activation):
            return head.logits
        p = predictions(None, head)
        log_p, log_not_p = (jnp.log(jnp.maximum(q, MIN_PROBABILITY)) for q in (p, 1 - p))
        return log_p - log_not_p
    raise GradusError(f"link={link!r}: write 'softmax', 'sigmoid' or None.")


def _mean_prediction(link: str | None, logs: jax.Array, shares: jax.Array) -> jax.Array:
    """Return the mean of `_log_prediction` over the last axis, as a prediction."""
    if link is None:
        return jnp.sum(logs * shares, -1)
    if link == "softmax":
        return softmax(_log_mean(logs, shares))
    log_p, log_not_p = (_log_mean(jax.nn.log_sigmoid(z), shares) for z in (logs, -logs))
    return sigmoid(log_p - log_not_p)


def _log_mean(logs: jax.Array, shares: jax.Array) -> jax.Array:
    return jax.nn.logsumexp(logs, axis=-1, b=shares)
