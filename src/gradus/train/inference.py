"""A trained network on any number of rows: predictions and metrics, batch by batch."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.nn.casting import with_standard_promotion
from gradus.nn.layer import Layer
from gradus.nn.network import forward, fresh
from gradus.nn.pytree import canonicalize
from gradus.program_cache import cached_program
from gradus.train.batches import Batch, Samples
from gradus.train.tasks.base import (
    Accumulators,
    Supervised,
    Task,
    is_head,
    is_penalized,
    penalty_loss,
)

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree, Shaped

ROWS_PER_BATCH = 1024
LEAST_ROWS = 8  # of a table; XLA adds up the products of fewer in another order


def predict_batches(
    net: Layer,
    task: Task,
    x: PyTree[Shaped[Any, "samples ..."]],
    logits: bool = False,
    batch_size: int = ROWS_PER_BATCH,
) -> PyTree[Shaped[np.ndarray, "samples ..."]]:
    """Return the network's predictions for all rows of `x`, a tree of NumPy arrays.

    Args:
        net: a built network.
        task: what was learned; it decides whether outputs are probabilities.
        x: inputs, a tree of arrays `(n, ...)`.
        logits: whether to return the outputs before the final softmax or sigmoid.
        batch_size: how many rows are computed at once, at most.
    """
    net, task = canonicalize((net, task))
    return _for_batches(lambda rows: _predict(net, task, rows, logits), x, batch_size)


def make_predictor(net: Layer, task: Task) -> Callable[[PyTree[Shaped[Any, "samples ..."]]], Any]:
    """Return a function that predicts as `predict_batches`, for many calls with few rows.

    Its calls do not walk through the network, which takes longer than few rows in the network.

    Args:
        net: a built network, whose weights stay as they are.
        task: what was learned.
    """
    leaves, structure = jax.tree.flatten(canonicalize((net, task)))

    @jax.jit
    def run(leaves: list[Array], x: PyTree[Shaped[Any, "batch ..."]]) -> Any:
        known, learned = jax.tree.unflatten(structure, leaves)
        return learned.predict(forward(fresh(known), x))

    @with_standard_promotion
    def predict(x: PyTree[Shaped[Any, "samples ..."]]) -> Any:
        return _for_batches(lambda rows: run(leaves, rows), x)

    return predict


def _for_batches(
    program: Callable[[Any], Any],
    x: PyTree[Shaped[Any, "samples ..."]],
    batch_size: int = ROWS_PER_BATCH,
) -> PyTree[Shaped[np.ndarray, "samples ..."]]:
    """Return what a program makes of all rows of `x`, batch by batch."""
    parts = [
        jax.tree.map(lambda a, n=present: np.asarray(a)[:n], program(rows))
        for rows, present in _batches(x, batch_size)
    ]
    if len(parts) == 1:
        return parts[0]
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


def measure_batches(
    net: Layer, task: Task, samples: Samples, batch_size: int = ROWS_PER_BATCH
) -> Accumulators:
    """Return the accumulators of samples, which add up to those of all; for `metrics_of`."""
    net, task = canonicalize((net, task))
    x, y, weight = samples
    weight = np.ones(len(jax.tree.leaves(x)[0]), np.float32) if weight is None else weight
    total = None
    for (rows, targets, weights), count in _batches((x, y, weight), batch_size):
        present = (np.arange(len(weights)) < count).astype(np.float32)
        accumulators = _measure(net, task, Batch(rows, targets, weights * present, present))
        total = accumulators if total is None else jax.tree.map(jnp.add, total, accumulators)
    return total


def evaluate_batches(
    net: Layer,
    task: Task,
    x: PyTree[Shaped[Any, "samples ..."]],
    y: PyTree[Shaped[Any, "samples ..."]],
    weight: Float[np.ndarray, "samples"] | None,
    batch_size: int = ROWS_PER_BATCH,
) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Return the loss and the metrics over all rows, exact for any number of them."""
    return metrics_of(task, measure_batches(net, task, Samples(x, y, weight), batch_size))


def penalty_of(net: Layer, task: Task) -> float:
    """Return what the penalties of a network's weights add to its loss.

    One program computes it, where JAX would compile several for each weight's shape.
    """
    if not isinstance(task, Supervised) or not is_penalized(net, task.penalty):
        return 0.0
    return float(_penalty(*canonicalize((net, task.penalty))))


def metrics_of(task: Task, total: Accumulators) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Return the loss and the metrics of accumulators, exact for any number of rows."""
    found = _compute(canonicalize(task), total)
    return {name: np.asarray(value) for name, value in found.items()}


@cached_program
@functools.partial(jax.jit, static_argnames="logits")
@with_standard_promotion
def _predict(
    net: Layer, task: Task, x: PyTree[Shaped[Any, "batch ..."]], logits: bool
) -> PyTree[Shaped[Array, "batch ..."]]:
    heads = forward(fresh(net), x)
    if logits:
        return jax.tree.map(lambda head: head.logits, heads, is_leaf=is_head)
    return task.predict(heads)


@cached_program
@jax.jit
@with_standard_promotion
def _measure(net: Layer, task: Task, batch: Batch) -> Accumulators:
    return task.measure(fresh(net), batch)[1]


@cached_program
@jax.jit
@with_standard_promotion
def _compute(task: Task, accumulators: Accumulators) -> dict[str, Shaped[Array, "..."]]:
    return task.compute(accumulators)


@cached_program
@jax.jit
@with_standard_promotion
def _penalty(net: Layer, penalty: Any) -> Float[Array, ""]:
    return penalty_loss(net, penalty)


def _batches(
    tree: PyTree[Shaped[Any, "samples ..."]], most: int
) -> Iterator[tuple[PyTree[Shaped[Any, "batch ..."]], int]]:
    """Yield batches of one size, at most `most`, and how many of their rows count.

    The last batch is padded with its first rows. Few rows are padded to a power of two, so that
    most numbers of rows share a program.
    """
    leaves = jax.tree.leaves(tree)
    count = len(leaves[0])
    least = LEAST_ROWS if all(leaf.ndim < 3 for leaf in leaves) else 1
    size = min(most, max(least, 1 << max(0, math.ceil(math.log2(count)))))
    for start in range(0, count, size):
        present = min(size, count - start)
        if present == size:
            yield jax.tree.map(lambda a, s=start: a[s : s + size], tree), present
        else:
            rows = np.resize(np.arange(start, count), size)
            yield jax.tree.map(lambda a, r=rows: np.asarray(a)[r], tree), present
