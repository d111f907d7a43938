"""The record that symptoms read: facts of network, data, and settings, and how training went."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from gradus.diagnosis.comparison import PartComparison
from gradus.diagnosis.findings import Severity
from gradus.diagnosis.order import TimeOrder
from gradus.diagnosis.record_entries import (
    GeneratedRecord,
    InputRecord,
    LayerRecord,
    OutputRecord,
    PixelRecord,
    RecurrenceRecord,
    SettingsRecord,
)
from gradus.diagnosis.training import TrainingRecord

if TYPE_CHECKING:
    from jaxtyping import Float

LEARNED = 0.02  # the share of a constant prediction's loss by which a trained one is smaller
HIGH = 0.3  # the share of the best constant's loss above which a loss is high
JUDGED = 100  # steps, before which a network is not said to learn nothing
FEWER = 0.2  # of the errors of the most frequent class are gone where the loss does not tell
FACTOR, MARGIN = 1.5, 0.05  # times a linear model's loss, and of a constant's: clearly above it
ERROR_MARGIN = 0.02  # in place of `MARGIN` for the share of wrong classes
GENERATED_MARGIN = 0.25  # of generated samples, which come and go while a GAN trains


@dataclasses.dataclass(frozen=True)
class Record:
    """All that symptoms read.

    Attributes:
        inputs: the inputs.
        outputs: the outputs.
        layers: the layers that compute.
        settings: the settings.
        penalty: the sum of the penalties before training.
        training: how training went, or None before it.
        comparisons: of validation with training, and of a test part.
        order: of the rows of a table that was split at random, or None.
        generated: what a trained generator makes; None for any other network.
        pixels: what the layers that change brightness and contrast are given.
        recurrence: how a trained network carries its first steps; None of any that has learned.
    """

    inputs: tuple[InputRecord, ...] = ()
    outputs: tuple[OutputRecord, ...] = ()
    layers: tuple[LayerRecord, ...] = ()
    settings: SettingsRecord | None = None
    penalty: float = 0.0
    training: TrainingRecord | None = None
    comparisons: tuple[PartComparison, ...] = ()
    order: TimeOrder | None = None
    generated: GeneratedRecord | None = None
    pixels: tuple[PixelRecord, ...] = ()
    recurrence: RecurrenceRecord | None = None

    def continuing(self, former: Record | None) -> Record:
        """Return the record with the initial weights of a former training that it continues."""
        if former is None:
            return self
        kernels = {layer.path: layer.kernel for layer in former.layers}
        layers = [
            dataclasses.replace(
                layer, kernel=layer.kernel and kernels.get(layer.path, layer.kernel)
            )
            for layer in self.layers
        ]
        return dataclasses.replace(self, layers=tuple(layers), penalty=former.penalty)

    @property
    def constant(self) -> float | None:
        """The loss of the best constant prediction of all outputs; None if that is not known."""
        losses = [output.constant_loss for output in self.outputs]
        known = [loss for loss in losses if loss is not None and loss > 0]
        return sum(known) if known and len(known) == len(losses) else None

    def losses_of(self, output: OutputRecord, part: str = "") -> Float[np.ndarray, "epochs"] | None:
        """Return an output's losses of all epochs as shares of the best constant prediction's.

        Penalties are left out. None where they are not known.

        Args:
            output: the output.
            part: "" for the training samples, "val_" for those of validation.
        """
        training = self.training
        constant = output.validation_constant_loss if part else output.constant_loss
        if training is None or not training.epochs or not constant or constant < 0:
            return None
        if len(self.outputs) > 1:
            losses = training.metrics.get(f"{part}{output.name}_loss")
            return None if losses is None else output.weight * losses / constant
        own = training.validation_loss if part else training.loss
        if own is None:
            return None
        with np.errstate(invalid="ignore"):  # of a training that diverged both may be infinite
            return (own - training.penalty) / constant

    def remaining_of(self, output: OutputRecord) -> float | None:
        """Return what is left of an output's loss, as `remaining` is of all."""
        losses, training = self.losses_of(output), self.training
        if losses is None or training is None:
            return None
        return (
            math.inf if training.stopped == "diverged" else float(losses[-training.last :].mean())
        )

    @property
    def remaining(self) -> float | None:
        """The loss that is left, as a share of that of the best constant prediction.

        It is that of the last epochs' training samples without penalties, of several outputs the
        largest share, and of a generator the distance of its samples; None where it is not known.
        """
        if self.generated is not None:
            return self.generated.distance
        shares = [self.remaining_of(output) for output in self.outputs]
        return max((share for share in shares if share is not None), default=None)

    @property
    def remaining_in_words(self) -> str:
        """How much remains, in a sentence; "" where it is not known."""
        if self.remaining is None:
            return ""
        if self.generated is not None:
            return f"Samples are {self.remaining:.0%} as far from the data as the data's mean."
        return f"{self.remaining:.0%} of a constant prediction's loss is left."

    @property
    def unseen(self) -> float | None:
        """What is left of the loss of validation in its best epoch, as `remaining` is of training.

        Of several outputs the largest share; None where it is not known.
        """
        losses = [self.losses_of(output, "val_") for output in self.outputs]
        known = [np.nan_to_num(each, nan=np.inf) for each in losses if each is not None]
        return max((float(each.min()) for each in known), default=None)

    @property
    def start(self) -> float | None:
        """The loss of the first steps without penalties, as `remaining` is that of the last."""
        constant, training = self.constant, self.training
        if constant is None or training is None or not len(training.segments):
            return None
        return (float(training.segments[0]) - self.penalty) / constant

    @property
    def trailing_output(self) -> OutputRecord | None:
        """The first output whose loss is clearly above a linear model's; None for none.

        It is above it in the last epochs' training samples and, in each epoch, in those of
        validation; and if accuracy is a metric, as many more classes are wrong. Without validation
        a training with dropout, which is part of its loss, is not judged.
        """
        for output in self.outputs:
            if self.trails_by(output, output.linear, output.linear_error):
                return output
        return None

    def trails_by(
        self, output: OutputRecord, linear: float | None, error: float | None, new: bool = False
    ) -> bool:
        """Whether an output does clearly worse than a linear model, as `trailing_output` says.

        Args:
            output: the output.
            linear: the loss of the linear model, as a share of a constant's, or None.
            error: the share of wrong classes of the linear model; None of values.
            new: whether samples of validation alone are compared, if there are any.
        """
        dropped = any(layer.rate for layer in self.layers)
        share, validated = self.remaining_of(output), self.losses_of(output, "val_")
        if share is None or linear is None or (validated is None and dropped):
            return False
        parts = ("val_",) if new and validated is not None else ("", "val_")
        losses = [share] * ("" in parts) + ([] if validated is None else [*validated])
        worse = bool(min(losses) > FACTOR * linear + MARGIN)
        return worse and not self._is_as_accurate(output, error, parts)

    def _is_as_accurate(
        self, output: OutputRecord, error: float | None, parts: tuple[str, ...]
    ) -> bool:
        """Whether a linear model gets about as many classes wrong, whatever the loss."""
        least = self._least_error(output, parts)
        return least is not None and error is not None and least <= FACTOR * error + ERROR_MARGIN

    def _least_error(self, output: OutputRecord, parts: tuple[str, ...]) -> float | None:
        """Return the share of classes that an output gets wrong; None where it is not known.

        It is that of the last epochs' training samples, or of those of validation in its best
        epoch, whichever of the `parts` is smaller.
        """
        training = self.training
        if training is None:
            return None
        name = f"{output.name}_accuracy" if len(self.outputs) > 1 else "accuracy"
        known = [
            values[-training.last :].mean() if part == "" else values.max()
            for part in parts
            if (values := training.metrics.get(f"{part}{name}")) is not None and len(values)
        ]
        return 1 - float(max(known)) if known else None

    @property
    def trails_neighbors(self) -> bool:
        """Whether an output gets clearly more classes wrong than the nearest samples would."""
        for output in self.outputs:
            own, other = self._least_error(output, ("", "val_")), output.neighbor_error
            if own is not None and other is not None and own > FACTOR * other + ERROR_MARGIN:
                return True
        return False

    @property
    def trails(self) -> bool:
        """Whether a linear model, or of generated samples a normal distribution, does better."""
        if self.generated is not None and self.distance_limit is not None:
            return self.generated.distance > self.distance_limit
        return self.trailing_output is not None

    @property
    def distance_limit(self) -> float | None:
        """The distance above which generated samples are clearly farther than normal ones."""
        return None if self.generated is None else FACTOR * self.generated.normal + GENERATED_MARGIN

    @property
    def curves(self) -> TrainingRecord | None:
        """The training, if only its curves are known, as of a log, and they can be judged.

        They have two finite losses at least, and no divergence, which explains them.
        """
        training = self.training
        if training is None or self.settings or self.outputs or self.layers:
            return None
        return training if not training.stopped and len(training.curve) > 1 else None

    @property
    def beats_constant(self) -> bool | None:
        """Whether the network is better than the best constant; None if that is not known.

        The loss must be `LEARNED` below that of the constant, or the accuracy clearly above the
        share of the most frequent class. A network that is not, is given `JUDGED` steps.
        """
        if self.training is None or not self.training.epochs:
            return None
        if self.training.stopped == "diverged":
            return False
        accuracy = self.training.metrics.get("accuracy")
        targets = self.outputs[0].targets if len(self.outputs) == 1 else None
        majority = targets.majority if targets is not None else None
        if accuracy is not None and majority is not None:
            gained = float(accuracy[-self.training.last :].mean()) - majority
            if gained > max(LEARNED, FEWER * (1 - majority)):
                # A loss above a constant's says that it is sure where it is wrong.
                return None if self.remaining is not None and self.remaining > 1 else True
        elif self.remaining is None:
            return None
        if self.remaining is not None and self.remaining < 1 - LEARNED:
            return True
        return False if self.is_long else None

    @property
    def learned(self) -> bool | None:
        """Whether it beats a constant and no linear model beats it; None if that is not known."""
        return False if self.trails else self.beats_constant

    @property
    def is_long(self) -> bool:
        """Whether the training had `JUDGED` steps to be judged by what it has learned."""
        steps = self.settings.steps if self.settings is not None else 1
        return self.training is not None and self.training.epochs * steps >= JUDGED

    @property
    def doubt(self) -> Severity:
        """The severity of what harms only where little is learned: "fault" or "note"."""
        return "fault" if self.learned is False else "note"

    @property
    def concern(self) -> Severity:
        """As `doubt`, and "fault", too, where more than `HIGH` of a constant's loss is left."""
        return "fault" if self.is_long and (self.remaining or 0.0) > HIGH else self.doubt

    @property
    def hidden(self) -> tuple[LayerRecord, ...]:
        """The layers that compute and are no output."""
        return tuple(layer for layer in self.layers if not layer.is_output)

    @property
    def kernels(self) -> tuple[LayerRecord, ...]:
        """The layers with a trained kernel, in the order of the calls."""
        return tuple(layer for layer in self.layers if layer.kernel is not None)

    @property
    def median_update(self) -> float | None:
        """The median of the largest update of a kernel, as a share of it; None if not recorded.

        It is that over the records of the second half.
        """
        training = self.training
        if training is None:
            return None
        paths = [f"{layer.path}/kernel" for layer in self.kernels]
        moved = [training.weights[path].moved for path in paths if path in training.weights]
        if not moved or not len(moved[0]):
            return None
        largest = np.nanmax(np.nan_to_num(np.stack(moved)), axis=0)
        return float(np.median(largest[len(largest) // 2 :]))
