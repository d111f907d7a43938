"""Steps so short that the training ends long before the loss does.

The median, over the records of the second half, of the largest update of a kernel as a share of the
kernel, below `SHORT`, while the loss still falls and much of it remains. Where something was
learned, all steps together must be short, too (`FAR`). Source: TheDeepChecker (update below 1e-4 of
the weight); the threshold is higher here, as little must have been learned.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "learning-rate-low"
UNLESS = (
    "rate-invalid",
    "diverged",
    "exploding-gradient",
    "rate-high",
    "batch-size",
    "dead-relu",
    "saturation",
    "vanishing-gradient",
    "symmetric-weights",
    "initial-scale",
    "loss-reduction",
    "loss-arithmetic",
    "loss-targets",
    "labels-constant",
    "output-loss",
    "output-range",
    "inputs-unscaled",
    "inputs-tiny",
    "targets-unscaled",
    "over-regularised",
    "labels-shuffled",
)
SHORT = 1e-3
REMAINS = 0.3  # of the loss of the best constant
FALLS, FALLS_LEARNED = 0.03, 0.1  # in the last quarter
STILL = 1e-8  # where no gradient arrives, whatever the rate
NEAR, FAR = 0.05, 0.3  # of their size, distances that the steps of a whole training may cover


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if steps are short, the loss falls, and much of it remains."""
    training, settings = record.training, record.settings
    remaining = record.remaining
    if training is None or settings is None or remaining is None or remaining < REMAINS:
        return
    if not record.is_long:
        return
    moved = median_update(record)
    if moved is None or training.stopped in ("diverged", "patience"):
        return
    if training.stopped == "interrupted" and record.learned is not False:
        return  # where its steps would have led is not known
    limit = SHORT if record.learned else 2 * SHORT
    far = moved * training.epochs * settings.steps > FAR
    falls = training.fell > (FALLS_LEARNED if record.learned else FALLS)
    if not record.learned and not far:  # as if nothing had been trained, or still on the way
        falls |= moved * training.epochs * settings.steps < NEAR
        falls |= training.loss[-1] < (1 - FALLS) * training.loss[0]
    if not STILL < moved < limit or not falls or (record.learned and far):
        return
    yield Finding(
        message=(
            f"A step of {settings.optimizer} at a rate of {settings.learning_rate:g} moves the "
            f"weights by {moved:.1e} of their size."
        ),
        why=(
            f"{remaining:.0%} of the loss of a constant prediction is left. The training ends far "
            "from where these steps lead; longer ones arrive in time."
        ),
        remedy=f"Use ten times the rate, {settings.learning_rate * 10:g}.",
        kind="dynamic",
        chart=loss_chart(record),
        evidence={
            "update / weight": {"value": moved, "threshold": limit},
            "loss / constant's": {"value": remaining, "threshold": REMAINS},
        },
    )


def median_update(record: Record) -> float | None:
    """Return the median over records of the largest update of a kernel, as a share of it."""
    training = record.training
    if training is None:
        return None
    moved = [
        training.weights[f"{layer.path}/kernel"].moved
        for layer in record.kernels
        if f"{layer.path}/kernel" in training.weights
    ]
    if not moved or not len(moved[0]):
        return None
    largest = np.nanmax(np.nan_to_num(np.stack(moved)), axis=0)
    return float(np.median(largest[len(largest) // 2 :]))
