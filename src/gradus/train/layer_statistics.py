"""Layer statistics: what passes through a network's layers in training, and what moves them.

In the program, `layer_statistics` computes them after the steps of a segment. On the host,
`unpack_statistics` splits the vector that it returned.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import lax

from gradus.nn import activations
from gradus.nn.layer import Layer, has_sublayers, named_layers
from gradus.nn.network import weights
from gradus.train.state import Params
from gradus.train.update import StepTrace

if TYPE_CHECKING:
    from jaxtyping import Array, Float

LAYER_NUMBERS = 5  # that the program records of each layer
SMALL = 1 << 14  # elements of an array that one core adds up in no time
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
    sums: list[Float[Array, ""]] = []
    counts: list[int] = []  # what each sum is divided by
    for path in recorded_layers(net):
        of_layer, counts_of_layer = _output_sums(layers[path], trace.outputs.get(path))
        sums += of_layer
        counts += counts_of_layer
    for path in sorted(params):
        change = updated[path] - params[path]
        of_weight = trace.gradients[path], params[path], change
        sums += _sums(*map(lax.square, of_weight))
        counts += [1] * len(of_weight)
    return jnp.stack(sums) / np.array(counts, np.float32)


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


def _output_sums(
    layer: Layer, output: Float[Array, "..."] | None
) -> tuple[list[Float[Array, ""]], list[int]]:
    """Return what `layer_statistics` says of a layer as sums, and what each is to be divided by."""
    missing = jnp.float32(UNRECORDED)
    if output is None:  # not called by this task, or with several outputs
        return [missing] * LAYER_NUMBERS, [1] * LAYER_NUMBERS
    output = output.astype(jnp.float32)
    samples, units = output.shape[0], math.prod(output.shape[1:])
    totals, sizes = _sums_over((0,), output, lax.abs(output))
    means = totals / np.float32(samples)
    silent = lax.reduce_sum(sizes, tuple(range(sizes.ndim - 1))) == 0
    total, silent_units = _sums(means, silent.astype(jnp.float32))
    mean = total / np.float32(units)
    deviations = lax.square(output - means)
    is_saturated = activations.info(layer.__dict__.get("activation")).saturated
    saturated = [] if is_saturated is None else [is_saturated(output).astype(jnp.float32)]
    of_units = _sums_over((0,), deviations, *saturated)
    sums = _sums(lax.square(means - mean), *of_units)
    if is_saturated is None:
        sums.append(missing)
    saturable = 1 if is_saturated is None else output.size
    counts = [1, max(silent.size, 1), units, output.size, saturable]
    return [mean, silent_units, *sums], counts


def _sums(*arrays: Float[Array, "..."]) -> list[Float[Array, ""]]:
    """Return the sum of each array; of small ones of one shape together, which is one kernel."""
    if arrays[0].size <= SMALL and len({array.shape for array in arrays}) == 1:
        return _sums_over(tuple(range(arrays[0].ndim)), *arrays)
    return [lax.reduce_sum(array, tuple(range(array.ndim))) for array in arrays]


def _sums_over(axes: tuple[int, ...], *arrays: Float[Array, "..."]) -> list[Float[Array, "..."]]:
    """Return the sums of arrays of one shape over some axes, by one kernel.

    XLA makes it of what computes the arrays, too, so large outputs are not stored for it. Sums by
    themselves would be up to four kernels each, which take time to compile and memory to load.
    """
    zeros = tuple(array.dtype.type(0) for array in arrays)
    return list(lax.reduce(arrays, zeros, _add, axes))


def _add(
    totals: tuple[Float[Array, ""], ...], terms: tuple[Float[Array, ""], ...]
) -> tuple[Float[Array, ""], ...]:
    return tuple(total + term for total, term in zip(totals, terms, strict=True))
