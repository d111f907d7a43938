"""The errors and warnings that users see, and helpers for their messages."""

from __future__ import annotations

import difflib
import os
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

PACKAGE = f"{Path(__file__).parent}{os.sep}"
MOST_ABSENT = 10  # missing columns that an error names, besides the first
OTHER_WORDS = {
    "lr": "learning_rate",
    "wd": "weight_decay",
    "bs": "batch_size",
    "int": "number",
    "integer": "number",
    "float": "number",
    "id": "identifier",
    "bayes": "tpe",
    "bayesian": "tpe",
    "optuna": "tpe",
}  # which no likeness of letters leads to


class GradusError(ValueError):
    """An invalid input; the message says what was given, where, and what to write instead.

    Examples:
        >>> try:
        ...     gr.uniform(1, 0)
        ... except gr.GradusError as error:
        ...     print(error)
        uniform(1, 0): the lowest is more than the highest; write (0, 1).
    """


class ArgumentError(GradusError, TypeError):
    """An argument that a class or a function does not have; the message says which it has."""


class DataError(GradusError):
    """Invalid data, or a data file that cannot be read."""


class UnknownCodeError(DataError):
    """A code for which an embedding has no vector; the message names it and its row."""


class FaultError(GradusError):
    """A fault of an experiment, found before its training, that `fit(…, strict=True)` refuses.

    Attributes:
        code: of the finding, such as "softmax-of-one".
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class ShapeError(GradusError):
    """Two shapes do not match; the message names the layer and both shapes."""


class SavedError(GradusError):
    """A saved run or weights file that cannot be read or written, or does not match."""


class TooLargeError(GradusError):
    """A network, or data, that do not fit into memory."""


def nearest(name: str, names: Iterable[str], cutoff: float = 0.5) -> str | None:
    """Return the valid name closest to `name`, or None if none is close.

    Args:
        name: what was written.
        names: the valid names.
        cutoff: the least likeness, from 0 to 1; more where many names are valid.
    """
    lowered = {candidate.lower(): candidate for candidate in names}
    key = str(name).lower()
    if OTHER_WORDS.get(key) in lowered:
        return lowered[OTHER_WORDS[key]]
    begun = [name for name in lowered if len(key) > 2 and name.startswith(key)]
    if begun:
        return lowered[min(begun, key=len)]  # "acc" is short for "accuracy"
    swapped = [name for name in lowered if sorted(name) == sorted(key)]
    words = set(key.split("_"))
    longer = [name for name in lowered if len(words) > 1 and words <= set(name.split("_"))]
    matches = swapped or longer or lowered
    matches = difflib.get_close_matches(key, matches, n=1, cutoff=cutoff)
    return lowered[matches[0]] if matches else None


def unknown(kind: str, name: object, names: Iterable[str]) -> GradusError:
    """Return the error for an unknown name, with the nearest valid name and all of them."""
    names = sorted(names)
    close = nearest(str(name), names)
    hint = f" Did you mean {close!r}?" if close else ""
    return GradusError(f"Unknown {kind} {name!r}.{hint} Known: {', '.join(names)}.")


def no_column(name: object, columns: Iterable[str], kind: str = "column") -> DataError:
    """Return the error for a column, or a list of them, that a table lacks; with the nearest."""
    columns = list(columns)
    first, *others = name if isinstance(name, list) else [name]
    close = nearest(str(first), columns)
    hint = f" Did you mean {close!r}?" if close else ""
    more = ""
    if others:
        listed = ", ".join(map(repr, others[:MOST_ABSENT])) + ", …" * (len(others) > MOST_ABSENT)
        more = f" Nor has it {listed}: {len(others) + 1} columns are missing."
    shown = ", ".join(columns[:30]) + (", …" if len(columns) > 30 else "")
    return DataError(f"The table has no {kind} {first!r}.{hint}{more} Its columns: {shown}.")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 epoch", "2,000 epochs"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def four_digits(value: float) -> str:
    """Return a number for people to read, with an exponent from a billion on.

    >>> four_digits(0.12345), four_digits(337_281.0), four_digits(-3e12)
    ('0.1235', '337,300', '-3e+12')
    """
    return f"{float(f'{value:.4g}'):,.9g}"


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the caller that is outside gradus, however deep it is called from."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
