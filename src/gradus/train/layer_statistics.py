"""Layer statistics: what passes through a network's layers in training, and what moves them.

In the program, `layer_statistics` computes them after the steps of a segment. On the host,
`unpack_statistics` splits the vector that it returned.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from gradus.nn import activations
from gradus.nn.layer import Layer, has_sublayers, named_layers
from gradus.nn.network import weights
from gradus.train.state import Params
from gradus.train.update import StepTrace

if TYPE_CHECKING:
    from jaxtyping import Array, Float

LAYER_STATISTICS = ("mean", "deviation", "saturated", "silent", "spread")
WEIGHT_STATISTICS = ("gradient", "weight", "update")
# What the program writes where nothing was recorded. NaN, which the history has there, would make
# every training fail under `jax_debug_nans`.
UNRECORDED = float(np.finfo(np.float32).min)


def recorded_layers(net: Layer) -> list[str]:
    """Return the paths of the layers with statistics: those with weights or an activation.

    A layer that holds layers has none: its parts do.
    """
    return [
        path
        for path, layer in named_layers(net)
        if not has_sublayers(layer)
        and (layer.__dict__.get("_weights") or hasattr(layer, "activation"))
    ]


def recorded_paths(net: Layer) -> tuple[list[str], list[str]]:
    """Return the paths of the layers and of the trained weights that have statistics."""
    return recorded_layers(net), sorted(weights(net, "param"))


def layer_statistics(
    net: Layer, params: Params, updated: Params, trace: StepTrace
) -> Float[Array, "statistics"]:
    """Return statistics of the network on the batch of one step.

    For each layer, in the order of `recorded_layers`: the mean and the standard deviation of its
    outputs, the share of saturated outputs (where the activation's derivative is nearly zero;
    `UNRECORDED` where the activation does not saturate), the share of silent units, whose output is
    zero on the whole batch, and the spread: the root mean square, over units, of a unit's deviation
    over the samples, near zero where a layer says the same of all samples. For each trained weight,
    in the order of their paths: the Euclidean norms of its gradient, of the weight, and of the
    update that the optimizer makes.

    Args:
        net: the network without its weights.
        params: its trained weights before the step.
        updated: those after it.
        trace: the gradients of the step, and the outputs of the layers.

    Returns:
        All of them in one vector, for `unpack_statistics`: one vector costs one kernel to write.
    """
    layers = dict(named_layers(net))
    statistics = [
        number
        for path in recorded_layers(net)
        for number in _output_statistics(layers[path], trace.outputs.get(path))
    ]
    for path in sorted(params):
        change = updated[path] - params[path]
        statistics += [_norm(trace.gradients[path]), _norm(params[path]), _norm(change)]
    return jnp.stack(statistics)


def unpack_statistics(
    vectors: Float[np.ndarray, "*records statistics"], layers: int, trained: int
) -> dict[str, Float[np.ndarray, "*records _"]]:
    """Return the statistics by name, `(..., layers)` and `(..., trained)`, from their vectors.

    Args:
        vectors: from `layer_statistics`.
        layers: the number of layers.
        trained: the number of trained weights.
    """
    vectors = np.where(vectors == UNRECORDED, np.float32(np.nan), vectors)
    cut = layers * len(LAYER_STATISTICS)
    shape = vectors.shape[:-1]
    by_layer = vectors[..., :cut].reshape(*shape, layers, len(LAYER_STATISTICS))
    by_weight = vectors[..., cut:].reshape(*shape, trained, len(WEIGHT_STATISTICS))
    of_layers = {name: by_layer[..., index] for index, name in enumerate(LAYER_STATISTICS)}
    return of_layers | {name: by_weight[..., index] for index, name in enumerate(WEIGHT_STATISTICS)}


def _output_statistics(layer: Layer, output: Float[Array, "..."] | None) -> list[Float[Array, ""]]:
    missing = jnp.float32(UNRECORDED)
    if output is None:  # not called by this task, or with several outputs
        return [missing] * len(LAYER_STATISTICS)
    mean = jnp.mean(output)
    is_saturated = activations.info(layer.__dict__.get("activation")).saturated
    silent = jnp.all(output == 0, axis=tuple(range(output.ndim - 1)))
    return [
        mean,
        _norm(output - mean) / math.sqrt(output.size),
        missing if is_saturated is None else jnp.mean(is_saturated(output).astype(jnp.float32)),
        jnp.mean(silent, dtype=jnp.float32),
        _norm(output - jnp.mean(output, axis=0)) / math.sqrt(output.size),
    ]


def _norm(array: Float[Any, "..."]) -> Float[Array, ""]:
    return jnp.sqrt(jnp.sum(jnp.square(array)))
