"""Sets and ranges of values that stand where a hyperparameter's value will stand.

`Dense(choice(64, 128))` is a layer like any other, except that it cannot be built: `Sweep` finds
the spaces in a model (`find`), draws a value of each, and puts the values in their places
(`settle`) before anything is traced. A space used in two places is one hyperparameter.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import inspect
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gradus.errors import GradusError

SILENT = ("net", "layers")  # the names of places that tell a reader nothing
# A whole number of a range is never confused with the place of an option.
Value = int | float


class Space(abc.ABC):
    """What a hyperparameter may be; its value is drawn by its place, a share of the whole.

    Args:
        name: what tables call it; by default where it stands, such as "dense_1.units".
    """

    def __init__(self, name: str | None = None) -> None:
        if name is not None and (not isinstance(name, str) or not name):
            raise GradusError(f"{type(self).__name__}(name={name!r}): write a word.")
        self.name = name

    @abc.abstractmethod
    def draw(self, share: float) -> Value:
        """Return the number at `share` of the space, in [0, 1): of a choice, the option's place."""

    def option(self, value: Value) -> Any:
        """Return what stands in the model for a number that was drawn."""
        return value

    def label(self, value: Value) -> Any:
        """Return a number, word or truth value that tells a reader what was drawn."""
        return value

    @property
    def size(self) -> int | None:
        """How many values there are; None for a continuous range."""
        return None


class Choice(Space):
    """One of several options, each as likely as the others."""

    def __init__(self, options: tuple[Any, ...], ordered: bool = False, name: Any = None) -> None:
        super().__init__(name)
        if not options:
            raise GradusError("choice() has no options: write at least one, choice(64, 128).")
        self.options, self.ordered = options, ordered

    def draw(self, share: float) -> int:
        """Return the place of the option at `share`."""
        return min(int(share * len(self.options)), len(self.options) - 1)

    def option(self, value: Value) -> Any:
        """Return the option at a place."""
        return self.options[int(value)]

    def label(self, value: Value) -> Any:
        """Return what tables call the option at a place."""
        return self.labels[int(value)]

    @property
    def labels(self) -> list[Any]:
        """What tables call the options: numbers and words as they are, settings by class."""
        labels = [_label(option) for option in self.options]
        if len(set(map(str, labels))) < len(labels):
            labels = [o if _plain(o) else repr(o) for o in self.options]
        return labels

    @property
    def size(self) -> int:
        """How many options there are."""
        return len(self.options)

    def __repr__(self) -> str:
        return f"choice({', '.join(map(repr, self.options))})"


class Range(Space):
    """The numbers from `low` to `high`, evenly, or evenly by their logarithm; or whole ones."""

    def __init__(
        self, low: Any, high: Any, log: bool = False, whole: bool = False, name: Any = None
    ) -> None:
        super().__init__(name)
        self.low, self.high, self.log, self.whole = low, high, log, whole
        _check_range(repr(self), low, high, log, whole)

    def draw(self, share: float) -> Value:
        """Return the number at `share` of the way."""
        low, high = float(self.low), float(self.high)
        if self.whole:
            return min(int(self.low + share * (self.high - self.low + 1)), int(self.high))
        if self.log:
            return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        return low + share * (high - low)

    @property
    def size(self) -> int | None:
        """How many whole numbers there are; None for others."""
        return int(self.high - self.low + 1) if self.whole else None

    def __repr__(self) -> str:
        kind = "int_uniform" if self.whole else "log_uniform" if self.log else "uniform"
        return f"{kind}({self.low!r}, {self.high!r})"


def choice(*options: Any, name: str | None = None) -> Any:
    """Return the space of some options: `choice(64, 128)`, `choice("relu", "tanh")`.

    An option may be anything that may stand in the place, with spaces of its own, which count
    only where it is chosen: `choice(SGD(momentum=uniform(0, 0.9)), Adam())`. A single list is
    taken for its items.

    Raises:
        GradusError: for no options.
    """
    if len(options) == 1 and isinstance(options[0], list | tuple):
        options = tuple(options[0])
    return Choice(options, name=name)


def uniform(low: float, high: float, name: str | None = None) -> Any:
    """Return the space of the numbers from `low` to `high`, each as likely.

    Raises:
        GradusError: for what is no number, or if `low` is more than `high`.
    """
    return Range(low, high, name=name)


def log_uniform(low: float, high: float, name: str | None = None) -> Any:
    """Return the space of the numbers from `low` to `high` whose logarithms are each as likely.

    Raises:
        GradusError: for numbers that are not above 0, or if `low` is more than `high`.
    """
    return Range(low, high, log=True, name=name)


def int_uniform(low: int, high: int, name: str | None = None) -> Any:
    """Return the space of the whole numbers from `low` to `high`, both included.

    Raises:
        GradusError: for what is no whole number, or if `low` is more than `high`.
    """
    return Range(low, high, whole=True, name=name)


def linspace(low: float, high: float, count: int, name: str | None = None) -> Any:
    """Return the space of `count` numbers at equal distances from `low` to `high`.

    Raises:
        GradusError: as `uniform`, or for a count below 2.
    """
    return _spaced(Range(low, high), f"linspace({low!r}, {high!r}, {count!r})", count, name)


def logspace(low: float, high: float, count: int, name: str | None = None) -> Any:
    """Return the space of `count` numbers at equal ratios from `low` to `high`, the numbers.

    They are not exponents, as NumPy's `logspace` has them: `logspace(1e-4, 1e-1, 4)`.

    Raises:
        GradusError: as `log_uniform`, or for a count below 2.
    """
    words = f"logspace({low!r}, {high!r}, {count!r})"
    return _spaced(Range(low, high, log=True), words, count, name)


