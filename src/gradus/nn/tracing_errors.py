"""What JAX's errors about tracers mean: in a compiled network an array has no values yet."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from jax import errors

from gradus.errors import GradusError

# What went wrong, and what to write instead; the first that fits counts.
_ADVICE = {
    errors.TracerBoolConversionError: (
        "decides on the values of an array, with `if`, `while`, `and`, `or`, or `not`",
        "write jnp.where(condition, a, b), or jax.lax.cond; `&`, `|`, and `~` join conditions",
    ),
    errors.NonConcreteBooleanIndexError: (
        "picks elements by a condition, x[condition], and their number is not known",
        "write jnp.where(condition, x, 0), which keeps the shape",
    ),
    errors.TracerIntegerConversionError: (
        "uses the value of an array as a Python index, a size, or in `range`",
        "index with jnp.take(values, index, axis=0), and take sizes from x.shape",
    ),
    errors.TracerArrayConversionError: (
        "gives an array to a function of NumPy",
        "write the function of jax.numpy: jnp.sin(x), jnp.asarray(x)",
    ),
    errors.ConcretizationTypeError: (
        "reads an array as a Python number, with float(), int(), .item(), or a function of math",
        "leave it an array, and write the function of jax.numpy: jnp.sqrt(x)",
    ),
}

# How JAX says that it was given something else, such as a text, and of which type.
_NO_NUMBERS = re.compile(
    r"Error interpreting argument[^$]* of type <class '([\w.]+)'>"
    r"|of type <class '([\w.]+)'> is not a valid JAX type"
)


def explain(error: Exception, label: str) -> GradusError | None:
    """Return the error to raise in place of one of JAX's about tracers; None for other errors.

    Args:
        error: what the `call` of a layer raised.
        label: what the layer is called.
    """
    for kind, (problem, advice) in _ADVICE.items():
        if isinstance(error, kind):
            return GradusError(
                f"{label} {problem}{_line_of(error)}. Its call is compiled before any value is "
                f"known: {advice}."
            )
    given = _NO_NUMBERS.search(str(error)) if isinstance(error, TypeError) else None
    if given is not None:
        return GradusError(
            f"{label} gives JAX a {given[1] or given[2]}{_line_of(error)}: it takes numbers alone."
        )
    return None


def _line_of(error: Exception) -> str:
    """Return the user's line that raised an error, the last outside installed packages."""
    own = Path(__file__).parents[1]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if own not in path.parents and "site-packages" not in path.parts and frame.line:
            return f" ({path.name}, line {frame.lineno}: `{frame.line}`)"
    return ""
