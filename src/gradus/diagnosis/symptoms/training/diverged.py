"""A loss, gradient, or weight that is not finite.

The training ends there, and the last finite weights are kept. Source: AutoTrainer (Zhang et al.,
ICSE 2021), "exploding gradient"; where it began is found by `gradus.train.divergence`.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "exploding"
CAUSES = (
    "rate-invalid",
    "loss-reduction",
    "loss-arithmetic",
    "loss-targets",
    "inputs-unscaled",
    "targets-unscaled",
)


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if the training diverged."""
    training = record.training
    if training is None or training.stopped != "diverged":
        return
    message, remedy = training.divergence or (
        f"Training diverged in epoch {training.epochs}.",
        "Use a smaller learning rate, or clipnorm=1.0.",
    )
    yield Finding(
        message=message,
        why="Numbers that are not finite spread to all weights. The last finite ones are kept.",
        remedy=remedy,
        epoch=training.epochs,
        kind="dynamic",
    )
