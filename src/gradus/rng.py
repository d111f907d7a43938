"""Random numbers on the host: NumPy's Philox generator, keyed by a seed and a purpose."""

from __future__ import annotations

import hashlib

import numpy as np

from gradus.errors import DataError


def host_rng(seed: int, *purpose: str) -> np.random.Generator:
    """Return a Philox generator that is the same on every machine.

    Args:
        seed: any integer.
        purpose: words that distinguish this stream from others with the same seed.
    """
    digest = hashlib.sha256("/".join((str(int(seed)), *purpose)).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def seeded_rng(seed: int) -> np.random.Generator:
    """Return the Philox generator for a user's seed, the same on every machine.

    Raises:
        DataError: if `seed` is not a whole number of at least 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError(f"seed={seed!r}: write a whole number of at least 0.")
    return np.random.Generator(np.random.Philox(int(seed)))
