"""Sums over the arrays of a step, of which layer statistics are made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import core, lax
from jax.extend.core import Primitive

from gradus.kernels.library import in_use
from gradus.kernels.primitive import define_kernel

LAYER_NUMBERS = 5  # of each layer
WEIGHT_NUMBERS = 3  # of each weight
SMALL = 1 << 14  # elements of an array that one core adds up in no time
# What stands where nothing was recorded. NaN would make every training fail under `jax_debug_nans`.
UNRECORDED = float(np.finfo(np.float32).min)


class Outputs(NamedTuple):
    """What a layer gave for a batch, float32 and samples first, and which of it is saturated.

    Either is None where there is nothing to record.
    """

    values: Any
    saturated: Any = None


class WeightChange(NamedTuple):
    """A weight: its gradient, itself, and what a step makes of it, all of one shape."""

    gradient: Any
    weight: Any
    updated: Any


def statistics(layers: Sequence[Outputs], changes: Sequence[WeightChange]) -> jax.Array:
    """Return five numbers for each layer and three for each weight, in one vector.

    Of a layer: the mean of its outputs, the share of silent channels, whose outputs are zero, the
    variance of the units' means, the mean over units of a unit's variance over the samples, and the
    share of saturated outputs. Of a weight: the sums of the squares of its gradient, of itself, and
    of its change. `UNRECORDED` stands for what there is not.
    """
    kinds = "".join(_kind(layer) for layer in layers)
    arrays = [array for layer in layers for array in layer if array is not None]
    arrays += [array for change in changes for array in change]
    if in_use() and all(_takes(array) for array in arrays):
        vector: jax.Array = _statistics.bind(*arrays, layers=kinds)
        return vector
    return plain_statistics(layers, changes)


def plain_statistics(layers: Sequence[Outputs], changes: Sequence[WeightChange]) -> jax.Array:
    """Return what `statistics` does."""
    sums: list[Any] = []
    counts: list[int] = []  # what each sum is divided by
    for layer in layers:
        of_layer, counts_of_layer = _output_sums(layer)
        sums += of_layer
        counts += counts_of_layer
    for gradient, weight, updated in changes:
        sums += _sums(*map(lax.square, (gradient, weight, updated - weight)))
        counts += [1] * WEIGHT_NUMBERS
    return jnp.stack(sums) / np.array(counts, np.float32)


def _output_sums(layer: Outputs) -> tuple[list[Any], list[int]]:
    """Return what is said of a layer as sums, and what each is to be divided by."""
    missing = jnp.float32(UNRECORDED)
    values, saturated = layer
    if values is None:
        return [missing] * LAYER_NUMBERS, [1] * LAYER_NUMBERS
    samples, units = values.shape[0], math.prod(values.shape[1:])
    totals, sizes = _sums_over((0,), values, lax.abs(values))
    means = totals / np.float32(samples)
    silent = lax.reduce_sum(sizes, tuple(range(sizes.ndim - 1))) == 0
    total, silent_channels = _sums(means, silent.astype(jnp.float32))
    mean = total / np.float32(units)
    deviations = lax.square(values - means)
    saturable = [] if saturated is None else [saturated.astype(jnp.float32)]
    of_units = _sums_over((0,), deviations, *saturable)
    sums = _sums(lax.square(means - mean), *of_units)
    if saturated is None:
        sums.append(missing)
    counts = [1, max(silent.size, 1), units, values.size, values.size if saturable else 1]
    return [mean, silent_channels, *sums], counts


def _sums(*arrays: Any) -> list[Any]:
    """Return the sum of each array; of small ones of one shape together, which is one kernel."""
    if arrays[0].size <= SMALL and len({array.shape for array in arrays}) == 1:
        return _sums_over(tuple(range(arrays[0].ndim)), *arrays)
    return [lax.reduce_sum(array, tuple(range(array.ndim))) for array in arrays]


def _sums_over(axes: tuple[int, ...], *arrays: Any) -> list[Any]:
    """Return the sums of arrays of one shape over some axes, by one kernel.

    XLA makes it of what computes the arrays, too, so large outputs are not stored for it. Sums by
    themselves would be up to four kernels each, which take time to compile and memory to load.
    """
    zeros = tuple(array.dtype.type(0) for array in arrays)
    return list(lax.reduce(arrays, zeros, _add, axes))


def _add(totals: tuple[Any, ...], terms: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(total + term for total, term in zip(totals, terms, strict=True))


def _kind(layer: Outputs) -> str:
    """Return how the kernel knows a layer: missing, with saturated outputs, or without."""
    return "m" if layer.values is None else "-" if layer.saturated is None else "s"


def _takes(array: jax.Array) -> bool:
    return bool(array.size and array.dtype in (jnp.float32, jnp.bool_))


def _plain(*arrays: jax.Array, layers: str) -> jax.Array:
    left = iter(arrays)
    outputs = [
        Outputs(*(next(left) for _ in range(" -s".index(kind)))) if kind != "m" else Outputs(None)
        for kind in layers
    ]
    changes = [WeightChange(*group) for group in zip(*[left] * WEIGHT_NUMBERS, strict=True)]
    return plain_statistics(outputs, changes)


def _shape(*arrays: Any, layers: str) -> core.ShapedArray:
    changes = len(arrays) - sum("m-s".index(kind) for kind in layers)
    return core.ShapedArray((LAYER_NUMBERS * len(layers) + changes,), np.dtype(np.float32))


def _lower(context: Any, *arrays: Any, layers: str) -> Any:
    return jax.ffi.ffi_lowering("gradus_statistics")(context, *arrays, layers=layers)


_statistics = Primitive("gradus_statistics")
_statistics.def_abstract_eval(_shape)
define_kernel(_statistics, _plain, _lower)
