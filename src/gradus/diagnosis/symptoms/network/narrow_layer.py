"""A hidden layer with too few units to pass on what the outputs need.

A dense or recurrent layer of one unit, or of fewer than a quarter as many as there are classes,
where little was learned, or more than `gradus.diagnosis.record.HIGH` of the loss of the best
constant prediction is left: each unit passes one number. Source: Goodfellow, Bengio & Courville,
"Deep Learning" (2016), 6.4.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.errors import counted

CATEGORY = "underfitting"
UNLESS = ("norm-of-one",)
CAUSES = ("inputs-constant", "diverged", "rate-invalid", "symmetric-weights")
WIDE = 4  # classes for each unit
KINDS = ("Dense", "SimpleRNN", "GRU", "LSTM")


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for the narrowest layer, if it is too narrow and little was learned."""
    if record.training is None or record.concern != "fault":
        return
    classes = max((len(each.targets.counts) for each in record.outputs if each.targets), default=0)
    # The last kernel gives as many numbers as there are targets, also where another layer follows.
    last = record.kernels[-1].path if record.kernels else ""
    layers = [
        layer
        for layer in record.hidden
        if layer.kind in KINDS and layer.inputs > 1 and layer.path != last
    ]
    narrowest = min(layers, key=lambda layer: layer.units, default=None)
    fewest = max(2, -(-classes // WIDE))
    if narrowest is None or narrowest.units >= fewest:
        return
    needed = f"{classes} classes" if classes else "the targets"
    yield Finding(
        message=(f"Layer {narrowest.path!r} has {counted(narrowest.units, 'unit')} for {needed}."),
        why="Everything the outputs know about the inputs must pass through so few numbers.",
        remedy=f"Give it {4 * fewest} units or more.",
        kind="dynamic",
        layer=narrowest.path,
        evidence={"units": {"value": float(narrowest.units), "threshold": float(fewest)}},
    )
