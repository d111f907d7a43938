"""Labels of which many contradict those of the nearest samples, which agree with each other.

The share of such samples (`gradus.diagnosis.references.neighbors.contradicted_share`) above
`MANY`; of labels that are right, a few percent. Source: Northcutt, Jiang & Chuang, "Confident
learning" (2021).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "labels"
UNLESS = ("labels-shuffled",)
MANY = 0.2


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for each output whose labels are contradicted too often."""
    for output in record.outputs:
        share = output.contradicted
        if share is None or share <= MANY:
            continue
        yield Finding(
            message=(
                f"{output.where} has {share:.0%} of samples whose label hardly one of the nearest "
                "ones has, though these agree on another."
            ),
            why=(
                "Many labels seem to be wrong. A network learns them by heart, or learns the "
                "others more slowly, and its score on such labels says little."
            ),
            remedy=(
                "Look at some of these samples with their labels, and how labels were made. No "
                "setting mends them."
            ),
            evidence={"contradicted labels": {"value": share, "threshold": MANY}},
        )
