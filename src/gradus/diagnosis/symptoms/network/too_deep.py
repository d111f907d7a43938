"""Many layers in a row that neither a sum nor a normalization helps to train.

A chain of at least `MANY` trained layers, each of which takes the output of the one before, where
little was learned, or more than `gradus.diagnosis.record.HIGH` of the loss of the best constant
prediction is left, and the nearest samples tell clearly more classes, if it is classes that are
told. Source: He et al., "Deep residual learning for image recognition" (2016): plain networks with
more layers have the larger training error.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import LayerRecord
from gradus.diagnosis.symptoms.training import rate_low

CATEGORY = "vanishing"
UNLESS = (*rate_low.UNLESS, "rate-low", "hidden-squashing", "hidden-softmax", "hidden-linear")
MANY = 12


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for the end of the longest chain, if it is too long and little was learned."""
    tells_values = bool(record.outputs) and all(out.kind == "values" for out in record.outputs)
    is_poor = record.concern == "fault" and (tells_values or record.trails_neighbors)
    if record.training is None or not (record.doubt == "fault" or is_poor):
        return
    depths = _depths(record.layers)
    path = max(depths, key=lambda path: depths[path], default="")
    if not depths or depths[path] < MANY:
        return
    yield Finding(
        message=f"Layer {path!r} is the last of {depths[path]} trained layers in a row.",
        why=(
            "Signals and gradients are distorted a little in each layer, so deeper networks learn "
            "less."
        ),
        remedy="Use a quarter of them, gr.Residual, or batch normalization between them.",
        kind="dynamic",
        layer=path,
        evidence={"layers in a row": {"value": float(depths[path]), "threshold": float(MANY)}},
    )


def _depths(layers: tuple[LayerRecord, ...]) -> dict[str, int]:
    """Return how many trained layers lead to each layer without a sum or a normalization."""
    depths: dict[str, int] = {}
    for layer in layers:
        before = 0 if layer.takes is None else depths.get(layer.takes, 0)
        depths[layer.path] = 0 if "Norm" in layer.kind else before + (layer.kernel is not None)
    return depths
