"""Targets that the final activation cannot reach, such as negative ones under a ReLU.

Proof: the share of targets outside the activation's range, of which more than `MOST` is a fault.
Losses of probabilities check their targets themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.nn import activations

CATEGORY = "output-activation"
MARGIN = 1e-3  # of the range of the targets


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for each output whose activation cannot reach all of its targets."""
    for output in record.outputs:
        targets = output.targets
        if output.kind != "values" or targets is None or output.activation == "linear":
            continue
        low, high = activations.info(output.activation).range
        margin = MARGIN * (targets.maximum - targets.minimum)
        below, above = targets.minimum < low - margin, targets.maximum > high + margin
        if not (below or above):
            continue
        reached = (
            f"from {low:g} to {high:g}"
            if below and above
            else (f"no less than {low:g}" if below else f"no more than {high:g}")
        )
        yield Finding(
            message=(
                f"{output.where} ends with {output.activation}, which gives {reached}, but its "
                f"targets go from {targets.minimum:.4g} to {targets.maximum:.4g}."
            ),
            why="Targets outside that range are never reached. Their error stays.",
            remedy="End with linear, or scale the targets into the range.",
            layer=output.layer,
            evidence={
                "smallest target": {"value": targets.minimum, "threshold": low},
                "largest target": {"value": targets.maximum, "threshold": high},
            },
        )
