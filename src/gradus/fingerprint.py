"""What settings, functions and data are, as text: equal if and only if they do the same.

Checkpoints, storages, and processes that train together compare fingerprints, so data count with
all of their bytes, and functions with their code and what they refer to, not with their names.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import re
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import jax
import numpy as np

from gradus.init_args import init_args, is_configurable
from gradus.space import Choice, Space

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def fingerprint(value: Any, path: str = "") -> dict[str, str]:
    """Return what decides the effect of a value, as strings by path.

    Args:
        value: settings, with spaces or without; functions, arrays, and trees of them.
        path: of the value.
    """
    return dict(_describe(path, value, ()))


def digest(content: Any) -> str:
    """Return a short checksum of text, of an array, or of the fingerprint of anything else."""
    if isinstance(content, np.ndarray | jax.Array):
        array = np.asarray(content)
        hashed = hashlib.sha256(f"{array.dtype}{array.shape}".encode())
        plain = array.dtype != object and array.size
        hashed.update(np.ascontiguousarray(array).data if plain else repr(array.tolist()).encode())
        return hashed.hexdigest()[:12]
    text = content if isinstance(content, str) else repr(sorted(fingerprint(content).items()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _describe(path: str, value: Any, above: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """Yield the path and the description of everything in a value.

    Args:
        path: of the value.
        value: the value.
        above: the identities of the values that contain it, to end in a cycle.
    """
    if isinstance(value, Space):
        name = f" named {value.name!r}" if value.name else ""
        if isinstance(value, Choice):
            yield path, f"choice of {value.size}{name}"
            yield from _describe(path, list(value.options), above)
        else:
            yield path, f"{value!r}{name}"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _describe(f"{path}.{key}" if path else str(key), item, above)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _describe(f"{path}[{index}]", item, above)
    elif is_configurable(value) and not isinstance(value, type):
        kind, marks = type(value), vars(value) if hasattr(value, "__dict__") else {}
        words = [f"{name}={marks[name]!r}" for name in ("_name", "trainable") if name in marks]
        yield path, " ".join([kind.__name__, *_own_code(kind, above), *words])
        yield from _describe(path, dict(init_args(value)), above)
    elif isinstance(value, np.ndarray | np.generic | jax.Array):
        array = np.asarray(value)
        yield path, f"{array.dtype}{list(array.shape)} sha256 {digest(array)}"
    elif callable(value):
        yield path, _describe_callable(value, above)
    else:
        yield path, _ADDRESS.sub("", repr(value))


def _own_code(kind: type, above: tuple[int, ...]) -> list[str]:
    """Return a checksum of the methods of a user's own class; nothing for one of a package."""
    if kind.__module__.partition(".")[0] == "gradus":
        return []
    methods = {
        f"{base.__qualname__}.{name}": value
        for base in kind.__mro__
        if base.__module__.partition(".")[0] not in ("gradus", "builtins", "abc")
        for name, value in vars(base).items()
        if isinstance(value, FunctionType | staticmethod | classmethod | property)
        and base.__module__ == kind.__module__
    }
    described = [_describe_callable(value, (*above, id(kind))) for value in methods.values()]
    return [f"code {digest(repr([*zip(methods, described, strict=True)]))}"]


def _describe_callable(value: Any, above: tuple[int, ...]) -> str:
    """Return the name of a function and a checksum of what it does."""
    name = getattr(value, "__qualname__", type(value).__name__)
    if id(value) in above or isinstance(value, type):
        return f"{getattr(value, '__module__', '')}.{name}"
    inside = (*above, id(value))
    parts: Any
    if isinstance(value, functools.partial):
        name, parts = "partial", (value.func, value.args, value.keywords)
    elif isinstance(value, MethodType):
        parts = value.__func__, value.__self__
    elif isinstance(value, property):
        parts = value.fget
    elif isinstance(value, staticmethod | classmethod) or hasattr(value, "__wrapped__"):
        parts = value.__wrapped__
    elif isinstance(value, FunctionType):
        return f"{name} code {digest(repr(_describe_function(value, inside)))}"
    elif type(value).__module__.partition(".")[0] in ("builtins", "numpy", "jaxlib", "jax"):
        return f"{getattr(value, '__module__', '')}.{name}"
    else:
        parts = type(value).__call__, getattr(value, "__dict__", repr(value))
    return f"{name} code {digest(repr([*_describe('', parts, inside)]))}"


def _describe_function(function: FunctionType, above: tuple[int, ...]) -> list[Any]:
    """Return the code of a function, its defaults, and what it takes from around it."""
    code = function.__code__
    cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    names = sorted(_names_of(code) & set(function.__globals__))
    around = {name: function.__globals__[name] for name in names}
    values = {
        "defaults": function.__defaults__,
        "keyword defaults": function.__kwdefaults__,
        "closure": cells,
        **{name: value for name, value in around.items() if not isinstance(value, ModuleType)},
    }
    return [_code(code), *_describe("", values, above)]


def _code(code: CodeType) -> list[Any]:
    """Return what code does: its instructions, without its file, its lines, and its docstring."""
    return [
        (step.opname, _code(step.argval) if isinstance(step.argval, CodeType) else step.argrepr)
        for step in dis.get_instructions(code)
    ]


def _names_of(code: CodeType) -> set[str]:
    """Return the global names in code, and in the functions inside it."""
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*map(_names_of, inner))


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True
