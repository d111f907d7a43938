"""A loss of numbers on targets that are classes.

Source: DeepDiagnosis; a note unless nothing is learned, as squared errors of a probability (the
Brier score) do learn.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import SQUARED

CATEGORY = "loss-mismatch"


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for each output with one-hot targets and a loss of numbers."""
    for output in record.outputs:
        targets = output.targets
        if output.loss not in SQUARED or targets is None or not targets.one_hot:
            continue
        if output.activation == "softmax":
            continue  # output-loss
        yield Finding(
            message=f"{output.where} has one-hot targets, but the loss is {output.loss}.",
            why=(
                "The loss treats each class as a separate number. It punishes confident right "
                "answers and says little about the class."
            ),
            remedy='End with softmax and use "categorical_crossentropy".',
            severity=record.doubt,
            layer=output.layer,
        )
