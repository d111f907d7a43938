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
    setting = _format_setting(name, value, owner)
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
        raise GradusError(f"{_format_setting(name, value)}: write a number{bound}.")
    return float(value)


def check_fraction(name: str, value: Any, owner: str) -> None:
    """Reject a concrete number outside [0, 1); arrays, tracers, and spaces pass.

    Args:
        name: the name of the setting, for the error.
        value: its value.
        owner: the class that takes the setting, for the error.

    Raises:
        GradusError: if it is a number outside [0, 1), a string, or a boolean.
    """
    if isinstance(value, str | bool) or (isinstance(value, int | float) and not 0.0 <= value < 1.0):
        setting = _format_setting(name, value, owner)
        raise GradusError(f"{setting}: write a number from 0 up to, but not including, 1.")


def _format_setting(name: str, value: Any, owner: str = "") -> str:
    """Return a setting as it is written in code: `Dense(units=0)`, or `epochs=0`."""
    return f"{owner}({name}={value!r})" if owner else f"{name}={value!r}"
