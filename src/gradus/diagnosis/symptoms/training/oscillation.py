"""A loss that swings up and down instead of falling.

The losses of stretches of at least `STRETCH` samples, after the first fifth of the training. A
swing is a rise of their logarithm by `SWING`, or by `NOISE` / √n where that is more, and a fall as
large after it. The mean of n losses varies by about 1 to 3 / √n of itself, so that chance hardly
ever gives a swing; counting changes of sign, the field's rule, finds every noisy training. With
`SWINGS` of them it is a fault if more than `REMAINS` of the loss of a constant prediction is left,
a note from `NOTED` on. Sources: AutoTrainer (Zhang et al., ICSE 2021), TheDeepChecker.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradus.diagnosis.findings import Finding, three_digits
from gradus.diagnosis.record import Record
from gradus.diagnosis.symptoms.training import rate_low

if TYPE_CHECKING:
    from jaxtyping import Float

CATEGORY = "oscillation"
UNLESS = tuple(code for code in rate_low.UNLESS if code != "rate-invalid")
CAUSES = ("rate-invalid",)
STRETCH, SWING, NOISE, SWINGS = 500, 0.3, 18.0, 3
REMAINS, NOTED = 0.4, 0.1


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding if the loss swings, and much of it remains."""
    training, settings, remaining = record.training, record.settings, record.remaining
    if training is None or settings is None or remaining is None or remaining < NOTED:
        return
    if not record.outputs:  # the losses of a GAN swing
        return
    losses = training.segments if len(training.segments) else training.loss
    if not record.is_long or training.stopped == "diverged" or not len(losses):
        return
    each = settings.samples * training.epochs / len(losses)
    joined = max(1, math.ceil(STRETCH / each))
    stretches = losses[len(losses) % joined :].reshape(-1, joined).mean(axis=1) - training.penalty
    stretches = stretches[len(stretches) // 5 :]
    least = max(SWING, NOISE / math.sqrt(each * joined))
    if len(stretches) < 2 * SWINGS or not (stretches > 0).all():
        return
    peaks = swings(np.log(stretches), least)
    if len(peaks) < SWINGS:
        return
    rise = float(np.exp(np.median([height for _, height in peaks])))
    rate = settings.learning_rate
    yield Finding(
        message=(
            f"The loss swung up and down {len(peaks)} times, typically {three_digits(rise)}-fold, "
            f"and {remaining:.0%} of a constant prediction's loss is left."
        ),
        why=(
            "Batches differ less than this. Steps that are too long, or have too much momentum, "
            "jump from one side of a valley to the other."
        ),
        remedy=(
            f"Use a third of the rate, {rate / 3:.2g}, or a schedule that lowers it, and a "
            "momentum of 0.9. Then try clipnorm=1.0."
        ),
        severity="fault" if remaining > REMAINS else "note",
        kind="dynamic",
        evidence={
            "swings": {"value": len(peaks), "threshold": SWINGS},
            "loss / constant's": {"value": remaining, "threshold": REMAINS},
        },
    )


def swings(values: Float[np.ndarray, "values"], least: float) -> list[tuple[int, float]]:
    """Return the peaks of a curve: where they are, and how high above the valley before.

    Args:
        values: of the curve.
        least: how far it must rise to a peak, and fall after it.
    """
    peaks: list[tuple[int, float]] = []
    low = high = 0  # of the valley, and of the peak that may follow
    for index, value in enumerate(values):
        if values[high] - values[low] < least:  # still in the valley
            low = index if value < values[low] else low
            high = index if value > values[high] or high < low else high
        elif value > values[high]:
            high = index
        elif values[high] - value >= least:
            peaks.append((high, float(values[high] - values[low])))
            low = high = index
    return peaks
