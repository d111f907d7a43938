"""Encoded columns, side by side, as the inputs of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

ROWS_IN_CACHE = 2_048  # that become a matrix at once


def network_inputs(numbers: Sequence[np.ndarray], codes: Sequence[np.ndarray], rows: int) -> Any:
    """Return encoded columns as the inputs of a network.

    Args:
        numbers: of the columns that became numbers, each (rows, …).
        codes: of those that are embedded, each (rows,).
        rows: how many there are.

    Returns:
        float32 (rows, p); with codes the dict `{"numbers": float32 (rows, p), "categories": int32
        (rows, k)}`, without "numbers" if there are none.
    """
    if not codes:
        return _side_by_side(numbers, rows)
    categories = {"categories": np.stack(codes, axis=1)}
    return {"numbers": _side_by_side(numbers, rows), **categories} if numbers else categories


def _side_by_side(blocks: Sequence[np.ndarray], rows: int) -> np.ndarray:
    """Return blocks (rows, k) as one matrix; few rows at a time, which stay in the cache."""
    matrix = np.empty((rows, sum(block.shape[1] for block in blocks)), np.float32)
    for start in range(0, rows if blocks else 0, ROWS_IN_CACHE):
        part = slice(start, start + ROWS_IN_CACHE)
        np.concatenate([block[part] for block in blocks], axis=1, out=matrix[part])
    return matrix
