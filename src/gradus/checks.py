"""Checks of numeric settings, with errors that name the setting."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from gradus.errors import GradusError

MAX_INT = 2**31 - 1  # JAX counts in 32 bits
MAX_FLOAT = 2**127  # JAX calculates with 32 bits
MAX_SIZE = 10**12  # of a layer
LONGEST = 400  # characters of a value in an error


def whole_number(name: str, value: Any, minimum: int = 0, owner: str = "") -> int:
    """Return `value` as an int.

    Args:
        name: the name of the setting, for the error.
        value: its value.
        minimum: the smallest valid value.
        owner: the class or function that takes the setting, for the error.

    Raises:
        GradusError: if it is not a whole number of at least `minimum`, or, without an owner, more
            than 2³¹ - 1, or 10¹² with one.
    """
    setting = as_written(name, value, owner)
    index = as_index(value)
    if index is None or index < minimum:
        space = " (as a space: gr.int_uniform or gr.choice)"
        hint = space if owner and isinstance(value, float) else ""
        raise GradusError(f"{setting}: write a whole number of at least {minimum}{hint}.")
    # The memory check reports layers that are too large, if their sizes can be multiplied.
    most = MAX_SIZE if owner else MAX_INT
    if index > most:
        raise GradusError(f"{setting}: write a whole number of at most {most}.")
    return index


def is_number(value: Any) -> bool:
    """Return whether `value` is one real number that a float can hold; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return not isinstance(value, int) or abs(value) < MAX_FLOAT


def is_real_array(value: Any) -> bool:
    """Return whether `value` is an array, or in a program a tracer, and not of text or complex."""
    if not hasattr(value, "shape") or np.iscomplexobj(value):
        return False
    return not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in "USOMm"


def as_index(value: Any) -> int | None:
    """Return a whole number as an int; None for anything else, which True and False are too."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def as_items(value: Any) -> list[Any] | None:
    """Return what a list or anything else to iterate over holds; None for anything else."""
    try:
        return list(value)
    except TypeError:  # arrays without axes say that they can be iterated over, but cannot
        return None


def is_word(value: Any, words: Iterable[str]) -> bool:
    """Return whether `value` is one of some words; arrays and what has no hash are none."""
    return isinstance(value, str) and value in words


def number(name: str, value: Any, minimum: float = -math.inf) -> float:
    """Return `value` as a float.

    Args:
        name: the name of the setting, for the error.
        value: its value.
        minimum: the smallest valid value.

    Raises:
        GradusError: if it is not a number of at least `minimum`.
    """
    if not is_number(value) or not value >= minimum:
        bound = "" if minimum == -math.inf else f" of at least {minimum:g}"
        raise GradusError(f"{as_written(name, value)}: write a number{bound}.")
    return float(value)


def flag(name: str, value: Any, owner: str = "") -> bool:
    """Return a setting that is True or False as a bool; whole numbers are as in conditions.

    Raises:
        GradusError: for anything else, whose truth nobody can mean.
    """
    if not isinstance(value, bool | int | np.bool_):
        raise GradusError(f"{as_written(name, value, owner)}: write True or False.")
    return bool(value)


def function(name: str, value: Any, form: str, owner: str = "") -> Any:
    """Return a setting that is a function.

    Args:
        name: the name of the setting, for the error.
        value: its value.
        form: how it is called, such as "f(y_true, y_pred)".
        owner: the class or function that takes the setting, for the error.

    Raises:
        GradusError: for a class, for what cannot be called, or for a function that cannot be
            called with so many arguments.
    """
    if isinstance(value, type) or not callable(value):
        raise GradusError(f"{as_written(name, value, owner)}: write a function {form}.")
    try:
        signature = inspect.signature(value)
    except ValueError:  # of a function written in C nothing is known
        return value
    try:
        signature.bind(*form.split(","))
    except TypeError as error:
        raise GradusError(
            f"{as_written(name, value, owner)}: it has the arguments {signature}, but is called as "
            f"{form} ({error})."
        ) from None
    return value


def object_of(owner: str, name: str, value: Any, kinds: Any, advice: str) -> None:
    """Refuse an argument that is not of a kind.

    Args:
        owner: the class or function that takes the argument.
        name: the argument.
        value: what was given.
        kinds: a class, or several as in `isinstance`.
        advice: what to write.

    Raises:
        GradusError: saying what was given.
    """
    if not isinstance(value, kinds):
        written = as_written(name, value, owner)
        if len(written) > 80:
            written = f"{owner}({name}=…) was given a {type(value).__name__}"
        raise GradusError(f"{written}: write {advice}.")


def as_result(value: Any) -> str:
    """Return what a user's function returned, in words for an error; a tracer by its shape."""
    return f"an array of shape {tuple(value.shape)}" if hasattr(value, "shape") else repr(value)


def as_written(name: str, value: Any, owner: str = "") -> str:
    """Return a setting as it is written in code: `Dense(units=0)`, or `epochs=0`."""
    return f"{owner}({name}={shown(value)})" if owner else f"{name}={shown(value)}"


def shown(value: Any) -> str:
    """Return a value as it is written, or its class in place of what takes many lines."""
    text = repr(value)
    return f"<{type(value).__name__}>" if "\n" in text or len(text) > LONGEST else text
