"""Initial weights so large that a new network's outputs are, too.

The gain of a kernel is the root mean square of its weights times the square root of their number
for each unit: about 1 for Glorot's and LeCun's initializers, 1.4 for He's. Above `LARGE` it is a
note before training, and a fault where most of the loss is left afterward. Sources: Glorot & Bengio
(2010), SageMaker Debugger ("poor initialization").
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import LayerRecord, Record

CATEGORY = "initialisation"
CAUSES = ("symmetric-weights", "diverged")
LARGE = 5.0
LEAST = 1e-12


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for the kernel with the largest gain, if that is too large."""
    gains = {layer.path: gain(layer) for layer in record.kernels if layer.kind != "Embedding"}
    path = max(gains, key=lambda path: gains[path], default="")
    largest = gains.get(path, 0.0)
    remaining = record.remaining
    done = record.training is not None
    if largest <= LARGE or (done and remaining is not None and remaining < 0.5):
        return
    yield Finding(
        message=(
            f"The initial weights of layer {path!r} are large: its outputs have {largest:.1f} "
            "times the size of its inputs."
        ),
        why=(
            "From layer to layer the size multiplies. First losses and gradients are huge, and "
            "what is learned later is small beside the initial weights."
        ),
        remedy='Use "glorot_uniform", or "he_normal" before a relu.',
        severity="fault" if done and remaining is not None else "note",
        kind="dynamic" if done else "static",
        layer=path,
        evidence={"gain": {"value": largest, "threshold": LARGE}},
    )


def gain(layer: LayerRecord) -> float:
    """Return the size of a layer's outputs over that of its inputs, for inputs of mean 0."""
    kernel = layer.kernel
    if kernel is None or len(kernel.shape) < 2:
        return 0.0
    return kernel.rms * math.sqrt(kernel.count / kernel.shape[-1])
