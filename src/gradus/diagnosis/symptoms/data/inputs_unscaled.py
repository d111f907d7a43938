"""Inputs far from the range that initializers and learning rates are made for.

The largest magnitude of a column's mean, or its largest standard deviation, above `LARGE`; said
before training, and afterward only if nothing was learned, or if the first losses were above `JUMP`
times that of the best constant prediction and more than `REMAINS` of that is left, of training or
of validation samples in the best epoch. Sources: TheDeepChecker, UMLAUT.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import InputRecord

CATEGORY = "unscaled-inputs"
UNLESS = ("inputs-constant",)
LARGE, JUMP, REMAINS = 10.0, 10.0, 0.3
BYTE, BRIGHT = 255, 128  # the largest byte; some pixel of a photo is brighter than half of it
# A column may be constant, as the pixels of a corner are: its deviation is 0.
SCALE = "Scale each column to mean 0 and std 1: (x - x.mean(0)) / (x.std(0) + 1e-7)."
# Layers that may stand between the inputs and the first weights and leave the scale as it is.
PASSING = (
    *("Flatten", "Identity", "Permute", "RepeatVector", "Reshape", "Masking", "GaussianNoise"),
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout"),
    *("ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D", "UpSampling1D", "UpSampling2D"),
    *("CenterCrop", "Resizing", "RandomCrop", "RandomFlip", "RandomRotation", "RandomTranslation"),
    "RandomZoom",
)


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for each array of large inputs that goes straight into weights."""
    first = next((layer for layer in record.layers if layer.kind not in PASSING), None)
    remaining = max(record.remaining or 0.0, record.unseen or 0.0)
    harmed = (record.start or 0.0) > JUMP and remaining > REMAINS
    if (record.learned and not harmed) or first is None or first.kernel is None:
        return
    for given in record.inputs:
        size = max(given.mean, given.deviation)
        if given.is_codes or size <= LARGE:
            continue
        yield Finding(
            message=(
                f"The inputs {given.name} have columns with means up to {given.mean:.3g} and "
                f"deviations up to {given.deviation:.3g}."
            ),
            why=(
                "Large inputs make large gradients in the first layer, so no learning rate suits "
                "all weights. Units saturate or die."
            ),
            remedy="Divide the pixels by 255: x / 255." if _are_bytes(given) else SCALE,
            severity="fault" if harmed else record.doubt,
            layer=first.path,
            evidence={"largest mean or deviation": {"value": size, "threshold": LARGE}},
        )


def _are_bytes(given: InputRecord) -> bool:
    """Whether inputs seem to be images of bytes, from 0 to 255."""
    return len(given.shape) > 1 and given.minimum >= 0 and BRIGHT < given.maximum <= BYTE
