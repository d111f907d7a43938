"""An activation selected by a number, so that networks that differ in it share one program."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from gradus.nn import activations
from gradus.nn.pytree import pytree, static


@pytree
class ActivationSwitch:
    """One of several activations: `options[which](x)`; the others are not computed.

    Under `vmap` over a population all are computed, and each member selects its own.

    Args:
        which: the index of the activation among the options.
        options: names or functions.
    """

    which: Any
    options: tuple[Any, ...] = static()

    # By identity: `activations.info` looks it up in a dict while `which` may be a tracer.
    __hash__ = object.__hash__

    def __call__(self, x: Any) -> Any:
        """Return the selected activation of `x`."""
        functions = [activations.get(option) for option in self.options]
        return lax.switch(jnp.asarray(self.which, jnp.int32), functions, x)
