"""Units that are zero on every sample.

The share of a layer's units that are zero on a whole set of samples, above `MANY` where nothing was
learned, and above `ALL` in any case, as then nothing passes. If it is one layer and the loss still
falls, its other units learn. Half of all outputs being zero is normal, and so are units that are
zero from the first record on, if they are fewer than `BEGAN`, or if all steps together move no
kernel by `STILL` of its size. Source: SageMaker Debugger, TheDeepChecker (95 % quantile over a
probe set below 1e-5).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradus.diagnosis.evidence import layer_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import RECTIFIERS, LayerRecord
from gradus.diagnosis.training import TrainingRecord

CATEGORY = "dead-relu"
# With these, no gradient tells anything.
CONSTANT = ("inputs-constant", "softmax-of-one", "norm-of-one")
STEPS = ("rate-invalid", "rate-high", "diverged", "exploding-gradient")
ORIGINS = (
    "narrow-layer",
    "batch-size",
    "initial-scale",
    "symmetric-weights",
    "inputs-unscaled",
    "inputs-tiny",
    "targets-unscaled",
    "loss-reduction",
    "loss-arithmetic",
    "loss-targets",
    "output-loss",
    "output-range",
    "over-regularised",
    "labels-constant",
    "dead-code",
)
CAUSES = (*CONSTANT, *STEPS, *ORIGINS)
MANY, ALL = 0.5, 0.99
LINEAR = ("Dense", "Conv1D", "Conv2D")  # without an activation
FALLS = 0.02  # the fall of the loss in the last quarter that shows that other units learn
STILL, DIED, BEGAN = 0.3, 0.1, 0.6  # of a kernel's size; of the units, later and at first


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault for the layer with the most dead units, if they are too many."""
    training = record.training
    if training is None or record.learned:
        return
    # An output that is zero for all samples is as dead as a hidden unit. What a layer without an
    # activation gives is zero only where its inputs are, or a normalization makes them so.
    watched = [
        layer
        for layer in record.layers
        if layer.path in training.layers
        and (not layer.is_output or layer.activation in RECTIFIERS)
        and not (layer.kind.endswith("Normalization") or _is_linear(layer))
    ]
    shares = {layer.path: training.silent_share(layer.path) for layer in watched}
    path = max(shares, key=lambda path: shares[path], default="")
    share = shares.get(path, 0.0)
    several = sum(share > MANY for share in shares.values()) > 1
    is_stuck = record.learned is False and (several or not training.fell > FALLS)
    if share <= (MANY if is_stuck else ALL) or _only_began_silent(record, training, path):
        return
    epoch = training.since(path, "silent", MANY)
    yield Finding(
        message=f"{share:.0%} of the units in layer {path!r} have been dead since epoch {epoch}.",
        why="A unit that is zero for every sample passes no gradient and never recovers.",
        remedy=(
            "Try a lower learning rate, then the he_normal initializer, then leaky_relu or batch "
            "normalization."
        ),
        kind="dynamic",
        chart=layer_chart(training, path, "silent", MANY),
        layer=path,
        epoch=epoch,
        evidence={"dead units": {"value": share, "threshold": MANY}},
    )


def _is_linear(layer: LayerRecord) -> bool:
    return layer.kind in LINEAR and layer.activation == "linear"


def _only_began_silent(record: Record, training: TrainingRecord, path: str) -> bool:
    """Whether units of a layer were silent from the first record on, which explains nothing."""
    settings, moved = record.settings, record.median_update
    shares = training.layers[path].silent if path in training.layers else np.zeros(0)
    if settings is None or moved is None or not len(shares) or shares[0] >= ALL:
        return False
    is_still = moved * training.epochs * settings.steps < STILL
    has_died = training.silent_share(path) - shares[0] >= DIED
    return bool((is_still or shares[0] < BEGAN) and not has_died)
