"""Labels of which many contradict what is sure of them.

The share of samples whose label the nearest ones contradict, which agree with each other
(`gradus.diagnosis.references.neighbors.Neighbors`), above `MANY`; of labels that are
right, a few percent. Or the share of wrong classes among the half of new samples that a linear
model is surest of, above `SURE`, and above `EVEN` times that of all: where classes overlap, the
sure ones are right, but wrong labels are everywhere. That model, and the network on validation
samples, must leave less than `KNOWN` of the errors of the most frequent class, and the network at
least `NEAR` times those of the model, else it is the model that is wrong. Source: Northcutt, Jiang
& Chuang, "Confident learning" (2021).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import OutputRecord

CATEGORY = "labels"
UNLESS = ("labels-shuffled",)
MANY = 0.2
SURE, EVEN = 0.17, 0.65
KNOWN, NEAR = 0.7, 0.8
WHY = (
    "Many labels seem to be wrong. A network memorizes them, or learns the others more slowly, "
    "and its score on such labels means little."
)
REMEDY = "Look at some of these samples and how their labels were made. No setting fixes them."


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for each output whose labels are contradicted too often."""
    for output in record.outputs:
        share = output.contradicted
        if share is not None and share > MANY:
            yield Finding(
                message=(
                    f"{output.where} has {share:.0%} of its labels contradicted by the nearest "
                    "samples, which agree on another label."
                ),
                why=WHY,
                remedy=REMEDY,
                evidence={"contradicted labels": {"value": share, "threshold": MANY}},
            )
        elif (sure := output.sure_error) is not None and _is_even(record, output):
            yield Finding(
                message=(
                    f"{output.where} has labels that contradict a linear model in {sure:.0%} of "
                    "the new samples that it is sure of, about as often as where it is less sure."
                ),
                why=WHY,
                remedy=REMEDY,
                evidence={"errors of the surest half": {"value": sure, "threshold": SURE}},
            )


def _is_even(record: Record, output: OutputRecord) -> bool:
    """Whether a linear model errs as often where it is sure, and the network about as often."""
    training, error, sure = record.training, output.linear_error, output.sure_error
    majority = output.targets.majority if output.targets is not None else None
    if training is None or error is None or sure is None or majority is None:
        return False
    name = f"{output.name}_accuracy" if len(record.outputs) > 1 else "accuracy"
    accuracy = training.metrics.get(f"val_{name}", training.metrics.get(name))
    if accuracy is None or not len(accuracy):
        return False
    network = 1 - float(accuracy.max())
    learned = max(error, network) < KNOWN * (1 - majority)
    return learned and network > NEAR * error and sure > max(SURE, EVEN * error)
