"""Checks of numeric settings, with errors that name the setting."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradus.errors import GradusError

MAX_INT = 2**31 - 1  # JAX counts in 32 bits


def whole_number(name: str, value: Any, minimum: int = 0, owner: str = "") -> int:
    """Return `value` as an int.

    Args:
        name: the name of the setting, for the error.
        value: its value.
        minimum: the smallest valid value.
        owner: the class or function that takes the setting, for the error.

    Raises:
        GradusError: if it is not a whole number of at least `minimum`, or, without an owner, more
            than 2³¹ - 1.
    """
    setting = as_written(name, value, owner)
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < minimum:
        space = " (as a space: gr.int_uniform or gr.choice)"
        hint = space if owner and isinstance(value, float) else ""
        raise GradusError(f"{setting}: write a whole number of at least {minimum}{hint}.")
    if not owner and value > MAX_INT:  # the memory check reports layers that are too large
        raise GradusError(f"{setting}: write a whole number of at most {MAX_INT}.")
    return int(value.__index__())


def number(name: str, value: Any, minimum: float = -math.inf) -> float:
    """Return `value` as a float.

    Args:
        name: the name of the setting, for the error.
        value: its value.
        minimum: the smallest valid value.

    Raises:
        GradusError: if it is not a number of at least `minimum`.
    """
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not value >= minimum:
        bound = "" if minimum == -math.inf else f" of at least {minimum:g}"
        raise GradusError(f"{as_written(name, value)}: write a number{bound}.")
    return float(value)


def as_written(name: str, value: Any, owner: str = "") -> str:
    """Return a setting as it is written in code: `Dense(units=0)`, or `epochs=0`."""
    return f"{owner}({name}={value!r})" if owner else f"{name}={value!r}"
