"""An autoencoder whose code is no bottleneck, so that it may learn to copy.

A code with more numbers than a sample, or with as many and no activation, reached through no
narrower layer, and nothing else that hinders copying: no noise, no penalty on the code or the
weights, no dropout. Judged are encoders of fully connected layers. Source: Goodfellow, Bengio &
Courville, Deep Learning, 14.2.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import LayerRecord

CATEGORY = "other"
COPIED = 0.3  # of the loss of a constant, above which nothing was copied


def find(record: Record) -> Iterator[Finding]:
    """Yield a note if the code of an autoencoder is as large as its samples."""
    layers = {part: layers_of(record, part) for part in ("encoder", "decoder", "code", "noise")}
    encoder, numbers = layers["encoder"], sum(given.columns for given in record.inputs)
    if not encoder or not layers["decoder"] or layers["code"] or layers["noise"] or not numbers:
        return
    if any(
        layer.kind not in ("Flatten", "Dense", "BatchNormalization") and not layer.is_activation
        for layer in encoder
    ):
        return
    is_hindered = record.penalty > 0 or any(layer.rate for layer in record.layers)
    narrowest = min((each.units for each in encoder if each.kind == "Dense"), default=0)
    copies = narrowest > numbers or (narrowest == numbers and encoder[-1].activation == "linear")
    if is_hindered or not copies or (record.remaining or 0.0) > COPIED:
        return
    yield Finding(
        message=(
            f"The code has {encoder[-1].units} numbers and a sample has {numbers}: nothing keeps "
            "the autoencoder from copying."
        ),
        why="A copy has no error, but its code says no more than the sample itself.",
        remedy=(
            f"Use a code of fewer than {numbers} numbers, sparsity=0.01, or "
            "gr.DenoisingAutoencoder."
        ),
        severity="note",
        layer=encoder[-1].path,
        evidence={"numbers of the code": {"value": encoder[-1].units, "threshold": numbers}},
    )


def layers_of(record: Record, part: str) -> list[LayerRecord]:
    """Return the layers of a part of the network: "encoder" or "encoder/…"."""
    return [layer for layer in record.layers if layer.path.split("/")[0] == part]
