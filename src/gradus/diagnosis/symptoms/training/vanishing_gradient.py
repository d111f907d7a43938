"""Gradients that shrink to nothing on their way back, or signals on their way forward.

Where nothing was learned: the root mean square of the gradient of one kernel, below `RATIO` times
that of another, or below `SMALL` everywhere, in the median record. Or the gradients of all weights
are exactly 0 in all of `SUSTAINED` records or more, so that nothing was trained, whatever is known
of what was learned. Sources: AutoTrainer (ratio below 1e-3), TheDeepChecker.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from gradus.diagnosis.evidence import gradient_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.symptoms.training import dead_relu
from gradus.diagnosis.training import SUSTAINED

CATEGORY = "vanishing"
CAUSES = (
    *(*dead_relu.CONSTANT, *dead_relu.STEPS, "dead-relu", "saturation", "recurrent-gradient"),
    *dead_relu.ORIGINS,
)
RATIO, SMALL = 1e-3, 1e-7


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if nothing was learned, and a kernel gets hardly any gradient."""
    training = record.training
    if training is None or training.stopped == "diverged" or record.learned:
        return
    gradients = [weight.gradient for weight in training.weights.values()]
    if gradients and len(training.epoch) >= SUSTAINED and not np.any(gradients):
        never = "No step changed any weight, so nothing was trained."
        yield _find_none(record, "in every record", never)
        return
    if record.learned is not False:
        return
    roots = {
        layer.path: math.sqrt(layer.kernel.count)
        for layer in record.kernels
        if f"{layer.path}/kernel" in training.weights and layer.kernel is not None
    }
    if len(roots) < 2:
        return
    sizes = {
        path: np.median(training.weights[f"{path}/kernel"].gradient) / root
        for path, root in roots.items()
    }
    least = min(sizes, key=lambda path: sizes[path])
    small, large = float(sizes[least]), float(max(sizes.values()))
    if not (small < RATIO * large or large < SMALL):
        return
    if not large:
        yield _find_none(record, "in most records", "Most steps moved no kernel.")
        return
    ratio = small / large
    yield Finding(
        message=f"The gradient of layer {least!r} is {ratio:.2g} of the largest one.",
        why=(
            "Signals and gradients shrink from layer to layer. The first layers hardly learn, or "
            "hardly matter."
        ),
        remedy="Use relu with he_normal, batch normalization between layers, or fewer layers.",
        kind="dynamic",
        chart=gradient_chart(training, roots, least, RATIO),
        layer=least,
        evidence={"gradient / largest gradient": {"value": ratio, "threshold": RATIO}},
    )


def _find_none(record: Record, when: str, why: str) -> Finding:
    """Return a fault for gradients that are all 0."""
    is_own = any(output.batch_factor is not None for output in record.outputs)
    return Finding(
        message=f"The gradient of the loss with respect to all kernels is 0 {when}.",
        why=why,
        remedy=(
            "Let your loss depend on the predictions without rounding, argmax, or comparisons: "
            "the derivatives of these are 0."
            if is_own
            else "Look for outputs that are the same whatever the weights, and for dead units."
        ),
        kind="dynamic",
        evidence={"largest gradient": {"value": 0.0, "threshold": 0.0}},
    )
