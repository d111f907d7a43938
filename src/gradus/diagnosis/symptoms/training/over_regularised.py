"""Penalties or dropout that keep a network from fitting.

Penalties that are above `STRONG` times the loss of the best constant prediction before training,
and above the share `MUCH` of the last loss after `ENOUGH` steps, or below the share `CRUSHED` of
what they were; or a rate of dropout above `DROPPED`. In each case more than `REMAINS` of the loss
of that constant is left; for dropout, with which the training loss is measured, of that of the
validation samples, too. Without these it is a note. Sources: TheDeepChecker, UMLAUT.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "over-regularised"
CAUSES = ("diverged", "rate-invalid", "loss-reduction", "inputs-unscaled", "initial-scale")
STRONG, MUCH, CRUSHED, DROPPED, REMAINS = 0.5, 0.25, 0.05, 0.65, 0.4


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if penalties outweigh the data, or dropout is strong, and little is learned."""
    training, remaining = record.training, record.remaining
    if training is None or remaining is None or not REMAINS < remaining < float("inf"):
        return
    total = training.final_loss + training.penalty
    share = training.penalty / total if total > 0 else 0.0
    rates = {layer.path: layer.rate for layer in record.layers if layer.rate > DROPPED}
    constant = record.constant or 0.0
    strong = record.penalty > STRONG * constant > 0
    unseen = None
    if training.validation_loss is not None and constant:
        last = training.validation_loss[-training.last :].mean() - training.penalty
        unseen = float(last) / constant
    if strong and training.penalty < CRUSHED * record.penalty and record.learned is False:
        left = training.penalty / record.penalty
        yield Finding(
            message=f"Penalties have shrunk the weights: they are {left:.1%} of what they were.",
            why="Nothing was learned: the training made the weights small instead.",
            remedy="Use a tenth of the penalty, or a hundredth.",
            kind="dynamic",
            chart=loss_chart(record),
            evidence={"penalty / penalty before": {"value": left, "threshold": CRUSHED}},
        )
    elif strong and share > MUCH and record.is_long:
        yield Finding(
            message=f"Penalties are {share:.0%} of the last loss.",
            why=(
                f"{remaining:.0%} of a constant's loss is left. The training shrinks weights "
                "instead of fitting the data."
            ),
            remedy="Use a tenth of the penalty, or a hundredth.",
            kind="dynamic",
            chart=loss_chart(record),
            evidence={"penalty / loss": {"value": share, "threshold": MUCH}},
        )
    elif rates and (unseen is None or unseen > REMAINS):
        path = max(rates, key=lambda path: rates[path])
        yield Finding(
            message=f"Layer {path!r} drops {rates[path]:.0%} of its inputs.",
            why=f"{remaining:.0%} of a constant's loss is left. Too little of the signal passes.",
            remedy="Use a rate of 0.2 to 0.5, or none until the network fits its training data.",
            severity="note" if unseen is None else "fault",
            kind="dynamic",
            chart=loss_chart(record),
            layer=path,
            evidence={"dropout": {"value": rates[path], "threshold": DROPPED}},
        )
