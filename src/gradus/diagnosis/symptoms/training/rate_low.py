"""Steps so short that the training ends long before the loss does.

The median, over the records of the second half, of the largest update of a kernel as a share of the
kernel, below `SHORT`, while the loss still falls and much of it remains. Where less than
`NEARLY_ALL` of it remains, all steps together must be short, too (`FAR`). Or a rate that a schedule
has brought below `DECAYED` of its largest value in the last epoch and in half of them, where little
was learned; or, as a note, where the loss was falling by `FALLS_LEARNED` in the epoch before.

Source: TheDeepChecker (update below 1e-4 of the weight); the threshold is higher here, as little
must have been learned.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import SettingsRecord
from gradus.optim.optimizers import REGISTRY

CATEGORY = "learning-rate-low"
UNLESS = (
    "rate-invalid",
    "optimizer-setting",
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
    "inputs-constant",
    "inputs-unscaled",
    "inputs-tiny",
    "augmentation-range",
    "targets-unscaled",
    "over-regularised",
    "labels-shuffled",
    "narrow-layer",
    "norm-of-one",
    "output-dropout",
    "gan-starved",
    "gan-collapse",
)
SHORT = 1e-3
REMAINS, NEARLY_ALL = 0.3, 0.9  # of the loss of the best constant
FALLS, FALLS_LEARNED = 0.03, 0.1  # in the last quarter
STILL_FALLS = 1e-3  # where a linear model says that more could be learned
DECAYED = 0.02  # of the largest rate
STILL = 1e-8  # where no gradient arrives, whatever the rate
TIMES = {1: "ten", 2: "a hundred", 3: "a thousand", 4: "ten thousand"}  # by the power of ten
NEAR, FAR = 0.05, 0.3  # of their size, distances that the steps of a whole training may cover


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if steps are short, the loss falls, and much of it remains."""
    training, settings = record.training, record.settings
    remaining = record.remaining
    if training is None or settings is None or remaining is None or remaining < REMAINS:
        return
    if (decayed := _decayed(record)) is not None:
        yield decayed
        return
    if not record.is_long:
        return
    moved = record.median_update
    if moved is None or training.stopped in ("diverged", "patience"):
        return
    if training.stopped == "interrupted" and record.learned is not False:
        return  # where its steps would have led is not known
    learned = record.learned and remaining < NEARLY_ALL
    limit = SHORT if learned else 2 * SHORT
    far = moved * training.epochs * settings.steps > FAR
    falls = training.fell > (FALLS_LEARNED if learned else FALLS)
    if record.trails:  # more could be learned, so it has not arrived anywhere
        tells = bool(record.outputs)  # of a generator the loss does not tell
        falls |= training.fell > STILL_FALLS or record.beats_constant is False or not tells
    if not learned and not far:  # as if nothing had been trained, or still on the way
        falls |= moved * training.epochs * settings.steps < NEAR
        falls |= training.loss[-1] < (1 - FALLS) * training.loss[0]
    if not STILL < moved < limit or not falls or (learned and far):
        return
    power = _suggested_power(settings, limit / moved)
    yield Finding(
        message=(
            f"A step of {settings.optimizer} at a rate of {settings.learning_rate:g} moves the "
            f"weights by only {100 * moved:.2g}% of their size."
        ),
        why=(
            f"{record.remaining_in_words} Training ends long before steps this short reach a "
            "minimum; longer ones can."
        ),
        remedy=f"Use {TIMES[power]} times the rate, {settings.learning_rate * 10**power:g}.",
        kind="dynamic",
        chart=loss_chart(record),
        evidence={
            "update / weight": {"value": moved, "threshold": limit},
            "loss / constant's": {"value": remaining, "threshold": REMAINS},
        },
    )


def _suggested_power(settings: SettingsRecord, short: float) -> int:
    """Return the power of ten by which the rate should grow, at least one.

    It brings the steps to about the limit, up to the rate that the optimizer has by default: an
    update of most rules is proportional to the rate.

    Args:
        settings: of the training.
        short: how many times shorter than the limit its steps are.
    """
    usual, rate = 0.0, settings.learning_rate
    if settings.optimizer.lower() in REGISTRY:
        usual = getattr(REGISTRY.find(settings.optimizer), "learning_rate", 0.0)
    most = math.floor(math.log10(usual / rate) + 1e-6) if usual > rate > 0 else 1
    return max(1, min(round(math.log10(short)), most, max(TIMES)))


def _decayed(record: Record) -> Finding | None:
    """Return a finding if a schedule ended the learning long before the training."""
    training, settings = record.training, record.settings
    rates = None if training is None else training.metrics.get("learning_rate")
    if training is None or settings is None or rates is None:
        return None
    largest = max(settings.learning_rate, float(rates.max()))
    is_low = rates < DECAYED * largest
    # What is recorded is the rate at the end of an epoch: a schedule over all steps ends low, too.
    is_early = is_low[-2:].all() and is_low[:-1].sum() >= 0.5 * len(rates)
    if training.stopped == "diverged" or not is_early:
        return None
    since = training.epochs - int(np.argmin(is_low[::-1]) if not is_low.all() else len(is_low)) + 1
    before, then = training.loss[max(0, since - 2)], training.loss[since - 1]
    if record.learned is not False and not then < (1 - FALLS_LEARNED) * before:
        return None  # what is left may be noise
    return Finding(
        message=(
            f"The learning rate fell from {largest:g} to {rates[-1]:.2g}, and has been too low to "
            f"learn with since epoch {since} of {training.epochs}."
        ),
        why="From then on, steps are too short to learn anything more.",
        remedy="Spread the schedule over all training steps, or keep the rate constant.",
        severity=record.doubt,
        kind="dynamic",
        epoch=since,
        chart=loss_chart(record),
        evidence={"rate / largest": {"value": float(rates[-1]) / largest, "threshold": DECAYED}},
    )
