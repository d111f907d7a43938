"""How a training went, as symptoms read it: losses by epoch, layer statistics by record."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from gradus.train.history import History

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

LAST = 0.1  # of the epochs are the last ones, at least one
SUSTAINED = 3  # records, in which what is told while training runs must have been so
FEW = 12  # epochs, below which parts of them are looked at


@dataclasses.dataclass(frozen=True)
class LayerTraining:
    """What a layer put out, in each record: see `gradus.train.layer_statistics`.

    Attributes:
        mean: of its outputs.
        deviation: of its outputs.
        saturated: the share of saturated outputs; NaN where its activation does not saturate.
        silent: the share of units that are zero on the whole batch.
        spread: how much a unit's output differs between samples.
    """

    mean: Float[np.ndarray, "records"]
    deviation: Float[np.ndarray, "records"]
    saturated: Float[np.ndarray, "records"]
    silent: Float[np.ndarray, "records"]
    spread: Float[np.ndarray, "records"]


@dataclasses.dataclass(frozen=True)
class WeightTraining:
    """The Euclidean norms of a trained weight, in each record.

    Attributes:
        gradient: of its gradient.
        weight: of itself.
        update: of the step that the optimizer would make.
    """

    gradient: Float[np.ndarray, "records"]
    weight: Float[np.ndarray, "records"]
    update: Float[np.ndarray, "records"]

    @property
    def moved(self) -> Float[np.ndarray, "records"]:
        """The update as a share of the weight; NaN for a weight of zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.weight > 0, self.update / self.weight, np.nan)


@dataclasses.dataclass(frozen=True)
class TrainingRecord:
    """How a training went.

    Attributes:
        epochs: how many there were.
        stopped: why it ended early; "" if it did not.
        loss: of the training samples, in each epoch, with penalties.
        validation_loss: of the validation samples, or None.
        metrics: the other numbers by name, in each epoch.
        segments: the loss of each part of an epoch, in their order.
        epoch: the number of the epoch, from 1, in which each record was made.
        layers: what each layer put out, by path.
        weights: the norms of each trained weight, by path.
        penalty: the part of the last loss that penalties are.
        silent: the share of units of a layer that are zero on all of a set of samples, by path;
            only where many were silent in the last record.
        divergence: where the training diverged, in a sentence, and what to try; None if it did not.
    """

    epochs: int
    stopped: str
    loss: Float[np.ndarray, "epochs"]
    validation_loss: Float[np.ndarray, "epochs"] | None
    metrics: dict[str, Float[np.ndarray, "epochs"]]
    segments: Float[np.ndarray, "segments"]
    epoch: Int[np.ndarray, "records"]
    layers: dict[str, LayerTraining]
    weights: dict[str, WeightTraining]
    penalty: float = 0.0
    silent: dict[str, float] = dataclasses.field(default_factory=dict)
    divergence: tuple[str, str] | None = None

    @property
    def times(self) -> Float[np.ndarray, "records"]:
        """When each record was made, in epochs: those of one epoch are evenly spread in it."""
        counts = np.bincount(self.epoch, minlength=1)
        numbers = np.arange(len(self.epoch)) - np.searchsorted(self.epoch, self.epoch)
        return self.epoch - 1 + (numbers + 1) / counts[self.epoch]

    def silent_share(self, path: str) -> float:
        """Return the share of units of a layer that are silent: on the probe samples, if known."""
        if path in self.silent:
            return self.silent[path]
        shares = self.layers[path].silent if path in self.layers else np.zeros(0)
        return float(shares[-1]) if len(shares) and shares[-1] == shares[-1] else 0.0

    def was_silent(self, path: str, share: float) -> bool:
        """Whether at least a share of a layer's units was silent in each of the last records."""
        shares = self.layers[path].silent[-SUSTAINED:] if path in self.layers else np.zeros(0)
        return len(shares) == SUSTAINED and bool((shares >= share).all())

    def since(self, path: str, statistic: str, threshold: float) -> int:
        """Return the epoch, from 1, since which a statistic of a layer has been above a threshold.

        Args:
            path: of the layer.
            statistic: "silent" or "saturated".
            threshold: of the statistic.
        """
        below = np.flatnonzero(~(getattr(self.layers[path], statistic) > threshold))
        first = min(int(below[-1]) + 1 if len(below) else 0, len(self.epoch) - 1)
        return int(self.epoch[first])

    @property
    def last(self) -> int:
        """How many epochs are the last ones: a tenth of them."""
        return max(1, round(LAST * self.epochs))

    @property
    def final_loss(self) -> float:
        """The mean loss of the last epochs, without penalties; infinite after a divergence."""
        if self.stopped == "diverged":
            return math.inf
        return float(self.loss[-self.last :].mean()) - self.penalty

    @property
    def smooth(self) -> Float[np.ndarray, "parts"]:
        """The losses in their order with less of the noise of batches; infinite for no number.

        They are those of the epochs, or with few epochs the means of three parts of them.
        """
        losses = self.loss
        if self.epochs < FEW and len(self.segments) >= 3:
            losses = np.convolve(np.nan_to_num(self.segments, nan=np.inf), np.ones(3) / 3, "valid")
        return np.nan_to_num(losses, nan=np.inf)

    @property
    def fell(self) -> float:
        """By how much the loss fell in the last quarter, as a share of what it was before.

        With few epochs it is judged by their parts.
        """
        losses = self.loss if self.epochs >= FEW or not len(self.segments) else self.segments
        part = len(losses) // 8
        if not part:
            return 0.0
        before, after = losses[-3 * part : -2 * part].mean(), losses[-part:].mean()
        return float(1 - (after - self.penalty) / max(before - self.penalty, 1e-30))

    @property
    def curve(self) -> Float[np.ndarray, "losses"]:
        """The losses that are finite: of the epochs, or of their parts if there are only few."""
        losses = self.segments if self.is_short else self.loss
        return losses[np.isfinite(losses)]

    @property
    def is_short(self) -> bool:
        """Whether parts of epochs, which are noisier, must stand for them in the curve."""
        return self.epochs < FEW and len(self.segments) >= (FEW if self.epochs > 1 else 1)

    @property
    def ends(self) -> tuple[float, float]:
        """Where the curve begins and ends: of many losses the means of at least three."""
        curve = self.curve
        fewest = 3 if len(curve) >= FEW else 1
        last = curve[-max(fewest, round(LAST * len(curve))) :]
        return float(curve[:fewest].mean()), float(last.mean())

    @property
    def highest(self) -> float:
        """The highest loss of a part of an epoch; infinite if one is not a number."""
        losses = self.segments if len(self.segments) else self.loss
        return float(np.max(np.nan_to_num(losses, nan=np.inf)))


