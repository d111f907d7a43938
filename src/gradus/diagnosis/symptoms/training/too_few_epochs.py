"""A training that ends while the loss is falling, with much of it left.

The fall of the loss over the last quarter, above `FALLS` of what was left before, while more than
`REMAINS` of the loss of the best constant prediction remains, or a linear model is clearly better.
Or one of `STEADY` over the last half, if the loss fell in each epoch, that of validation is lowest
in the last one, and no schedule has brought the rate below `ENDS` of its largest. Of fewer than
`gradus.diagnosis.record.JUDGED` steps, but at least `TRIED`, the second half is compared with the
first, or validation with training.

A training that early stopping ended is long enough, unless its last epoch was the best one by
`IMPROVED` (after so few steps by `SHORT_FALLS`), or a linear model is clearly better. Where only
curves are known, the first loss stands for that of the constant, and it is a note.

Sources: Google's tuning playbook; Prechelt, "Early stopping - but when?" (1998): alone, the first
rule would fire on most sound trainings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import FACTOR, MARGIN, Record
from gradus.diagnosis.symptoms.training import rate_low
from gradus.diagnosis.training import FEW, TrainingRecord
from gradus.errors import counted

CATEGORY = "too-few-epochs"
UNLESS = (
    *(*rate_low.UNLESS, "rate-low", "oscillation", "hidden-squashing", "recurrent-gradient"),
    "too-deep",
)
FALLS, REMAINS = 0.15, 0.3
ADVERSARIAL = 200  # steps of a GAN, of which fewer tell nothing
ENDED = ("diverged", "patience", "target", "interrupted")  # not by the number of epochs
SHORT, SHORT_FALLS, SHORT_REMAINS = 5, 0.02, 0.6  # with so few epochs, or nothing learned
TRIED = 20  # steps; fewer are a trial
STEADY, ENDS = 0.09, 0.1  # in the last half, if all of it falls; of the rate, at a schedule's end
PATIENCE = 10  # epochs that are suggested, or fewer
IMPATIENT, IMPROVED = 0.2, 0.05  # what early stopping leaves, and its best epoch's improvement


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
    is_impatient = training.stopped == "patience"
    fall = _patience_fall(record, training) if is_impatient else _fall(record, training)
    if fall is None or (training.stopped in ENDED and not is_impatient):
        return
    left, limit, told = remaining, fall.remains, ""
    output = record.trailing_output
    if remaining <= fall.remains and output is not None:  # a linear model shows that much is left
        left, limit = record.remaining_of(output) or 0.0, FACTOR * (output.linear or 0.0) + MARGIN
        told = f" A linear model leaves {output.linear:.0%}."
    patience = min(PATIENCE, max(training.epochs, 2))  # a quarter of the epochs, from 8 on
    ended = "early stopping ended training while the loss" if is_impatient else "the loss"
    yield Finding(
        message=(
            f"After {counted(training.epochs, 'epoch')}, {ended} was still falling: by "
            f"{fall.share:.0%} in the last {fall.part}."
        ),
        why=f"{record.remaining_in_words}{told} More training is the simplest remedy.",
        remedy=(
            "Set a larger patience, and leave out min_delta."
            if is_impatient
            else f"Use epochs={4 * training.epochs}, and patience={patience} to stop in time."
        ),
        kind="dynamic",
        epoch=training.epochs,
        chart=loss_chart(record),
        evidence={
            f"fall in the last {fall.part}": {"value": fall.share, "threshold": fall.limit},
            "loss / constant's": {"value": left, "threshold": limit},
        },
    )


class Fall(NamedTuple):
    """By how much a loss fell at the end of a training.

    Attributes:
        part: of the training, that is "quarter", "half", or "epoch".
        share: of what was left before.
        limit: that it is above.
        remains: of a constant's loss, that more is left than, unless a linear model does better.
    """

    part: str
    share: float
    limit: float
    remains: float


def _fall(record: Record, training: TrainingRecord) -> Fall | None:
    """Return by how much the loss fell if that is much, and much is left."""
    remaining = record.remaining or 0.0
    if _is_first_part(record, training):
        fell = max(_half_fall(training), 1 - (record.unseen or remaining) / max(remaining, 1e-30))
        if fell > SHORT_FALLS and remaining > REMAINS:
            return Fall("half", fell, SHORT_FALLS, REMAINS)
    if remaining > REMAINS and (steady := _steady_fall(training)) > STEADY:
        return Fall("half", steady, STEADY, REMAINS)
    is_clear = record.is_long or training.epochs >= FEW
    if not record.trails and (remaining < REMAINS or not is_clear):
        return None
    is_short = training.epochs < SHORT and remaining > SHORT_REMAINS
    falls = SHORT_FALLS if is_short or record.learned is False else FALLS
    fell = training.fell
    return Fall("quarter", fell, falls, REMAINS) if fell >= falls else None


def _half_fall(training: TrainingRecord) -> float:
    """Return by how much the mean loss of the second half is below that of the first."""
    half = len(training.segments) // 2
    first, second = training.segments[:half].mean(), training.segments[half:].mean()
    return float(1 - (second - training.penalty) / max(first - training.penalty, 1e-30))


def _steady_fall(training: TrainingRecord) -> float:
    """Return by how much the loss fell in the last half, if it did in all epochs; else 0.

    It fell from the lowest loss before. That of validation, if there is one, must be lowest in the
    last epoch. A loss falls to the end, too, where a schedule brings the rate down until then.
    """
    validation, losses = training.validation_loss, training.loss - training.penalty
    half, rates = training.epochs // 2, training.metrics.get("learning_rate", np.ones(1))
    is_lowest = validation is None or int(validation.argmin()) == len(validation) - 1
    ends = not is_lowest or rates[-1] < ENDS * rates.max()
    if training.epochs < FEW or ends or not (np.diff(losses[-half:]) < 0).all():
        return 0.0
    before = float(losses[: 1 - half].min())
    return float(1 - losses[-1] / before) if before > 0 else 0.0


def _is_first_part(record: Record, training: TrainingRecord) -> bool:
    """Whether it has so few steps that it is no more than the beginning of a training."""
    steps = training.epochs * (record.settings.steps if record.settings else 0)
    return steps >= TRIED and not record.is_long and len(training.segments) >= 2


def _patience_fall(record: Record, training: TrainingRecord) -> Fall | None:
    """Return by how much the loss fell in the last epoch, or before it, if patience ended that."""
    remaining, settings = record.remaining or 0.0, record.settings
    if record.trails:
        falls = SHORT_FALLS if record.learned is False else FALLS
        if training.fell >= falls:
            return Fall("quarter", training.fell, falls, REMAINS)
    monitor = settings.monitor if settings is not None else ""
    losses = training.validation_loss if monitor.startswith("val_") else training.loss
    if losses is None or len(losses) < 2 or remaining < IMPATIENT:
        return None
    best = float(losses[:-1].min()) - training.penalty
    fell = 1 - (float(losses[-1]) - training.penalty) / best if best > 0 else 0.0
    limit = IMPROVED if record.is_long else SHORT_FALLS
    return Fall("epoch", fell, limit, IMPATIENT) if fell > limit else None


def _find_in_generated(record: Record, training: TrainingRecord) -> Iterator[Finding]:
    """Yield a fault if a generator that does not know the data yet has had few steps."""
    steps = training.epochs * (record.settings.steps if record.settings else 1)
    if not record.trails or steps >= ADVERSARIAL or training.stopped in ENDED:
        return
    yield Finding(
        message=f"After {counted(steps, 'step')}, the generator is still far from the data.",
        why="Generator and discriminator learn from each other, which takes many steps.",
        remedy=f"Use epochs={math.ceil(4 * ADVERSARIAL / steps) * training.epochs}.",
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
        remedy="Train four times as long, with early stopping to end in time.",
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
