"""Conversion of numbers inside a network to floating point."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax


def as_float(x: Any) -> Any:
    """Return `x` as float32 if it holds integers or booleans, unchanged otherwise."""
    if jnp.issubdtype(x.dtype, jnp.floating):
        return x
    return lax.convert_element_type(x, jnp.float32)
