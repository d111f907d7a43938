"""A loss, gradient, or weight that is not finite.

The training ends there, and the last finite weights are kept. In the log of another tool, a loss
that is finite again later is a note. Source: AutoTrainer (Zhang et al.,
ICSE 2021), "exploding gradient"; where it began is found by `gradus.train.divergence`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.training import TrainingRecord

CATEGORY = "exploding"
CAUSES = (
    "rate-invalid",
    "loss-reduction",
    "loss-arithmetic",
    "loss-targets",
    "output-loss",
    "output-range",
    "augmentation-range",
    "inputs-unscaled",
    "targets-unscaled",
)


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if the training diverged, and a note if it seemed to."""
    training = record.training
    if record.curves is not None:
        yield from _find_gap(record, record.curves)
    if training is None or training.stopped != "diverged":
        return
    kept = "The last finite weights are kept." if record.settings else "Learning ends there."
    message, remedy = training.divergence or (
        f"Training diverged in epoch {training.epochs}.",
        "Use a smaller learning rate, or clipnorm=1.0.",
    )
    yield Finding(
        message=message,
        why=f"NaN and infinity spread to every weight. {kept}",
        remedy=remedy,
        epoch=training.epochs,
        kind="dynamic",
        chart=loss_chart(record),
    )


def _find_gap(record: Record, training: TrainingRecord) -> Iterator[Finding]:
    """Yield a note for losses that are not finite before others that are."""
    by_epoch = bool(np.isnan(training.loss).any())
    losses = training.loss if by_epoch or not len(training.segments) else training.segments
    gaps = np.flatnonzero(~np.isfinite(losses))
    if not len(gaps):
        return
    verb = "is" if len(gaps) == 1 else "are"
    yield Finding(
        message=f"{len(gaps)} of {len(losses)} losses {verb} not finite, but later ones are.",
        why="A step was skipped, or some samples overflow. Nothing is learned from them.",
        remedy="Check the inputs for missing values, and clip the gradient norm at 1.",
        severity="note",
        kind="dynamic",
        epoch=int(gaps[0]) + 1 if losses is training.loss else None,
        chart=loss_chart(record),
        evidence={"losses that are not finite": {"value": len(gaps), "threshold": 0}},
    )
