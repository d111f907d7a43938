"""A batch as it was yielded: its inputs, targets, and weights, checked."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from gradus.errors import DataError, nearest
from gradus.models.inputs.training_data import check_arrays
from gradus.train.batches import Samples


def checked_batch(item: Any, y: str | None, name: str, number: int, part: str = "") -> Samples:
    """Return a batch as arrays, all finite and of one length.

    Args:
        item: `x`, `(x, y)`, `(x, y, weight)`, also as a list, or a dict with the targets in it.
        y: the key of the targets in a dict, or None.
        name: what yielded it.
        number: of the batch.
        part: of the data, what errors say before "x": "validation ".

    Raises:
        DataError: saying what of the batch is invalid, and why.
    """
    where = f"{part}x of batch {number}", f"{part}y of batch {number}"
    parts = _batch_parts(item, y, name, number)
    if _has_single_value(parts[0]) or _has_single_value(parts[1]):
        raise DataError(
            f"Item {number} of {name} is a single sample, not a batch: its first axis must be "
            "rows. A tf.data.Dataset has .batch(32) for it, a DataLoader batch_size=32; a "
            "function yields x[i : i + 32], y[i : i + 32]."
        )
    return Samples(*check_arrays(*parts, where))


def _has_single_value(part: Any) -> bool:
    """Whether there is a number in place of an array, alone or as one of several arrays."""
    part = tuple(part.values()) if isinstance(part, dict) else part
    values = part if isinstance(part, tuple) else (part,)
    return any(isinstance(v, int | float) or getattr(v, "ndim", None) == 0 for v in values)


def _batch_parts(item: Any, y: str | None, name: str, number: int) -> tuple[Any, Any, Any]:
    """Return inputs, targets, and weights of a batch as it was yielded.

    Raises:
        DataError: for a dict without that key, something else if a key was given, or a tuple of
            more than inputs, targets, and weights.
    """
    if y is not None:
        if not isinstance(item, dict) or y not in item:
            keys = f"the keys {', '.join(map(repr, item))}" if isinstance(item, dict) else "no keys"
            close = nearest(y, item) if isinstance(item, dict) else None
            hint = f" Did you mean {close!r}?" if close else ""
            raise DataError(f"y={y!r}: batch {number} of {name} has {keys}.{hint}")
        if len(item) == 1:
            raise DataError(f"Batch {number} of {name} has no inputs, only {y!r}.")
        rest = {key: value for key, value in item.items() if key != y}
        return rest if len(rest) > 1 else next(iter(rest.values())), item[y], None
    if isinstance(item, list | tuple) and 1 <= len(item) <= 3:
        x, targets, weight = (*item, None, None)[:3]
        return x, targets, weight
    if isinstance(item, tuple):
        raise DataError(
            f"Batch {number} of {name} is a tuple of {len(item)}: yield (x, y) or (x, y, weight), "
            "several inputs as ((a, b), y)."
        )
    return item, None, None


def concatenated(parts: list[Samples]) -> Samples:
    """Return batches as one; the rows of their arrays must agree in shape.

    Raises:
        DataError: if they do not.
    """
    shapes = [jax.tree.map(lambda array: array.shape[1:], part) for part in parts]
    for number, part in enumerate(shapes):
        for key, first, other in zip(("x", "y", "weight"), shapes[0], part, strict=True):
            if first != other:
                raise DataError(
                    f"The rows of {key} have shape {first} in batch 0, but {other} in batch "
                    f"{number}: make them alike, as by resizing images or padding sequences."
                )
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)
