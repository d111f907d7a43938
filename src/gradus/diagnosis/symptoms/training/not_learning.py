"""A network that is no better than the best constant prediction, for no reason that is seen.

The loss is that of the constant, or the accuracy the share of the most frequent class, within
`gradus.diagnosis.record.LEARNED`. Source: Karpathy, "A recipe for training neural networks" (2019).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "not-learning"
UNLESS = ("*",)  # any other fault


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if nothing was learned."""
    training = record.training
    if training is None or record.learned is not False:
        return
    output = record.outputs[0]
    constant, majority = output.constant_loss, output.targets and output.targets.majority
    known = (
        f"its loss is {training.final_loss:.3g}, that of a constant {constant:.3g}"
        if constant
        else f"always answering the most frequent class is right in {majority or 0:.0%}"
    )
    yield Finding(
        message=(
            f"After {training.epochs} epochs the network is no better than a constant: {known}."
        ),
        why="Nothing in settings, layers, or gradients says why. Inputs may not tell the targets.",
        remedy=(
            "Check that rows of x and y belong together, try ten times and a tenth of the learning "
            "rate, and fit 16 samples first."
        ),
        kind="dynamic",
    )
