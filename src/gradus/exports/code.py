"""Settings as Python: the expression that makes a layer, an optimizer, or a loss again."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gradus.errors import GradusError
from gradus.serialization import serialize

WIDTH = 96  # characters of a line
_INDENT = "    "


@dataclass(frozen=True)
class Name:
    """A name, or any expression that is written as it is: `data.y`."""

    text: str


@dataclass(frozen=True)
class Call:
    """A call: `name(*positional, **named)`."""

    name: str
    positional: list[Any] = field(default_factory=list)
    named: dict[str, Any] = field(default_factory=dict)


def expression(value: Any, before: str = "", depth: int = 0) -> str:
    """Return a value as Python; what does not fit a line has a line for each part.

    Args:
        value: a number, a text, a list, tuple, or dict of values, a `Name`, a `Call`, or settings:
            a layer, a loss, an optimizer.
        before: what stands on the line before it.
        depth: of the indentation of that line.

    Raises:
        GradusError: for a class or a function of the user's own.
    """
    node = _node(value)
    flat = _flat(node)
    if len(_INDENT) * depth + len(before) + len(flat) < WIDTH:
        return flat
    opening, parts, closing = _parts(node)
    if not parts:
        return flat
    if isinstance(node, Call) and len(parts) == 1:  # its brackets stand beside its argument's
        ((label, part),) = parts
        return f"{opening}{label}{expression(part, before + opening + label, depth)}{closing}"
    lines = [
        _INDENT * (depth + 1) + label + expression(part, label, depth + 1) + ","
        for label, part in parts
    ]
    return "\n".join([opening, *lines, _INDENT * depth + closing])


def assignment(name: str, value: Any, depth: int = 0) -> str:
    """Return the statement `name = value`."""
    return f"{_INDENT * depth}{name} = {expression(value, f'{name} = ', depth)}"


def _node(value: Any) -> Any:
    """Return a value as names, calls, and plain data."""
    if isinstance(value, Name | str | bool | int | None):
        return value
    if isinstance(value, Call):
        return Call(value.name, _node(value.positional), _node(value.named))
    if isinstance(value, list | tuple):
        return type(value)(map(_node, value))
    if isinstance(value, dict):
        return {key: _node(item) for key, item in value.items()}
    described = serialize(value)
    if not isinstance(described, Mapping):
        return described
    if "float" in described:
        return Name(f'float("{described["float"]}")')
    if "array" in described:
        array = Call("np.array", [described["array"], described["dtype"]])
        shape = tuple(described["shape"])
        return array if len(shape) == 1 else Call("np.reshape", [array, shape])
    if "class" not in described:
        return Name(_public(described.get("function", described.get("type"))))
    return _instance(value, described)


def _instance(value: Any, described: Mapping[str, Any]) -> Any:
    """Return the call that makes settings again: what they cannot do without first."""
    parameters = inspect.signature(type(value)).parameters
    given = {name: _node(getattr(value, name)) for name in parameters if name in described}
    required = [name for name in given if parameters[name].default is inspect.Parameter.empty]
    positional = [given.pop(name) for name in required]
    call = Call(_public(described["class"]), positional, given)
    marks = f".named({_flat(described['as'])})" if "as" in described else ""
    marks += ".freeze()" if "is" in described else ""
    return Name(_flat(call) + marks) if marks else call


def _public(name: Any) -> str:
    """Return the name by which a script finds a class or a function: "gr.losses.Huber".

    Raises:
        GradusError: for one of the user's own.
    """
    if str(name).startswith("custom."):
        raise GradusError(
            f"A script cannot make the class {str(name).removeprefix('custom.')} again, as code "
            "is never stored: save the model, and load it where the class is defined."
        )
    return f"gr.{name}"


def _flat(node: Any) -> str:
    """Return a node on one line."""
    if isinstance(node, Name):
        return node.text
    if isinstance(node, str):
        return json.dumps(node, ensure_ascii=False)
    opening, parts, closing = _parts(node)
    if not opening:
        return repr(node)
    inner = ", ".join(label + _flat(part) for label, part in parts)
    return f"{opening}{inner}{',' * (isinstance(node, tuple) and len(parts) == 1)}{closing}"


def _parts(node: Any) -> tuple[str, list[tuple[str, Any]], str]:
    """Return how a node begins, its parts with what stands before each, and how it ends."""
    if isinstance(node, Call):
        named = [(f"{name}=", value) for name, value in node.named.items()]
        return f"{node.name}(", [*(("", part) for part in node.positional), *named], ")"
    if isinstance(node, list):
        return "[", [("", part) for part in node], "]"
    if isinstance(node, tuple):
        return "(", [("", part) for part in node], ")"
    if isinstance(node, dict):
        return "{", [(f"{_flat(key)}: ", part) for key, part in node.items()], "}"
    return "", [], ""
