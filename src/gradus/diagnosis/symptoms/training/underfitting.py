"""A network that does worse than a linear model, for no reason that is seen.

Its loss is above `gradus.diagnosis.record.WORSE` times that of a linear model, plus the share `BY`
of that of the best constant prediction, though a linear model is judged by samples that it was not
fitted to, and the network by those that it was trained on. A generator does worse if samples of a
normal distribution are clearly nearer to the data. Source: Karpathy, "A recipe for training neural
networks" (2019).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import BY, WORSE, Record

CATEGORY = "underfitting"
UNLESS = ("*",)  # any other fault
REMEDY = "Try ten times the rate, four times the epochs, and twice the units"


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if a linear model is clearly better, and another training would tell why."""
    training, output = record.training, record.trailing_output
    if training is None or not record.trails or training.stopped == "interrupted":
        return
    if record.outputs and record.beats_constant is False:  # which is another symptom
        return
    if output is None or output.linear is None or (share := record.remaining_of(output)) is None:
        yield from _find_in_generated(record)
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
        remedy=f"{REMEDY}: model.diagnose(x, y, counterfactuals=True) tries them.",
        kind="dynamic",
        chart=loss_chart(record),
        evidence={"loss / constant's": {"value": share, "threshold": limit}},
    )


def _find_in_generated(record: Record) -> Iterator[Finding]:
    """Yield a fault for samples that are farther from the data than normal ones."""
    made = record.generated
    if made is None:
        return
    yield Finding(
        message=(
            "Generated samples are farther from the data than those of a normal distribution: "
            f"{made.distance:.0%} of the distance of the mean, where that has {made.normal:.0%}."
        ),
        why=(
            "A generator that has learned knows more of the data than their mean and covariance. "
            "Nothing in settings, layers, or gradients says what it lacks."
        ),
        remedy=f"{REMEDY}.",
        kind="dynamic",
        evidence={
            "distance / mean's": {"value": made.distance, "threshold": record.distance_limit}
        },
    )
