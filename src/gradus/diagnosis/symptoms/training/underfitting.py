"""A network that does worse than a linear model, for no reason that is seen.

Its loss is above `gradus.diagnosis.record.FACTOR` times that of a linear model, plus `MARGIN` times
that of the best constant prediction, though a linear model is judged by samples that it was not
fitted to, and the network by those that it was trained on. A generator does worse if samples of a
normal distribution are clearly nearer to the data. Source: Karpathy, "A recipe for training neural
networks" (2019).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import FACTOR, MARGIN, Record

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
    limit = FACTOR * output.linear + MARGIN
    yield Finding(
        message=(
            f"{output.where} does worse than a linear model: it leaves {share:.0%} of a constant's "
            f"loss, the linear model {output.linear:.0%} on new samples."
        ),
        why=(
            "A network learns what a linear model does, given enough units, steps, and time. "
            "Nothing in the settings, layers, or gradients shows what it lacks."
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
            "Generated samples are farther from the data than normally distributed ones: "
            f"{made.distance:.0%} of the distance of the mean, compared with {made.normal:.0%}."
        ),
        why=(
            "A trained generator knows more about the data than its mean and covariance. Nothing "
            "in the settings, layers, or gradients shows what it lacks."
        ),
        remedy=f"{REMEDY}.",
        kind="dynamic",
        evidence={
            "distance / mean's": {"value": made.distance, "threshold": record.distance_limit}
        },
    )
