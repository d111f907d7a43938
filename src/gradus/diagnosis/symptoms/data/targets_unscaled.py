"""Targets of a regression far from the range that a new network gives.

A standard deviation or mean above `LARGE` into a linear output; said before training, and afterward
only if little was learned, as a fault above `HUGE`; or if the first losses were above `JUMP` times
that of the best constant prediction, and more than `REMAINS` of that is left. Likewise after a
training of targets whose deviation is below `SMALL`, which outputs of about 1 hide.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import RELATIVE

CATEGORY = "unscaled-targets"
LARGE, HUGE, SMALL = 10.0, 100.0, 0.1
STANDARDIZE = (
    'Standardize them: target = gr.data.Target.fit(y, "regression"); y = target.transform(y). Then '
    "target.inverse(model.predict(x)) has the units of y again."
)
JUMP, REMAINS = 10.0, 0.3


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for each output with large numbers as targets."""
    harmed = (record.start or 0.0) > JUMP and (record.remaining or 0.0) > REMAINS
    # Larger first losses are not of outputs of about 1, but of others that are too large.
    is_usual = (record.start or 0.0) * (record.constant or 0.0) < LARGE
    for output in record.outputs:
        targets = output.targets
        if (record.learned and not harmed) or targets is None or output.kind != "values":
            continue
        size = max(targets.deviation, abs(targets.mean))
        if output.activation != "linear" or output.loss in RELATIVE:
            continue
        if harmed and is_usual and record.learned is False and 0 < targets.deviation < SMALL:
            yield _find_small(output.where, output.layer, targets.deviation)
        elif size > LARGE:
            yield Finding(
                message=(
                    f"{output.where} has targets with mean {targets.mean:.4g} and deviation "
                    f"{targets.deviation:.4g}."
                ),
                why=(
                    "A new network predicts numbers near 0, so its first errors and gradients are "
                    "large. Steps are too long, or learning the mean takes most of the training."
                ),
                remedy=STANDARDIZE,
                severity="fault" if harmed else record.doubt if size > HUGE else "note",
                layer=output.layer,
                evidence={"largest mean or deviation": {"value": size, "threshold": LARGE}},
            )


def _find_small(where: str, layer: str | None, deviation: float) -> Finding:
    """Return a fault for targets that hardly vary, next to the outputs of a new network."""
    return Finding(
        message=f"{where} has targets with a deviation of only {deviation:.3g}.",
        why=(
            "The outputs of a new network vary by about 1. Until they are as small as the targets, "
            "the loss says nothing about how well these are predicted."
        ),
        remedy=STANDARDIZE,
        layer=layer,
        kind="dynamic",
        evidence={"deviation": {"value": deviation, "threshold": SMALL}},
    )
