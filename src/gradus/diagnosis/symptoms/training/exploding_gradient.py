"""Losses or gradients of a size that no learning comes from.

The highest loss of a part of an epoch, above `HIGH` times that of the best constant prediction,
where the network ends no better than that constant. Source: AutoTrainer, which judges by the ratio
of the layers' gradients; SageMaker Debugger.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding, three_digits
from gradus.diagnosis.record import Record
from gradus.diagnosis.training import TrainingRecord

CATEGORY = "exploding"
UNLESS = (
    "diverged",
    "rate-invalid",
    "rate-high",
    "initial-scale",
    "over-regularised",
    "batch-size",
    "loss-reduction",
    "loss-arithmetic",
    "inputs-unscaled",
    "targets-unscaled",
)
HIGH = 100.0


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if the loss was far above that of a constant, and nothing was learned."""
    training = record.training
    if training is None or record.learned is not False or training.stopped == "diverged":
        return
    constant = record.constant
    if not constant or training.highest - training.penalty <= HIGH * constant:
        return
    yield Finding(
        message=(
            f"The loss {_verb(training)} {three_digits(training.highest)}; a constant "
            f"prediction's is {three_digits(constant)}."
        ),
        why=(
            "Outputs this large make gradients just as large. Each step overshoots and undoes "
            "what was learned."
        ),
        remedy=(
            "Scale inputs and targets to std 1, use the default initializers, and then try a "
            "tenth of the learning rate or clipnorm=1.0."
        ),
        kind="dynamic",
        chart=loss_chart(record, {"limit": HIGH * constant}),
        evidence={
            "highest loss / constant's": {"value": training.highest / constant, "threshold": HIGH}
        },
    )


def _verb(training: TrainingRecord) -> str:
    """Return whether the loss was highest at first, or rose, in words."""
    losses = training.segments if len(training.segments) else training.loss
    return "began at" if losses[0] == training.highest else "rose to"
