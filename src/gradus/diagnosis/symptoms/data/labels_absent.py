"""Classes that an output can answer, but that no sample has.

A fault where at least `MANY` of an output's classes, and two of them, have no training sample: the
labels were merged, cut, or counted otherwise. Outputs of more than `MOST` classes are left alone,
as those of words. Source: Breck et al., "Data validation for machine learning" (2019).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.evidence import class_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "labels"
UNLESS = ("labels-constant",)
MANY, LEAST, MOST = 0.5, 2, 100


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for each output of which many classes have no sample."""
    for output in record.outputs:
        targets = output.targets
        classes = output.shape[-1] if output.shape else 0
        if targets is None or output.link != "softmax" or not sum(targets.counts):
            continue
        present = sum(count > 0 for count in targets.counts)
        absent = classes - present
        if len(output.shape) != 1 or classes > MOST or absent < max(LEAST, MANY * classes):
            continue
        yield Finding(
            message=(
                f"{output.where} has {classes} classes, but only {present} occur among the "
                f"{targets.count:,} samples."
            ),
            why=(
                "Absent classes are never learned, nor missed in validation. Labels may have been "
                "merged, cut off, or numbered differently."
            ),
            remedy=(
                f"Compare np.unique(y) with the original labels, or give the last layer {present} "
                "units."
            ),
            chart=class_chart(targets),
            evidence={"absent classes": {"value": float(absent), "threshold": MANY * classes}},
        )
