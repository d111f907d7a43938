"""A training that ends while the loss is falling, with much of it left.

The fall of the loss over the last quarter, above `FALLS` of what was left before, while more than
`REMAINS` of the loss of the best constant prediction remains, or a linear model is clearly better.
Without the latter, a training that early stopping ended is long enough. Where only curves are
known, the first loss stands for that of the constant, and it is a note. Source: Google's tuning
playbook; alone, the first rule would fire on most sound trainings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.symptoms.training import rate_low
from gradus.diagnosis.training import FEW, TrainingRecord
from gradus.errors import counted

CATEGORY = "too-few-epochs"
UNLESS = (*rate_low.UNLESS, "rate-low", "oscillation", "hidden-squashing", "recurrent-gradient")
FALLS, REMAINS = 0.15, 0.3
ADVERSARIAL = 200  # steps of a GAN, of which fewer tell nothing
ENDED = ("diverged", "patience", "target", "interrupted")  # not by the number of epochs
SHORT, SHORT_FALLS, SHORT_REMAINS = 5, 0.02, 0.6  # with so few epochs, or nothing learned


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if the loss was still falling at the end, and much of it remained."""
    training, remaining = record.training, record.remaining
    if record.curves is not None:
        yield from _find_in_curve(record, record.curves)
    if training is None or remaining is None:
        return
    if record.generated is not None:
        yield from _find_in_generated(record, training)
        return
    trails, is_impatient = record.trails, training.stopped == "patience"
    is_clear = record.is_long or training.epochs >= FEW
    if not trails and (remaining < REMAINS or not is_clear):
        return
    is_short = training.epochs < SHORT and remaining > SHORT_REMAINS
    falls = SHORT_FALLS if is_short or record.learned is False else FALLS
    if (training.stopped in ENDED and not (trails and is_impatient)) or training.fell < falls:
        return
    ended = "early stopping ended it while the loss" if is_impatient else "the loss"
    yield Finding(
        message=(
            f"After {counted(training.epochs, 'epoch')} {ended} was still falling: by "
            f"{training.fell:.0%} in the last quarter."
        ),
        why=(
            f"{remaining:.0%} of the loss of a constant prediction is left. More training is the "
            "simplest remedy."
        ),
        remedy=(
            "Write a larger patience, and leave min_delta out."
            if is_impatient
            else f"Write epochs={4 * training.epochs}, and patience=10 to end it in time."
        ),
        kind="dynamic",
        epoch=training.epochs,
        chart=loss_chart(record),
        evidence={
            "fall in the last quarter": {"value": training.fell, "threshold": falls},
            "loss / constant's": {"value": remaining, "threshold": REMAINS},
        },
    )


def _find_in_generated(record: Record, training: TrainingRecord) -> Iterator[Finding]:
    """Yield a fault if a generator that does not know the data yet has had few steps."""
    steps = training.epochs * (record.settings.steps if record.settings else 1)
    if not record.trails or steps >= ADVERSARIAL or training.stopped in ENDED:
        return
    yield Finding(
        message=f"A generator that has had {counted(steps, 'step')} is far from the data.",
        why="Generator and discriminator learn from each other, which takes many steps.",
        remedy=f"Write epochs={math.ceil(4 * ADVERSARIAL / steps) * training.epochs}.",
        kind="dynamic",
        epoch=training.epochs,
        chart=loss_chart(record),
        evidence={"steps": {"value": float(steps), "threshold": float(ADVERSARIAL)}},
    )


def _find_in_curve(record: Record, training: TrainingRecord) -> Iterator[Finding]:
    """Yield a note if the loss is lower than ever at the end, still falls, and much remains."""
    curve, (first, last) = training.curve, training.ends
    part = max(1, len(curve) // 8)
    old, before, end = curve[:-part], curve[-3 * part : -2 * part], curve[-part:].mean()
    if len(curve) < 4 or curve.min() <= 0 or end > old.min() or last < REMAINS * first:
        return
    many = len(curve) >= 8
    fell = float(1 - end / (before.mean() if many else curve[-2]))
    if fell < FALLS or _has_risen(training.validation_loss):
        return
    yield Finding(
        message=(
            f"The loss was still falling at the end: by {fell:.0%} "
            f"{'in the last quarter' if many else 'at its last value'}."
        ),
        why=f"{last / first:.0%} of the first loss is left. More training is the simplest remedy.",
        remedy="Train four times as long, with early stopping to end it in time.",
        severity="note",
        kind="dynamic",
        epoch=training.epochs,
        chart=loss_chart(record),
        evidence={"fall at the end": {"value": fell, "threshold": FALLS}},
    )


def _has_risen(losses: np.ndarray | None) -> bool:
    """Whether the lowest validation loss is older than a quarter of the training."""
    if losses is None or not np.isfinite(losses).all():
        return False
    return len(losses) - 1 - int(losses.argmin()) > max(1, len(losses) // 4)
