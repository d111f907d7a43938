"""Early stopping: when training ends before its last epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from gradus.nn.pytree import pytree, static

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int

# Scalars: "best" (the sign times the best value), "epoch" (its number), "wait" (epochs since).
EarlyStoppingState = dict[str, Any]


@pytree
class EarlyStopping:
    """Stop when the monitored number has not improved for some epochs, or has reached a target.

    Attributes:
        monitor: the name of the number in the history, such as "val_loss".
        mode: "min" if smaller is better, else "max".
        patience: how many epochs without improvement end the training; infinite for never.
        min_delta: an improvement is more than this.
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

    def init_state(self) -> EarlyStoppingState:
        """Return the state before the first epoch."""
        return {"best": np.float32(np.inf), "epoch": np.int32(0), "wait": np.int32(0)}

    def update(
        self, state: EarlyStoppingState, value: Float[Any, ""], epoch: Int[Any, ""]
    ) -> tuple[EarlyStoppingState, Bool[Array, ""], Bool[Array, ""]]:
        """Return the state after an epoch, whether the value improved, and whether to stop.

        Args:
            state: from `init_state` or the last call.
            value: the monitored number; an infinite one is no improvement, and one that is not a
                number says nothing, so it does not count as an epoch without improvement either.
            epoch: the number of the epoch, counted from 1.
        """
        signed = jnp.asarray(self.sign * value, jnp.float32)
        least = state["best"] - jnp.where(jnp.isinf(state["best"]), 0, self.min_delta)
        improved = jnp.isfinite(signed) & (signed < least)
        wait = jnp.where(improved, 0, state["wait"] + jnp.where(jnp.isnan(signed), 0, 1))
        after = {
            "best": jnp.where(improved, signed, state["best"]),
            "epoch": jnp.where(improved, epoch, state["epoch"]).astype(jnp.int32),
            "wait": wait.astype(jnp.int32),
        }
        return after, improved, (wait >= self.patience) | (signed <= self.sign * self.target)
