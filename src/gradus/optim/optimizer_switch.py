"""An optimizer selected by a number, so that runs that differ in it share one program."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import lax

from gradus.errors import GradusError
from gradus.nn.pytree import pytree
from gradus.optim.base import Optimizer

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int

    from gradus.optim.base import OptState, Params


@pytree
class OptimizerSwitch(Optimizer):
    """One of several optimizers, `options[which]`; the others are not computed.

    Its state holds the state of each option; those that are not selected do not change.

    Args:
        which: the index of the optimizer among the options.
        options: optimizers that are not `full_batch` and have no `ReduceOnPlateau`.
    """

    which: Any = 0
    options: tuple[Optimizer, ...] = ()

    def transformation(self, learning_rate: Float[Array, ""]) -> Any:
        """Raise a `GradusError`: `update` calls the selected optimizer's instead."""
        raise GradusError("An OptimizerSwitch has no transformation: call its update.")

    def rate(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """Return the learning rate of the selected optimizer."""
        return self._select([option.rate for option in self.options], step)

    def init(self, params: Params) -> OptState:
        """Return the state before the first step, which holds the state of each optimizer."""
        states = tuple(option.init(params) for option in self.options)
        return {"step": jnp.zeros((), jnp.int32), "options": states}

    def update(
        self, gradients: Params, state: OptState, params: Params, **options: Any
    ) -> tuple[Params, OptState]:
        """Return the new params and state of the selected optimizer."""
        scale = options.get("learning_rate_scale", 1.0)

        def update_of(index: int) -> Callable[..., Any]:
            def update(gradients: Params, states: Any, params: Params) -> Any:
                new_params, new_state = self.options[index].update(
                    gradients, states[index], params, learning_rate_scale=scale
                )
                return new_params, (*states[:index], new_state, *states[index + 1 :])

            return update

        updates = [update_of(index) for index in range(len(self.options))]
        params, states = self._select(updates, gradients, state["options"], params)
        return params, {"step": state["step"] + 1, "options": states}

    def _select(self, functions: list[Callable[..., Any]], *arguments: Any) -> Any:
        return lax.switch(jnp.asarray(self.which, jnp.int32), functions, *arguments)
