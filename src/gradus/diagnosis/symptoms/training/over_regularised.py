"""Penalties or dropout that keep a network from fitting.

Penalties that are above `STRONG` times the loss of the best constant prediction before training,
and above the share `MUCH` of the last loss after `ENOUGH` steps, or below the share `CRUSHED` of
what they were; or a rate of dropout above `DROPPED`. In each case more than `REMAINS` of the loss
of that constant is left; for dropout, with which the training loss is measured, of that of the
validation samples, too, or from `NEARLY_ALL` on more than `UNSEEN`. Without validation it is a
note. Sources: TheDeepChecker; UMLAUT; Srivastava et al., "Dropout" (2014), where 0.2 to 0.6 of
hidden units are best dropped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.training import TrainingRecord

CATEGORY = "over-regularised"
CAUSES = ("diverged", "rate-invalid", "loss-reduction", "inputs-unscaled", "initial-scale")
STRONG, MUCH, CRUSHED, DROPPED, REMAINS = 0.5, 0.25, 0.05, 0.65, 0.4
NEARLY_ALL, UNSEEN = 0.9, 0.15


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if penalties outweigh the data, or dropout is strong, and little is learned."""
    training, remaining = record.training, record.remaining
    if training is None or remaining is None or not REMAINS < remaining < float("inf"):
        return
    found = _of_penalties(record, training) or _of_dropout(record, training)
    if found is not None:
        yield dataclasses.replace(found, kind="dynamic", chart=loss_chart(record))


def _of_penalties(record: Record, training: TrainingRecord) -> Finding | None:
    total = training.final_loss + training.penalty
    share = training.penalty / total if total > 0 else 0.0
    if not record.penalty > STRONG * (record.constant or 0.0) > 0:
        return None
    if training.penalty < CRUSHED * record.penalty and record.learned is False:
        left = training.penalty / record.penalty
        return Finding(
            message=f"Penalties have shrunk the weights: the penalty is {left:.1%} of what it was.",
            why="Nothing was learned: training only made the weights small.",
            remedy="Use a tenth of the penalty, or a hundredth.",
            evidence={"penalty / penalty before": {"value": left, "threshold": CRUSHED}},
        )
    if not (share > MUCH and record.is_long):
        return None
    return Finding(
        message=f"Penalties make up {share:.0%} of the final loss.",
        why=(
            f"{record.remaining_in_words} Training shrinks the weights instead of fitting the data."
        ),
        remedy="Use a tenth of the penalty, or a hundredth.",
        evidence={"penalty / loss": {"value": share, "threshold": MUCH}},
    )


def _of_dropout(record: Record, training: TrainingRecord) -> Finding | None:
    layer = max(record.layers, key=lambda layer: layer.rate, default=None)
    if layer is None or not layer.rate > DROPPED:
        return None
    unseen = None
    if training.validation_loss is not None and record.constant:
        last = training.validation_loss[-training.last :].mean() - training.penalty
        unseen = float(last) / record.constant
    if unseen is not None and not unseen > (UNSEEN if layer.rate >= NEARLY_ALL else REMAINS):
        return None
    return Finding(
        message=f"Layer {layer.path!r} drops {layer.rate:.0%} of its inputs.",
        why=f"{record.remaining_in_words} Too little of the signal gets through.",
        remedy="Use a rate of 0.2 to 0.5, or no dropout until the network fits its training data.",
        severity="note" if unseen is None else "fault",
        layer=layer.path,
        evidence={"dropout": {"value": layer.rate, "threshold": DROPPED}},
    )