def make_training_record(
    history: History,
    penalty: float = 0.0,
    silent: dict[str, float] | None = None,
    divergence: tuple[str, str] | None = None,
) -> TrainingRecord:
    """Return the record of a training.

    Args:
        history: of the training.
        penalty: the sum of the penalties at its end.
        silent: the share of units of a layer that are zero on all of a set of samples.
        divergence: where it diverged, and what to try.
    """
    names = [name for name, values in history.items() if values.ndim == 1]
    others = [name for name in names if name not in ("loss", "val_loss")]
    recorded = _recorded(history)
    taken = {name: values[recorded] for name, values in history.probes.items()}
    where = np.nonzero(recorded)[0] + 1 if recorded.size else np.zeros(0, int)
    segments = history.probes.get("loss", np.zeros(0))
    return TrainingRecord(
        epochs=history.epochs,
        stopped=history.stopped,
        loss=np.asarray(history["loss"], np.float64) if "loss" in history else np.zeros(0),
        validation_loss=_floats(history.get("val_loss")),
        metrics={name: np.asarray(history[name], np.float64) for name in others},
        segments=segments[~np.isnan(segments)].astype(np.float64).reshape(-1),
        epoch=where,
        layers={
            path: LayerTraining(
                *(
                    taken[name][:, index]
                    for name in ("mean", "deviation", "saturated", "silent", "spread")
                )
            )
            for index, path in enumerate(history.layers)
            if taken
        },
        weights={
            path: WeightTraining(
                *(taken[name][:, index] for name in ("gradient", "weight", "update"))
            )
            for index, path in enumerate(history.weights)
            if taken
        },
        penalty=penalty,
        silent=silent or {},
        divergence=divergence,
    )


def _recorded(history: History) -> Bool[np.ndarray, "epochs segments"]:
    """Return where layer statistics were recorded: the weights' norms are no missing numbers."""
    norms = history.probes.get("weight")
    if norms is None or not norms.size:
        return np.zeros((0, 0), bool)
    return ~np.isnan(norms).all(axis=-1)


def _floats(values: np.ndarray | None) -> Float[np.ndarray, "epochs"] | None:
    return None if values is None else np.asarray(values, np.float64)
