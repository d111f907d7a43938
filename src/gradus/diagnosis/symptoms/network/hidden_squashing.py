"""Sigmoids in hidden layers, through which little of the gradient passes.

The norm of the gradient of the first kernel below `LITTLE` times that of the last one, in the
median of the records of the first epoch, where all hidden dense and convolution layers are sigmoids
and little was learned. Source: Glorot & Bengio, "Understanding the difficulty of training deep
feedforward neural networks" (2010): the slope of a sigmoid is a quarter at most.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.symptoms.training import rate_low

CATEGORY = "hidden-activation"
UNLESS = (*rate_low.UNLESS, "rate-low")
LITTLE = 0.5
SIGMOIDS = ("sigmoid", "hard_sigmoid")


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if all hidden layers are sigmoids, little passes, and little was learned."""
    training, kernels = record.training, record.kernels
    hidden = [layer for layer in kernels if not layer.is_output]
    if training is None or record.learned is not False or not hidden or len(kernels) < 2:
        return
    paths = [f"{layer.path}/kernel" for layer in (kernels[0], kernels[-1])]
    if any(layer.activation not in SIGMOIDS for layer in hidden):
        return
    if any(path not in training.weights for path in paths):
        return
    first, last = (training.weights[path].gradient[training.epoch == 1] for path in paths)
    share = float(np.median(first) / np.median(last)) if len(last) and np.median(last) > 0 else 1.0
    if not share < LITTLE:
        return
    yield Finding(
        message=(
            f"The hidden layers are sigmoids, and the gradient of layer {kernels[0].path!r} is "
            f"{share:.0%} of the last layer's."
        ),
        why="A sigmoid's slope is at most a quarter, so layers far from the loss learn slowly.",
        remedy='Use "relu" or "tanh" in the hidden layers.',
        kind="dynamic",
        layer=kernels[0].path,
        evidence={"gradient / last layer's": {"value": share, "threshold": LITTLE}},
    )
