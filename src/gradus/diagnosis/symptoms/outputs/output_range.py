"""Targets that the final activation cannot reach, such as negative ones under a ReLU.

Proof: the share of targets outside the activation's range, of which more than `MOST` is a fault.
Losses of probabilities check their targets themselves. A generator's targets are the data. Or a
share of the outputs of a rectifier that is zero on all samples of the last record, by `DEAD` above
that of the targets that never differ, while more than `LEFT` of the loss of the best constant
prediction is left. Source: Lu et al., "Dying ReLU and initialization" (2020).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import RECTIFIERS, OutputRecord
from gradus.nn import activations

CATEGORY = "output-activation"
MARGIN = 1e-3  # of the range of the targets
DEAD, LEFT = 0.2, 0.2


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for each output whose activation cannot reach all of its targets."""
    for output in record.outputs:
        targets = output.targets
        if output.kind == "values" and targets is not None:
            where, span = f"{output.where} ends", (targets.minimum, targets.maximum)
            yield from _out_of_reach(where, output.activation, "targets", span, output.layer)
            yield from _dead(record, output)
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
        f"values from {low:g} to {high:g}"
        if below and above
        else (f"at least {low:g}" if below else f"at most {high:g}")
    )
    yield Finding(
        message=(
            f"{where} with {activation}, which gives {reached}, but its {what} range from "
            f"{span[0]:.4g} to {span[1]:.4g}."
        ),
        why=f"{what.capitalize()} outside that range are never reached. Their error remains.",
        remedy=f"End with linear, or scale the {what} into that range.",
        layer=layer,
        evidence={
            "smallest target": {"value": span[0], "threshold": low},
            "largest target": {"value": span[1], "threshold": high},
        },
    )


def _dead(record: Record, output: OutputRecord) -> Iterator[Finding]:
    """Yield a fault if a rectifier gives zero for many targets that differ between samples."""
    training, targets, path = record.training, output.targets, output.layer
    if output.activation not in RECTIFIERS or training is None or targets is None or path is None:
        return
    share = training.silent_share(path) - targets.constant
    if not share > DEAD or (record.remaining_of(output) or 0.0) <= LEFT:
        return
    yield Finding(
        message=(
            f"{output.where} ends with {output.activation}, and {share:.0%} of its values are 0 "
            "for every sample, though their targets are not."
        ),
        why="A rectifier that is 0 for every sample passes no gradient and never recovers.",
        remedy="End with linear, or with sigmoid for targets from 0 to 1.",
        kind="dynamic",
        layer=path,
        evidence={"dead outputs": {"value": share, "threshold": DEAD}},
    )
