"""A generator that makes nearly the same sample of all codes.

The root mean square over the numbers of a sample of their deviation over a batch: for the
generator's output, in each of the last `gradus.diagnosis.training.SUSTAINED` records, below `SMALL`
of that of the data. It is a fault if it was above `BEFORE` of it once, else a note, as the
generator may not have left its beginning. A generator that makes a few kinds of samples, but not
all, is not found. Source: Goodfellow, "NIPS 2016 tutorial: generative adversarial networks", 5.1.1.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.training import SUSTAINED

CATEGORY = "other"
CAUSES = ("diverged", "rate-invalid", "inputs-unscaled", "gan-starved", "rate-high", "output-range")
SMALL, BEFORE = 0.1, 0.3
STEPS = 200  # fewer tell nothing


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding if the generator's samples hardly differ at the end."""
    training, settings = record.training, record.settings
    if training is None or settings is None or "generator_loss" not in training.metrics:
        return
    made = [
        layer.path
        for layer in record.layers
        if layer.path.startswith("generator") and layer.path in training.layers
    ]
    if not made or len(record.inputs) != 1 or settings.steps * training.epochs < STEPS:
        return
    path, data = made[-1], record.inputs[0].spread
    spreads = training.layers[path].spread
    if len(spreads) < SUSTAINED or not data > 0 or not np.isfinite(spreads).all():
        return
    last, most = float(spreads[-SUSTAINED:].max()) / data, float(spreads.max()) / data
    if last >= SMALL:
        return
    yield Finding(
        message=f"Generated samples vary only {last:.1%} as much as the data.",
        why=(
            "The generator maps nearly every code to the same sample. One that passes as real is "
            "enough, because the discriminator judges each sample alone."
        ),
        remedy=(
            'Slow the generator down with layer_rates={"generator": 0.25}; then try larger '
            'batches or loss="least_squares".'
        ),
        severity="fault" if most > BEFORE else "note",
        kind="dynamic",
        layer=path,
        epoch=int(training.epoch[-1]),
        evidence={"deviation / data's": {"value": last, "threshold": SMALL}},
    )
