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
import itertools
import math
import re
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

from gradus.errors import GradusError

_PLAIN = frozenset({str, int, float, bool, type(None)})  # hold nothing
SILENT = ("net", "layers", "settings")  # the names of places that tell a reader nothing
LONGEST = 200  # characters of an option in a table
# A whole number of a range is never confused with the place of an option.
Value = int | float


class Space(abc.ABC):
    """What a hyperparameter may be; its value is drawn by its place, a share of the whole.

    Args:
        name: what tables call it; by default where it stands, such as "dense_1.units".

    Attributes:
        log: whether its numbers lie evenly by their logarithm.
    """

    log = False

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
    """One of several options, each as likely as the others.

    Args:
        options: what may stand in the place.
        ordered: whether each is nearer to its neighbours than to others.
        log: whether they are numbers that lie evenly by their logarithm.
        name: as in `Space`.
        words: what tables call the options, where that is given.
    """

    def __init__(
        self,
        options: tuple[Any, ...],
        ordered: bool = False,
        log: bool = False,
        name: Any = None,
        words: tuple[str, ...] = (),
    ) -> None:
        super().__init__(name)
        if not options:
            raise GradusError("choice() has no options: write at least one, choice(64, 128).")
        self.options, self.ordered, self.log, self.words = options, ordered, log, words

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
        if self.words:
            return list(self.words)
        labels = [_label(option, place) for place, option in enumerate(self.options)]
        if len(set(map(str, labels))) < len(labels):
            labels = [o if _plain(o) else repr(o) for o in self.options]
        return labels

    @property
    def size(self) -> int:
        """How many options there are."""
        return len(self.options)

    def __repr__(self) -> str:
        return f"choice({', '.join(self.words or map(repr, self.options))})"


