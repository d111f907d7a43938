"""What settings are made of: the arguments of a layer or of a dataclass, which it keeps."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from typing import Any


def is_configurable(value: Any) -> bool:
    """Whether a value is a layer or a dataclass, so that its arguments are its attributes."""
    return init_arg_names(type(value)) is not None


def init_args(value: Any) -> list[tuple[str, Any]]:
    """Return the arguments that settings were made of, by name."""
    names = init_arg_names(type(value)) or ()
    return [(name, getattr(value, name)) for name in names if hasattr(value, name)]


def init_arg_names(cls: Any) -> tuple[str, ...] | None:
    """Return the names of the arguments of a layer's class or a dataclass; None for others."""
    return _arguments_of(cls)


@functools.cache
def _arguments_of(cls: Any) -> tuple[str, ...] | None:
    if dataclasses.is_dataclass(cls):
        return tuple(field.name for field in dataclasses.fields(cls) if field.init)
    return tuple(inspect.signature(cls).parameters) if hasattr(cls, "build_only") else None
