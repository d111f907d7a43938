"""Images whose channels come first, in front of a layer that takes the last axis for channels.

Samples of the shape `(channels, height, width)`, as
`gradus.nn.layers.window.seems_channels_first` tells them, which the first layer with
windows takes as they are. A shape is no proof, so it is a note, and a fault where nothing was
learned.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.nn.layers.window import seems_channels_first

CATEGORY = "preprocessing-mismatch"
WINDOWS = (
    *("Conv2D", "SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose"),
    *("MaxPooling2D", "AveragePooling2D"),
)


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for inputs whose last axis a layer with windows takes for channels."""
    layer = next((each for each in record.layers if each.kind in WINDOWS), None)
    for given in record.inputs:
        if layer is None or not seems_channels_first(given.shape):
            continue
        first, height, width = given.shape
        if layer.inputs != width:  # something has moved the axes
            continue
        yield Finding(
            message=(
                f"The inputs {given.name} have the shape (n, {first}, {height}, {width}): layer "
                f"{layer.path!r} treats them as images of {first} × {height} pixels with {width} "
                "channels."
            ),
            why=(
                "Channels belong on the last axis; windows slide over the two before it. If "
                "channels come first, as in PyTorch, they slide over channels and rows."
            ),
            remedy=(
                f"If channels come first, write np.moveaxis({given.name}, 1, -1), for new images "
                "too."
            ),
            severity=record.doubt,
            layer=layer.path,
        )
