"""Labels that have nothing to do with the inputs.

After at least `gradus.diagnosis.record.JUDGED` steps, a network that fits its training samples a
little, and whose validation accuracy is not above the share of the most frequent class while its
validation loss is above that of the best constant prediction, and no linear model is better by
`LOWER`. Of values, and of classes without that metric: a validation loss that is that of the
constant in every epoch, at best within `CLOSE`, while the training loss is lower by `LOWER`, and no
linear model does better. The proof is a twin that is trained on shuffled labels.
Sources: Karpathy (2019); Zhang et al., "Understanding deep learning requires rethinking
generalization" (2017).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradus.diagnosis.evidence import accuracy_chart, loss_chart
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.record_entries import OutputRecord
from gradus.diagnosis.training import TrainingRecord

if TYPE_CHECKING:
    from jaxtyping import Float

CATEGORY = "labels"
CAUSES = (
    "inputs-constant",
    "preprocessing-mismatch",
    "diverged",
    "rate-invalid",
    "rate-high",
    "exploding-gradient",
    "dead-relu",
    "saturation",
    "vanishing-gradient",
    "batch-size",
    "symmetric-weights",
    "initial-scale",
    "inputs-unscaled",
    "inputs-tiny",
    "loss-reduction",
    "loss-arithmetic",
    "loss-targets",
    "output-loss",
    "over-regularised",
)
NOISE = 0.02
CLOSE, LOWER = 0.02, 0.05
FITS = 0.005  # of the loss of the constant that training took away
WHY = (
    "What it learned does not carry over to validation: labels belong to other rows, the inputs "
    "do not predict them, or the validation rows differ, as later ones may."
)
REMEDY = (
    "Check that the rows of x and y match: look at some pairs of them. If the validation rows are "
    "the latest, compare with a random split."
)


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if training samples are learned a little, and validation not at all."""
    training = record.training
    if training is None or training.validation_loss is None:
        return
    if record.recurrence is not None:  # a linear model of the first steps does better
        return
    for output in record.outputs:
        name = f"{output.name}_" if len(record.outputs) > 1 else ""  # of its metrics
        accuracy = training.metrics.get(f"val_{name}accuracy")
        is_value = output.kind == "values" and not (output.targets and output.targets.one_hot)
        if is_value or accuracy is None:
            yield from _find_in_losses(record, output)
        else:
            yield from _find_in_classes(record, training, output, accuracy)


def _find_in_classes(
    record: Record,
    training: TrainingRecord,
    output: OutputRecord,
    accuracy: Float[np.ndarray, "epochs"],
) -> Iterator[Finding]:
    """Yield a fault if an output is right no more often than the most frequent class is."""
    shares, left = record.losses_of(output, "val_"), record.remaining_of(output)
    majority = output.validation.majority if output.validation is not None else None
    if majority is None or shares is None or left is None:
        return
    tells = output.linear is not None and output.linear < 1 - LOWER
    last = float(accuracy[-training.last :].mean())
    if tells or not record.is_long or left >= 1 - FITS:
        return
    if last > majority + NOISE or not shares[-1] > 1:
        return
    what = f"the output {output.name!r} " if len(record.outputs) > 1 else ""
    yield Finding(
        message=(
            f"The network fits its training samples, but {what}is right on {last:.0%} of the "
            f"validation samples; the most frequent class makes up {majority:.0%}."
        ),
        why=WHY,
        remedy=REMEDY,
        kind="dynamic",
        chart=loss_chart(record) if what else accuracy_chart(record, majority),
        evidence={"validation accuracy": {"value": last, "threshold": majority + NOISE}},
    )


def _find_in_losses(record: Record, output: OutputRecord) -> Iterator[Finding]:
    """Yield a fault if no epoch made the validation loss better than that of a constant."""
    shares, left = record.losses_of(output, "val_"), record.remaining
    tells = output.linear is None or output.linear < 1 - CLOSE
    if shares is None or left is None or tells or not record.is_long or left > 1 - LOWER:
        return
    best = float(shares.min())
    if not best > 1 - CLOSE:
        return
    yield Finding(
        message=(
            f"The network fits its training samples, but leaves {best:.0%} of a constant's loss on "
            "the validation samples, even in its best epoch."
        ),
        why=WHY,
        remedy=REMEDY,
        kind="dynamic",
        chart=loss_chart(record),
        evidence={"validation loss / constant's": {"value": best, "threshold": 1 - CLOSE}},
    )
