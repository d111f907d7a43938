"""Targets of a regression far from the range that a new network gives.

A standard deviation or mean above `LARGE` into a linear output; said before training, and afterward
only if little was learned, as a fault above `HUGE`; or if the first losses were above `JUMP` times
that of the best constant prediction, and more than `REMAINS` of that is left.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import RELATIVE

CATEGORY = "unscaled-targets"
LARGE, HUGE = 10.0, 100.0
JUMP, REMAINS = 10.0, 0.3


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for each output with large numbers as targets."""
    harmed = (record.start or 0.0) > JUMP and (record.remaining or 0.0) > REMAINS
    for output in record.outputs:
        targets = output.targets
        if (record.learned and not harmed) or targets is None or output.kind != "values":
            continue
        size = max(targets.deviation, abs(targets.mean))
        if output.activation == "linear" and size > LARGE and output.loss not in RELATIVE:
            yield Finding(
                message=(
                    f"{output.where} has targets with mean {targets.mean:.4g} and deviation "
                    f"{targets.deviation:.4g}."
                ),
                why=(
                    "A new network predicts numbers near 0, so its first errors and gradients are "
                    "large. Steps are too long, or learning the mean takes most of the training."
                ),
                remedy=(
                    'Standardize them: target = gr.data.Target.fit(y, "regression"); '
                    "y = target.transform(y). Then target.inverse(model.predict(x)) has the units "
                    "of y again."
                ),
                severity="fault" if harmed else record.doubt if size > HUGE else "note",
                layer=output.layer,
                evidence={"largest mean or deviation": {"value": size, "threshold": LARGE}},
            )
