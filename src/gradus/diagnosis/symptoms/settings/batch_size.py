"""A batch that suits neither the data nor the rate.

At most `FEW` samples a step, where nothing was learned: such gradients are noise. Or so many that
the training has fewer than `STEPS` steps, and more than `REMAINS` of the loss of the best constant
is left, which was still falling or which a linear model does not leave. Sources: Masters & Luschi
(2018), Google's tuning playbook.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.errors import counted

CATEGORY = "batch-size"
CAUSES = (
    "rate-invalid",
    "diverged",
    "loss-reduction",
    "loss-arithmetic",
    "symmetric-weights",
    "inputs-unscaled",
    "targets-unscaled",
)
FEW, STEPS, SAMPLES, FALLS, REMAINS = 4, 60, 200, 0.05, 0.2


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for a batch of few samples, or one of too many."""
    settings, training = record.settings, record.training
    if settings is None or training is None or settings.samples < SAMPLES:
        return
    batch = settings.batch_size or settings.samples
    steps = settings.steps * training.epochs
    if batch <= FEW and record.learned is False:
        yield Finding(
            message=f"Each step sees {batch} of {settings.samples:,} samples.",
            why="A gradient from so few is mostly noise. Each step undoes the one before.",
            remedy="Use batch_size=32; with a batch of 1, use a tenth of the rate.",
            kind="dynamic",
            chart=loss_chart(record),
            evidence={"samples a step": {"value": batch, "threshold": FEW}},
        )
    elif (
        steps < STEPS
        and batch > 32
        and (record.remaining or 0) > REMAINS
        and (training.fell > FALLS or record.trails)
        and training.stopped != "interrupted"
    ):
        yield Finding(
            message=(
                f"With {batch:,} samples per step, the training has only {counted(steps, 'step')}."
            ),
            why="The loss was still falling. More steps with fewer samples cost the same.",
            remedy="Use batch_size=32.",
            kind="dynamic",
            chart=loss_chart(record),
            evidence={"steps": {"value": steps, "threshold": STEPS}},
        )
