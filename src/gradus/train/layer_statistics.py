"""Layer statistics: what passes through a network's layers in training, and what moves them.

In the program, `layer_statistics` computes them after the last step of a segment. On the host,
`unpack_statistics` splits the vector that it returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradus.nn import activations
from gradus.nn.layer import Layer, has_sublayers, named_layers
from gradus.nn.network import weights
from gradus.train.batches import Batch
from gradus.train.state import StepState
from gradus.train.task import Task
from gradus.train.update import trace_step

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Key

LAYER_STATISTICS = ("mean", "deviation", "saturated", "silent", "spread")
WEIGHT_STATISTICS = ("gradient", "weight", "update")
# What the program writes where nothing was recorded. NaN, which the history has there, would make
# every training fail under `jax_debug_nans`.
UNRECORDED = float(np.finfo(np.float32).min)
LARGE = 1 << 16  # elements, of arrays that are summed one by one


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
    net: Layer,
    task: Task,
    batch: Batch,
    key: Key[Array, ""],
    before: StepState,
    after: StepState,
) -> Float[Array, "statistics"]:
    """Return statistics of a step that was taken.

    For each layer, in the order of `recorded_layers`: the mean and the standard deviation of its
    outputs, the share of saturated outputs (where the activation's derivative is nearly zero;
    `UNRECORDED` where the activation does not saturate), the share of silent units, whose output is
    zero on the whole batch, and the spread: the root mean square, over units, of a unit's deviation
    over the samples, near zero where a layer says the same of all samples. For each trained weight,
    in the order of their paths: the Euclidean norms of its gradient, of the weight before the step,
    and of its update.

    Args:
        net: the network without its weights.
        task: what is learned.
        batch: the samples of the step.
        key: of everything random in it.
        before: the step state before the step.
        after: the step state after it.

    Returns:
        All of them in one vector, for `unpack_statistics`: one vector costs one kernel to write.
    """
    gradients, outputs = trace_step(net, task, batch, key, before, after)
    layers, params = dict(named_layers(net)), before[0]
    calls = [(layers[path], outputs.get(path)) for path in recorded_layers(net)]
    sums = [
        total
        for path in sorted(params)
        for total in _sums(
            [
                jnp.square(array)
                for array in (gradients[path], params[path], after[0][path] - params[path])
            ]
        )
    ]
    return jnp.concatenate([_layer_statistics(calls), jnp.sqrt(jnp.stack(sums))])


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


def _layer_statistics(calls: list[tuple[Layer, Any]]) -> Float[Array, "statistics"]:
    """Return the statistics of layers in a row, from each layer and its output."""
    # A task may not call a layer, and a layer may have several outputs.
    known = np.array([isinstance(output, jax.Array) for _, output in calls])
    tests = [activations.info(layer.__dict__.get("activation")).saturated for layer, _ in calls]
    zeros = jnp.zeros((1, 1), jnp.float32)
    outputs = [o if is_known else zeros for is_known, (_, o) in zip(known, calls, strict=True)]
    sums = [_output_sums(output, test) for output, test in zip(outputs, tests, strict=True)]
    # All layers at once: to XLA on a CPU, each operation on one number is a kernel.
    total, within, between, saturated, active = jnp.stack(jax.tree.leaves(sums)).reshape(-1, 5).T
    sizes = np.array([output.size for output in outputs], np.float32)
    units = np.array([(o.shape[1:] or (1,))[-1] for o in outputs], np.float32)
    saturates = known & np.array([test is not None for test in tests])
    columns = {
        "mean": total / sizes,
        "deviation": jnp.sqrt((within + between) / sizes),
        "saturated": jnp.where(saturates, saturated / sizes, UNRECORDED),
        "silent": 1 - active / units,
        "spread": jnp.sqrt(within / sizes),
    }
    table = jnp.stack([columns[name] for name in LAYER_STATISTICS], axis=1)
    return jnp.where(known[:, None], table, UNRECORDED).ravel()


def _output_sums(output: Float[Array, "batch ..."], is_saturated: Any) -> list[Float[Array, ""]]:
    """Return sums over a layer's outputs, of which its statistics are made.

    Returns:
        The sum of the outputs, that of the squares of their deviations from the mean over the
        samples and of the means' from their mean, how many are saturated, and how many units are
        not zero everywhere.
    """
    means = jnp.mean(output, axis=0)
    saturated = jnp.zeros_like(output) if is_saturated is None else is_saturated(output)
    by_unit = _sums(
        [
            output,
            jnp.square(output - means),
            saturated.astype(output.dtype),
            jnp.abs(output),
        ],
        axes=tuple(range(max(output.ndim - 1, 1))),
    )
    active = (by_unit[3] > 0).astype(output.dtype)
    total, within, saturated, active = _sums([*by_unit[:3], active])
    between = jnp.sum(jnp.square(means - total / output.size)) * len(output)
    return [total, within, between, saturated, active]


def _sums(
    arrays: list[Float[Array, "*shape"]], axes: tuple[int, ...] | None = None
) -> list[Float[Array, "*rest"]]:
    """Return the sums of arrays of one shape over axes, by default all of them.

    The sums of small arrays are one pass: to XLA on a CPU, a sum alone is up to three kernels, each
    of which takes some milliseconds to compile. Those of large ones are faster alone.
    """
    axes = tuple(range(arrays[0].ndim)) if axes is None else axes
    if arrays[0].size > LARGE:
        return [jnp.sum(array, axis=axes) for array in arrays]
    zeros = tuple(np.zeros((), array.dtype) for array in arrays)
    sums: tuple[Float[Array, "*rest"], ...] = lax.reduce(
        tuple(arrays), zeros, lambda *pair: jax.tree.map(jnp.add, *pair), axes
    )
    return list(sums)
