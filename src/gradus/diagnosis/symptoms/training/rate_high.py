"""Steps so long that the loss grows instead of falling.

A network that ends no better than the best constant prediction, and a loss above `RISE` times that
of the constant and its own minimum before; or a rise of `THROWN` times in the first epoch; or a
loss of `THROWN` times that of the constant in the first steps, and of half as much in the next
ones, which neither weights nor inputs explain. Or units that are dead, above `DEAD` of a layer, or
a last loss above `RISE` times that of the constant, where the first records have a step that moves
a kernel by more than `LONG` of its size. Or, where the network learned, steps of more than
`RESTLESS` of a kernel's size, in the median of the records of the second half, while the validation
loss changes by more than `JUMPS` of itself from one epoch to the next, in the median of that half,
and more than `LEFT` of the loss of the constant is left. Or steps of more than `WILD`, while the
loss does not fall and is above that of a linear model by `gradus.diagnosis.record.MARGIN` of that
of the constant, in training and in each epoch of validation. Long steps alone tell nothing: on
noisy data much is left by a sound training, too.

Where only curves are known, a loss of `THROWN` times its first one that stays above `RISE` times
it; or, as a note, one of `THROWN` times its minimum that ends above half of its first one.

Sources: TheDeepChecker (a loss of twice its minimum), Google's tuning playbook, Karpathy's CS231n
notes (updates of a thousandth of the weights).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradus.diagnosis.evidence import loss_chart
from gradus.diagnosis.findings import Finding, three_digits
from gradus.diagnosis.record import HIGH, MARGIN, Record
from gradus.diagnosis.record_entries import SettingsRecord
from gradus.diagnosis.training import FEW, TrainingRecord

CATEGORY = "learning-rate-high"
CAUSES = (
    "inputs-constant",
    "rate-invalid",
    "batch-size",
    "diverged",
    "initial-scale",
    "loss-reduction",
    "loss-arithmetic",
    "loss-targets",
    "output-loss",
    "output-range",
    "augmentation-range",
    "inputs-unscaled",
    "targets-unscaled",
    "over-regularised",
)
RISE, THROWN = 1.5, 4.0
LONG, FIRST = 0.1, 5  # of a kernel's size; records
DEAD = 0.5  # of a layer's units
RESTLESS, JUMPS, LEFT = 0.01, 0.1, 0.1  # of kernels, of the validation loss, of a constant's
WILD, FALLS = 0.03, 0.02  # of kernels; of the loss in the last quarter


def find(record: Record) -> Iterator[Finding]:
    """Yield a fault if steps made the loss rise above that of a constant, and it stayed there."""
    training, settings = record.training, record.settings
    if record.curves is not None:
        yield from _find_in_curve(record, record.curves)
    if training is None or settings is None or not record.is_long:
        return
    if (wild := _wild(record, training, settings)) is not None:
        yield wild
        return
    if record.learned:
        yield from filter(None, [_jumps(record, training, settings)])
        return
    if (died := _died(record)) is not None:
        yield died
        return
    constant = record.constant
    if record.beats_constant or not constant or len(training.segments) < 3:
        return
    highest, rise = _rise(training.smooth - training.penalty, constant)
    first = training.segments[: len(training.segments) // training.epochs] - record.penalty
    early = _rise(np.nan_to_num(first, nan=np.inf), constant)
    start = record.start or 0.0
    if rise <= RISE and early[1] > THROWN:
        highest, rise = early
    elif rise <= RISE and start > THROWN and 2 * training.segments[1] < training.segments[0]:
        highest, rise = start * constant, start
    elif rise <= RISE:
        return
    yield Finding(
        message=(
            f"With {settings.optimizer} at a rate of {settings.learning_rate:g}, the loss rose to "
            f"{three_digits(highest)}; a constant prediction's is {three_digits(constant)}."
        ),
        why="Steps this long jump over every minimum, and units may die.",
        remedy=f"Use a tenth of the rate, {settings.learning_rate / 10:g}, or less.",
        kind="dynamic",
        chart=loss_chart(record),
        evidence={"rise of the loss": {"value": rise, "threshold": RISE}},
    )


def _jumps(record: Record, training: TrainingRecord, settings: SettingsRecord) -> Finding | None:
    """Return a fault if steps are long to the end, and the validation loss jumps about."""
    losses, moved = training.validation_loss, record.median_update
    if losses is None or moved is None or training.epochs < FEW or training.stopped == "diverged":
        return None
    losses = losses[-(training.epochs // 2) :] - training.penalty
    if not (np.isfinite(losses).all() and losses.min() > 0):
        return None
    jump = float(np.median(np.abs(np.diff(losses)) / losses[:-1]))
    left = record.remaining or 0.0
    if not (moved > RESTLESS and jump > JUMPS and left > LEFT):
        return None
    return Finding(
        message=(
            f"Late in training, a step of {settings.optimizer} at a rate of "
            f"{settings.learning_rate:g} moves the weights by {moved:.1%} of their size, and the "
            f"validation loss jumps by {jump:.0%} from epoch to epoch."
        ),
        why=(
            f"{left:.0%} of a constant prediction's loss is left. Steps this long bounce around "
            "the minimum."
        ),
        remedy=(
            f"Use a tenth of the rate, {settings.learning_rate / 10:g}, or a schedule that lowers "
            "it."
        ),
        kind="dynamic",
        chart=loss_chart(record),
        evidence={
            "update / weight": {"value": moved, "threshold": RESTLESS},
            "change of the validation loss": {"value": jump, "threshold": JUMPS},
        },
    )


def _wild(record: Record, training: TrainingRecord, settings: SettingsRecord) -> Finding | None:
    """Return a fault if steps are very long to the end, and what a line knows is not learned."""
    moved, linear = record.median_update, record.outputs[0].linear if record.outputs else None
    if moved is None or linear is None or len(record.outputs) > 1 or training.fell > FALLS:
        return None
    left = min(each for each in (record.remaining, record.unseen, np.inf) if each is not None)
    if not (moved > WILD and max(HIGH, linear + MARGIN) < left < np.inf):
        return None
    return Finding(
        message=(
            f"Late in training, a step of {settings.optimizer} at a rate of "
            f"{settings.learning_rate:g} moves the weights by {moved:.1%} of their size, and the "
            "loss no longer falls."
        ),
        why=(
            f"{left:.0%} of a constant prediction's loss is left; a linear model leaves "
            f"{linear:.0%}. Steps this long undo what earlier ones learned."
        ),
        remedy=f"Use a tenth of the rate, {settings.learning_rate / 10:g}, or less.",
        kind="dynamic",
        chart=loss_chart(record),
        evidence={
            "update / weight": {"value": moved, "threshold": WILD},
            "loss / constant's": {"value": left, "threshold": max(HIGH, linear + MARGIN)},
        },
    )


def _died(record: Record) -> Finding | None:
    """Return a fault if the first steps were long, and units are silent or the loss stays high."""
    training, settings = record.training, record.settings
    if training is None or settings is None or record.learned is not False:
        return None
    moved = {
        layer.path: weights.moved[:FIRST]
        for layer in record.hidden
        if (weights := training.weights.get(f"{layer.path}/kernel")) and weights.moved.any()
    }
    dead = {path: training.silent_share(path) for path in moved if path in training.layers}
    worst = max(dead, key=lambda path: dead[path], default="")
    longest = max((float(np.nan_to_num(each).max()) for each in moved.values()), default=0.0)
    has_died, left = dead.get(worst, 0.0) > DEAD, record.remaining or 0.0
    if not longest > LONG or not (has_died or RISE < left < np.inf):
        return None
    then = (
        f"{dead[worst]:.0%} of the units in layer {worst!r} died"
        if has_died
        else f"the loss ends at {left:.3g} times a constant prediction's"
    )
    return Finding(
        message=(
            f"The first steps of {settings.optimizer} at a rate of {settings.learning_rate:g} "
            f"moved the weights by {longest:.0%} of their size, and {then}."
        ),
        why="Steps this long jump over every minimum, and units may die.",
        remedy=f"Use a tenth of the rate, {settings.learning_rate / 10:g}, or less.",
        kind="dynamic",
        layer=worst if has_died else None,
        chart=loss_chart(record),
        evidence={"update / weight": {"value": longest, "threshold": LONG}},
    )


def _find_in_curve(record: Record, training: TrainingRecord) -> Iterator[Finding]:
    """Yield a fault if the loss jumped and stayed, and a note if it lost what it had learned."""
    curve, (first, last) = training.curve, training.ends
    lowest = float(curve.min())
    if lowest <= 0:  # ratios mean nothing
        return
    thrown = np.flatnonzero(curve > THROWN * curve[0])
    stays = len(thrown) > 0 and thrown[0] < len(curve) - 1
    stays = bool(stays and curve[thrown[0] :].min() > RISE * curve[0])
    if stays:
        start, what = float(curve[0]), "first value"
    elif not training.is_short and min(last, *curve[-2:]) > max(THROWN * lowest, first / 2):
        start, what = lowest, "minimum"
    else:
        return
    rate = float(training.metrics.get("learning_rate", np.zeros(1)).max())
    lower = f", {rate / 10:g}," if rate > 0 else ""
    yield Finding(
        message=(
            f"The loss rose from its {what} of {three_digits(start)} to {three_digits(last)} and "
            "stayed there."
        ),
        why="Steps this long jump over every minimum, and the network forgets what it learned.",
        remedy=f"Use a tenth of the learning rate{lower} or clip the gradient norm at 1.",
        severity="fault" if stays else "note",
        kind="dynamic",
        chart=loss_chart(record),
        evidence={f"last loss / {what}": {"value": last / start, "threshold": RISE}}
        if stays
        else {f"last loss / {what}": {"value": last / start, "threshold": THROWN}},
    )


def _rise(losses: np.ndarray, constant: float) -> tuple[float, float]:
    """Return the loss that rose most, and its ratio to the smallest one before; 0 for none.

    Args:
        losses: in their order.
        constant: the loss of the best constant prediction, below which nothing is a rise.
    """
    if len(losses) < 2:
        return 0.0, 0.0
    with np.errstate(over="ignore"):
        rises = losses[1:] / np.maximum(np.minimum.accumulate(losses)[:-1], 1e-30)
    rises[losses[1:] <= RISE * constant] = 0
    return float(losses[1:][rises.argmax()]), float(rises.max())
