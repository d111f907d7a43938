"""An optimizer applied to a plain function, step by step."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradus.checks import function as check_function
from gradus.checks import whole_number
from gradus.errors import GradusError, ShapeError
from gradus.foreign_names.arguments import explain_arguments
from gradus.nn.pytree import canonicalize
from gradus.optim import optimizers
from gradus.optim.base import Optimizer


@explain_arguments
def descend(
    function: Callable[[Any], Any], start: Any, optimizer: str | Optimizer, steps: int
) -> np.ndarray:
    """Minimize a function with an optimizer and return all points of its path.

    The whole path is one compiled program; other numbers in the optimizer, or another start, do not
    recompile it.

    Args:
        function: from an array like `start` to a scalar, written with `jax.numpy`.
        start: the first point, an array of any shape.
        optimizer: a name or an optimizer.
        steps: the number of updates.

    Returns:
        The points `(steps + 1, *shape of start)`, the start first.

    Raises:
        GradusError: for an unknown optimizer, or if `steps` is not a whole number.
        ShapeError: if the function's value is not a scalar.

    Examples:
        >>> path = gr.descend(lambda w: (w**2).sum(), [1.0, -2.0], gr.SGD(0.25), steps=2)
        >>> path.tolist()
        [[1.0, -2.0], [0.5, -1.0], [0.25, -0.5]]
    """
    whole_number("steps", steps)
    check_function("function", function, "f(w)", "descend")
    try:
        first = jnp.asarray(np.asarray(start, np.float32))
    except (TypeError, ValueError, OverflowError):
        raise GradusError(f"descend(start={start!r}): write a number or an array.") from None
    shape = getattr(jax.eval_shape(function, first), "shape", "unknown")
    if shape:
        raise ShapeError(
            f"descend minimizes a scalar, but the function returns shape {shape}: write a function "
            "that returns one number."
        )
    return np.asarray(_descend(function, canonicalize(optimizers.get(optimizer)), first, steps))


@functools.partial(jax.jit, static_argnames=("function", "steps"))
def _descend(
    function: Callable[[Any], Any], optimizer: Optimizer, first: jax.Array, steps: int
) -> jax.Array:
    def step(carry: Any, _: None) -> tuple[Any, jax.Array]:
        point, state = carry
        value, gradient = jax.value_and_grad(function)(point)
        point, state = optimizer.update(gradient, state, point, value=value, value_fn=function)
        return (point, state), point

    _, points = lax.scan(step, (first, optimizer.init(first)), None, steps)
    return jnp.concatenate([first[None], points])
