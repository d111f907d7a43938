"""Samples in memory, and the batches that the compiled program gathers from them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh

from gradus.kernels.rows import gather_rows
from gradus.nn.pytree import pytree, static
from gradus.train.devices import shard_batch

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int, PyTree, Shaped

VALIDATION_BATCH = 1024


class Samples(NamedTuple):
    """Samples in memory: trees of arrays with one leading axis.

    Attributes:
        x: inputs.
        y: targets, or None.
        weight: the weight of each sample in the loss, or None for 1 each.
    """

    x: PyTree[Shaped[Any, "samples ..."]]
    y: PyTree[Shaped[Any, "samples ..."]]
    weight: Float[Any, "samples"] | None = None


class Batch(NamedTuple):
    """The samples of one step.

    Attributes:
        x: inputs, a tree of arrays.
        y: targets, a tree of arrays, or None.
        weight: the weight of each sample in the loss; 0 for padding.
        present: 1 for a sample that counts, 0 for padding.
    """

    x: PyTree[Shaped[Any, "batch ..."]]
    y: PyTree[Shaped[Any, "batch ..."]]
    weight: Float[Any, "batch"]
    present: Float[Any, "batch"]


@pytree
class BatchSource:
    """The samples, and the rows that make up each batch.

    Attributes:
        samples: the samples.
        rows: row numbers, `(epochs, steps, batch)` for training and `(steps, batch)` for
            validation; None if every batch is all of the samples.
        count: how many of an epoch's row numbers count; the rest are padding.
        mesh: the devices that share each batch, or None for one device.
    """

    samples: Samples
    rows: Int[Any, "*epochs steps batch"] | None
    count: Int[Any, ""]
    mesh: Mesh | None = static(default=None)

    @property
    def batch_size(self) -> int:
        """The samples of a batch."""
        if self.rows is not None:
            return int(self.rows.shape[-1])
        return len(jax.tree.leaves(self.samples.x)[0])


def gather_batch(source: BatchSource, epoch: Int[Any, ""] | None, step: Int[Any, ""]) -> Batch:
    """Return one batch; a full batch is all samples in their own order.

    Args:
        source: where the samples are.
        epoch: the epoch within `source.rows`; None if that has no axis of epochs.
        step: the step within the epoch.
    """
    samples = source.samples
    if source.rows is None:
        present = jnp.ones(len(jax.tree.leaves(samples.x)[0]), jnp.float32)
        x, y, weight = samples
    else:
        rows = source.rows
        if epoch is not None:
            rows = entry(rows, epoch)
        rows = entry(rows, step)  # (batch,)
        size = rows.shape[0]
        present = (step * size + jnp.arange(size) < source.count).astype(jnp.float32)
        x, y, weight = gather_rows(samples, rows)
    batch = Batch(x, y, present if weight is None else present * weight, present)
    return shard_batch(batch, source.mesh)


def entry(array: Shaped[Any, "entries ..."], index: Int[Any, ""]) -> Shaped[Array, "..."]:
    """Return `array[index]`, for an index from 0 on: one operation, as none of them is checked."""
    found: Array = lax.dynamic_index_in_dim(
        array, index, 0, keepdims=False, allow_negative_indices=False
    )
    return found


def validation_source(samples: Samples, rows: Shaped[np.ndarray, "held"] | None) -> BatchSource:
    """Return the validation batches, the last of them padded."""
    count = len(rows) if rows is not None else len(jax.tree.leaves(samples.x)[0])
    numbers = np.arange(count, dtype=np.int32) if rows is None else rows.astype(np.int32)
    batch = min(VALIDATION_BATCH, count)
    steps = math.ceil(count / batch)
    return BatchSource(samples, np.resize(numbers, (steps, batch)), np.int32(count))
