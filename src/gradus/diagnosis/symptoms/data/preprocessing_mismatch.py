"""Validation inputs that were prepared otherwise than those of training.

The medians over the columns of the ratio of their mean absolute deviations, and of the distance of
their means. A fault where that ratio is above `PROVED`, as of pixels that were divided by 255 in
one part only, or above `MANY_PROVED` in `MANY` columns or more, or where validation is judged worse
than a constant while training is learned; a note from `SCALE` or `MOVE` on, beyond `ERRORS`
standard errors of a column. The columns of windows that overlap are one series, and later rows of a
series may differ by themselves: there, only `PROVED` is proof. Nothing is a fault where less than
`gradus.diagnosis.record.HIGH` of a constant's loss is left in validation. Source: Breck et al.,
"Data validation for machine learning" (2019), "training-serving skew".
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradus.diagnosis.comparison import Shift
from gradus.diagnosis.findings import Finding, three_digits
from gradus.diagnosis.record import HIGH, Record

CATEGORY = "preprocessing-mismatch"
PROVED, COLUMNS = 10.0, 2  # times, in at least so many columns
MANY_PROVED, MANY = 2.5, 5
SCALE, MOVE, ERRORS = 1.7, 2.0, 2.0
ALIKE = 0.3  # of neighboring rows, above which their order tells something


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for each array of inputs that has another scale or mean."""
    for compared in record.comparisons:
        for shift in compared.shifts:
            yield from _find_in(record, compared.part, shift)


def _find_in(record: Record, part: str, shift: Shift) -> Iterator[Finding]:
    factor = max(shift.scale, 1 / shift.scale)
    noise = ERRORS * shift.noise
    is_scaled = math.log(factor) > math.log(SCALE) + noise
    if not is_scaled and shift.move <= MOVE + noise:
        return
    is_series = shift.overlaps or shift.likeness > ALIKE
    is_worse = part == "validation" and not is_series and _is_worse(record)
    proved = MANY_PROVED if shift.columns >= MANY and not shift.overlaps else PROVED
    is_proved = factor > proved * math.exp(noise) and shift.columns >= COLUMNS
    left = record.unseen if part == "validation" else None
    does_well = left is not None and left < HIGH
    yield Finding(
        message=(
            f"The {part} inputs {shift.name} vary {three_digits(shift.scale)} times as much as "
            f"those of training, and their means are {three_digits(shift.move)} deviations away."
            if is_scaled
            else f"The means of the {part} inputs {shift.name} are {three_digits(shift.move)} "
            "deviations away from those of training."
        ),
        why=(
            "To the network, these are not the inputs it learned from. "
            + (
                f"But it predicts their targets: {left:.0%} of a constant's loss is left."
                if does_well
                else f"Its {part} score says nothing about what it can do."
            )
        ),
        remedy=(
            "Preprocess both alike, with the training statistics: for x / 255 or (x - mean) / "
            "std, use the same 255, mean, and std for both."
        ),
        severity="fault" if (is_proved or is_worse) and not does_well else "note",
        evidence=_evidence(shift, is_scaled),
    )


def _evidence(shift: Shift, is_scaled: bool) -> dict[str, dict[str, float | None]]:
    if is_scaled:
        limit = SCALE if shift.scale > 1 else 1 / SCALE
        return {"deviation / training's": {"value": shift.scale, "threshold": limit}}
    return {"distance of the means / deviation": {"value": shift.move, "threshold": MOVE}}


def _is_worse(record: Record) -> bool:
    """Whether validation is judged worse than a constant, while training is learned."""
    training = record.training
    constant = record.constant
    if training is None or training.validation_loss is None or not constant or not record.learned:
        return False
    return bool(training.validation_loss[-training.last :].mean() - training.penalty > constant)
