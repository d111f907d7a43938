"""How a layer is a pytree: which of its attributes hold leaves, and which are its structure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import jax

from gradus.errors import GradusError

_TRANSIENT = frozenset({"_scope", "_specs", "_path", "_frozen"})


class FrozenDict(dict[str, Any]):
    """A dict that nobody changes, so that it can be a part of a structure as it is."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


PLAIN = frozenset({str, int, float, bool, type(None), FrozenDict})  # no leaves, and hashable


class _StaticContainer:
    """A list, dict or set among the static attributes, hashable by its contents."""

    def __init__(self, value: Any) -> None:
        self.value, self.frozen = value, _freeze(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _StaticContainer) and self.frozen == other.frozen

    def __hash__(self) -> int:
        return hash(self.frozen)


def _freeze(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return (type(value).__name__, *(_freeze(item) for item in value))
    if isinstance(value, dict):
        return ("dict", *((_freeze(key), _freeze(item)) for key, item in value.items()))
    if isinstance(value, set):
        return ("set", frozenset(_freeze(item) for item in value))
    hash(value)
    return value


def _is_tree(value: Any) -> bool:
    """Return whether a value holds leaves: a layer, a settings pytree, or a container of them."""
    if isinstance(value, list | tuple):
        return any(_is_tree(item) for item in value)
    if isinstance(value, dict):
        return any(_is_tree(item) for item in value.values())
    return getattr(type(value), "has_leaves", False)


def _partition(layer: Any) -> tuple[list[str], list[Any], tuple[Any, ...]]:
    leaves = layer.hypers + tuple(layer.__dict__.get("_weights", ()))
    names, values, static = [], [], []
    for name, value in vars(layer).items():
        if name in _TRANSIENT:
            continue
        if type(value) in PLAIN and name not in leaves:
            static.append((name, value))
        elif name in leaves or _is_tree(value):
            names.append(name)
            # JAX sorts the keys of a dict, but not of an OrderedDict.
            values.append(OrderedDict(value) if type(value) is dict else value)
        elif isinstance(value, list | tuple | dict | set):
            static.append((name, _check_static(layer, name, value, _StaticContainer)))
        else:
            _check_static(layer, name, value, hash)
            static.append((name, value))
    return names, values, tuple(static)


def _check_static(layer: Any, name: str, value: Any, convert: Callable[[Any], Any]) -> Any:
    """Return `convert(value)`; GradusError if that finds the value is not hashable."""
    try:
        return convert(value)
    except TypeError:
        cls = type(layer).__name__
        raise GradusError(
            f"{cls}.{name} is a {type(value).__name__}, which cannot be part of a network's static "
            f"structure. For an array write self.{name} = self.add_weight({name!r}, shape, ...) in "
            f'build (kind="state" if it is not trained), or name a swept number in {cls}.hypers.'
        ) from None


def flatten(layer: Any) -> tuple[list[Any], Any]:
    """Return the attributes of a layer that have leaves, and its structure."""
    names, values, static = _partition(layer)
    return values, (tuple(names), static)


def flatten_with_keys(layer: Any) -> tuple[list[Any], Any]:
    """Return what `flatten` does, with the name of each attribute."""
    names, values, static = _partition(layer)
    keyed = [(jax.tree_util.GetAttrKey(n), v) for n, v in zip(names, values, strict=True)]
    return keyed, (tuple(names), static)


def unflatten(cls: type, structure: Any, values: Any) -> Any:
    """Return the layer that `flatten` took apart, without calling its `__init__`."""
    names, static = structure
    layer: Any = object.__new__(cls)
    layer.__dict__.update(
        (name, value.value if isinstance(value, _StaticContainer) else value)
        for name, value in static
    )
    layer.__dict__.update(
        (name, dict(value) if type(value) is OrderedDict else value)
        for name, value in zip(names, values, strict=True)
    )
    return layer
