"""Formats the numbers of a lesson for the terminal and for its page."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from gradus.drawing import style

MINUS = str.maketrans("-", "−")
RAISED = str.maketrans("-−0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
EXPONENT = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)e\+?([-−]?)0*(\d+)(?!\w)")


def format_lesson_number(name: str, value: Any) -> str:
    """Format one number: accuracies and shares as percentages, others with four digits."""
    return format_column(name, [value])[0]


def powers_of_ten(text: str) -> str:
    """Write numbers as people do: "9.7e-11" as "9.7 × 10⁻¹¹", and "1e-05" as "10⁻⁵".

    >>> powers_of_ten("less than 1e-05 of 2.5e+09")
    'less than 10⁻⁵ of 2.5 × 10⁹'
    """

    def raised(number: re.Match[str]) -> str:
        factor = "" if float(number[1]) == 1 else f"{number[1]} × "
        return f"{factor}10{(number[2] + number[3]).translate(RAISED)}"

    return EXPONENT.sub(raised, text)


def format_column(name: str, values: Sequence[Any]) -> list[str]:
    """Format the cells of a table column, all with the same number of decimals.

    Numbers more than a factor of a hundred apart get four significant digits each instead. There
    are no more decimals than the numbers have.

    Args:
        name: the column name; if it contains "accuracy", "probability", or "share", and all
            values are in [0, 1], they become percentages.
        values: numbers, text, or None.
    """
    converted = [_to_python(value) for value in values]
    spec = _format_spec(name, converted)
    return [_format(value, spec) for value in converted]


def format_table(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the columns of a table as lists of cells; missing values are empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: format_column(name, [row.get(name) for row in rows]) for name in names}


def is_numeric(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Return whether a column holds numbers, which are right-aligned."""
    return any(_is_number(_to_python(row.get(name))) for row in rows)


def _format_spec(name: str, values: Sequence[Any]) -> str:
    sizes = [abs(float(value)) for value in values if _is_number(value) and math.isfinite(value)]
    words = style.axis_label(name).lower().split()
    if {"accuracy", "share", "probability"} & set(words) and all(size <= 1 for size in sizes):
        return ".1%"
    if all(size.is_integer() and size < 1e9 for size in sizes):
        return ",.0f"
    nonzero = [size for size in sizes if size]
    largest, smallest = max(nonzero), min(nonzero)
    if largest >= 1e9 or smallest < 1e-4 or largest / smallest > 100:
        return ".4g"
    places = max(0, 3 - math.floor(math.log10(largest)))
    needed = [str(round(size, places)).partition(".")[2] for size in sizes]
    return f",.{min(places, max(len(digits) for digits in needed))}f"


def _format(value: Any, spec: str) -> str:
    if value is None:
        return ""
    if not _is_number(value):
        return "yes" if value is True else "no" if value is False else str(value)
    if not math.isfinite(value):
        return "not finite"
    if spec == ".4g" and 1e4 <= abs(value) < 1e7:
        spec = ",.0f"
    return powers_of_ten(f"{float(value) + 0.0:{spec}}".translate(MINUS))


def _to_python(value: Any) -> Any:
    """Convert a NumPy or JAX scalar to a Python number."""
    return value.item() if hasattr(value, "item") else value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
