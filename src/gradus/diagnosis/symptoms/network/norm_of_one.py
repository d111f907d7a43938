"""A normalization of each sample over a single number, which gives a constant.

Static proof: the mean of one number is that number, so (x - mean) / std is 0, whatever x is, and
what comes out is the trained offset. Source: Ba, Kiros & Hinton, "Layer normalization" (2016).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "other"


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for each layer normalization of one feature; a note where much is learned."""
    for layer in record.layers:
        if layer.kind == "LayerNormalization" and layer.inputs == 1:
            yield Finding(
                message=f"Layer {layer.path!r} standardizes each sample over a single number.",
                why=(
                    "A number minus its own mean is 0, so the layer gives the same output for all "
                    "inputs. Nothing passes through it."
                ),
                remedy="Remove it, or use BatchNormalization, which takes the mean over samples.",
                severity="note" if record.learned else "fault",
                layer=layer.path,
                evidence={"features": {"value": 1, "threshold": 2}},
            )
