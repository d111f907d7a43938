"""The layers of an ensemble: several networks on one input, and the mean of what they predict.

Probabilities are averaged, but by their logarithms, so that the loss of the mean is as exact as
that of one network: `log Σ_k w_k p_k`, never the logarithm of a number that has become zero.
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
from gradus.train.task import is_head, predictions

SMALLEST = 1e-30  # of a probability that came without its logits


class EnsembleMembers(Layer):
    """Several networks on the same input.

    Networks of one structure are computed together, mapped over their stacked weights.

    The output, or each of several, has shape `(batch, ..., members)`: where the loss is about
    classes the logarithms of probabilities (their log-odds under a sigmoid), else the outputs.

    Args:
        layers: the networks.
        links: what makes probabilities of each output: "softmax", "sigmoid" or None, in a dict or
            tuple for several outputs.
    """

    def __init__(self, layers: Sequence[Layer], links: Any = None) -> None:
        self.layers = layers
        self.links = links

    def call(self, x: Any) -> Any:
        """Return what the networks make of `x`, side by side."""
        scope = self.__dict__.get("_scope")
        if scope is not None and (scope.training or scope.building or scope.recording):
            found = [self._logs(layer, x) for layer in self.layers]  # each has its own randomness
        else:
            found = self._mapped(x)
        stacked = jax.tree.map(lambda *each: jnp.stack(each, -1), *(logs for logs, _ in found))
        jax.tree.map(mask_tracking.set_mask, stacked, found[0][1])
        return stacked

    def _mapped(self, x: Any) -> list[tuple[Any, Any]]:
        """Return what each network makes of `x`, those of one structure computed together."""
        bare = [fresh(layer) for layer in self.layers]
        groups: dict[Any, list[int]] = {}
        for index, layer in enumerate(bare):
            layer.__dict__.pop("_name", None)
            shapes = tuple(jnp.shape(leaf) for leaf in jax.tree.leaves(layer))
            groups.setdefault((jax.tree.structure(layer), shapes), []).append(index)
        found: dict[int, tuple[Any, Any]] = {}
        for places in groups.values():
            together = jax.tree.map(lambda *each: jnp.stack(each), *(bare[k] for k in places))
            made = jax.vmap(lambda layer: self._logs(fresh(layer), x))(together)
            found |= {k: jax.tree.map(lambda a, n=n: a[n], made) for n, k in enumerate(places)}
        return [found[index] for index in range(len(bare))]

    def _logs(self, layer: Layer, x: Any) -> tuple[Any, Any]:
        """Return a network's outputs as they are averaged, and their masks, trees of one form."""
        heads = forward(layer, x)
        logs = map_outputs(self.links, _log, heads)
        return logs, jax.tree.map(lambda head: head.mask, heads, is_leaf=is_head)


class WeightedAverage(Layer):
    """The weighted mean of what several networks predict.

    `p = Σ_k w_k p_k / Σ_k w_k`, from an input `(batch, ..., members)` as `EnsembleMembers`
    gives it; the output is `(batch, ...)`, with a softmax or sigmoid where there is a link.

    Args:
        shares: w, of each network.
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
        return map_outputs(self.links, lambda link, each: _mean(link, each, shares), logs)


def map_outputs(links: Any, function: Any, outputs: Any) -> Any:
    """Return `function(link, output)` of a network's output, or of each of several."""
    if isinstance(links, Mapping):
        return {name: function(link, outputs[name]) for name, link in links.items()}
    if isinstance(links, tuple):
        pairs = zip(links, outputs, strict=True)
        return tuple(function(link, output) for link, output in pairs)
    return function(links, outputs)


def _log(link: str | None, head: Head) -> jax.Array:
    """Return log p, the log-odds of p, or the output, as a loss's link has it."""
    if link is None:
        return predictions(None, head)
    if link == "softmax":
        if head.activation in ("softmax", "log_softmax", "linear"):
            return jax.nn.log_softmax(head.logits)
        return jnp.log(jnp.maximum(predictions(None, head), SMALLEST))
    if link == "sigmoid":
        if head.activation in ("sigmoid", "linear"):
            return head.logits
        p = predictions(None, head)
        return jnp.log(jnp.maximum(p, SMALLEST)) - jnp.log(jnp.maximum(1 - p, SMALLEST))
    raise GradusError(f"link={link!r}: write 'softmax', 'sigmoid' or None.")


def _mean(link: str | None, logs: jax.Array, shares: jax.Array) -> jax.Array:
    """Return the mean over the last axis of what `_log` gave, as a prediction."""
    if link is None:
        return jnp.sum(logs * shares, -1)
    if link == "softmax":
        return softmax(_log_mean(logs, shares))
    odds = _log_mean(jax.nn.log_sigmoid(logs), shares) - _log_mean(
        jax.nn.log_sigmoid(-logs), shares
    )
    return sigmoid(odds)


def _log_mean(logs: jax.Array, shares: jax.Array) -> jax.Array:
    return jax.nn.logsumexp(logs, axis=-1, b=shares)
