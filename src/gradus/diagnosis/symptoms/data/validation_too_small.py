"""Validation data on which a score says little.

With n samples an accuracy p has a standard error of √(p (1 - p) / n): 9 points for 30 samples.
Classes that validation lacks are not judged at all.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import OutputRecord

CATEGORY = "other"
FEW = 10


def find(record: Record) -> Iterator[Finding]:
    """Yield a note for few samples of validation, or classes that it lacks."""
    for output in record.outputs:
        if output.validation is None or output.targets is None:
            continue
        count = output.validation.count
        if count < FEW:
            yield Finding(
                message=f"Validation has {count} sample{'s' * (count != 1)}.",
                why=(
                    f"One sample changes its accuracy by {1 / count:.0%}. A score of 100% may be "
                    "chance."
                ),
                remedy="Hold out more, or use cross-validation: gr.Sweep(…, cv=5).",
                severity="note",
                evidence={"samples": {"value": count, "threshold": FEW}},
            )
        elif missing := _missing(output):
            shown = ", ".join(map(str, missing[:5])) + (", …" if len(missing) > 5 else "")
            classes = "class" if len(missing) == 1 else "classes"
            present = [label for label, n in enumerate(output.validation.counts) if n]
            yield Finding(
                message=(
                    f"All {count} validation samples are of class {present[0]}."
                    if len(present) == 1
                    else f"Validation has no sample of {classes} {shown}, which training has."
                ),
                why=(
                    "Always predicting that class scores 100%. Nothing is judged."
                    if len(present) == 1
                    else "Its score does not cover what is missing. Early stopping may favor "
                    "other classes."
                ),
                remedy="Draw a random, stratified split: validation_split=0.2.",
                severity="note",
                evidence={"classes without a sample": {"value": len(missing), "threshold": 0}},
            )


def _missing(output: OutputRecord) -> list[int]:
    """Return the labels that training has and validation lacks."""
    trained = output.targets.counts if output.targets else ()
    validated = output.validation.counts if output.validation else ()
    if not validated:
        return []
    padded = [*validated, *[0] * (len(trained) - len(validated))]
    return [label for label, count in enumerate(trained) if count and not padded[label]]
