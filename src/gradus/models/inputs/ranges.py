"""Whether new inputs are in the range of those that a network was trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.data.array_trees import named_leaves
from gradus.diagnosis.findings import three_digits
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import InputRecord

FEWEST = 16  # numbers of a sample: of fewer, one may be meant to lie beyond all others
VALUES = 100_000  # that are looked at
BEYOND, TIMES = 0.5, 8.0  # more than this share of the numbers, and the largest so many times
UNIT = 1.0  # where scaled pixels end
BYTES = 100.0  # and what the largest of unscaled ones reaches


def range_note(record: Record | None, x: Any) -> str | None:
    """Return a note on inputs of another range than those of the training; None for none.

    They are too large if more than `BEYOND` of the numbers but 0 lie beyond all of the training,
    the largest by more than `TIMES`; too small if they are shares of `UNIT`, where training had
    bytes. Anything less may be another sample.

    Args:
        record: of the training, or None.
        x: the new inputs.
    """
    trained = {each.name: each for each in record.inputs} if record is not None else {}
    for name, leaf in named_leaves(x, "x"):
        before = trained.get(name)
        if before is None or before.columns < FEWEST or leaf[:1].size != before.columns:
            continue
        numbers = np.ravel(leaf[:: max(1, leaf.size // VALUES)]).astype(np.float64)
        if not numbers.size or not np.isfinite(numbers).all():
            continue
        if (_is_larger(numbers, before) or _is_smaller(numbers, before)) and before.maximum > 0:
            now, then = (
                f"between {three_digits(low)} and {three_digits(high)}"
                for low, high in ((numbers.min(), numbers.max()), (before.minimum, before.maximum))
            )
            return (
                f"{name} is {now}, but the network was trained on inputs {then}: prepare new "
                "samples as those of training, with the same divisor, mean, and deviation."
            )
    return None


def _is_larger(numbers: np.ndarray, before: InputRecord) -> bool:
    largest = max(abs(before.minimum), abs(before.maximum))
    if np.abs(numbers).max() <= TIMES * largest:
        return False
    others = numbers[numbers != 0]
    return bool(np.mean((others < before.minimum) | (others > before.maximum)) > BEYOND)


def _is_smaller(numbers: np.ndarray, before: InputRecord) -> bool:
    if before.minimum < 0 or before.maximum < BYTES:
        return False
    are_shares = numbers.min() >= 0 and numbers.max() <= UNIT
    return bool(are_shares and ((numbers > 0) & (numbers < UNIT)).any())
