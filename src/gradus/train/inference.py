"""A trained network on any number of rows: predictions and metrics, batch by batch."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.nn.heads import Head
from gradus.nn.layer import Layer
from gradus.nn.network import forward, fresh
from gradus.nn.tree import canonical
from gradus.train.task import Batch, Supervised, Task, paired, predictions

ROWS = 1024  # of one batch


def predict(net: Layer, task: Task | None, x: Any, logits: bool = False) -> Any:
    """Return the network's predictions for all rows of `x`, a tree of NumPy arrays.

    Args:
        net: a built network.
        task: what was learnt, which says whether outputs are probabilities.
        x: inputs, a tree of arrays `(n, ...)`.
        logits: whether the outputs are given before the softmax or sigmoid that ends them.
    """
    targets = task.targets if isinstance(task, Supervised) else None
    net, targets = canonical((net, targets))
    parts = [
        jax.tree.map(lambda a, n=present: np.asarray(a)[:n], _predict(net, targets, rows, logits))
        for rows, present in _batches(x)
    ]
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


def evaluate(net: Layer, task: Task, x: Any, y: Any, weight: np.ndarray | None) -> dict[str, Any]:
    """Return the loss and the metrics over all rows, exact for any number of them."""
    net, task = canonical((net, task))
    weight = np.ones(len(jax.tree.leaves(x)[0]), np.float32) if weight is None else weight
    total = None
    for (rows, targets, weights), present in _batches((x, y, weight)):
        filled = (np.arange(len(weights)) < present).astype(np.float32)
        sums = _measure(net, task, Batch(rows, targets, weights * filled, filled))
        total = sums if total is None else jax.tree.map(jnp.add, total, sums)
    return {name: np.asarray(value) for name, value in _finish(task, total).items()}


@functools.partial(jax.jit, static_argnames="logits")
def _predict(net: Layer, targets: Any, x: Any, logits: bool) -> Any:
    heads = forward(fresh(net), x)

    def show(head: Head, loss: Any) -> Any:
        return head.logits if logits else predictions(loss, head)

    if targets is None:
        return jax.tree.map(
            lambda head: show(head, None), heads, is_leaf=lambda part: isinstance(part, Head)
        )
    shown = [show(head, target.loss) for _, target, head, _ in paired(targets, heads)]
    if isinstance(heads, Head):
        return shown[0]
    return dict(zip(targets, shown, strict=True)) if isinstance(targets, dict) else tuple(shown)


@jax.jit
def _measure(net: Layer, task: Task, batch: Batch) -> Any:
    return task.measure(fresh(net), batch)[1]


@jax.jit
def _finish(task: Task, sums: Any) -> Any:
    return task.finish(sums)


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
