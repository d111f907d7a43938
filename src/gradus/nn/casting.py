"""Conversion of numbers inside a network to floating point."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

P = ParamSpec("P")
R = TypeVar("R")


def as_float(x: Any) -> Any:
    """Return `x` as float32 if it holds integers or booleans, unchanged otherwise."""
    if jnp.issubdtype(x.dtype, jnp.floating):
        return x
    return lax.convert_element_type(x, jnp.float32)


def with_standard_promotion(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function whose arithmetic promotes types as JAX does by default.

    So `jax_numpy_dtype_promotion="strict"` remains a choice for the user's own code: Optax, and
    `x @ kernel + bias` in half precision, need implicit promotion.
    """

    @functools.wraps(function)
    def promoting(*arguments: P.args, **options: P.kwargs) -> R:
        with jax.numpy_dtype_promotion("standard"):
            return function(*arguments, **options)

    return promoting
