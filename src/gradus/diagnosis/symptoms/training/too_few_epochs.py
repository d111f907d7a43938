"""A training that ends while the loss is falling, with much of it left.

The fall of the loss over the last quarter, above `FALLS` of what was left before, while more than
`REMAINS` of the loss of the best constant prediction remains. A training that early stopping ended
is long enough. Source: Google's tuning playbook; alone, the first rule would fire on most sound
trainings.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.symptoms.training import rate_low

CATEGORY = "too-few-epochs"
UNLESS = (*rate_low.UNLESS, "rate-low")
FALLS, REMAINS = 0.15, 0.3
SHORT, SHORT_FALLS, SHORT_REMAINS = 5, 0.02, 0.6  # with so few epochs, or nothing learned


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if the loss was still falling at the end, and much of it remained."""
    training, remaining = record.training, record.remaining
    if training is None or remaining is None or remaining < REMAINS or not record.is_long:
        return
    is_short = training.epochs < SHORT and remaining > SHORT_REMAINS
    falls = SHORT_FALLS if is_short or record.learned is False else FALLS
    if training.stopped in ("diverged", "patience", "target") or training.fell < falls:
        return
    yield Finding(
        message=(
            f"After {training.epochs} epochs the loss was still falling: by {training.fell:.0%} in "
            "the last quarter."
        ),
        why=(
            f"{remaining:.0%} of the loss of a constant prediction is left. More training is the "
            "simplest remedy."
        ),
        remedy=f"Write epochs={4 * training.epochs}, and patience to end it in time.",
        kind="dynamic",
        epoch=training.epochs,
        evidence={
            "fall in the last quarter": {"value": training.fell, "threshold": falls},
            "loss / constant's": {"value": remaining, "threshold": REMAINS},
        },
    )
