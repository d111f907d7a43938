"""A network that does worse than a linear model, for no reason that is seen.

Its loss is above `gradus.diagnosis.record.WORSE` times that of a linear model, plus the share `BY`
of that of the best constant prediction, though a linear model is judged by samples that it was not
fitted to, and the network by those that it was trained on. Source: Karpathy, "A recipe for training
neural networks" (2019).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import BY, WORSE, Record

CATEGORY = "underfitting"
UNLESS = ("*",)  # any other fault


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if a linear model is clearly better, and another training would tell why."""
    output, training = record.trailing, record.training
    share = None if output is None else record.remaining_of(output)
    if output is None or output.linear is None or share is None or training is None:
        return
    if training.stopped == "interrupted" or record.beats_constant is False:  # which is another
        return
    limit = WORSE * output.linear + BY
    yield Finding(
        message=(
            f"{output.where} does worse than a linear model: {share:.0%} of a constant's loss is "
            f"left, where that leaves {output.linear:.0%} of new samples'."
        ),
        why=(
            "What a linear model learns, a network learns with enough units, steps, and time. "
            "Nothing in settings, layers, or gradients says what it lacks."
        ),
        remedy=(
            "Try ten times the rate, four times the epochs, and twice the units: "
            "model.diagnose(x, y, counterfactuals=True) tries them."
        ),
        kind="dynamic",
        chart=loss_chart(record),
        evidence={"loss / constant's": {"value": share, "threshold": limit}},
    )
