"""Which rows are held out, by their number alone."""

from __future__ import annotations

import numpy as np


def is_held_out(rows: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return whether rows are held out, each with the probability `share`.

    A row is, if a hash of its number and the seed (SplitMix64; Steele, Lea & Flood 2014) is small:
    the same rows in whatever parts they are read.

    Args:
        rows: their numbers, uint64 (n,).
        share: the fraction held out.
        seed: of the choice.

    Examples:
        >>> rows = np.arange(1000, dtype=np.uint64)
        >>> int(is_held_out(rows, 0.25, seed=0).sum())
        251
    """
    mixed = rows + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return mixed < np.uint64(int(share * 2**64))
