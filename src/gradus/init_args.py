"""The `__init__` arguments of settings: of a layer or a dataclass, which keep them."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from typing import Any


def is_configurable(value: Any) -> bool:
    """Return whether a value is a layer or a dataclass: its arguments are its attributes."""
    return init_arg_names(type(value)) is not None


def init_args(value: Any) -> list[tuple[str, Any]]:
    """Return the names and values of the `__init__` arguments of settings."""
    names = init_arg_names(type(value)) or ()
    return [(name, getattr(value, name)) for name in names if hasattr(value, name)]


@functools.cache
def snake_case(name: str) -> str:
    """Return a class's name in snake case: "LSTM" as "lstm", "MaxPooling2D" as "max_pooling2d"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def short_repr(value: Any) -> str:
    """Return settings as one would write them: without the arguments that are the defaults."""
    kind: Any = type(value)
    defaults = _default_reprs(kind)
    written = [(name, repr(arg)) for name, arg in init_args(value)]
    shown = [f"{name}={text}" for name, text in written if defaults.get(name) != text]
    return f"{kind.__name__}({', '.join(shown)})"


@functools.cache
def _default_reprs(cls: Any) -> dict[str, str]:
    parameters = inspect.signature(cls).parameters.items()
    return {name: repr(p.default) for name, p in parameters if p.default is not p.empty}


def init_arg_names(cls: Any) -> tuple[str, ...] | None:
    """Return the `__init__` argument names of a layer class or a dataclass; None for others."""
    return _cached_arg_names(cls)


@functools.cache
def _cached_arg_names(cls: Any) -> tuple[str, ...] | None:  # to mypy no class is hashable
    if dataclasses.is_dataclass(cls):
        return tuple(field.name for field in dataclasses.fields(cls) if field.init)
    # Only layers have `build_only`; this module comes before them.
    return tuple(inspect.signature(cls).parameters) if hasattr(cls, "build_only") else None
