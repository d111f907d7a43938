"""Layer statistics: what passes through a network's layers in training, and what moves them.

In the program, `layer_statistics` computes them after the steps of a segment. On the host,
`unpack_statistics` splits the vector that it returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from gradus.kernels.statistics import LAYER_NUMBERS, UNRECORDED, Outputs, WeightChange, statistics
from gradus.nn import activations
from gradus.nn.layer import Layer, has_sublayers, named_layers
from gradus.nn.network import weights
from gradus.train.state import Params
from gradus.train.update import StepTrace

if TYPE_CHECKING:
    from jaxtyping import Array, Float

WEIGHT_STATISTICS = ("gradient", "weight", "update")


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
    """Return statistics of the network on the batch of one step, as `unpack_statistics` reads them.

    For each layer, in the order of `recorded_layers`: the mean of its outputs, the share of silent
    units, whose output is zero on the whole batch, the variance of the units' means, the mean over
    units of a unit's variance over the samples, and the share of saturated outputs (where the
    activation's derivative is nearly zero; `UNRECORDED` where it does not saturate). For each
    trained weight, in the order of their paths: the sums of the squares of its gradient, of the
    weight, and of the update that the optimizer makes. The host takes the roots: operations here
    are compiled with every training.

    Args:
        net: the network without its weights.
        params: its trained weights before the step.
        updated: those after it.
        trace: the gradients of the step, and the outputs of the layers.

    Returns:
        All of them in one vector: it costs one kernel to write.
    """
    layers = dict(named_layers(net))
    return statistics(
        [_recorded(layers[path], trace.outputs.get(path)) for path in recorded_layers(net)],
        [
            WeightChange(trace.gradients[path], params[path], updated[path])
            for path in sorted(params)
        ],
    )


def unpack_statistics(
    vectors: Float[np.ndarray, "*records statistics"], layers: int, trained: int
) -> dict[str, Float[np.ndarray, "*records _"]]:
    """Return the statistics by name, `(..., layers)` and `(..., trained)`, from their vectors.

    Of layers: the mean and the standard deviation of the outputs; the shares of saturated outputs
    and of silent units; and the spread: the root mean square, over units, of a unit's deviation
    over the samples, near zero where a layer says the same of all samples. Of weights: the
    Euclidean norms of gradient, weight, and update.

    Args:
        vectors: from `layer_statistics`.
        layers: the number of layers.
        trained: the number of trained weights.
    """
    vectors = np.where(vectors == UNRECORDED, np.float32(np.nan), vectors)
    cut = layers * LAYER_NUMBERS
    shape = vectors.shape[:-1]
    by_layer = vectors[..., :cut].reshape(*shape, layers, LAYER_NUMBERS)
    by_weight = vectors[..., cut:].reshape(*shape, trained, len(WEIGHT_STATISTICS))
    mean, silent, between, within, saturated = np.moveaxis(by_layer, -1, 0)
    norms = np.sqrt(np.moveaxis(by_weight, -1, 0))
    return {
        "mean": mean,
        "deviation": np.sqrt(between + within),  # the law of total variance
        "saturated": saturated,
        "silent": silent,
        "spread": np.sqrt(within),
    } | dict(zip(WEIGHT_STATISTICS, norms, strict=True))


def _recorded(layer: Layer, output: Float[Array, "..."] | None) -> Outputs:
    """Return the outputs of a layer as `statistics` takes them."""
    if output is None:  # not called by this task, or with several outputs
        return Outputs(None)
    values = output.astype(jnp.float32)
    is_saturated = activations.info(layer.__dict__.get("activation")).saturated
    return Outputs(values, None if is_saturated is None else is_saturated(values))
