"""A loss of the user's own that adds up a batch instead of taking each sample for itself.

Proof: the same samples in a batch of twice the size have twice the loss each. Source: NeuraLint.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "loss-mismatch"
TOLERANCE = 0.01


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for each loss that grows with the batch."""
    for output in record.outputs:
        factor = output.batch_factor
        if factor is None or abs(factor - 2) > TOLERANCE:
            continue
        yield Finding(
            message=f"The loss {output.loss} doubles when the batch does: it sums over the batch.",
            why=(
                "Steps grow with the batch, so the learning rate must shrink with it. Losses at "
                "different batch sizes cannot be compared."
            ),
            remedy="Return one value per sample; gradus takes their mean.",
            layer=output.layer,
            evidence={"loss in a batch of twice the size": {"value": factor, "threshold": 1.0}},
        )
