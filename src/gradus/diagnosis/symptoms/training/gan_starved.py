"""A discriminator that always wins, so that its generator gets no useful direction.

Of the last quarter of the epochs: a discriminator that is right in more than `RIGHT` of its
decisions in each, and then as a fault a generator loss above `LOST` in each: the discriminator
takes its samples for real with less than 1 %. Near the balance it is right in about half. Sources:
Goodfellow et al. (2014), section 3; Arjovsky & Bottou (2017), theorem 2.4.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "other"
CAUSES = ("diverged", "rate-invalid", "inputs-unscaled", "rate-high", "output-range")
RIGHT, LOST = 0.99, 4.6
STEPS = 200  # fewer tell nothing


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding if the discriminator always tells generated samples at the end."""
    training, settings = record.training, record.settings
    if training is None or settings is None or training.stopped == "diverged":
        return
    right, losses = (training.metrics.get(n) for n in ("discriminator_accuracy", "generator_loss"))
    if right is None or losses is None or settings.steps * training.epochs < STEPS:
        return
    last = max(1, training.epochs // 4)
    least, lowest = float(np.min(right[-last:])), float(np.min(losses[-last:]))
    if not least > RIGHT:
        return
    epochs = "epoch" if last == 1 else f"{last} epochs"
    yield Finding(
        message=(
            f"The discriminator was right at least {least:.1%} of the time in the last {epochs}."
        ),
        why=(
            "It recognizes every generated sample. Being that sure, it passes the generator "
            "almost no gradient."
        ),
        remedy=(
            "Check that the generator's last activation can reach the data. Then slow the "
            'discriminator down with layer_rates={"discriminator": 0.25}; then try '
            'label_smoothing=0.1 or loss="least_squares".'
        ),
        severity="fault" if lowest > LOST else "note",
        kind="dynamic",
        epoch=training.epochs - last + 1,
        evidence={
            "discriminator accuracy": {"value": least, "threshold": RIGHT},
            "generator loss": {"value": lowest, "threshold": LOST},
        },
    )
