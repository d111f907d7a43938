"""The learning-rate range test: one short training at rates from far too small to too large."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradus.nn import prng
from gradus.nn.layer import Layer
from gradus.nn.network import weights
from gradus.nn.prng import DerivedKey
from gradus.nn.pytree import canonicalize
from gradus.optim.base import Optimizer
from gradus.optim.schedules import ExponentialDecay
from gradus.rng import host_rng
from gradus.train.batches import BatchSource, Samples, gather_batch
from gradus.train.program import train_step
from gradus.train.state import Params, StepState, init_opt_states, without_weights
from gradus.train.tasks.base import Task

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int, Key

SMOOTHING = 0.9  # what each step keeps of the running mean of the losses
DIVERGED = 4.0  # a smoothed loss this many times the smallest one has diverged


@dataclasses.dataclass(frozen=True)
class RangeTest:
    """What a learning-rate range test found.

    Attributes:
        rates: the learning rate of each step, `(steps,)`, growing.
        losses: the loss of each step, `(steps,)`; not finite once training has diverged.
        smoothed: their running mean, `(steps,)`.
        suggestion: a rate to start with: a tenth of the one at which the smoothed loss is
            smallest, well below the rates that diverge.
    """

    rates: Float[np.ndarray, "steps"]
    losses: Float[np.ndarray, "steps"]
    smoothed: Float[np.ndarray, "steps"]
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
    """Train for a few steps while the learning rate grows exponentially, and record the loss.

    Smith 2017, "Cyclical learning rates for training neural networks", section 3.3. The given
    network does not change.

    Args:
        net: a built network.
        optimizer: the optimizer; its learning rate is replaced.
        task: what is learned.
        samples: the samples.
        lowest: the first learning rate.
        highest: the last.
        steps: how many steps.
        batch_size: samples of a step.
        seed: of the order of samples, dropout and noise.
    """
    schedule = ExponentialDecay(lowest, max(steps - 1, 1), highest / lowest)
    optimizer = dataclasses.replace(optimizer, learning_rate=schedule)
    count = len(jax.tree.leaves(samples.x)[0])
    rng = host_rng(seed, "range test")
    passes = -(-steps * batch_size // count)
    order = np.concatenate([rng.permutation(count) for _ in range(passes)])
    rows = order[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)
    source = BatchSource(samples, rows, np.int32(steps * batch_size))
    bare_net, optimizer, task = canonicalize((without_weights(net), optimizer, task))
    params, model_state = weights(net, "param"), weights(net, "state")
    key = prng.make_key(seed)
    losses = np.asarray(
        _step_losses(bare_net, optimizer, task, params, model_state, source, key, steps)
    )
    rates = lowest * (highest / lowest) ** (np.arange(steps) / max(steps - 1, 1))
    smoothed = _smooth(losses)
    best = _lowest_before_divergence(smoothed)
    return RangeTest(rates, losses, smoothed, float(rates[best] / 10))


@functools.partial(jax.jit, static_argnames="steps")
def _step_losses(
    net: Layer,
    optimizer: Optimizer,
    task: Task,
    params: Params,
    model_state: Params,
    source: BatchSource,
    key: Key[Array, ""],
    steps: int,
) -> Float[Array, "steps"]:
    batch_of = functools.partial(gather_batch, source, None)
    step = functools.partial(
        train_step, net, optimizer, task, batch_of, DerivedKey(key), jnp.float32(1)
    )

    def take_step(
        step_state: StepState, index: Int[Array, ""]
    ) -> tuple[StepState, Float[Array, ""]]:
        step_state, accumulators, _ = step(index, step_state)
        return step_state, task.compute(accumulators)["loss"]

    step_state = params, model_state, init_opt_states(optimizer, task, params)
    return lax.scan(take_step, step_state, jnp.arange(steps))[1]


def _smooth(losses: Float[np.ndarray, "steps"]) -> Float[np.ndarray, "steps"]:
    """Return the bias-corrected exponential mean of the losses, infinite once one is not finite."""
    mean, smoothed = 0.0, np.full(len(losses), np.inf)
    for index, loss in enumerate(losses):
        if not np.isfinite(loss):
            break
        mean = SMOOTHING * mean + (1 - SMOOTHING) * float(loss)
        smoothed[index] = mean / (1 - SMOOTHING ** (index + 1))
    return smoothed


def _lowest_before_divergence(smoothed: Float[np.ndarray, "steps"]) -> int:
    lowest = np.minimum.accumulate(smoothed)
    diverged = np.flatnonzero(smoothed > DIVERGED * lowest)
    end = int(diverged[0]) if len(diverged) else len(smoothed)
    return int(np.argmin(smoothed[: max(end, 1)]))
