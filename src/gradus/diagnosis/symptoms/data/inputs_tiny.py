"""Inputs so small that the first layer hardly sees them.

The largest standard deviation of a column and its largest mean, below `SMALL`; a fault where little
was learned. Source: TheDeepChecker (deviation below 0.01).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "unscaled-inputs"
SMALL = 0.02


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for each array of inputs that are all small."""
    if record.learned:
        return
    for given in record.inputs:
        size = max(given.mean, given.deviation)
        if given.is_codes or not 0 < size < SMALL:
            continue
        yield Finding(
            message=f"The inputs {given.name} are small: no column deviates by {size:.2g} or more.",
            why="The first layer's outputs hardly differ between samples, and so do its gradients.",
            remedy="Scale each column to mean 0 and deviation 1: (x - x.mean(0)) / x.std(0).",
            severity=record.doubt,
            evidence={"largest mean or deviation": {"value": size, "threshold": SMALL}},
        )
