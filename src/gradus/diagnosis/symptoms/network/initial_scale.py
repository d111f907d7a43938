"""Initial weights so large that a new network's outputs are, too, or so small that nothing passes.

The gain of a kernel is the root mean square of its weights times the square root of their number
for each unit: about 1 for Glorot's and LeCun's initializers, 1.4 for He's. Above `LARGE` it is a
note before training, and a fault where most of the loss is left afterward. Below `SMALL` it is a
fault where little was learned. Sources: Glorot & Bengio
(2010), SageMaker Debugger ("poor initialization").
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import LayerRecord

CATEGORY = "initialisation"
CAUSES = ("symmetric-weights", "diverged")
LARGE, SMALL = 5.0, 0.02


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for the kernel with the largest gain, if that is too large."""
    gains = {layer.path: gain(layer) for layer in record.kernels if layer.kind != "Embedding"}
    path = max(gains, key=lambda path: gains[path], default="")
    remaining, done = record.remaining, record.training is not None
    if gains.get(path, 0.0) > LARGE and not (done and remaining is not None and remaining < 0.5):
        yield _finding(
            f"The initial weights of layer {path!r} are large: its outputs are {gains[path]:.1f} "
            "times the size of its inputs.",
            "The factor multiplies from layer to layer. Early losses and gradients are huge, and "
            "later updates are small beside the initial weights.",
            severity="fault" if done and remaining is not None else "note",
            kind="dynamic" if done else "static",
            layer=path,
            evidence={"gain": {"value": gains[path], "threshold": LARGE}},
        )
    path = min(gains, key=lambda path: gains[path], default="")
    if 0 < gains.get(path, 0.0) < SMALL and record.learned is False:
        yield _finding(
            f"The initial weights of layer {path!r} are small: its outputs are {gains[path]:.2g} "
            "times the size of its inputs.",
            "At first, almost nothing passes forward or back. The first steps are longer than the "
            "weights, whatever their direction.",
            kind="dynamic",
            layer=path,
            evidence={"gain": {"value": gains[path], "threshold": SMALL}},
        )


def _finding(message: str, why: str, **others: Any) -> Finding:
    remedy = 'Use "glorot_uniform", or "he_normal" before a relu.'
    return Finding(message=message, why=why, remedy=remedy, **others)


def gain(layer: LayerRecord) -> float:
    """Return the size of a layer's outputs over that of its inputs, for inputs of mean 0."""
    kernel = layer.kernel
    if kernel is None or len(kernel.shape) < 2:
        return 0.0
    return kernel.rms * math.sqrt(kernel.count / kernel.shape[-1])
