"""A dropout after the last layer, which makes predictions 0 at random.

Static proof: in training, each output is 0 with the probability of the dropout, whatever the
target. It is a note under a loss whose constant prediction is not known, as one of the user's own
may want two views of each sample. Source: Srivastava et al., "Dropout" (2014), which drops inputs
and hidden units.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "output-activation"
NOISE = "GaussianDropout"  # which multiplies, and gives no zeros


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding for each dropout whose output is one of the network's."""
    if not record.outputs:
        return
    is_known = all(output.constant_loss is not None for output in record.outputs)
    for layer in record.layers:
        if layer.rate > 0 and layer.is_output and layer.kind != NOISE:
            yield Finding(
                message=f"Layer {layer.path!r} drops {layer.rate:.0%} of the network's outputs.",
                why=(
                    "In training, these predictions are 0, whatever the target, so the loss and "
                    "the metrics of training tell little, and the others are learned wrongly."
                ),
                remedy="Move the dropout before the last layer.",
                severity="fault" if is_known else "note",
                layer=layer.path,
                evidence={"dropout": {"value": layer.rate, "threshold": 0.0}},
            )
