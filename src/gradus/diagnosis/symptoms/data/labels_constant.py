"""Targets that are all the same."""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "labels"


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for each output whose targets never differ."""
    for output in record.outputs:
        targets = output.targets
        if targets is None or targets.count < 2:
            continue
        is_one_class = bool(targets.counts) and sum(count > 0 for count in targets.counts) == 1
        if is_one_class or targets.minimum == targets.maximum:
            yield Finding(
                message=f"{output.where} has the same target in all {targets.count} samples.",
                why="A constant is always right. Nothing about the inputs is learned.",
                remedy=(
                    "Check how y was made; a sorted file cut in two leaves one class in each part."
                ),
                layer=output.layer,
                evidence={"different targets": {"value": 1, "threshold": 2}},
            )
