"""The record that symptoms read: facts of network, data, and settings, and how training went."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from gradus.diagnosis.columns import TellingColumn
from gradus.diagnosis.comparison import PartComparison
from gradus.diagnosis.findings import Severity
from gradus.diagnosis.order import TimeOrder
from gradus.diagnosis.training import TrainingRecord

if TYPE_CHECKING:
    from jaxtyping import Float

SOFTMAX = ("softmax", "log_softmax")
SQUARED = ("mean_squared_error", "root_mean_squared_error", "mean_absolute_error")
LEARNED = 0.02  # the share of a constant prediction's loss by which a trained one is smaller
ENOUGH = 100  # steps, before which a network is not said to learn nothing
GAINED = 0.2  # of the errors of the most frequent class are gone where the loss does not tell
WORSE, BY = 1.5, 0.05  # times a linear model's loss, and of a constant's: clearly above it
BY_ERROR = 0.02  # in place of `BY` for the share of wrong classes
FAR = 0.25  # in place of `BY` for generated samples, which come and go while a GAN trains


@dataclasses.dataclass(frozen=True)
class TargetRecord:
    """Statistics of the targets of one output.

    Attributes:
        count: how many samples.
        minimum: the smallest number.
        maximum: the largest.
        mean: of all numbers.
        deviation: the largest standard deviation of a column.
        constant_losses: by the name of a loss, that of the best constant prediction, for samples
            with their weights; "categorical" is the cross-entropy of classes.
        counts: how many samples each class has, by label; empty where the targets are no classes.
        one_hot: whether each row is zeros and a single one.
        several: whether they are zeros and ones, and rows have none or more than a single one.
    """

    count: int
    minimum: float
    maximum: float
    mean: float
    deviation: float
    constant_losses: dict[str, float] = dataclasses.field(default_factory=dict)
    counts: tuple[int, ...] = ()
    one_hot: bool = False
    several: bool = False

    @property
    def majority(self) -> float | None:
        """The share of the most frequent class; None where the targets are no classes."""
        return max(self.counts) / sum(self.counts) if self.counts else None


@dataclasses.dataclass(frozen=True)
class OutputRecord:
    """One output of the network, its loss, and its targets.

    Attributes:
        name: the output; "output" if there is one.
        layer: the path of the layer that made it, or None.
        activation: the name of the last activation; "linear" for none.
        before: the name of the activation of that one's input.
        shape: of one sample's output.
        loss: the name of the loss.
        link: "softmax", "sigmoid", or None: what turns logits into the loss's predictions.
        kind: the kind of targets: "values", "classes", or "flags".
        metrics: the names of the metrics by what they judge: "values" or "classes".
        targets: those of training, or None.
        validation: those of validation, or None.
        batch_factor: by how much a custom loss of the same samples grows in a batch of twice the
            size; None for other losses, or where it is not known.
        best_for_all: the prediction for which a custom loss is smallest whatever the target; None
            if it depends on the target, as it should.
        weight: the factor of its loss in the total loss.
        linear: the loss of a linear model on samples that it was not fitted to, as a share of that
            of the best constant prediction; None where it is not known.
        linear_error: the share of those samples whose class it gets wrong; None of values.
        contradicted: the share of samples whose nearest ones agree on another label; None where it
            is not known.
    """

    name: str
    layer: str | None
    activation: str
    before: str
    shape: tuple[int, ...]
    loss: str
    link: str | None
    kind: str
    metrics: dict[str, str]
    targets: TargetRecord | None = None
    validation: TargetRecord | None = None
    batch_factor: float | None = None
    best_for_all: float | None = None
    weight: float = 1.0
    linear: float | None = None
    linear_error: float | None = None
    contradicted: float | None = None

    @property
    def where(self) -> str:
        """The output in words: "The output", or one of several by name."""
        return "The output" if self.name == "output" else f"The output {self.name!r}"

    @property
    def constant_loss(self) -> float | None:
        """The weighted loss of the best constant prediction, or None where it is not known."""
        return self._constant_loss_of(self.targets)

    @property
    def validation_constant_loss(self) -> float | None:
        """The same for the validation samples; that of training if theirs is not known or 0."""
        return self._constant_loss_of(self.validation) or self.constant_loss

    def _constant_loss_of(self, targets: TargetRecord | None) -> float | None:
        if targets is None:
            return None
        is_crossentropy = self.loss.endswith("categorical_crossentropy")
        loss = targets.constant_losses.get("categorical" if is_crossentropy else self.loss)
        return None if loss is None else self.weight * loss


@dataclasses.dataclass(frozen=True)
class KernelRecord:
    """Statistics of a trained kernel `(…, inputs, units)` before training.

    Attributes:
        shape: of the kernel.
        mean: of its weights.
        rms: their root mean square.
        largest: the largest magnitude of a weight.
        between_units: the largest difference between two units' weights of an input.
        between_inputs: the largest difference between two weights of a unit.
    """

    shape: tuple[int, ...]
    mean: float
    rms: float
    largest: float
    between_units: float
    between_inputs: float

    @property
    def count(self) -> int:
        """The number of weights."""
        return math.prod(self.shape)


@dataclasses.dataclass(frozen=True)
class LayerRecord:
    """One layer that computes, in the order of the calls.

    Attributes:
        path: of the layer.
        kind: its class, such as "Dense".
        activation: the name of its activation; "linear" for none, "" if it is no registered one.
        units: the size of the last axis of its output; 0 if that is no array.
        inputs: the size of the last axis of its input; 0 if that is no array.
        takes: the path of the layer whose output is exactly its input, or None.
        is_output: whether its output is one of the network's.
        kernel: of a trained layer, or None.
        rate: of a dropout, else 0.
    """

    path: str
    kind: str
    activation: str
    units: int
    inputs: int
    takes: str | None
    is_output: bool
    kernel: KernelRecord | None = None
    rate: float = 0.0


@dataclasses.dataclass(frozen=True)
class InputRecord:
    """Statistics of one array of inputs, by column.

    Attributes:
        name: what errors call it, as "x".
        count: how many samples.
        is_codes: whether an embedding reads it.
        mean: the largest magnitude of a column's mean.
        deviation: the largest standard deviation of a column.
        least_deviation: the smallest deviation of a column that is not constant; 0 if all are.
        constant: the share of columns that are constant.
        spread: the root mean square of the deviations.
        minimum: the smallest number.
        maximum: the largest.
        columns: how many numbers a sample has.
        numbering: a column of whole numbers that differ in all rows, counted from 0, or None.
        telling: the column that alone tells the target best, or None.
    """

    name: str
    count: int
    is_codes: bool
    mean: float
    deviation: float
    least_deviation: float
    constant: float
    spread: float = 0.0
    minimum: float = 0.0
    maximum: float = 0.0
    columns: int = 1
    numbering: int | None = None
    telling: TellingColumn | None = None


@dataclasses.dataclass(frozen=True)
class SettingsRecord:
    """The settings of the training.

    Attributes:
        optimizer: its name.
        learning_rate: the largest of some of the first 1,000 steps.
        batch_size: samples of a step; 0 if all of them.
        samples: how many there are to train on.
        epochs: how often each is to be seen; 0 where it is not known.
        patience: epochs without improvement after which it ends; 0 for never.
    """

    optimizer: str
    learning_rate: float
    batch_size: int = 0
    samples: int = 0
    epochs: int = 0
    patience: float = 0

    @property
    def steps(self) -> int:
        """How many an epoch has."""
        return math.ceil(self.samples / self.batch_size) if self.batch_size else 1


@dataclasses.dataclass(frozen=True)
class GeneratedRecord:
    """How far samples are from the data, as a share of the distance of the data's mean, repeated.

    Attributes:
        distance: of the generated samples.
        normal: of samples of a normal distribution with the data's mean and covariance.
    """

    distance: float
    normal: float

    @property
    def limit(self) -> float:
        """The distance above which the samples are clearly farther than normal ones."""
        return WORSE * self.normal + FAR


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
        return None if own is None else (own - training.penalty) / constant

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
        dropped = any(layer.rate for layer in self.layers)
        for output in self.outputs:
            share, validated = self.remaining_of(output), self.losses_of(output, "val_")
            if share is None or output.linear is None or (validated is None and dropped):
                continue
            least = share if validated is None else min(share, *validated)
            if least > WORSE * output.linear + BY and not self._is_as_accurate(output):
                return output
        return None

    def _is_as_accurate(self, output: OutputRecord) -> bool:
        """Whether a linear model gets about as many classes wrong, whatever the loss."""
        training = self.training
        if training is None or output.linear_error is None:
            return False
        name = f"{output.name}_accuracy" if len(self.outputs) > 1 else "accuracy"
        known = [
            values[-training.last :].mean() if part == "" else values.max()
            for part in ("", "val_")
            if (values := training.metrics.get(f"{part}{name}")) is not None and len(values)
        ]
        return bool(known) and 1 - max(known) <= WORSE * output.linear_error + BY_ERROR

    @property
    def trails(self) -> bool:
        """Whether a linear model, or of generated samples a normal distribution, does better."""
        made = self.generated
        if made is not None:
            return made.distance > made.limit
        return self.trailing_output is not None

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
        share of the most frequent class. A network that is not, is given `ENOUGH` steps.
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
            if gained > max(LEARNED, GAINED * (1 - majority)):
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
        """Whether the training had `ENOUGH` steps to be judged by what it has learned."""
        steps = self.settings.steps if self.settings is not None else 1
        return self.training is not None and self.training.epochs * steps >= ENOUGH

    @property
    def doubt(self) -> Severity:
        """The severity of what harms only where little is learned: "fault" or "note"."""
        return "fault" if self.learned is False else "note"

    @property
    def hidden(self) -> tuple[LayerRecord, ...]:
        """The layers that compute and are no output."""
        return tuple(layer for layer in self.layers if not layer.is_output)

    @property
    def kernels(self) -> tuple[LayerRecord, ...]:
        """The layers with a trained kernel, in the order of the calls."""
        return tuple(layer for layer in self.layers if layer.kernel is not None)
