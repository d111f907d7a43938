"""Checks of the arguments of a layer, where they are written: in its `__init__`.

A space passes: a sweep makes the layers of a trial anew, with the values of the trial.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Iterator, Mapping
from typing import Any

from gradus.checks import (
    MAX_INT,
    as_written,
    flag,
    is_number,
    is_real_array,
    is_word,
    whole_number,
)
from gradus.errors import GradusError, unknown
from gradus.nn import activations, initializers, penalties
from gradus.nn.layer import Layer
from gradus.space import Space, given_values

# What a layer's argument is, by the end of its name.
_KINDS = {
    "activation": activations.get,
    "_initializer": initializers.get,
    "_regularizer": penalties.get,
    "_constraint": penalties.get_constraint,
}


def _parameters(layer: Layer) -> Mapping[str, inspect.Parameter]:
    """Return the arguments of a layer's `__init__`, looked up once for each class."""
    cls: Any = type(layer)  # to mypy no class is hashable
    return _parameters_of(cls)


@functools.cache
def _parameters_of(cls: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(cls).parameters


def values_of(layer: Layer, name: str) -> Iterator[Any]:
    """Yield what an argument of a layer may be, without None where that is the default."""
    default = _parameters(layer)[name].default
    return (v for v in given_values(getattr(layer, name)) if v is not None or default is not None)


def check_functions(layer: Layer) -> None:
    """Check the attributes that are activations, initializers, penalties, or constraints.

    Raises:
        GradusError: for an unknown name, with the nearest one, or anything else that is none.
    """
    for name, argument in vars(layer).items():
        getters = [get for end, get in _KINDS.items() if name.endswith(end)]
        for value in given_values(argument) if getters else ():
            if isinstance(value, type) and issubclass(value, Layer):
                raise GradusError(
                    f"{type(layer).__name__}({name}={value.__name__}): this is a class, not a "
                    f"layer: write {value.__name__}(...)."
                )
            if value is None and not name.endswith("_initializer"):
                continue
            try:
                getters[0](value)
            except GradusError as error:
                setting = as_written(name, value, type(layer).__name__)
                raise GradusError(f"{setting}: {error}") from None


def check_flags(layer: Layer) -> None:
    """Check the attributes that `__init__` declares as bool.

    Raises:
        GradusError: naming the layer's class, the argument, and its value.
    """
    for name, parameter in _parameters(layer).items():
        if parameter.annotation in ("bool", bool) and name in vars(layer):
            for value in given_values(vars(layer)[name]):
                flag(name, value, type(layer).__name__)


def check_sizes(layer: Layer, *names: str, least: int = 1) -> None:
    """Check the attributes that are whole numbers of at least `least`.

    Raises:
        GradusError: naming the layer's class, the argument, and its value.
    """
    for name in names:
        for value in values_of(layer, name):
            if hint := activation_hint(layer, value):
                setting = as_written(name, value, type(layer).__name__)
                raise GradusError(f"{setting}: write a whole number of at least {least}.{hint}")
            whole_number(name, value, least, type(layer).__name__)


def activation_hint(layer: Layer, value: Any) -> str:
    """Return how to write an activation that was given for another argument; "" for no activation.

    Args:
        layer: the layer that takes the arguments.
        value: what one of them was given.
    """
    takes = "activation" in _parameters(layer)
    if not takes or not isinstance(value, str) or value.lower() not in activations.REGISTRY:
        return ""
    return f" For the activation write {type(layer).__name__}(…, activation={value!r})."


def check_numbers(
    layer: Layer, *names: str, low: float = -math.inf, high: float = math.inf, below: bool = False
) -> None:
    """Check the attributes that are numbers from `low` to `high`; arrays and tracers pass.

    Args:
        layer: the layer that has the attributes.
        names: the names of the arguments.
        low: the smallest valid number.
        high: the largest, or with `below` the smallest that is too large.
        below: whether `high` itself is too large.

    Raises:
        GradusError: naming the layer's class, the argument, and its value.
    """
    span = "" if low == -math.inf else f" of at least {low:g}"
    if high < math.inf:
        span = f" from {low:g} " + ("up to, but not including," if below else "to") + f" {high:g}"
    for name in names:
        for value in values_of(layer, name):
            if is_number(value):
                if low <= value <= high and not (below and value == high):
                    if isinstance(value, int) and abs(value) > MAX_INT:  # of which JAX has floats
                        setattr(layer, name, float(value))
                    continue
            elif is_real_array(value):
                continue
            article, hint = "a", ""
            if isinstance(value, list | tuple) and value:
                article, hint = "one", f"; to try several write gr.choice({_listed(value)})"
            setting = as_written(name, value, type(layer).__name__)
            raise GradusError(f"{setting}: write {article} number{span}{hint}.")


def _listed(values: Any) -> str:
    return ", ".join(map(repr, values))


def check_choice(layer: Layer, name: str, known: tuple[str, ...]) -> None:
    """Check an attribute that is one of the `known` words.

    Raises:
        GradusError: with the nearest word.
    """
    for value in values_of(layer, name):
        if not is_word(value, known):
            raise unknown(f"{name} of {type(layer).__name__}", value, known)


def has_space(*values: Any) -> bool:
    """Return whether any of the values, or of the items of lists among them, is a space."""
    return any(
        isinstance(value, Space) or (isinstance(value, list | tuple) and has_space(*value))
        for value in values
    )
