"""The entries of a record: what network, data, settings, and generated samples are like."""

from __future__ import annotations

import dataclasses
import math

from gradus.diagnosis.columns import TellingColumn

SOFTMAX = ("softmax", "log_softmax")
RECTIFIERS = ("relu", "relu6")
ACTIVATION_LAYERS = ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax")
# Losses that depend on where zero is, so that their targets cannot be standardized.
RELATIVE = (
    *("poisson", "mean_absolute_percentage_error", "mean_squared_logarithmic_error"),
    "cosine_similarity",
)
SQUARED = ("mean_squared_error", "root_mean_squared_error", "mean_absolute_error")


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
        constant: the share of columns that are constant.
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
    constant: float = 0.0

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
        metrics: what each metric judges, by its name: "values", "classes", or "any".
        targets: those of training, or None.
        validation: those of validation, or None.
        batch_factor: by how much a custom loss of the same samples grows in a batch of twice the
            size; None for other losses, or where it is not known.
        best_for_all: the prediction for which a custom loss is smallest whatever the target; None
            if it depends on the target, as it should.
        is_largest_at_target: whether a custom loss is largest where the prediction is the target.
        weight: the factor of its loss in the total loss.
        linear: the loss of a linear model on samples that it was not fitted to, as a share of that
            of the best constant prediction; None where it is not known.
        linear_error: the share of those samples whose class it gets wrong; None of values.
        sure_error: the same among the half that it is surest of; None of values and several flags.
        contradicted: the share of samples whose nearest ones agree on another label; None where it
            is not known.
        neighbor_error: the share of samples whose label most of the nearest ones do not have; None
            where it is not known.
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
    is_largest_at_target: bool = False
    weight: float = 1.0
    linear: float | None = None
    linear_error: float | None = None
    sure_error: float | None = None
    contradicted: float | None = None
    neighbor_error: float | None = None

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
        scaling: the scale and the offset of a `Rescaling`, if each is one number; else None.
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
    scaling: tuple[float, float] | None = None

    @property
    def is_activation(self) -> bool:
        """Whether it is nothing but an activation."""
        return self.kind in ACTIVATION_LAYERS


@dataclasses.dataclass(frozen=True)
class PixelRecord:
    """What a layer that changes the brightness or the contrast of images is given.

    Attributes:
        path: of the layer.
        kind: its class, such as "RandomBrightness".
        factor: the largest change.
        low: the lowest value of a pixel that the layer knows; what is below becomes it.
        high: the highest, likewise.
        minimum: the smallest value of some samples' pixels.
        maximum: the largest.
    """

    path: str
    kind: str
    factor: float
    low: float
    high: float
    minimum: float
    maximum: float


@dataclasses.dataclass(frozen=True)
class InputRecord:
    """Statistics of one array of inputs, by column.

    Attributes:
        name: what errors call it, as "x".
        count: how many samples.
        is_codes: whether it is whole numbers that an embedding reads.
        mean: the largest magnitude of a column's mean.
        deviation: the largest standard deviation of a column.
        least_deviation: the smallest deviation of a column that is not constant; 0 if all are.
        constant: the share of columns that are constant.
        spread: the root mean square of the deviations.
        minimum: the smallest number.
        maximum: the largest.
        columns: how many numbers a sample has.
        shape: of one sample.
        numbering: a column of whole numbers that differ in all rows, by its number, from 0, or by
            its name; or None.
        telling: the column that alone tells the target best, or None.
        is_constant: whether all samples, of which there are several, are equal.
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
    shape: tuple[int, ...] = ()
    numbering: int | str | None = None
    telling: TellingColumn | None = None
    is_constant: bool = False


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
        monitor: the number that ends it early; "" where it is not known.
        mode: "min" or "max", whether smaller or larger values of it are better; "" likewise.
        min_delta: an improvement is more than this.
        target: it ends when the number is at least as good; None for never.
        keep_best: whether the weights of the best epoch are kept, if it can end early.
        shuffle: whether each epoch has an order of its own.
        class_weight: of the samples of each class, "balanced", or None.
        sample_weight: whether samples had weights of their own.
        epsilon: what the optimizer adds to the size of gradients; None if it adds nothing.
        clipped: the smallest norm or value at which it clips gradients; None if it does not.
    """

    optimizer: str
    learning_rate: float
    batch_size: int = 0
    samples: int = 0
    epochs: int = 0
    patience: float = 0
    monitor: str = ""
    mode: str = ""
    min_delta: float = 0.0
    target: float | None = None
    keep_best: bool = True
    shuffle: bool = True
    class_weight: str | dict[str, float] | None = None
    sample_weight: bool = False
    epsilon: float | None = None
    clipped: float | None = None

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


@dataclasses.dataclass(frozen=True)
class RecurrenceRecord:
    """What the last output of recurrent layers takes from the first quarter of the steps.

    Attributes:
        layer: the path of the layer that makes the last output.
        steps: how many steps the layers read.
        carried: the gradient of that output by the inputs of the first quarter, as a share of
            that by the inputs of the step that counts most; the median of some samples.
        told: the loss of a linear model of the first quarter alone, as `OutputRecord.linear`.
        told_error: the share of classes that this gets wrong; None of values.
    """

    layer: str
    steps: int
    carried: float
    told: float
    told_error: float | None
