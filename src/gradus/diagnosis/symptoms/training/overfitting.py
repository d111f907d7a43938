"""A validation loss that rises while the training loss falls, or that is high from the first.

The last validation loss above `RISES` times its minimum, which is at least `CHECKS` epochs back,
while the training loss fell since. It is a note: early stopping keeps the best weights, and
validation scores are often best later than losses. Or, as a fault, fewer than `ROWS` training
rows, or `PER_CLASS` for each class, and a validation loss that in its best epoch is above that of
training by `GAP` of that of the best constant prediction. Or, also as a fault, training samples
that are learned but for `gradus.diagnosis.record.HIGH`, and a validation loss that no epoch brings
below that of the constant, while the validation accuracy of no epoch has the share `FEWER` of the
errors of the most frequent class less. Sources: AutoTrainer; Raudys & Jain, "Small sample size
effects in statistical pattern recognition" (1991), where ten samples of a class for each feature
are the least.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.generalization import best_unseen
from gradus.diagnosis.record import HIGH, Record
from gradus.errors import counted

CATEGORY = "overfitting"
CAUSES = (
    "inputs-constant",
    "output-dropout",
    "diverged",
    "preprocessing-mismatch",
    "labels-shuffled",
    "recurrent-gradient",
    "rate-high",
    "initial-scale",
    "inputs-unscaled",
    "saturation",
)
RISES, CHECKS = 1.3, 5
ROWS, PER_CLASS, GAP = 50, 10, 0.2
TINY = float(np.finfo(np.float32).tiny)  # losses below it are told from 0 by rounding alone


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding if the validation loss has risen since its minimum."""
    training = record.training
    if (by_heart := _of_few_rows(record) or _in_no_epoch(record)) is not None:
        yield by_heart
        return
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
            f"The validation loss is {ratio - 1:.0%} above its minimum, reached in epoch "
            f"{best + 1} of {training.epochs}."
        ),
        why="Since then, the network has memorized training samples and done worse on others.",
        remedy=(
            "Use patience=10 to keep the best epoch; then try dropout, a penalty, or more data."
            if record.curves is None
            else "Stop there and keep those weights; then try dropout, a penalty, or more data."
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


def _of_few_rows(record: Record) -> Finding | None:
    """Return a fault if few rows are learned better than those of validation."""
    settings, left, unseen = record.settings, record.remaining, record.unseen
    if settings is None or left is None or unseen is None or not settings.samples:
        return None
    counted_by_row = [each.targets for each in record.outputs if len(each.shape) == 1]
    classes = max((len(each.counts) for each in counted_by_row if each), default=0)
    least = max(ROWS, PER_CLASS * classes)
    if settings.samples >= least or not np.isfinite(unseen) or unseen - left <= GAP:
        return None
    return Finding(
        message=(
            f"With {counted(settings.samples, 'training row')}, {unseen:.0%} of a constant's loss "
            f"is left in validation in the best epoch, but {left:.0%} in training."
        ),
        why="So few rows are memorized: what they share by chance does not generalize.",
        remedy=(
            f"Get {least} rows or more, hold out fewer, as cross-validation does, or use a smaller "
            "network."
        ),
        kind="dynamic",
        chart=loss_chart(record),
        evidence={
            "training rows": {"value": float(settings.samples), "threshold": float(least)},
            "validation - training, of a constant's loss": {
                "value": unseen - left,
                "threshold": GAP,
            },
        },
    )


def _in_no_epoch(record: Record) -> Finding | None:
    """Return a fault for an output that is learned, and never better than a constant elsewhere."""
    for output in record.outputs:
        left, best = record.remaining_of(output), best_unseen(record, output)
        if left is None or best is None or left >= HIGH:
            continue
        return Finding(
            message=(
                f"{output.where} has {left:.0%} of a constant's loss left in training, but "
                f"{best:.0%} in validation in its best epoch."
            ),
            why=(
                "The training samples are memorized: what they share by chance does not generalize."
            ),
            remedy=(
                "Get more rows, drop uninformative inputs, or use a smaller network and a "
                "penalty. If the validation rows are the latest, compare with a random split."
            ),
            kind="dynamic",
            chart=loss_chart(record),
            evidence={"validation loss / constant's": {"value": best, "threshold": 1.0}},
        )
    return None
