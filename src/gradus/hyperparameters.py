"""Spaces in settings: where they stand, and the settings with a value in the place of each.

Settings are the arguments that layers, optimisers and the like are made of, in lists, tuples and
dicts of any depth. A space in two places is one hyperparameter, and so are choices of one name.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gradus.errors import GradusError
from gradus.init_args import init_args, is_configurable
from gradus.space import Choice, Space, Value

_PLAIN = frozenset({str, int, float, bool, type(None)})  # hold nothing
SILENT = ("net", "layers", "settings")  # the names of places that tell a reader nothing


class Hyperparameter(NamedTuple):
    """A hyperparameter of a model: a space in its place.

    Attributes:
        name: what it is called.
        space: what it may be.
        parent: the name of the choice that it depends on, or "".
        option: the place of the parent's option that has it.
    """

    name: str
    space: Space
    parent: str = ""
    option: int = -1


class SpaceLocation(NamedTuple):
    """Where a space stands.

    Attributes:
        path: the names of what it stands in, from the outermost.
        space: itself.
        parent: the `id` of the choice that it depends on, or 0.
        option: the place of the parent's option that it is in.
        owner: the settings, dict or list that it is an argument or item of.
    """

    path: tuple[str, ...]
    space: Space
    parent: int
    option: int
    owner: Any


def find_hyperparameters(*settings: Any) -> dict[str, Hyperparameter]:
    """Return the hyperparameters in some settings by name, parents before what depends on them.

    Args:
        settings: layers, settings classes, or lists, tuples and dicts of them.

    Raises:
        GradusError: if two spaces have one name, and are not choices among as many options.
    """
    found: dict[str, Hyperparameter] = {}
    if not has_spaces(settings):
        return found
    seen: dict[int, str] = {}
    for place, space, parent, option, _ in itertools.chain(*map(space_locations, settings)):
        if id(space) in seen or _goes_with(space, found):
            former = found[seen.setdefault(id(space), space.name or "")]
            if (seen.get(parent, ""), option) != (former.parent, former.option):
                found[former.name] = Hyperparameter(*former[:2])  # it counts in several places
            continue
        name = space.name or ".".join(place) or "value"
        if name in found:
            if space.name:
                raise GradusError(f"Two spaces have the name {name!r}: give one of them another.")
            name = _numbered(name, found)
        seen[id(space)] = name
        found[name] = Hyperparameter(name, space, seen.get(parent, ""), option)
    return found


def has_spaces(value: Any) -> bool:
    """Return whether there is a space in settings."""
    return isinstance(value, Space) or any(has_spaces(part) for _, part in _inside(value))


def resolve(
    settings: Any,
    hypers: Mapping[str, Hyperparameter],
    values: Mapping[str, Value],
    instead: Mapping[str, Any] | None = None,
) -> Any:
    """Return settings with a value in the place of each space; what has none is shared.

    Args:
        settings: as in `find_hyperparameters`.
        hypers: from `find_hyperparameters`.
        values: the number drawn of each hyperparameter that counts.
        instead: what stands in the place of some of them whatever was drawn.
    """
    others = instead or {}
    names = {id(hyper.space): name for name, hyper in hypers.items()}

    def put(value: Any) -> Any:
        if isinstance(value, Space):
            name = names.get(id(value), value.name or "")
            return others[name] if name in others else put(value.option(values[name]))
        held = _inside(value)
        made = [(name, put(part)) for name, part in held]
        if all(new is old for (_, new), (_, old) in zip(made, held, strict=True)):
            return value
        if isinstance(value, Mapping):
            return dict(made)
        if isinstance(value, list | tuple):
            return type(value)(item for _, item in made)
        return _made_again(value, dict(made))

    return put(settings)


def is_active(hypers: Mapping[str, Hyperparameter], values: Mapping[str, Value], name: str) -> bool:
    """Return whether a hyperparameter counts: what it depends on was chosen."""
    hyper = hypers[name]
    return not hyper.parent or (
        values.get(hyper.parent) == hyper.option and is_active(hypers, values, hyper.parent)
    )


def space_locations(
    value: Any, place: tuple[str, ...] = (), parent: int = 0, option: int = -1, owner: Any = None
) -> Iterator[SpaceLocation]:
    """Yield the place of every space in settings; the other arguments are where these stand."""
    if isinstance(value, Space):
        yield SpaceLocation(place, value, parent, option, owner)
        if isinstance(value, Choice):
            for index, one in enumerate(value.options):
                where = (*place, _word(one)) if is_configurable(one) else place
                yield from space_locations(one, where, id(value), index, owner)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            where = place if key in SILENT else (*place, str(key))
            yield from space_locations(item, where, parent, option, value)
    elif isinstance(value, list | tuple):
        counts: dict[str, int] = {}
        for index, item in enumerate(value):
            word = _word(item) if is_configurable(item) else str(index)
            count = counts.get(word, 0)
            counts[word] = count + 1
            where = (*place, f"{word}_{count}" if count else word)
            yield from space_locations(item, where, parent, option, value)
    elif is_configurable(value):
        for name, part in init_args(value):
            where = place if name in SILENT else (*place, name)
            yield from space_locations(part, where, parent, option, value)


def _goes_with(space: Space, found: Mapping[str, Hyperparameter]) -> bool:
    """Whether a space is the choice of another place again, by its name."""
    if not space.name or space.name not in found:
        return False
    former = found[space.name].space
    alike = isinstance(former, Choice) and isinstance(space, Choice) and former.size == space.size
    return alike and former.name == space.name


def _inside(value: Any) -> list[tuple[Any, Any]]:
    """Return what settings hold, by key, place or name; nothing if they are no settings."""
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


def _made_again(value: Any, arguments: dict[str, Any]) -> Any:
    """Return settings like `value`, of other arguments, checked by their own `__init__`."""
    made = type(value)(**arguments)
    for mark in ("_name", "trainable"):
        if mark in vars(value):
            setattr(made, mark, vars(value)[mark])
    return made


def _word(value: Any) -> str:
    """Return what a place calls settings: their own name, or that of the class, "max_pool2d"."""
    own = vars(value).get("_name")
    return own or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(value).__name__).lower()


def _numbered(name: str, taken: Mapping[str, Any]) -> str:
    count = 1
    while f"{name}_{count}" in taken:
        count += 1
    return f"{name}_{count}"
