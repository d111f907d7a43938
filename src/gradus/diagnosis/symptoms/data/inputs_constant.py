"""Inputs that are the same in all samples.

Proof: the network computes the same output for equal inputs, so it cannot tell samples apart whose
targets differ. All samples are compared, not only some.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding, three_digits
from gradus.diagnosis.record import Record

CATEGORY = "unscaled-inputs"


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if no array of inputs differs between samples, though targets are given."""
    targets = [output.targets for output in record.outputs if output.targets is not None]
    if not targets or not record.inputs or not all(each.is_constant for each in record.inputs):
        return
    for given in record.inputs:
        value = three_digits(given.minimum)
        values = f": {value} everywhere" if given.minimum == given.maximum else ""
        yield Finding(
            message=f"The inputs {given.name} are the same in all {given.count} samples{values}.",
            why=(
                "So the network gives all samples the same output, whatever its weights. It can "
                "learn no more than a constant."
            ),
            remedy=(
                "Check how the inputs were read and scaled: print the first rows after each step "
                "that prepares them."
            ),
            evidence={"different samples": {"value": 1, "threshold": 2}},
        )
