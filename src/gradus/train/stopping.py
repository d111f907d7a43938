"""When training ends before its last epoch."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.nn.tree import pytree, static

State = dict[str, Any]  # scalars


@pytree
class Stopping:
    """Stop when a watched number has not improved for some epochs, or has reached its target.

    Attributes:
        monitor: the number's name in the history, such as "val_loss".
        mode: "min" if smaller is better, else "max".
        patience: how many epochs without improvement end the training; infinite for never.
        min_delta: what counts as improvement is more than this.
        target: training ends when the number is at least as good as this; NaN for never.
    """

    monitor: str = static("loss")
    mode: str = static("min")
    patience: float = float("inf")
    min_delta: float = 0.0
    target: float = float("nan")

    @property
    def sign(self) -> int:
        """1 if smaller is better, else -1."""
        return 1 if self.mode == "min" else -1

    def start(self) -> State:
        """Return the state before the first epoch: scalars, fit for a loop's carry."""
        return {"best": np.float32(np.inf), "epoch": np.int32(0), "wait": np.int32(0)}

    def observe(
        self, state: State, value: Any, epoch: jax.Array
    ) -> tuple[State, jax.Array, jax.Array]:
        """Return the state after an epoch, whether it was the best yet, and whether to stop.

        Args:
            state: from `start` or the last call; its "best" is the sign times the best value.
            value: the watched number; one that is not finite is no improvement.
            epoch: the number of the epoch, counted from 1.
        """
        signed = jnp.asarray(self.sign * value, jnp.float32)
        better = signed < state["best"] - jnp.where(jnp.isinf(state["best"]), 0, self.min_delta)
        wait = jnp.where(better, 0, state["wait"] + 1)
        after = {
            "best": jnp.where(better, signed, state["best"]),
            "epoch": jnp.where(better, epoch, state["epoch"]).astype(jnp.int32),
            "wait": wait.astype(jnp.int32),
        }
        return after, better, (wait >= self.patience) | (signed <= self.sign * self.target)
