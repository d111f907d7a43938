"""Targets that the final activation cannot reach, such as negative ones under a ReLU.

Proof: the share of targets outside the activation's range, of which more than `MOST` is a fault.
Losses of probabilities check their targets themselves. A generator's targets are the data.
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
        if output.kind == "values" and targets is not None:
            where, span = f"{output.where} ends", (targets.minimum, targets.maximum)
            yield from _out_of_reach(where, output.activation, "targets", span, output.layer)
    generator = [layer for layer in record.layers if layer.path.startswith("generator/")]
    if generator and len(record.inputs) == 1:
        last, given = generator[-1], record.inputs[0]
        span = given.minimum, given.maximum
        yield from _out_of_reach("The generator ends", last.activation, "data", span, last.path)


def _out_of_reach(
    where: str, activation: str, what: str, span: tuple[float, float], layer: str | None
) -> Iterator[Finding]:
    """Yield a fault if an activation does not reach a span of targets."""
    if activation in ("linear", ""):
        return
    low, high = activations.info(activation).range
    margin = MARGIN * (span[1] - span[0])
    below, above = span[0] < low - margin, span[1] > high + margin
    if not (below or above):
        return
    reached = (
        f"from {low:g} to {high:g}"
        if below and above
        else (f"no less than {low:g}" if below else f"no more than {high:g}")
    )
    yield Finding(
        message=(
            f"{where} with {activation}, which gives {reached}, but its {what} go from "
            f"{span[0]:.4g} to {span[1]:.4g}."
        ),
        why=f"{what.capitalize()} outside that range are never reached. Their error stays.",
        remedy=f"End with linear, or scale the {what} into the range.",
        layer=layer,
        evidence={
            "smallest target": {"value": span[0], "threshold": low},
            "largest target": {"value": span[1], "threshold": high},
        },
    )
