"""Units of a hidden layer that start alike, and stay alike.

Units with equal incoming and equal outgoing weights get equal gradients for ever; with zero
incoming weights a ReLU passes no gradient at all. A single unit, or a layer without one behind it,
has no symmetry. Source: Goodfellow, Bengio & Courville, Deep Learning, 8.4; TheDeepChecker.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import LayerRecord, Record

CATEGORY = "initialisation"
SPREAD = 1e-6  # of weights, relative to their magnitude, up to which they count as equal


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for each hidden layer whose units start alike."""
    with_kernel = [layer for layer in record.layers if layer.kernel is not None]
    for layer, after in itertools.pairwise(with_kernel):
        if layer.is_output or layer.units < 2 or after.kernel is None or layer.kernel is None:
            continue
        is_zero = not layer.kernel.any()
        if not _alike(layer.kernel, -1):
            continue
        blocked = is_zero and layer.activation == "relu"
        if not (blocked or (after.inputs == layer.units and _alike(after.kernel, -2))):
            continue
        value = float(layer.kernel.flat[0])
        yield Finding(
            message=(
                f"The {layer.units} units of layer {layer.path!r} ({layer.kind}) start with equal "
                f"weights ({value:g})."
            ),
            why=(
                "With zero weights a ReLU passes no gradient. None of its units ever learns."
                if blocked
                else "Equal units get equal gradients and stay equal. The layer is worth one unit."
            ),
            remedy='Use a random initializer, such as "glorot_uniform" or "he_normal".',
            layer=layer.path,
            evidence={"spread of weights": {"value": _spread(layer), "threshold": SPREAD}},
        )


def _alike(kernel: np.ndarray, axis: int) -> bool:
    """Return whether the slices of a kernel along an axis are equal."""
    largest = float(np.abs(kernel).max())
    return bool(np.ptp(kernel, axis=axis).max() <= SPREAD * largest)


def _spread(layer: LayerRecord) -> float:
    return float(np.ptp(layer.kernel, axis=-1).max()) if layer.kernel is not None else 0.0
