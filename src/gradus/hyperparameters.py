"""Finds the spaces in settings and substitutes values for them.

Settings are arguments of layers, optimizers and the like, in lists, tuples and dicts of any depth.
A space that occurs twice is one hyperparameter, and so are choices with the same name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from gradus.errors import GradusError
from gradus.init_args import init_args, is_configurable, snake_case
from gradus.space import Choice, Space, Value

_PLAIN = frozenset({str, int, float, bool, type(None)})  # contain no settings
OMITTED = ("net", "layers", "settings")  # arguments that paths leave out


class Hyperparameter(NamedTuple):
    """A hyperparameter of a model.

    Attributes:
        name: its name.
        space: its possible values.
        parent: the name of the choice that it depends on, or "".
        option: the index of the parent's option that contains it.
    """

    name: str
    space: Space
    parent: str = ""
    option: int = -1


class SpaceLocation(NamedTuple):
    """The location of a space in settings.

    Attributes:
        path: the names that lead to it, outermost first.
        space: the space.
        parent: the `id` of the choice that it depends on, or 0.
        option: the index of the parent's option that contains it.
        owner: the settings, dict or list that it is an argument or item of.
    """

    path: tuple[str, ...]
    space: Space
    parent: int
    option: int
    owner: Any


def find_hyperparameters(*settings: Any) -> dict[str, Hyperparameter]:
    """Return the hyperparameters in some settings by name, parents before their dependents.

    Args:
        settings: layers, settings classes, or lists, tuples and dicts of them.

    Raises:
        GradusError: if two spaces have the same name and are not choices of as many options.
    """
    hypers: dict[str, Hyperparameter] = {}
    if not has_spaces(settings):
        return hypers
    names: dict[int, str] = {}  # by `id` of the space
    for path, space, parent, option, _ in itertools.chain(*map(space_locations, settings)):
        if id(space) in names or _is_linked(space, hypers):
            first = hypers[names.setdefault(id(space), space.name or "")]
            if (names.get(parent, ""), option) != (first.parent, first.option):
                hypers[first.name] = Hyperparameter(*first[:2])  # active under several options
            continue
        name = space.name or ".".join(path) or "value"
        if name in hypers:
            if space.name:
                raise GradusError(f"Two spaces have the name {name!r}: give one of them another.")
            name = _unique_name(name, hypers)
        names[id(space)] = name
        hypers[name] = Hyperparameter(name, space, names.get(parent, ""), option)
    return hypers


def has_spaces(value: Any) -> bool:
    """Return whether settings contain a space."""
    return isinstance(value, Space) or any(has_spaces(part) for _, part in _children(value))


def resolve(
    settings: Any,
    hypers: Mapping[str, Hyperparameter],
    values: Mapping[str, Value],
    overrides: Mapping[str, Any] | None = None,
) -> Any:
    """Return settings with values substituted for their spaces; parts without spaces are shared.

    Args:
        settings: as in `find_hyperparameters`.
        hypers: from `find_hyperparameters`.
        values: the number drawn for each active hyperparameter.
        overrides: values by hyperparameter name that replace drawn ones.
    """
    fixed = overrides or {}
    names = {id(hyper.space): name for name, hyper in hypers.items()}

    def substitute(value: Any) -> Any:
        if not isinstance(value, Space):
            return value
        name = names.get(id(value), value.name or "")
        if name in fixed:
            return fixed[name]
        return replace_settings(value.option(values[name]), substitute)

    return replace_settings(settings, substitute)


def replace_settings(settings: Any, replacement: Callable[[Any], Any]) -> Any:
    """Return settings with some parts replaced; parts without any are shared.

    Args:
        settings: as in `find_hyperparameters`.
        replacement: returns what stands in the place of a part, or the part itself, whose own
            parts are then looked at.
    """
    replaced = replacement(settings)
    if replaced is not settings:
        return replaced
    old = _children(settings)
    new = [(name, replace_settings(child, replacement)) for name, child in old]
    if all(one is other for (_, one), (_, other) in zip(new, old, strict=True)):
        return settings
    if isinstance(settings, Mapping):
        return dict(new)
    if isinstance(settings, list | tuple):
        return type(settings)(item for _, item in new)
    return rebuild_settings(settings, dict(new))


def is_active(hypers: Mapping[str, Hyperparameter], values: Mapping[str, Value], name: str) -> bool:
    """Return whether a hyperparameter is active: the options that contain it are chosen."""
    hyper = hypers[name]
    return not hyper.parent or (
        values.get(hyper.parent) == hyper.option and is_active(hypers, values, hyper.parent)
    )


def space_locations(
    value: Any, path: tuple[str, ...] = (), parent: int = 0, option: int = -1, owner: Any = None
) -> Iterator[SpaceLocation]:
    """Yield the location of every space in settings; the other arguments locate the settings."""
    if isinstance(value, Space):
        yield SpaceLocation(path, value, parent, option, owner)
        if isinstance(value, Choice):
            for index, item in enumerate(value.options):
                inner = (*path, _settings_name(item)) if is_configurable(item) else path
                yield from space_locations(item, inner, id(value), index, owner)
    elif isinstance(value, list | tuple):
        counts: dict[str, int] = {}
        for index, item in enumerate(value):
            name = _settings_name(item) if is_configurable(item) else str(index)
            count = counts.get(name, 0)
            counts[name] = count + 1
            inner = (*path, f"{name}_{count}" if count else name)
            yield from space_locations(item, inner, parent, option, value)
    else:
        for key, child in _children(value):
            inner = path if key in OMITTED else (*path, str(key))
            yield from space_locations(child, inner, parent, option, value)


def _is_linked(space: Space, hypers: Mapping[str, Hyperparameter]) -> bool:
    """Return whether a space is a choice with the same name and size as an earlier one."""
    if not space.name or space.name not in hypers:
        return False
    first = hypers[space.name].space
    alike = isinstance(first, Choice) and isinstance(space, Choice) and first.size == space.size
    return alike and first.name == space.name


def _children(value: Any) -> list[tuple[Any, Any]]:
    """Return the parts of settings by key, index, or argument name; [] for anything else."""
    cls = type(value)
    if cls in _PLAIN:
        return []
    if is_configurable(value):
        return init_args(value)
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    return []


def rebuild_settings(value: Any, arguments: dict[str, Any]) -> Any:
    """Return settings like `value` with other arguments, checked by their `__init__`."""
    rebuilt = type(value)(**arguments)
    for mark in ("_name", "trainable"):
        if mark in vars(value):
            setattr(rebuilt, mark, vars(value)[mark])
    return rebuilt


def _settings_name(value: Any) -> str:
    """Return the name of settings in a path: their own, or that of their class, "max_pooling2d"."""
    name = vars(value).get("_name")
    return name or snake_case(type(value).__name__)


def _unique_name(name: str, existing: Mapping[str, Any]) -> str:
    count = 1
    while f"{name}_{count}" in existing:
        count += 1
    return f"{name}_{count}"
