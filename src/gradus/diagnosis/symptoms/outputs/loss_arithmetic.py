"""A loss of the user's own whose smallest value does not depend on the targets.

Proof: of a grid of predictions one has the smallest loss for samples with different targets, such
as 1 under −Σ y log p where outputs need not sum to 1. Source: NeuraLint, UMLAUT.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import SOFTMAX

CATEGORY = "loss-mismatch"


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for each loss that one prediction minimizes for all samples."""
    for output in record.outputs:
        best = output.best_for_all
        if best is None or output.activation in SOFTMAX:
            continue
        of_classes = output.targets is not None and output.targets.one_hot
        yield Finding(
            message=(
                f"The loss {output.loss} is smallest when {output.where.lower()} is {best:g}, "
                "whatever the target."
            ),
            why="So the best network always predicts that. The loss does not reward right answers.",
            remedy=(
                "End with softmax and use categorical_crossentropy."
                if of_classes
                else "Use mean_squared_error, or another loss that is smallest at the target."
            ),
            layer=output.layer,
            category="output-activation" if of_classes else CATEGORY,
        )
