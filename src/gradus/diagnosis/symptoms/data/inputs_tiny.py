"""Inputs so small that the first layer hardly sees them.

The largest standard deviation of a column and its largest mean, below `SMALL`; a fault where little
was learned. Source: TheDeepChecker (deviation below 0.01). Or a first `Rescaling` that makes
columns so alike which are not so before: of inputs within `SCALED` it is a fault, unless the
network learned, as they were scaled before.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding, three_digits
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import InputRecord, LayerRecord
from gradus.diagnosis.symptoms.data.inputs_unscaled import PASSING, SCALE

CATEGORY = "unscaled-inputs"
UNLESS = ("inputs-constant",)
SMALL = 0.02
SCALED = -1.0, 1.0  # what images are scaled to
SCALING = "Normalization", "Rescaling"  # `BatchNormalization` adds 0.001 to a variance: too much


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for each array of inputs that are all small."""
    layers = iter(each for each in record.layers if each.kind not in PASSING)
    first, second = next(layers, None), next(layers, None)
    if first is not None and first.kind == "Normalization":
        return
    for given in record.inputs:
        size = max(given.mean, given.deviation)
        if given.is_codes or not size > 0:
            continue
        if first is not None and first.kind == "Rescaling":
            if len(record.inputs) == 1 and (second is None or second.kind not in SCALING):
                yield from _find_rescaled(record, first, given)
        elif size < SMALL and not record.learned:
            yield Finding(
                message=(
                    f"The inputs {given.name} are small: no column has a mean or deviation above "
                    f"{size:.2g}."
                ),
                why="The first layer's outputs and gradients hardly differ between samples.",
                remedy=SCALE,
                severity=record.doubt,
                evidence={"largest mean or deviation": {"value": size, "threshold": SMALL}},
            )


def _find_rescaled(record: Record, layer: LayerRecord, given: InputRecord) -> Iterator[Finding]:
    """Yield a finding if the layer makes inputs small, or nearly equal, that are not so before."""
    if layer.scaling is None:
        return
    scale, offset = layer.scaling
    after = abs(scale) * given.deviation
    if not after < SMALL <= given.deviation:
        return
    low, high = sorted(scale * each + offset for each in (given.minimum, given.maximum))
    is_scaled = SCALED[0] <= given.minimum and given.maximum <= SCALED[1]
    yield Finding(
        message=(
            f"The inputs {given.name} range from {three_digits(given.minimum)} to "
            f"{three_digits(given.maximum)}, and layer {layer.path!r} rescales them to between "
            f"{three_digits(low)} and {three_digits(high)}."
        ),
        why=(
            "They were already scaled, so it is done twice. To the first weights, all samples "
            "look nearly alike."
            if is_scaled
            else "To the first weights, all samples look nearly alike."
        ),
        remedy=(
            f"Remove layer {layer.path!r}, or the scaling before it, for new samples too."
            if is_scaled
            else "Use a scale that gives the inputs a std of about 1."
        ),
        severity="fault" if is_scaled and not record.learned else "note",
        layer=layer.path,
        evidence={"largest deviation of a column": {"value": after, "threshold": SMALL}},
    )
