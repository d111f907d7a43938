"""Hidden units of a sigmoid or tanh that are at their ends.

The share of a hidden layer's outputs where the derivative is nearly zero (|z| > 5): above `MANY` at
the end where nothing was learned, and above `ALL` in every record, as then the layer is not
trained at all. Sources: DeepDiagnosis, Glorot & Bengio (2010).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradus.diagnosis.evidence import layer_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "saturation"
CAUSES = (
    "inputs-constant",
    "rate-invalid",
    "rate-high",
    "diverged",
    "exploding-gradient",
    "symmetric-weights",
    "inputs-unscaled",
    "targets-unscaled",
    "loss-reduction",
    "loss-arithmetic",
    "output-loss",
    "output-range",
)
MANY, ALL = 0.5, 0.9


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for the hidden layer that is saturated most, if that is too much."""
    training = record.training
    if training is None:
        return
    worst = None
    for layer in record.hidden:
        if layer.path not in training.layers:
            continue
        shares = training.layers[layer.path].saturated
        if not len(shares) or np.isnan(shares).any():
            continue
        share = float(shares[-1])
        always = float(np.min(shares)) > ALL
        if (always or (share > MANY and record.learned is False)) and (
            worst is None or share > worst[1]
        ):
            worst = layer.path, share
    if worst is None:
        return
    path, share = worst
    epoch = training.since(path, "saturated", MANY)
    yield Finding(
        message=(
            f"{share:.0%} of the outputs of layer {path!r} have been saturated since epoch {epoch}."
        ),
        why=(
            "Saturated outputs pass almost no gradient, so this layer and all before it hardly "
            "learn."
        ),
        remedy="Scale the inputs, use glorot_uniform, or switch the activation to relu.",
        kind="dynamic",
        chart=layer_chart(training, path, "saturated", MANY),
        layer=path,
        epoch=epoch,
        evidence={"saturated outputs": {"value": share, "threshold": MANY}},
    )
