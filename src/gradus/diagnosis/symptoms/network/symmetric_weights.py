"""Units of a hidden layer that start alike, and stay alike.

Units with equal incoming and equal outgoing weights get equal gradients for ever; with zero
incoming weights a ReLU passes no gradient at all. A single unit, or a layer without one behind it,
has no symmetry. Source: Goodfellow, Bengio & Courville, Deep Learning, 8.4; TheDeepChecker.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "initialisation"
SPREAD = 1e-6  # of weights, relative to their magnitude, up to which they count as equal


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for each hidden layer whose units start alike."""
    for layer, after in itertools.pairwise(record.kernels):
        kernel, following = layer.kernel, after.kernel
        if layer.is_output or layer.units < 2 or kernel is None or following is None:
            continue
        if not kernel.between_units <= SPREAD * kernel.largest:
            continue
        blocked = kernel.largest == 0 and layer.activation == "relu"
        alike = following.between_inputs <= SPREAD * following.largest
        if not (blocked or (after.inputs == layer.units and alike)):
            continue
        yield Finding(
            message=(
                f"The {layer.units} units of layer {layer.path!r} ({layer.kind}) start with equal "
                f"weights ({kernel.mean:.4g})."
            ),
            why=(
                "With zero weights, a ReLU passes no gradient. None of its units ever learns."
                if blocked
                else "Equal units get equal gradients and stay equal. The layer acts as one unit."
            ),
            remedy='Use a random initializer, such as "glorot_uniform" or "he_normal".',
            layer=layer.path,
            evidence={"spread of weights": {"value": kernel.between_units, "threshold": SPREAD}},
        )
