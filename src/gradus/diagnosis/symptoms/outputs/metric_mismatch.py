"""A metric that judges other targets than those at hand.

Accuracy of a regression only asks whether target and prediction are both above 0.5; R² of labels
takes them for amounts.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "other"


def find(record: Record) -> Iterator[Finding]:
    """Yield a note for each metric of classes with a loss of numbers, and the other way round."""
    for output in record.outputs:
        targets = output.targets
        if targets is None:
            continue
        are_classes = output.kind != "values" or targets.one_hot or targets.several
        are_flags = {targets.minimum, targets.maximum} <= {0.0, 1.0}
        for name, judged in output.metrics.items():
            if judged == "classes" and not (are_classes or are_flags):
                yield Finding(
                    message=f"{output.where} has the metric {name}, but its targets are numbers.",
                    why=(
                        f"{name.capitalize()} counts correct classes. It says nothing about "
                        "numbers."
                    ),
                    remedy='Use metrics=["mae", "r2"].',
                    severity="note",
                )
            elif judged == "values" and output.kind == "classes":
                yield Finding(
                    message=f"{output.where} has the metric {name}, but its targets are classes.",
                    why=f"{name.capitalize()} treats labels as amounts. Classes are not amounts.",
                    remedy='Use metrics=["accuracy"].',
                    severity="note",
                )
