"""The learning-rate range test: one short training at rates from far too small to too large."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradus.nn import prng
from gradus.nn.layer import Layer
from gradus.nn.network import weights
from gradus.nn.pytree import canonicalize
from gradus.optim.base import Optimizer
from gradus.optim.schedules import ExponentialDecay
from gradus.rng import host_rng
from gradus.train.batches import BatchSource, Samples, gather_batch
from gradus.train.program import train_step
from gradus.train.state import init_opt_states, without_weights
from gradus.train.task import Task

SMOOTHING = 0.9  # share of the running mean that each loss leaves as it is
BLOWN = 4.0  # a smoothed loss this many times the smallest one has diverged


@dataclasses.dataclass(frozen=True)
class RangeTest:
    """What a learning-rate range test found.

    Attributes:
        rates: the learning rate of each step, `(steps,)`, growing.
        losses: the loss of each step, `(steps,)`; not finite once training has diverged.
        smoothed: their running mean.
        suggestion: a rate to start with: a tenth of that at which the smoothed loss is smallest,
            a good way below the rates that diverge.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float


def run_range_test(
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    samples: Samples,
    lowest: float,
    highest: float,
    steps: int,
    batch_size: int,
    seed: int,
) -> RangeTest:
    """Train for a few steps while the learning rate grows exponentially, and watch the loss.

    Smith 2017, "Cyclical learning rates for training neural networks", section 3.3. The network
    given is not changed.

    Args:
        net: a built network.
        optimizer: the optimiser; its learning rate is replaced.
        task: what is learnt.
        samples: the samples.
        lowest: the first learning rate.
        highest: the last.
        steps: how many steps.
        batch_size: samples of a step.
        seed: of the order of samples, dropout and noise.
    """
    growing = ExponentialDecay(lowest, max(steps - 1, 1), highest / lowest)
    optimizer = dataclasses.replace(optimizer, learning_rate=growing)
    count = len(jax.tree.leaves(samples.x)[0])
    drawn = host_rng(seed, "range test")
    passes = -(-steps * batch_size // count)
    order = np.concatenate([drawn.permutation(count) for _ in range(passes)])
    rows = order[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)
    source = BatchSource(samples, rows, np.int32(steps * batch_size))
    bare, optimizer, task = canonicalize((without_weights(net), optimizer, task))
    params, state = weights(net, "param"), weights(net, "state")
    found = _losses(bare, optimizer, task, params, state, source, prng.make_key(seed), steps)
    losses = np.asarray(found)
    rates = lowest * (highest / lowest) ** (np.arange(steps) / max(steps - 1, 1))
    smoothed = _smooth(losses)
    best = _lowest_before_divergence(smoothed)
    return RangeTest(rates, losses, smoothed, float(rates[best] / 10))


@functools.partial(jax.jit, static_argnames="steps")
def _losses(
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    params: Any,
    state: Any,
    source: BatchSource,
    key: Any,
    steps: int,
) -> jax.Array:
    step = functools.partial(
        train_step,
        net,
        optimizer,
        task,
        functools.partial(gather_batch, source, None),
        key,
        jnp.float32(1),
    )

    def take_step(carry: Any, index: jax.Array) -> tuple[Any, jax.Array]:
        carry, sums = step(index, carry)
        return carry, task.compute(sums)["loss"]

    start = params, state, init_opt_states(optimizer, task, params)
    return lax.scan(take_step, start, jnp.arange(steps))[1]


def _smooth(losses: np.ndarray) -> np.ndarray:
    """Return the bias-corrected exponential mean of the losses, infinite once one is not finite."""
    mean, smoothed = 0.0, np.full(len(losses), np.inf)
    for index, loss in enumerate(losses):
        if not np.isfinite(loss):
            break
        mean = SMOOTHING * mean + (1 - SMOOTHING) * float(loss)
        smoothed[index] = mean / (1 - SMOOTHING ** (index + 1))
    return smoothed


def _lowest_before_divergence(smoothed: np.ndarray) -> int:
    lowest = np.minimum.accumulate(smoothed)
    blown = np.flatnonzero(smoothed > BLOWN * lowest)
    end = int(blown[0]) if len(blown) else len(smoothed)
    return int(np.argmin(smoothed[: max(end, 1)]))
