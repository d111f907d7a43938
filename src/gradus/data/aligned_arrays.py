"""Arrays whose memory XLA uses in place on the CPU."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

ALIGNMENT = 64  # bytes; XLA requires it of an array on the CPU
LARGE = 1 << 25  # bytes that two threads copy


def aligned(array: Any, dtype: Any = None) -> Any:
    """Return an array whose memory begins at a multiple of 64 bytes, copied only if necessary.

    JAX puts such an array on the CPU device without a copy; it copies NumPy's own arrays, which
    are aligned to 16 bytes. Anything but a NumPy array is returned unchanged.

    Args:
        array: any array.
        dtype: the type to convert to, or None.
    """
    if not isinstance(array, np.ndarray):
        return array
    dtype = np.dtype(array.dtype if dtype is None else dtype)
    if array.dtype == dtype and array.ctypes.data % ALIGNMENT == 0 and array.flags.c_contiguous:
        return array
    copy = empty_aligned(array.shape, dtype)
    if array.dtype != dtype or copy.nbytes < LARGE:
        copy[...] = array
        return copy
    half = len(array) // 2
    with ThreadPoolExecutor(1) as pool:  # one core reads and writes at half the rate of two
        rest = pool.submit(np.copyto, copy[half:], array[half:])
        copy[:half] = array[:half]
        rest.result()
    return copy


def empty_aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an array of undefined values whose memory begins at a multiple of 64 bytes."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)
