"""An activation that a number chooses, so that networks which differ in it are one program."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from gradus.nn import activations
from gradus.nn.pytree import pytree, static


@pytree
class ActivationSwitch:
    """One of several activations: `options[which](x)`, of which only that one is computed.

    Mapped over a population all are computed, and each member takes its own.

    Args:
        which: the place of the activation among the options, a number.
        options: names or functions.
    """

    which: Any
    options: tuple[Any, ...] = static()

    # By identity: as a layer's activation it is asked for facts, while `which` may be a tracer.
    __hash__ = object.__hash__

    def __call__(self, x: Any) -> Any:
        """Return the chosen activation of `x`."""
        functions = [activations.get(option) for option in self.options]
        return lax.switch(jnp.asarray(self.which, jnp.int32), functions, x)
