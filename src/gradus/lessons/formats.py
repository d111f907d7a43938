"""How the numbers of a lesson are written, on the terminal and on its page."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from gradus.report import style

MINUS = str.maketrans("-", "−")


def format_label(name: str) -> str:
    """Return a name in words: "test_accuracy" is "test accuracy"."""
    return name.replace("_", " ")


def format_lesson_number(name: str, value: Any) -> str:
    """Return one number as people read it: a share as a percentage, others with four digits."""
    return format_column(name, [value])[0]


def format_column(name: str, values: Sequence[Any]) -> list[str]:
    """Return the cells of a table's column, its numbers with as many digits after the point.

    Numbers that lie more than a factor of a hundred apart get four digits each instead.

    Args:
        name: the column's; with "accuracy", "probability" or "share" in it, and values in
            [0, 1], it holds percentages.
        values: numbers, words or None.
    """
    plain = [_plain(value) for value in values]
    spec = _spec(name, plain)
    return [_written(value, spec) for value in plain]


def format_table(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the columns of a table, each a list of cells; what a row lacks stays empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: format_column(name, [row.get(name) for row in rows]) for name in names}


def numeric(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Return whether a column holds numbers, which stand to the right."""
    return any(_is_number(_plain(row.get(name))) for row in rows)


def _spec(name: str, values: Sequence[Any]) -> str:
    sizes = [abs(float(value)) for value in values if _is_number(value) and math.isfinite(value)]
    words = style.axis_label(name).lower().split()
    if {"accuracy", "share", "probability"} & set(words) and all(size <= 1 for size in sizes):
        return ".1%"
    if all(size.is_integer() and size < 1e9 for size in sizes):
        return ",.0f"
    nonzero = [size for size in sizes if size]
    most, least = max(nonzero), min(nonzero)
    if most >= 1e9 or least < 1e-4 or most / least > 100:
        return ".4g"
    return f",.{max(0, 3 - math.floor(math.log10(most)))}f"


def _written(value: Any, spec: str) -> str:
    if value is None:
        return ""
    if not _is_number(value):
        return "yes" if value is True else "no" if value is False else str(value)
    if not math.isfinite(value):
        return "not finite"
    if spec == ".4g" and 1e4 <= abs(value) < 1e9:
        spec = ",.0f"
    written = f"{float(value) + 0.0:{spec}}".translate(MINUS)
    return re.sub(r"e(\+|−)0?", lambda found: "e" + found[1].strip("+"), written)


def _plain(value: Any) -> Any:
    """Return an array's or NumPy's number as Python's."""
    return value.item() if hasattr(value, "item") else value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
