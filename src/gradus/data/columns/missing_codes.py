"""Numbers that stand for a missing value, such as -999, which a network takes for numbers."""

from __future__ import annotations

import re

import numpy as np

NINES = re.compile(r"-?99+(\.9+)?")
FEWEST = 2  # cells that hold the number


def code_note(name: str, values: np.ndarray) -> str | None:
    """Return a note on a number of nines that is far from all others of a column, or None.

    It is the least or the largest number, stands in several cells, and is further from the next
    one than the others are from each other.

    Args:
        name: of the column.
        values: float64 (n,), NaN where a cell is missing.
    """
    numbers = values[~np.isnan(values)]
    for code in (numbers.min(), numbers.max()) if numbers.size else ():
        if not NINES.fullmatch(f"{code:.10g}"):
            continue
        others = numbers[numbers != code]
        count = len(numbers) - len(others)
        if not others.size:
            return None
        if count >= FEWEST and np.abs(others - code).min() > np.ptp(others) > 0:
            return (
                f"column {name!r} is {code:.10g} in {count} rows, far from all its other numbers; "
                f"if that means a missing value, say so: missing=['{code:.10g}']"
            )
    return None
