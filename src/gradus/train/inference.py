"""A trained network on any number of rows: predictions and metrics, batch by batch."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.nn.layer import Layer
from gradus.nn.network import forward, fresh
from gradus.nn.pytree import canonicalize
from gradus.train.batches import Batch
from gradus.train.task import Task, is_head

ROWS = 1024  # of one batch


def predict_batches(net: Layer, task: Task, x: Any, logits: bool = False) -> Any:
    """Return the network's predictions for all rows of `x`, a tree of NumPy arrays.

    Args:
        net: a built network.
        task: what was learnt, which says whether outputs are probabilities.
        x: inputs, a tree of arrays `(n, ...)`.
        logits: whether the outputs are given before the softmax or sigmoid that ends them.
    """
    net, task = canonicalize((net, task))
    parts = [
        jax.tree.map(lambda a, n=present: np.asarray(a)[:n], _predict(net, task, rows, logits))
        for rows, present in _batches(x)
    ]
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


def evaluate_batches(
    net: Layer, task: Task, x: Any, y: Any, weight: np.ndarray | None
) -> dict[str, Any]:
    """Return the loss and the metrics over all rows, exact for any number of them."""
    net, task = canonicalize((net, task))
    weight = np.ones(len(jax.tree.leaves(x)[0]), np.float32) if weight is None else weight
    total = None
    for (rows, targets, weights), present in _batches((x, y, weight)):
        filled = (np.arange(len(weights)) < present).astype(np.float32)
        sums = _measure(net, task, Batch(rows, targets, weights * filled, filled))
        total = sums if total is None else jax.tree.map(jnp.add, total, sums)
    return {name: np.asarray(value) for name, value in _finish(task, total).items()}


@functools.partial(jax.jit, static_argnames="logits")
def _predict(net: Layer, task: Task, x: Any, logits: bool) -> Any:
    heads = forward(fresh(net), x)
    if logits:
        return jax.tree.map(lambda head: head.logits, heads, is_leaf=is_head)
    return task.predict(heads)


@jax.jit
def _measure(net: Layer, task: Task, batch: Batch) -> Any:
    return task.measure(fresh(net), batch)[1]


@jax.jit
def _finish(task: Task, sums: Any) -> Any:
    return task.compute(sums)


def _batches(tree: Any) -> Any:
    """Yield batches of one size, the last filled up with its first rows, and how many count.

    Few rows are filled up to a power of two, so that not every number of them compiles anew.
    """
    count = len(jax.tree.leaves(tree)[0])
    size = min(ROWS, 1 << max(0, math.ceil(math.log2(count))))
    for start in range(0, count, size):
        rows = np.resize(np.arange(start, min(start + size, count)), size)
        present = min(size, count - start)
        whole = present == size
        yield (
            jax.tree.map(lambda a, s=start: a[s : s + size], tree)
            if whole
            else jax.tree.map(lambda a, r=rows: np.asarray(a)[r], tree),
            present,
        )
