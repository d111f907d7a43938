"""A validation loss that rises while the training loss falls.

The last validation loss above `RISES` times its minimum, which is at least `CHECKS` epochs back,
while the training loss fell since. It is a note: early stopping keeps the best weights, and
validation scores are often best later than losses. Source: AutoTrainer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "overfitting"
CAUSES = (
    "diverged",
    "preprocessing-mismatch",
    "labels-shuffled",
    "recurrent-gradient",
    "rate-high",
    "initial-scale",
    "inputs-unscaled",
)
RISES, CHECKS = 1.3, 5
TINY = float(np.finfo(np.float32).tiny)  # losses below it are told from 0 by rounding alone


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding if the validation loss has risen since its minimum."""
    training = record.training
    if training is None or training.validation_loss is None or training.stopped:
        return
    losses = training.validation_loss - training.penalty
    if len(losses) < 2 * CHECKS or not np.isfinite(losses).all():
        return
    best = int(losses.argmin())
    lowest = float(losses[best])
    ratio = float(losses[-1]) / max(lowest, TINY) if lowest > 0 else 1.0
    rises = len(losses) - 1 - best >= CHECKS and ratio > RISES
    if not rises or training.loss[-1] >= training.loss[best]:
        return
    yield Finding(
        message=(
            f"The validation loss is {ratio - 1:.0%} above its minimum, which was in epoch "
            f"{best + 1} of {training.epochs}."
        ),
        why="Since then the network learned its training samples by heart. Others got worse.",
        remedy=(
            "Write patience=10 to keep the best epoch; then dropout, a penalty, or more data."
            if record.curves is None
            else "Stop there and keep those weights; then dropout, a penalty, or more data."
        ),
        severity="note",
        kind="dynamic",
        epoch=best + 1,
        chart=loss_chart(
            record,
            {f"{RISES:g} × minimum": RISES * float(losses[best]) + training.penalty},
            mark=best + 1,
        ),
        evidence={"validation loss / minimum": {"value": ratio, "threshold": RISES}},
    )
