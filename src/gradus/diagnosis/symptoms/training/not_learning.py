"""A network that is no better than the best constant prediction, for no reason that is seen.

The loss is that of the constant, or the accuracy the share of the most frequent class, within
`gradus.diagnosis.record.LEARNED`; a training that was interrupted while its loss fell is not
judged. Or more than `gradus.diagnosis.record.HIGH` of it is left, and no epoch is better than the
constant on the validation samples. Where only curves are known, the loss ends where it began: not
below it, or, as a note, by less than `FELL` of it. Source: Karpathy, "A recipe for training neural
networks" (2019).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding, three_digits
from gradus.diagnosis.generalization import best_unseen
from gradus.diagnosis.record import HIGH, LEARNED, Record
from gradus.diagnosis.training import TrainingRecord
from gradus.errors import counted

CATEGORY = "not-learning"
UNLESS = ("*",)  # any other fault
FELL = 0.01
FEW = 5  # losses, of which nothing is proved
REMEDY = (
    "Check that the rows of x and y match, fit just 16 samples first, and try ten times and a "
    "tenth of the learning rate."
)


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if nothing was learned."""
    training = record.training
    if record.curves is not None:
        yield from _find_in_curve(record, record.curves)
    if training is not None and record.beats_constant:
        yield from _find_in_validation(record)
    if training is None or record.beats_constant is not False or not record.outputs:
        return
    if training.stopped == "interrupted" and training.fell > FELL:
        return
    output = max(record.outputs, key=lambda each: record.remaining_of(each) or 0.0)
    majority, share = output.targets and output.targets.majority, record.remaining_of(output)
    known = (
        f"its loss is {three_digits(share * constant)}, a constant's is {three_digits(constant)}"
        if (constant := output.constant_loss) and share is not None
        else f"always predicting the most frequent class is right {majority or 0:.0%} of the time"
    )
    what = "the network" if len(record.outputs) == 1 else f"the output {output.name!r}"
    looked_at = "settings, layers, or gradients" if len(training.epoch) else "settings or data"
    told = "The inputs may not predict the targets."
    if output.linear is not None and output.linear < 1 - LEARNED:
        told = (
            "But the inputs do predict the targets: a linear model leaves "
            f"{output.linear:.0%} of a constant's loss."
        )
    yield Finding(
        message=(
            f"After {counted(training.epochs, 'epoch')}, {what} is no better than a constant: "
            f"{known}."
        ),
        why=f"Nothing in the {looked_at} explains why. {told}",
        remedy=REMEDY,
        kind="dynamic",
        chart=loss_chart(record),
    )


def _find_in_validation(record: Record) -> Iterator[Finding]:
    """Yield a fault for an output that is a little learned, but by its training samples alone."""
    for output in record.outputs:
        left, best = record.remaining_of(output), best_unseen(record, output)
        if left is None or best is None or left < HIGH:  # what is learned by heart is overfitting
            continue
        yield Finding(
            message=(
                f"{output.where} is no better than a constant on the validation samples: "
                f"{best:.0%} of a constant's loss is left in the best epoch, and {left:.0%} in "
                "training."
            ),
            why=(
                "What little was learned does not generalize. The inputs may not predict the "
                "targets, or the network is too small to learn how."
            ),
            remedy=(
                "Try four times the units, four times the epochs, and a smaller penalty; if the "
                "validation rows are the latest, compare with a random split."
            ),
            kind="dynamic",
            chart=loss_chart(record),
            evidence={"validation loss / constant's": {"value": best, "threshold": 1.0}},
        )


def _find_in_curve(record: Record, training: TrainingRecord) -> Iterator[Finding]:
    """Yield a fault if the loss did not fall, and a note if it hardly did."""
    first, last = training.ends
    limit = first - FELL * max(first, 0.0)  # shares of a negative loss mean nothing
    if last < limit or last == first == 0:
        return
    half = len(training.curve) // 2
    # The losses of single batches may end high while their mean falls.
    falls = training.is_short and training.curve[half:].mean() < training.curve[:half].mean()
    proved = last >= first and len(training.curve) >= FEW and not falls
    yield Finding(
        message=f"The loss began at {first:.4g} and ended at {last:.4g}.",
        why="Nothing was learned that lowers it. The curve alone cannot show why.",
        remedy=REMEDY,
        severity="fault" if proved else "note",
        kind="dynamic",
        chart=loss_chart(record),
        evidence={"last loss": {"value": last, "threshold": first if proved else limit}},
    )