class Range(Space):
    """The numbers from `low` to `high`, evenly, or evenly by their logarithm; or whole ones."""

    def __init__(
        self, low: Any, high: Any, log: bool = False, whole: bool = False, name: Any = None
    ) -> None:
        super().__init__(name)
        self.low, self.high, self.log, self.whole = low, high, log, whole
        self.low, self.high = _ends(repr(self), low, high, log, whole)

    def draw(self, share: float) -> Value:
        """Return the number at `share` of the way."""
        low, high = float(self.low), float(self.high)
        if self.whole:
            # Rounded down, where `int` would round a negative number up.
            return min(math.floor(self.low + share * (self.high - self.low + 1)), int(self.high))
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
    only where it is chosen: `choice(SGD(momentum=uniform(0, 0.9)), Adam())`. A single list or
    range is taken for its items, a single dict too, whose keys are what tables call them. Two
    choices of one name and as many options are one hyperparameter: both take the option of the
    same place.

    Raises:
        GradusError: for no options.
    """
    words: tuple[str, ...] = ()
    if len(options) == 1 and isinstance(options[0], Mapping):
        words, options = tuple(map(str, options[0])), tuple(options[0].values())
    elif len(options) == 1 and isinstance(options[0], list | tuple | range):
        options = tuple(options[0])
    return Choice(options, name=name, words=words)


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
    return _spaced("linspace", low, high, count, name)


def logspace(low: float, high: float, count: int, name: str | None = None) -> Any:
    """Return the space of `count` numbers at equal ratios from `low` to `high`, the numbers.

    They are not exponents, as NumPy's `logspace` has them: `logspace(1e-4, 1e-1, 4)`.

    Raises:
        GradusError: as `log_uniform`, or for a count below 2.
    """
    return _spaced("logspace", low, high, count, name)


def _spaced(kind: str, low: Any, high: Any, count: Any, name: str | None) -> Choice:
    words, log = f"{kind}({low!r}, {high!r}, {count!r})", kind == "logspace"
    within = Range(*_ends(words, low, high, log), log=log)
    if isinstance(count, bool) or not isinstance(count, int) or count < 2:
        raise GradusError(f"{words}: write a count of at least 2.")
    first, last = float(within.low), float(within.high)
    inner = [within.draw(place / (count - 1)) for place in range(1, count - 1)]
    # As a person would write them: 1e-05, where arithmetic comes to 1.0000000000000016e-05.
    largest = max(abs(first), abs(last))
    inner = [_rounded(value, value if log else largest) for value in inner]
    return Choice((first, *inner, last), ordered=True, log=log, name=name)


def _rounded(value: float, size: float) -> float:
    """Return a number to the twelfth digit of another one."""
    # Zero is added as -0.0 + 0.0 is 0.0.
    return round(value, 11 - math.floor(math.log10(size))) + 0.0 if size else value


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


class Place(NamedTuple):
    """Where a space stands.

    Attributes:
        words: the names of what it stands in, from the outermost.
        space: itself.
        parent: the `id` of the choice that it depends on, or 0.
        option: the place of the parent's option that it is in.
        owner: the settings, dict or list that it is an argument or item of.
    """

    words: tuple[str, ...]
    space: Space
    parent: int
    option: int
    owner: Any


def find(*settings: Any) -> dict[str, Hyper]:
    """Return the hyperparameters in some settings by name, parents before what depends on them.

    Args:
        settings: layers, settings classes, or lists, tuples and dicts of them.

    Raises:
        GradusError: if two spaces have one name, and are not choices among as many options.
    """
    found: dict[str, Hyper] = {}
    if not holds(settings):
        return found
    seen: dict[int, str] = {}
    for place, space, parent, option, _ in itertools.chain(*map(places, settings)):
        if id(space) in seen or _goes_with(space, found):
            former = found[seen.setdefault(id(space), space.name or "")]
            if (seen.get(parent, ""), option) != (former.parent, former.option):
                found[former.name] = Hyper(*former[:2])  # it counts in several places
            continue
        name = space.name or ".".join(place) or "value"
        if name in found:
            if space.name:
                raise GradusError(f"Two spaces have the name {name!r}: give one of them another.")
            name = _numbered(name, found)
        seen[id(space)] = name
        found[name] = Hyper(name, space, seen.get(parent, ""), option)
    return found


def holds(value: Any) -> bool:
    """Return whether there is a space in settings."""
    return isinstance(value, Space) or any(holds(part) for _, part in _inside(value))


def settle(
    settings: Any,
    hypers: Mapping[str, Hyper],
    values: Mapping[str, Value],
    instead: Mapping[str, Any] | None = None,
) -> Any:
    """Return settings with a value in the place of each space; what has none is shared.

    Args:
        settings: as in `find`.
        hypers: from `find`.
        values: the number drawn of each hyperparameter that counts.
        instead: what stands in the place of some of them whatever was drawn.
    """
    others = instead or {}
    names = {id(hyper.space): name for name, hyper in hypers.items()}

    def put(value: Any) -> Any:
        if isinstance(value, Space):
            name = names.get(id(value), value.name or "")
            return others[name] if name in others else put(value.option(values[name]))
        parts = _inside(value)
        made = [(name, put(part)) for name, part in parts]
        if all(new is old for (_, new), (_, old) in zip(made, parts, strict=True)):
            return value
        if isinstance(value, Mapping):
            return dict(made)
        if isinstance(value, list | tuple):
            return type(value)(item for _, item in made)
        return _made_again(value, dict(made))

    return put(settings)


def active(hypers: Mapping[str, Hyper], values: Mapping[str, Value], name: str) -> bool:
    """Return whether a hyperparameter counts: what it depends on was chosen."""
    hyper = hypers[name]
    return not hyper.parent or (
        values.get(hyper.parent) == hyper.option and active(hypers, values, hyper.parent)
    )


def places(
    value: Any, place: tuple[str, ...] = (), parent: int = 0, option: int = -1, owner: Any = None
) -> Iterator[Place]:
    """Yield the place of every space in settings; the other arguments are where these stand."""
    if isinstance(value, Space):
        yield Place(place, value, parent, option, owner)
        if isinstance(value, Choice):
            for index, one in enumerate(value.options):
                where = (*place, _word(one)) if _is_settings(one) else place
                yield from places(one, where, id(value), index, owner)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            where = place if key in SILENT else (*place, str(key))
            yield from places(item, where, parent, option, value)
    elif isinstance(value, list | tuple):
        counts: dict[str, int] = {}
        for index, item in enumerate(value):
            word = _word(item) if _is_settings(item) else str(index)
            count = counts.get(word, 0)
            counts[word] = count + 1
            where = (*place, f"{word}_{count}" if count else word)
            yield from places(item, where, parent, option, value)
    elif _is_settings(value):
        for name, part in _parts(value):
            where = place if name in SILENT else (*place, name)
            yield from places(part, where, parent, option, value)


def _goes_with(space: Space, found: Mapping[str, Hyper]) -> bool:
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
    if _is_settings(value):
        return _parts(value)
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    return []


def _is_settings(value: Any) -> bool:
    """Whether a value is a layer or a dataclass, so that its arguments are its attributes."""
    cls: Any = type(value)
    return _parameters(cls) is not None


def _parts(value: Any) -> list[tuple[str, Any]]:
    """Return the arguments that settings were made of, by name."""
    cls: Any = type(value)
    names = _parameters(cls) or ()
    return [(name, getattr(value, name)) for name in names if hasattr(value, name)]


@functools.cache
def _parameters(cls: Any) -> tuple[str, ...] | None:
    """Return the names of the arguments of a layer's class or a dataclass; None for others."""
    if dataclasses.is_dataclass(cls):
        return tuple(field.name for field in dataclasses.fields(cls) if field.init)
    return tuple(inspect.signature(cls).parameters) if hasattr(cls, "build_only") else None


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


def _label(option: Any, place: int) -> Any:
    if _plain(option):
        return option
    if _is_settings(option):
        return type(option).__name__
    words = str(getattr(option, "__name__", None) or repr(option))
    return words if len(words) <= LONGEST and "\n" not in words else f"option {place}"


def _plain(option: Any) -> bool:
    return option is None or isinstance(option, bool | int | float | str)


def _numbered(name: str, taken: Mapping[str, Any]) -> str:
    count = 1
    while f"{name}_{count}" in taken:
        count += 1
    return f"{name}_{count}"


def _ends(words: str, low: Any, high: Any, log: bool, whole: bool = False) -> tuple[Any, Any]:
    """Return the ends of a range as Python's numbers, which NumPy's become."""
    for bound in (low, high):
        wrong = isinstance(bound, bool) or not isinstance(bound, Integral if whole else Real)
        if wrong or not math.isfinite(bound):
            kind = "whole numbers" if whole else "numbers"
            raise GradusError(f"{words}: write two {kind}, the lowest and the highest.")
    if log and low <= 0:
        raise GradusError(
            f"{words}: a logarithm needs numbers above 0, the numbers and not their exponents; "
            "write a small one such as 1e-6 for the lowest, or uniform for a range with 0."
        )
    if low > high:
        raise GradusError(f"{words}: the lowest is more than the highest; write ({high}, {low}).")
    plain = [int(one) if isinstance(one, Integral) else float(one) for one in (low, high)]
    return plain[0], plain[1]
