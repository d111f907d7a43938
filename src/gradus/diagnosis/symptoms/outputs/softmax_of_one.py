"""A softmax over a single output, which is always 1.

Static proof: softmax(z) = exp(z) / exp(z). Source: DeepDiagnosis (Wardat et al., ICSE 2022).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import SOFTMAX

CATEGORY = "output-activation"


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for each output with one unit and a softmax."""
    for output in record.outputs:
        if output.activation in SOFTMAX and output.shape[-1:] == (1,):
            yield Finding(
                message=f"{output.where} is the {output.activation} of a single unit.",
                why=(
                    "The softmax of one number is always 1, whatever the weights, so nothing is "
                    "learned."
                ),
                remedy='Use Dense(1, "sigmoid") with binary_crossentropy, or Dense(2, "softmax").',
                layer=output.layer,
                evidence={"units": {"value": 1, "threshold": 2}},
            )
