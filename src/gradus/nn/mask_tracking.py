"""Which steps of a sequence are real: masks that travel with the arrays that they belong to.

Sequences of several lengths lie in one array `(batch, steps, ...)`, filled up at the end. The
layer that knows which steps only fill (`Masking`, `Embedding(mask_zero=True)`) notes a mask
`(batch, steps)`, true where a step is real; a layer whose `call` has an argument `mask` is given
it, and every other layer hands it on with an output that still has those steps. As with heads,
an array is known by its identity while one network is called:

    with following():
        note(x, mask)
        y = layer(x)
        mask_of(y)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

# The array is held too: while it lives, no other object can have its `id`.
_masks: ContextVar[dict[int, tuple[Any, Any]] | None] = ContextVar("gradus_masks", default=None)


@contextmanager
def tracking() -> Iterator[None]:
    """Follow masks within the block; an inner block is part of the outer one."""
    if _masks.get() is not None:
        yield
        return
    token = _masks.set({})
    try:
        yield
    finally:
        _masks.reset(token)


def set_mask(array: Any, mask: Any) -> None:
    """Say that `mask`, `(batch, steps)`, belongs to `array`, `(batch, steps, ...)`."""
    known = _masks.get()
    if known is not None:
        known[id(array)] = (mask, array)


def get_mask(*arrays: Any) -> Any:
    """Return the mask of the first array that has one, or None."""
    known = _masks.get() or {}
    found = (known[id(array)][0] for array in arrays if id(array) in known)
    return next(found, None)


def propagate(mask: Any, output: Any) -> None:
    """Note the mask for an output that has its steps still, and no mask of its own."""
    if mask is None or get_mask(output) is not None:
        return
    if getattr(output, "ndim", 0) > 2 and output.shape[:2] == mask.shape:
        set_mask(output, mask)
