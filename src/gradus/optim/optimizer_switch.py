"""An optimizer that a number chooses, so that trainings which differ in it are one program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from gradus.errors import GradusError
from gradus.nn.pytree import pytree
from gradus.optim.base import Optimizer, Tree


@pytree
class OptimizerSwitch(Optimizer):
    """One of several optimizers, `options[which]`, of which only that one is computed.

    Its memory holds that of each; those that are not chosen keep theirs as it is.

    Args:
        which: the place of the optimizer among the options, a number.
        options: optimizers that need neither the loss itself nor a plateau.
    """

    which: Any = 0
    options: tuple[Optimizer, ...] = ()

    def transformation(self, learning_rate: jax.Array) -> Any:
        """Raise a `GradusError`: the rule is that of the chosen optimizer, which `update` asks."""
        raise GradusError("A Switch has no rule of its own: call its update.")

    def rate(self, step: jax.Array) -> jax.Array:
        """Return the learning rate of the chosen optimizer."""
        return self._chosen([option.rate for option in self.options], step)

    def init(self, params: Tree) -> Tree:
        """Return the state before the first step, with the memory of each optimizer."""
        memories = tuple(option.init(params) for option in self.options)
        return {"step": jnp.zeros((), jnp.int32), "options": memories}

    def update(self, gradients: Tree, state: Tree, params: Tree, **more: Any) -> tuple[Tree, Tree]:
        """Return the new params and state of the chosen optimizer."""
        scale = more.get("learning_rate_scale", 1.0)

        def rule(place: int) -> Callable[..., Any]:
            def move(gradients: Tree, memories: Any, params: Tree) -> Any:
                moved, memory = self.options[place].update(
                    gradients, memories[place], params, learning_rate_scale=scale
                )
                return moved, (*memories[:place], memory, *memories[place + 1 :])

            return move

        rules = [rule(place) for place in range(len(self.options))]
        params, memories = self._chosen(rules, gradients, state["options"], params)
        return params, {"step": state["step"] + 1, "options": memories}

    def _chosen(self, functions: list[Callable[..., Any]], *arguments: Any) -> Any:
        return lax.switch(jnp.asarray(self.which, jnp.int32), functions, *arguments)
