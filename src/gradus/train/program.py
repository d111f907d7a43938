"""Training as one compiled program: epochs, batches, validation, stopping and probes inside it.

`run` is a pure function. The host calls it with the order of the samples for a few epochs at a
time, shows progress and comes again; how the epochs are cut into calls changes no result and
compiles nothing anew. Whatever differs between the members of a population is a leaf of the
arguments, so that a sweep is `run` mapped over those leaves.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh

from gradus.nn.layer import Layer
from gradus.nn.network import fresh, replace, weights
from gradus.nn.tree import pytree, static
from gradus.optim.base import Optimizer
from gradus.optim.schedules import ReduceOnPlateau
from gradus.train.devices import cut, joined
from gradus.train.probes import probe
from gradus.train.stopping import Stopping
from gradus.train.task import Batch, Task
from gradus.train.update import Inner, Params, begin, update


class Data(NamedTuple):
    """Samples as they lie in memory: trees of arrays with one leading axis.

    Attributes:
        x: inputs.
        y: targets.
        weight: the weight of each sample, `(n,)`, or None for one each.
    """

    x: Any
    y: Any
    weight: Any = None


@pytree
class Feed:
    """Which rows of the data make which batch.

    Attributes:
        data: the samples.
        rows: row numbers, `(epochs, steps, batch)` for training, `(steps, batch)` for validation;
            None where every step is all of the data.
        count: how many of an epoch's row numbers count, a scalar; those after it only fill.
        mesh: the devices that share each batch, or None for one.
    """

    data: Data
    rows: Any
    count: Any
    mesh: Mesh | None = static(default=None)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What about a training is part of the program's structure: a new plan compiles anew.

    Attributes:
        epochs: the most epochs one call can run, the length of its history.
        steps: batches in an epoch.
        segment: steps between two probes.
        probe_every: epochs between two probed epochs, 0 for no probes.
        keep_best: whether the best weights are kept.
    """

    epochs: int
    steps: int
    segment: int
    probe_every: int
    keep_best: bool

    @property
    def segments(self) -> int:
        """How many segments an epoch has."""
        return -(-self.steps // self.segment)


@pytree
class Carry:
    """All that training changes; a checkpoint is this and nothing else.

    Attributes:
        epoch: epochs done.
        params: trained weights by path.
        state: the other weights by path.
        optimizer: the optimiser's memory, one of each turn of the task.
        plateau: the state of a reduce-on-plateau, or None.
        stopping: the state of early stopping.
        best: params and state of the best epoch, or None.
        stopped: whether training has ended before its last epoch.
        failed: whether it ended because a loss or a weight was no longer finite.
    """

    epoch: Any
    params: Params
    state: Params
    optimizer: Any
    plateau: Any
    stopping: Any
    best: Any
    stopped: Any
    failed: Any


def start(
    net: Layer, optimizer: Optimizer, task: Task, stopping: Stopping, keep_best: bool
) -> Carry:
    """Return the carry before the first epoch."""
    params, state = weights(net, "param"), weights(net, "state")
    plateau = optimizer.learning_rate
    return Carry(
        epoch=np.int32(0),
        params=params,
        state=state,
        optimizer=begin(optimizer, task, params),
        plateau=plateau.start() if isinstance(plateau, ReduceOnPlateau) else None,
        stopping=stopping.start(),
        best=(params, state) if keep_best else None,
        stopped=np.bool_(False),
        failed=np.bool_(False),
    )


def skeleton(net: Layer) -> Layer:
    """Return `net` without its weights, which the carry holds: structure and swept settings."""
    return replace(net, dict.fromkeys(weights(net)))


@functools.partial(jax.jit, static_argnames=("plan",))
def run(
    carry: Carry,
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    stopping: Stopping,
    train: Feed,
    validation: Feed | None,
    epochs: jax.Array,
    first: jax.Array,
    key: jax.Array,
    plan: Plan,
) -> tuple[Carry, dict[str, Any]]:
    """Train for some epochs.

    Args:
        carry: where training stands.
        net: the network without its weights (`skeleton`).
        optimizer: the optimiser; its numbers are leaves.
        task: what is learnt.
        stopping: when to stop; its numbers are leaves.
        train: the training samples, in the order of each epoch to run.
        validation: the samples that are measured after each epoch, or None.
        epochs: how many epochs to run, at most `plan.epochs`.
        first: the number of the first of them, counted from 0. It equals `carry.epoch` but has
            no population axis, so that a condition on it stays a condition.
        key: the key of all that is random but the order of samples and the weights.
        plan: the structure.

    Returns:
        The carry, and the history: for each name an array with an entry for each epoch.
    """

    # A jitted inner function is traced once, though its logs' shapes are asked for first.
    @jax.jit
    def epoch(carry: Carry, index: jax.Array) -> tuple[Carry, dict[str, Any]]:
        batches = functools.partial(gather, train, index)
        after, logs = train_epoch(carry, net, optimizer, task, batches, first + index, key, plan)
        if validation is not None:
            measured = measure_all(net, after, task, validation)
            logs |= {f"val_{name}": value for name, value in measured.items()}
        return conclude(carry, after, logs, optimizer, stopping), logs

    def body(index: jax.Array, carried: tuple[Carry, dict[str, Any]]) -> Any:
        def go_on(carry: Carry, history: dict[str, Any]) -> tuple[Carry, dict[str, Any]]:
            carry, logs = epoch(carry, index)
            return carry, _put(history, logs, index)

        return lax.cond(carried[0].stopped, lambda *kept: kept, go_on, *carried)

    logs = jax.eval_shape(epoch, carry, jnp.int32(0))[1]
    history = jax.tree.map(lambda log: jnp.zeros((plan.epochs, *log.shape), log.dtype), logs)
    return joined(lax.fori_loop(jnp.int32(0), epochs, body, (carry, history)), train.mesh)


def train_epoch(
    carry: Carry,
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    batches: Callable[[jax.Array], Batch],
    number: jax.Array,
    key: jax.Array,
    plan: Plan,
) -> tuple[Carry, dict[str, Any]]:
    """Take every step of one epoch: segments of plain steps, with a probe after each.

    The probe stands beside the step, not in it, so that the step is what a training without
    probes would be, and the program holds it once.
    """
    key = jax.random.fold_in(key, number)
    scale = carry.plateau["scale"] if carry.plateau is not None else jnp.float32(1)
    step = functools.partial(train_step, net, optimizer, task, batches, key, scale)
    nothing = _zeros_like_sums(net, carry, task, batches)

    def add_step(index: jax.Array, carried: tuple[Any, Any]) -> tuple[Any, Any]:
        inner, total = carried
        inner, sums = step(index, inner)
        return inner, jax.tree.map(jnp.add, total, sums)

    def segment(index: jax.Array, carried: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        inner, total, probes = carried
        end = jnp.minimum((index + 1) * plan.segment, plan.steps)
        inner, sums = lax.fori_loop(index * plan.segment, end, add_step, (inner, nothing))
        total = jax.tree.map(jnp.add, total, sums)
        if plan.probe_every:
            taken = lax.cond(
                number % plan.probe_every == 0, look, lambda *_: unseen, inner, sums, end - 1
            )
            probes = _put(probes, taken, index)
        return inner, total, probes

    @jax.jit
    def look(inner: Any, sums: Any, at: jax.Array) -> tuple[jax.Array, jax.Array]:
        rest = task, batches(at), _key(key, at), scale
        return task.finish(sums)["loss"], probe(net, optimizer, *rest, inner)

    inner = carry.params, carry.state, carry.optimizer
    probes: Any = ()
    if plan.probe_every:
        shapes = jax.eval_shape(look, inner, nothing, jnp.int32(0))
        unseen = jax.tree.map(lambda shape: jnp.full(shape.shape, jnp.nan), shapes)
        probes = jax.tree.map(
            lambda shape: jnp.full((plan.segments, *shape.shape), jnp.nan), shapes
        )
    inner, total, probes = lax.fori_loop(0, plan.segments, segment, (inner, nothing, probes))
    params, state, memory = inner
    after = dataclasses.replace(
        carry, epoch=carry.epoch + 1, params=params, state=state, optimizer=memory
    )
    logs = task.finish(total)
    logs["learning_rate"] = optimizer.rate(memory[0]["step"] - 1) * scale
    if plan.probe_every:
        logs["probed_loss"], logs["probes"] = probes
    return after, logs


def train_step(
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    batches: Callable[[jax.Array], Batch],
    key: jax.Array,
    scale: jax.Array,
    index: jax.Array,
    inner: Inner,
) -> tuple[Inner, Any]:
    """Take one step: forward, backward, update.

    Args:
        net: the network without its weights.
        optimizer: the optimiser.
        task: what is learnt.
        batches: the batch of each step.
        key: of all that is random in the epoch.
        scale: what the learning rate is multiplied by.
        index: the step's number in the epoch.
        inner: trained weights, other weights and the optimiser's memory of each turn.

    Returns:
        `inner` after the step, and the batch's sums.
    """
    batch, key = batches(index), _key(key, index)
    inner, sums, _ = update(net, optimizer, task, batch, key, scale, inner)
    return inner, sums


def measure_all(net: Layer, carry: Carry, task: Task, feed: Feed) -> dict[str, jax.Array]:
    """Return the losses and metrics of a feed, without training."""
    whole = replace(net, carry.params | carry.state)

    def add(total: Any, index: jax.Array) -> tuple[Any, None]:
        _, sums = task.measure(fresh(whole), gather(feed, None, index))
        return jax.tree.map(jnp.add, total, sums), None

    batches = functools.partial(gather, feed, None)
    nothing = _zeros_like_sums(net, carry, task, batches)
    steps = 1 if feed.rows is None else feed.rows.shape[0]
    total, _ = lax.scan(add, nothing, jnp.arange(steps))
    return task.finish(total)


def conclude(
    before: Carry, after: Carry, logs: dict[str, Any], optimizer: Optimizer, stopping: Stopping
) -> Carry:
    """Return the carry after an epoch: the plateau and the best seen, or the former if it broke."""
    value = logs[stopping.monitor]
    finite = jnp.isfinite(logs["loss"])
    for weight in after.params.values():
        finite &= jnp.all(jnp.isfinite(weight))
    state, better, stop = stopping.observe(before.stopping, value, after.epoch)
    best = after.best
    if best is not None:
        now = after.params, after.state
        best = lax.cond(better, lambda: now, lambda: before.best)
    plateau, rate = after.plateau, optimizer.learning_rate
    if isinstance(rate, ReduceOnPlateau):
        plateau = rate.observe(plateau, stopping.sign * value)
    after = dataclasses.replace(after, stopping=state, best=best, plateau=plateau, stopped=stop)
    broken = dataclasses.replace(before, stopped=jnp.bool_(True), failed=jnp.bool_(True))
    # A condition where a select would do: it compiles to copies instead of a kernel for each leaf.
    return lax.cond(finite, lambda: after, lambda: broken)


def gather(feed: Feed, epoch: jax.Array | None, step: jax.Array) -> Batch:
    """Gather one batch; a full batch is the data as they lie, in their own order."""
    data = feed.data
    if feed.rows is None:
        present = jnp.ones(len(jax.tree.leaves(data.x)[0]), jnp.float32)
        x, y, weight = data
    else:
        rows = feed.rows if epoch is None else lax.dynamic_index_in_dim(feed.rows, epoch, 0, False)
        rows = lax.dynamic_index_in_dim(rows, step, 0, False)
        size = rows.shape[0]
        present = (step * size + jnp.arange(size) < feed.count).astype(jnp.float32)

        def take(array: jax.Array) -> jax.Array:
            return array.at[rows].get(mode="promise_in_bounds")

        x, y, weight = jax.tree.map(take, data)
    batch = Batch(x, y, present if weight is None else present * weight, present)
    return cut(batch, feed.mesh)


def _put(buffers: Any, values: Any, index: jax.Array) -> Any:
    """Write one entry of each buffer; a slice update compiles faster than a scatter."""
    return jax.tree.map(
        lambda buffer, value: lax.dynamic_update_index_in_dim(buffer, value, index, 0),
        buffers,
        values,
    )


def _key(key: jax.Array, step: jax.Array) -> jax.Array:
    return jax.random.fold_in(key, step)


def _zeros_like_sums(net: Layer, carry: Carry, task: Task, batches: Any) -> Any:
    """Return zeros of the shapes of a batch's sums, found without arithmetic."""

    def sums(params: Params, state: Params) -> Any:
        copy = fresh(replace(net, params | state))
        return task.measure(copy, batches(jnp.int32(0)))[1]

    shapes = jax.eval_shape(sums, carry.params, carry.state)
    return jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
