"""A task defined by a function of the network and a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from gradus.errors import ShapeError
from gradus.nn import penalties
from gradus.nn.layer import Layer
from gradus.nn.pytree import check_function, pytree, static
from gradus.objectives.loss import for_arithmetic
from gradus.space import Space
from gradus.train.batches import Batch
from gradus.train.tasks.base import Accumulators, Task, layer_losses, penalty_loss

if TYPE_CHECKING:
    from jaxtyping import Array, Float


@pytree
class FunctionTask(Task):
    """A loss of your own: a function `f(net, x, y)` that returns the loss of each sample.

    The function may call the network several times, or only parts of it, and returns `(batch,)`;
    `y` is None if `fit` was given none. In training, randomness comes from the network's layers,
    and the losses that layers add are added.

    Attributes:
        function: the loss.
        penalty: a penalty on every kernel, or None.

    Examples:
        >>> def absolute_error(net, x, y):
        ...     return abs(net(x) - y)[:, 0]
        >>> model = gr.Model(gr.Dense(1), gr.FunctionTask(absolute_error))
        >>> x = np.ones((8, 2), np.float32)
        >>> history = model.fit(x, x[:, :1], epochs=2, verbose=False)
        >>> history["loss"].shape
        (2,)
    """

    function: Callable[[Layer, Any, Any], jax.Array] = static()
    penalty: Any = None

    def __post_init__(self) -> None:
        check_function(self, "f(net, x, y)")
        if self.penalty is not None and not isinstance(self.penalty, Space):
            object.__setattr__(self, "penalty", penalties.get(self.penalty))

    def measure(self, net: Layer, batch: Batch) -> tuple[Float[Array, ""], Accumulators]:
        """Return the weighted mean of the function's losses with penalties, and the sums.

        Raises:
            ShapeError: if the function did not return one number for each sample.
        """
        y = jax.tree.map(for_arithmetic, batch.y)
        losses = jnp.asarray(self.function(net, batch.x, y))
        if losses.shape != batch.present.shape:
            name = getattr(self.function, "__name__", "The function")
            raise ShapeError(
                f"{name} returned shape {losses.shape} for {len(batch.present)} samples: return "
                f"the loss of each, {batch.present.shape}; the mean over them is taken later."
            )
        samples = jnp.sum(batch.present)
        total = jnp.vdot(losses.astype(jnp.float32), batch.weight)
        added = penalty_loss(net, self.penalty) + layer_losses(net, batch)
        return total / samples + added, {"loss": total + added * samples, "samples": samples}

    def compute(self, accumulators: Accumulators) -> dict[str, Float[Array, ""]]:
        """Return the mean loss."""
        return {"loss": accumulators["loss"] / accumulators["samples"]}

    def metric_names(self) -> list[str]:
        """Return "loss"."""
        return ["loss"]
