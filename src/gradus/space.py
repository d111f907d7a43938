"""Sets and ranges of values that stand where a hyperparameter's value will stand.

`Dense(choice(64, 128))` is a layer like any other, except that it cannot be built: `Sweep` finds
the spaces in a model, draws a value of each, and puts the values in their places before anything is
traced (`hyperparameters.py`).
"""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from gradus.errors import GradusError
from gradus.init_args import is_configurable

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
    def value_at(self, share: float) -> Value:
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

    def value_at(self, share: float) -> int:
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

    def value_at(self, share: float) -> Value:
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
    inner = [within.value_at(place / (count - 1)) for place in range(1, count - 1)]
    # As a person would write them: 1e-05, where arithmetic comes to 1.0000000000000016e-05.
    largest = max(abs(first), abs(last))
    inner = [_rounded(value, value if log else largest) for value in inner]
    return Choice((first, *inner, last), ordered=True, log=log, name=name)


def _rounded(value: float, size: float) -> float:
    """Return a number to the twelfth digit of another one."""
    # Zero is added as -0.0 + 0.0 is 0.0.
    return round(value, 11 - math.floor(math.log10(size))) + 0.0 if size else value


# --- spaces in settings -----------------------------------------------------------------------


def _label(option: Any, place: int) -> Any:
    if _plain(option):
        return option
    if is_configurable(option):
        return type(option).__name__
    words = str(getattr(option, "__name__", None) or repr(option))
    return words if len(words) <= LONGEST and "\n" not in words else f"option {place}"


def _plain(option: Any) -> bool:
    return option is None or isinstance(option, bool | int | float | str)


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
