"""A loss of the user's own that is not smallest at the targets.

Proof: of a grid of predictions one has the smallest loss for samples with different targets, such
as 1 under −Σ y log p where outputs need not sum to 1. Or no prediction has a larger loss than the
target itself, as with a wrong sign. Source: NeuraLint, UMLAUT.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import SOFTMAX

CATEGORY = "loss-mismatch"


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for each loss that its targets do not minimize."""
    for output in record.outputs:
        if output.is_largest_at_target:
            yield Finding(
                message=f"The loss {output.loss} is largest where the prediction is the target.",
                why=(
                    "Training makes a loss small, so the outputs move away from their targets, "
                    "the farther the longer it runs."
                ),
                remedy=f"Change its sign: return the negative of what {output.loss} returns.",
                layer=output.layer,
            )
            continue
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
