"""What JAX's errors about tracers mean: in a compiled network an array has no values yet."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

import jax
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

# What methods of PyTorch's and TensorFlow's tensors are for an array of JAX.
_METHODS = {
    "bool": "x.astype(bool)",
    "contiguous": "x",
    "cpu": "x",
    "cuda": "x",
    "detach": "jax.lax.stop_gradient(x)",
    "dim": "x.ndim",
    "double": "x",
    "expand": "jnp.broadcast_to(x, shape)",
    "float": "x.astype(jnp.float32)",
    "get_shape": "x.shape",
    "int": "x.astype(int)",
    "long": "x.astype(int)",
    "numel": "x.size",
    "numpy": "x, with functions of jax.numpy",
    "permute": "jnp.transpose(x, axes)",
    "relu": "gr.activations.relu(x)",
    "sigmoid": "gr.sigmoid(x)",
    "softmax": "gr.softmax(x)",
    "tanh": "jnp.tanh(x)",
    "to": "x.astype(dtype)",
    "unsqueeze": "jnp.expand_dims(x, axis)",
}

# How JAX says that it was given something else, such as a text, and of which type.
_NO_NUMBERS = re.compile(
    r"Error interpreting argument[^$]* of type <class '([\w.]+)'>"
    r"|of type <class '([\w.]+)'> is not a valid JAX type"
)


def explain(error: Exception, label: str) -> GradusError | None:
    """Return the error to raise in place of one of JAX's about its arrays; None for other errors.

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
    if isinstance(error, AttributeError) and isinstance(error.obj, jax.Array):
        there = _METHODS.get(str(error.name))
        advice = f"Write {there}." if there else "jax.numpy has functions with NumPy's names."
        return GradusError(
            f"{label} uses {error.name!r}{_line_of(error)}, which an array of JAX has not. {advice}"
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
