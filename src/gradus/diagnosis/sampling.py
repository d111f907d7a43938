"""The rows that statistics look at, where there are many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradus.rng import host_rng

if TYPE_CHECKING:
    from jaxtyping import Int

SAMPLES = 2_000  # at most so many rows are looked at


def sampled(array: np.ndarray) -> np.ndarray:
    """Return at most `SAMPLES` rows, drawn without regard to an order that the rows may have."""
    return array if len(array) <= SAMPLES else array[drawn_rows(len(array), SAMPLES)]


def drawn_rows(count: int, most: int) -> Int[np.ndarray, "rows"]:
    """Return the numbers of at most so many of some rows."""
    if count <= most:
        return np.arange(count)
    return np.sort(host_rng(0, "record").choice(count, most, replace=False))
