"""Recurrent layers that have forgotten the first steps at the last, though these tell the target.

The gradient of the last output by the inputs of the first quarter of the steps, below `SMALL` times
that by the inputs of the step that counts most. That alone is no fault: where the last steps tell
the target, sound networks forget, too (down to 1e-11). So a linear model of the first quarter alone
must do clearly better than the network, as `gradus.diagnosis.record.Record.trails_by` says; on new
samples, if there are any, as what it cannot carry a network may learn by heart. docs/design.md has
the gradients of networks that learned from their first steps, and of those that could not.
Sources: Bengio, Simard & Frasconi, "Learning long-term dependencies with gradient descent is
difficult" (1994); Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural
networks" (2013).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.symptoms.training import rate_low

CATEGORY = "vanishing"
UNLESS = (
    *(code for code in rate_low.UNLESS if code not in ("labels-shuffled", "vanishing-gradient")),
    "rate-low",
)
SMALL = 1e-2
PADDED = 0.5  # of the steps, with the same code in every sample


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if the first steps do not reach the last output, and would help."""
    found = record.recurrence
    if found is None or not found.carried < SMALL:
        return
    if not record.trails_by(record.outputs[0], found.told, found.told_error, new=True):
        return
    yield Finding(
        message=(
            f"The last output of layer {found.layer!r} hardly depends on the first quarter of the "
            f"{found.steps} steps: their gradient is {found.carried:.2g} of the largest."
        ),
        why=(
            "The gradient shrinks at every step, so what comes early is not learned. A linear "
            f"model of the first quarter alone leaves {found.told:.0%} of a constant's loss."
        ),
        remedy=(
            f"{_skip_padding(record)}Read in both directions with gr.Bidirectional(gr.LSTM(16)), "
            "or shorten the sequences. An LSTM or a GRU remembers more than a SimpleRNN."
        ),
        kind="dynamic",
        layer=found.layer,
        chart=loss_chart(record),
        evidence={"gradient by the first steps": {"value": found.carried, "threshold": SMALL}},
    )


def _skip_padding(record: Record) -> str:
    """Return how to skip padding, if most steps of codes seem to be that; else "".

    The record does not tell whether the embedding masks it already.
    """
    embeds = any(layer.kind == "Embedding" for layer in record.layers)
    codes = [each for each in record.inputs if each.is_codes and each.minimum == 0]
    if not embeds or not any(each.constant > PADDED for each in codes):
        return ""
    return (
        "Most steps are the same in all samples, as padding with 0 is: set mask_zero=True in the "
        "Embedding, with which recurrent layers skip it, if that is not set yet. "
    )