def _spaced(within: Range, words: str, count: Any, name: str | None) -> Choice:
    if isinstance(count, bool) or not isinstance(count, int) or count < 2:
        raise GradusError(f"{words}: write a count of at least 2.")
    inner = [within.draw(place / (count - 1)) for place in range(1, count - 1)]
    return Choice((float(within.low), *inner, float(within.high)), ordered=True, name=name)


# --- spaces in settings -----------------------------------------------------------------------


class Hyper(NamedTuple):
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


def find(settings: Any) -> dict[str, Hyper]:
    """Return the hyperparameters in some settings by name, parents before what depends on them.

    Args:
        settings: layers, settings classes, or lists, tuples and dicts of them.

    Raises:
        GradusError: if two spaces have one name.
    """
    found: dict[str, Hyper] = {}
    seen: dict[int, str] = {}
    for place, space, parent, option in _spaces(settings, ()):
        if id(space) in seen:
            former = found[seen[id(space)]]
            if (seen.get(parent, ""), option) != (former.parent, former.option):
                found[former.name] = Hyper(former.name, space)  # it counts in several places
            continue
        name = space.name or ".".join(place) or "value"
        if name in found:
            if space.name:
                raise GradusError(f"Two spaces have the name {name!r}: give one of them another.")
            name = _numbered(name, found)
        seen[id(space)] = name
        found[name] = Hyper(name, space, seen.get(parent, ""), option)
    return found


def settle(settings: Any, hypers: Mapping[str, Hyper], values: Mapping[str, Value]) -> Any:
    """Return settings with a value in the place of each space; what has none is shared.

    Args:
        settings: as in `find`.
        hypers: from `find`.
        values: the number drawn of each hyperparameter that counts.
    """
    names = {id(hyper.space): name for name, hyper in hypers.items()}

    def put(value: Any) -> Any:
        if isinstance(value, Space):
            name = names[id(value)]
            return put(value.option(values[name]))
        if not any(_spaces(value, ())):
            return value
        if isinstance(value, Mapping):
            return {key: put(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(put(item) for item in value)
        return _made_again(value, {name: put(part) for name, part in _parts(value)})

    return put(settings)


def active(hypers: Mapping[str, Hyper], values: Mapping[str, Value], name: str) -> bool:
    """Return whether a hyperparameter counts: what it depends on was chosen."""
    hyper = hypers[name]
    return not hyper.parent or (
        values.get(hyper.parent) == hyper.option and active(hypers, values, hyper.parent)
    )


def _spaces(
    value: Any, place: tuple[str, ...], parent: int = 0, option: int = -1
) -> Iterator[tuple[tuple[str, ...], Space, int, int]]:
    """Yield every space in settings: its place, itself, the choice it depends on and its option."""
    if isinstance(value, Space):
        yield place, value, parent, option
        if isinstance(value, Choice):
            for index, one in enumerate(value.options):
                where = (*place, _word(one)) if _is_settings(one) else place
                yield from _spaces(one, where, id(value), index)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            where = place if key in SILENT else (*place, str(key))
            yield from _spaces(item, where, parent, option)
    elif isinstance(value, list | tuple):
        counts: dict[str, int] = {}
        for index, item in enumerate(value):
            word = _word(item) if _is_settings(item) else str(index)
            count = counts.get(word, 0)
            counts[word] = count + 1
            yield from _spaces(item, (*place, f"{word}_{count}" if count else word), parent, option)
    elif _is_settings(value):
        for name, part in _parts(value):
            where = place if name in SILENT else (*place, name)
            yield from _spaces(part, where, parent, option)


def _is_settings(value: Any) -> bool:
    """Whether a value is a layer or a dataclass, so that its arguments are its attributes."""
    cls = type(value)
    return hasattr(cls, "build_only") or dataclasses.is_dataclass(cls)


def _parts(value: Any) -> list[tuple[str, Any]]:
    """Return the arguments that settings were made of, by name."""
    if dataclasses.is_dataclass(type(value)):
        return [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value) if f.init]
    names = _parameters(value.__class__)
    return [(name, getattr(value, name)) for name in names if hasattr(value, name)]


@functools.cache
def _parameters(cls: Any) -> tuple[str, ...]:
    return tuple(inspect.signature(cls).parameters)


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


def _label(option: Any) -> Any:
    if _plain(option):
        return option
    if _is_settings(option):
        return type(option).__name__
    return getattr(option, "__name__", None) or repr(option)


def _plain(option: Any) -> bool:
    return option is None or isinstance(option, bool | int | float | str)


def _numbered(name: str, taken: Mapping[str, Any]) -> str:
    count = 1
    while f"{name}_{count}" in taken:
        count += 1
    return f"{name}_{count}"


def _check_range(words: str, low: Any, high: Any, log: bool, whole: bool) -> None:
    kinds = int if whole else int | float
    for bound in (low, high):
        wrong = isinstance(bound, bool) or not isinstance(bound, kinds)
        if wrong or not math.isfinite(bound):
            kind = "whole numbers" if whole else "numbers"
            raise GradusError(f"{words}: write two {kind}, the lowest and the highest.")
    if log and low <= 0:
        raise GradusError(
            f"{words}: a logarithm needs numbers above 0; write a small one such as 1e-6 for the "
            "lowest, or uniform for a range with 0."
        )
    if low > high:
        raise GradusError(f"{words}: the lowest is more than the highest; write ({high}, {low}).")
