"""The record that symptoms read: facts of network, data, and settings, and how training went."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from gradus.diagnosis.findings import Severity
from gradus.train.history import History

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

SOFTMAX = ("softmax", "log_softmax")
SQUARED = ("mean_squared_error", "root_mean_squared_error", "mean_absolute_error")
LEARNED = 0.02  # the share of a constant prediction's loss by which a trained one is smaller


@dataclasses.dataclass(frozen=True)
class TargetRecord:
    """Statistics of the targets of one output.

    Attributes:
        count: how many samples.
        minimum: the smallest number.
        maximum: the largest.
        mean: of all numbers.
        deviation: the largest standard deviation of a column.
        counts: how many samples each class has, by label; empty where the targets are no classes.
        one_hot: whether each row is zeros and a single one.
        several: whether they are zeros and ones, and rows have none or more than a single one.
    """

    count: int
    minimum: float
    maximum: float
    mean: float
    deviation: float
    counts: tuple[int, ...] = ()
    one_hot: bool = False
    several: bool = False


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

    @property
    def where(self) -> str:
        """The output in words: "The output", or one of several by name."""
        return "The output" if self.name == "output" else f"The output {self.name!r}"

    @property
    def constant_loss(self) -> float | None:
        """The loss of the best constant prediction, or None where it is not known."""
        targets = self.targets
        if targets is None:
            return None
        if self.loss == "mean_squared_error" and self.shape[-1:] == (1,):
            return targets.deviation**2
        if self.loss.endswith("categorical_crossentropy") and targets.counts:
            shares = [count / targets.count for count in targets.counts if count]
            return -sum(share * math.log(share) for share in shares)
        if self.loss == "binary_crossentropy" and len(targets.counts) == 2:
            share = targets.counts[1] / targets.count
            return -share * math.log(share) - (1 - share) * math.log(1 - share)
        return None


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
        kernel: the kernel `(…, inputs, units)` of a trained layer before training, or None.
    """

    path: str
    kind: str
    activation: str
    units: int
    inputs: int
    takes: str | None
    is_output: bool
    kernel: Float[np.ndarray, "... inputs units"] | None = None


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
    """

    name: str
    count: int
    is_codes: bool
    mean: float
    deviation: float
    least_deviation: float
    constant: float


@dataclasses.dataclass(frozen=True)
class SettingsRecord:
    """The settings of the training.

    Attributes:
        optimizer: its name.
        learning_rate: the largest of some of the first 1,000 steps.
    """

    optimizer: str
    learning_rate: float


@dataclasses.dataclass(frozen=True)
class Record:
    """All that symptoms read.

    Attributes:
        inputs: the inputs.
        outputs: the outputs.
        layers: the layers that compute.
        settings: the settings.
        history: how training went; without an epoch before it.
    """

    inputs: tuple[InputRecord, ...] = ()
    outputs: tuple[OutputRecord, ...] = ()
    layers: tuple[LayerRecord, ...] = ()
    settings: SettingsRecord | None = None
    history: History | None = None

    @property
    def learned(self) -> bool | None:
        """Whether the loss fell below that of the best constant; None if that is not known."""
        if self.history is None or not self.history.epochs or len(self.outputs) != 1:
            return None
        constant = self.outputs[0].constant_loss
        if not constant or "loss" not in self.history:
            return None
        return bool(min(self.history["loss"]) < (1 - LEARNED) * constant)

    @property
    def doubt(self) -> Severity:
        """The severity of what harms only where nothing is learned: "fault" or "note"."""
        return "fault" if self.learned is False else "note"
