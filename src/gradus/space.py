"""Search spaces: sets and ranges of values, written in place of a hyperparameter's value.

`Dense(choice(64, 128))` is a layer like any other, except that it cannot be built. `Sweep` finds
the spaces in a model, draws a value from each, and substitutes the values before anything is traced
(`hyperparameters.py`).
"""

from __future__ import annotations

import abc
import math
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any

from gradus.checks import as_index
from gradus.errors import GradusError
from gradus.foreign_names.arguments import explain_arguments
from gradus.init_args import is_configurable

MAX_COUNT = 1_000_000  # of the numbers of `linspace`
MAX_LABEL = 200  # characters of an option's label
# What is drawn: a number of a range, or the index of an option.
Value = int | float


class Space(abc.ABC):
    """The possible values of a hyperparameter, indexed by fractions from 0 to 1.

    Args:
        name: its name in tables; by default its path, such as "dense_1.units".

    Attributes:
        log: whether its numbers are evenly spaced on a log scale.
    """

    log = False

    def __init__(self, name: str | None = None) -> None:
        if name is not None and (not isinstance(name, str) or not name):
            raise GradusError(f"{type(self).__name__}(name={name!r}): write a word.")
        self.name = name

    @abc.abstractmethod
    def value_at(self, fraction: float) -> Value:
        """Return the number at `fraction` of the space, in [0, 1); of a choice the index."""

    @abc.abstractmethod
    def contains(self, value: Value) -> bool:
        """Whether a number can be drawn from the space."""

    def option(self, value: Value) -> Any:
        """Return what replaces the space in the model for a drawn number."""
        return value

    def label(self, value: Value) -> Any:
        """Return a readable label of a drawn number: a number, string, or boolean."""
        return value

    @property
    def size(self) -> int | None:
        """The number of values; None for a continuous range."""
        return None


