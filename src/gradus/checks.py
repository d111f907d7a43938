"""Checks of settings that are single numbers, with an error that names the setting."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradus.errors import GradusError

MAX_INT = 2**31 - 1  # devices count in 32 bits


def whole_number(name: str, value: Any, least: int = 0, owner: str = "") -> int:
    """Return `value` as an int.

    Args:
        name: the setting, for the error.
        value: what was given.
        least: the smallest valid value.
        owner: the class or function that takes the setting, for the error.

    Raises:
        GradusError: if it is not a whole number of at least `least`, or, without an owner, more
            than 2³¹ - 1.
    """
    given = _given(name, value, owner)
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < least:
        space = " (as a space: gr.int_uniform or gr.choice)"
        hint = space if owner and isinstance(value, float) else ""
        raise GradusError(f"{given}: write a whole number of at least {least}{hint}.")
    if not owner and value > MAX_INT:  # a layer that is too large is told by its memory
        raise GradusError(f"{given}: write a whole number of at most {MAX_INT}.")
    return int(value.__index__())


def number(name: str, value: Any, least: float = -math.inf) -> float:
    """Return `value` as a float.

    Args:
        name: the setting, for the error.
        value: what was given.
        least: the smallest valid value.

    Raises:
        GradusError: if it is not a number of at least `least`.
    """
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not value >= least:
        bound = "" if least == -math.inf else f" of at least {least:g}"
        raise GradusError(f"{_given(name, value)}: write a number{bound}.")
    return float(value)


def check_fraction(name: str, value: Any, owner: str) -> None:
    """Refuse a concrete number outside [0, 1); arrays, tracers, and spaces pass.

    Args:
        name: the setting, for the error.
        value: what was given.
        owner: the class that takes the setting, for the error.

    Raises:
        GradusError: naming the class and the setting.
    """
    if isinstance(value, str | bool) or (isinstance(value, int | float) and not 0.0 <= value < 1.0):
        given = _given(name, value, owner)
        raise GradusError(f"{given}: write a number from 0 up to, but not including, 1.")


def _given(name: str, value: Any, owner: str = "") -> str:
    """Return how the setting was written: `Dense(units=0)`, or `epochs=0`."""
    return f"{owner}({name}={value!r})" if owner else f"{name}={value!r}"
