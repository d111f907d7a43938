"""The vital signs of a network in training: what passes through its layers, and what moves them."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.nn import activations
from gradus.nn.layer import Layer, children, walk
from gradus.nn.network import weights
from gradus.optim.base import Optimizer
from gradus.train.task import Batch, Task
from gradus.train.update import Inner, update

OF_LAYERS = ("mean", "deviation", "saturated", "silent")
OF_WEIGHTS = ("gradient", "weight", "update")


def watched(net: Layer) -> list[str]:
    """Return the paths of the layers whose outputs are probed: those with weights or activation.

    A layer that holds layers is not: its parts are.
    """
    return [
        path
        for path, layer in walk(net)
        if not any(children(layer))
        and (layer.__dict__.get("_weights") or hasattr(layer, "activation"))
    ]


def probe(
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    batch: Batch,
    key: jax.Array,
    scale: jax.Array,
    inner: Inner,
) -> jax.Array:
    """Look at the network as it stands, on one batch, without training it.

    By layer, in the order of `watched`: the mean and the standard deviation of its outputs, the
    saturated share of them (where the activation's derivative is nearly zero; NaN where the
    activation does not saturate), and the share of silent units, whose output is zero on the
    whole batch. By trained weight, in the order of their paths: the Euclidean norms of the
    gradient, of the weight, and of the update that the optimiser would make of this gradient.

    Returns:
        All of them in one vector, for `unpack`: one vector costs one kernel to write down.
    """
    (moved, _, _), _, seen = update(net, optimizer, task, batch, key, scale, inner, recording=True)
    layers, params = dict(walk(net)), inner[0]
    found = [n for path in watched(net) for n in _of_layer(layers[path], seen.outputs.get(path))]
    for path in sorted(params):
        change = moved[path] - params[path]
        found += [_norm(seen.gradients[path]), _norm(params[path]), _norm(change)]
    return jnp.stack(found)


def names(net: Layer) -> tuple[list[str], list[str]]:
    """Return what the probes run over: the layers' paths and the trained weights'."""
    return watched(net), sorted(weights(net, "param"))


def unpack(taken: np.ndarray, layers: int, trained: int) -> dict[str, np.ndarray]:
    """Return the probes by name, `(..., layers)` and `(..., weights)`, from vectors `(..., k)`."""
    cut = layers * len(OF_LAYERS)
    by_layer = taken[..., :cut].reshape(*taken.shape[:-1], layers, len(OF_LAYERS))
    by_weight = taken[..., cut:].reshape(*taken.shape[:-1], trained, len(OF_WEIGHTS))
    found = {name: by_layer[..., index] for index, name in enumerate(OF_LAYERS)}
    return found | {name: by_weight[..., index] for index, name in enumerate(OF_WEIGHTS)}


def _of_layer(layer: Layer, output: Any) -> list[jax.Array]:
    nothing = jnp.float32(jnp.nan)
    if not isinstance(output, jax.Array):  # not called by this task, or with several outputs
        return [nothing] * len(OF_LAYERS)
    mean = jnp.mean(output)
    flat = activations.facts(layer.__dict__.get("activation")).saturated
    silent = jnp.all(output == 0, axis=tuple(range(output.ndim - 1)))
    return [
        mean,
        _norm(output - mean) / math.sqrt(output.size),
        nothing if flat is None else jnp.mean(flat(output).astype(jnp.float32)),
        jnp.mean(silent, dtype=jnp.float32),
    ]


def _norm(array: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.sum(jnp.square(array)))