class Choice(Space):
    """One of several options, all equally likely.

    Args:
        options: the options.
        ordered: whether neighboring options are similar.
        log: whether they are numbers evenly spaced on a log scale.
        name: as in `Space`.
        words: the labels of the options, if given.
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

    def value_at(self, fraction: float) -> int:
        """Return the index of the option at `fraction`."""
        return min(int(fraction * len(self.options)), len(self.options) - 1)

    def contains(self, value: Value) -> bool:
        """Whether a number is the index of an option."""
        return value == int(value) and 0 <= value < len(self.options)

    def option(self, value: Value) -> Any:
        """Return the option at an index."""
        return self.options[int(value)]

    def label(self, value: Value) -> Any:
        """Return the label of the option at an index."""
        return self.labels[int(value)]

    @property
    def labels(self) -> list[Any]:
        """The labels of the options: numbers and strings as they are, settings by class name."""
        if self.words:
            return list(self.words)
        labels = [_label(option, index) for index, option in enumerate(self.options)]
        if len(set(map(str, labels))) < len(labels):
            labels = [o if _is_plain(o) else repr(o) for o in self.options]
        return labels

    @property
    def size(self) -> int:
        """The number of options."""
        return len(self.options)

    def __repr__(self) -> str:
        return f"choice({', '.join(self.words or map(repr, self.options))})"


class Range(Space):
    """The numbers from `low` to `high`: uniform, log-uniform, or whole numbers."""

    def __init__(
        self, low: Any, high: Any, log: bool = False, whole: bool = False, name: Any = None
    ) -> None:
        super().__init__(name)
        self.low, self.high, self.log, self.whole = low, high, log, whole
        self.low, self.high = _checked_bounds(repr(self), low, high, log, whole)

    def value_at(self, fraction: float) -> Value:
        """Return the number at `fraction` of the range, within its ends whatever rounding does."""
        low, high = float(self.low), float(self.high)
        if self.whole:
            # `int` would round negative numbers up.
            return min(math.floor(self.low + fraction * (self.high - self.low + 1)), int(self.high))
        value = low + fraction * (high - low)
        if self.log:
            value = math.exp(math.log(low) + fraction * (math.log(high) - math.log(low)))
        return min(max(value, low), high)

    def contains(self, value: Value) -> bool:
        """Whether a number is in the range, ends included."""
        return bool(self.low <= value <= self.high) and (not self.whole or value == int(value))

    @property
    def size(self) -> int | None:
        """The number of whole numbers; None for a continuous range."""
        return int(self.high - self.low + 1) if self.whole else None

    def __repr__(self) -> str:
        kind = "int_uniform" if self.whole else "log_uniform" if self.log else "uniform"
        return f"{kind}({self.low!r}, {self.high!r})"


@explain_arguments
def choice(*options: Any, name: str | None = None) -> Any:
    """Return the space of some options: `choice(64, 128)`, `choice("relu", "tanh")`.

    An option can be anything that is valid there, and can contain spaces, which are active only if
    it is chosen: `choice(SGD(momentum=uniform(0, 0.9)), Adam())`. A single list or range stands for
    its items, and a single dict for its values, labeled by its keys. Choices with the same name and
    number of options are one hyperparameter: they take the option at the same index.

    Raises:
        GradusError: for no options.

    Examples:
        >>> activation = gr.choice("relu", "tanh")
        >>> gr.Dense(64, activation).activation.labels
        ['relu', 'tanh']
        >>> gr.choice({"small": 16, "large": 512}).labels
        ['small', 'large']
    """
    words: tuple[str, ...] = ()
    if len(options) == 1 and isinstance(options[0], Mapping):
        words, options = tuple(map(str, options[0])), tuple(options[0].values())
    elif len(options) == 1 and isinstance(options[0], list | tuple | range):
        options = tuple(options[0])
    return Choice(options, name=name, words=words)


@explain_arguments
def uniform(low: float, high: float, name: str | None = None) -> Any:
    """Return the space of the numbers from `low` to `high`, uniformly distributed.

    Raises:
        GradusError: for anything but numbers, or if `low` is more than `high`.

    Examples:
        >>> rate = gr.uniform(0.0, 0.5)
        >>> gr.Dropout(rate).rate
        uniform(0.0, 0.5)
        >>> rate.value_at(0.5)
        0.25
    """
    return Range(low, high, name=name)


@explain_arguments
def log_uniform(low: float, high: float, name: str | None = None) -> Any:
    """Return the space of the numbers from `low` to `high`, uniformly distributed on a log scale.

    Raises:
        GradusError: for numbers that are not above 0, or if `low` is more than `high`.

    Examples:
        >>> round(gr.log_uniform(1e-4, 1e-2).value_at(0.5), 6)
        0.001
    """
    return Range(low, high, log=True, name=name)


@explain_arguments
def int_uniform(low: int, high: int, name: str | None = None) -> Any:
    """Return the space of the whole numbers from `low` to `high`, both included.

    Raises:
        GradusError: for anything but whole numbers, or if `low` is more than `high`.

    Examples:
        >>> layers = gr.int_uniform(1, 3)
        >>> [layers.value_at(fraction) for fraction in (0.0, 0.5, 0.99)]
        [1, 2, 3]
    """
    return Range(low, high, whole=True, name=name)


@explain_arguments
def linspace(low: float, high: float, count: int, name: str | None = None) -> Any:
    """Return the space of `count` evenly spaced numbers from `low` to `high`.

    Raises:
        GradusError: as `uniform`, or for a count below 2.

    Examples:
        >>> gr.linspace(0, 1, 5).options
        (0.0, 0.25, 0.5, 0.75, 1.0)
    """
    return _spaced_choice("linspace", low, high, count, name)


@explain_arguments
def logspace(low: float, high: float, count: int, name: str | None = None) -> Any:
    """Return the space of `count` numbers from `low` to `high`, evenly spaced on a log scale.

    Unlike NumPy's `logspace` it takes the numbers, not their exponents: `logspace(1e-4, 1e-1, 4)`.

    Raises:
        GradusError: as `log_uniform`, or for a count below 2.

    Examples:
        >>> gr.logspace(1e-4, 1e-1, 4).options
        (0.0001, 0.001, 0.01, 0.1)
    """
    return _spaced_choice("logspace", low, high, count, name)


def given_values(argument: Any) -> Iterator[Any]:
    """Yield an argument unless it is a space, whose values are checked when a trial is made."""
    if not isinstance(argument, Space):
        yield argument


def _spaced_choice(kind: str, low: Any, high: Any, count: Any, name: str | None) -> Choice:
    call, log = f"{kind}({low!r}, {high!r}, {count!r})", kind == "logspace"
    bounds = Range(*_checked_bounds(call, low, high, log), log=log)
    steps = as_index(count)
    if steps is None or not 2 <= steps <= MAX_COUNT:
        raise GradusError(f"{call}: write a count of at least 2 and at most {MAX_COUNT}.")
    first, last = float(bounds.low), float(bounds.high)
    inner = [bounds.value_at(index / (steps - 1)) for index in range(1, steps - 1)]
    # As a person would write them: 1e-05, not 1.0000000000000016e-05.
    largest = max(abs(first), abs(last))
    inner = [_rounded(value, value if log else largest) for value in inner]
    return Choice((first, *inner, last), ordered=True, log=log, name=name)


def _rounded(value: float, scale: float) -> float:
    """Return a number rounded to the twelfth digit of `scale`."""
    # Adding zero turns -0.0 into 0.0.
    return round(value, 11 - math.floor(math.log10(scale))) + 0.0 if scale else value


def _label(option: Any, index: int) -> Any:
    if _is_plain(option):
        return option
    if is_configurable(option):
        return type(option).__name__
    text = str(getattr(option, "__name__", None) or repr(option))
    return text if len(text) <= MAX_LABEL and "\n" not in text else f"option {index}"


def _is_plain(option: Any) -> bool:
    return option is None or isinstance(option, bool | int | float | str)


def _checked_bounds(
    call: str, low: Any, high: Any, log: bool, whole: bool = False
) -> tuple[Any, Any]:
    """Return the bounds of a range as Python numbers, or raise an error that quotes `call`."""
    for bound in (low, high):
        wrong = isinstance(bound, bool) or not isinstance(bound, Integral if whole else Real)
        if wrong or not math.isfinite(bound):
            kind = "whole numbers" if whole else "numbers"
            raise GradusError(f"{call}: write two {kind}, the lowest and the highest.")
    if log and low <= 0:
        raise GradusError(
            f"{call}: a logarithm needs numbers above 0 (the numbers, not their exponents); write "
            "a small one such as 1e-6 for the lowest, or use uniform for a range that includes 0."
        )
    if low > high:
        raise GradusError(f"{call}: the lowest is more than the highest; write ({high}, {low}).")
    plain = [int(bound) if isinstance(bound, Integral) else float(bound) for bound in (low, high)]
    return plain[0], plain[1]
