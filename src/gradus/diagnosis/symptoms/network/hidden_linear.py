"""Two layers in a row without an activation between them.

Together they are one linear layer. A narrow layer between wider ones, as the code of an
autoencoder, is meant. A note, and a fault where little was learned, or more than
`gradus.diagnosis.record.HIGH` of the loss of the best constant prediction is left. Source:
TheDeepChecker.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "hidden-activation"
UNLESS = ("narrow-layer",)


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for each linear layer whose output another linear map takes."""
    layers = {layer.path: layer for layer in record.layers}
    for after in record.layers:
        before = layers.get(after.takes) if after.takes is not None else None
        if before is None or before.kernel is None or after.kernel is None:
            continue
        narrow = before.units < min(before.inputs, after.units)
        if before.activation == "linear" and before.kind == after.kind and not narrow:
            yield Finding(
                message=(
                    f"Layer {before.path!r} ({before.kind}) has no activation before layer "
                    f"{after.path!r}."
                ),
                why=(
                    "Two linear layers in a row amount to one. The network is simpler than it "
                    "looks."
                ),
                remedy=f'Write {before.kind}(…, "relu") for {before.path!r}.',
                severity=record.concern,
                layer=before.path,
            )
