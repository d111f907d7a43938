"""A task of one's own: a loss that is a function of the network and a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradus.errors import ShapeError
from gradus.nn.layer import Layer
from gradus.nn.pytree import pytree, static
from gradus.train.batches import Batch
from gradus.train.task import Accumulators, Task, layer_losses, penalty_loss


@pytree
class FunctionTask(Task):
    """What is learnt, said by a function `f(net, x, y)` that returns the loss of each sample.

    The function calls the network as it likes, several times or only parts of it, and returns
    `(batch,)`; `y` is None where `fit` was given none. In training, randomness comes from the
    network's layers, and what they add to the loss is added.

    Attributes:
        function: the loss.
        penalty: a penalty on every kernel, or None.
    """

    function: Callable[[Layer, Any, Any], jax.Array] = static()
    penalty: Any = None

    def measure(self, net: Layer, batch: Batch) -> tuple[jax.Array, Accumulators]:
        """Return the weighted mean of the function's losses with penalties, and the sums.

        Raises:
            ShapeError: if the function did not return one number for each sample.
        """
        losses = jnp.asarray(self.function(net, batch.x, batch.y))
        if losses.shape != batch.present.shape:
            name = getattr(self.function, "__name__", "The function")
            raise ShapeError(
                f"{name} returned shape {losses.shape} for {len(batch.present)} samples: return "
                f"the loss of each, {batch.present.shape}; the mean over them is taken later."
            )
        samples = jnp.sum(batch.present)
        total = jnp.vdot(losses.astype(jnp.float32), batch.weight)
        more = penalty_loss(net, self.penalty) + layer_losses(net, batch)
        return total / samples + more, {"loss": total + more * samples, "samples": samples}

    def compute(self, sums: Accumulators) -> dict[str, jax.Array]:
        """Return the mean loss."""
        return {"loss": sums["loss"] / sums["samples"]}

    def metric_names(self) -> list[str]:
        """Return "loss"."""
        return ["loss"]
