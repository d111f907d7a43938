"""The error of predictions, sample by sample, whatever the loss that a candidate learned by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradus.errors import GradusError
from gradus.objectives.loss import Loss
from gradus.train.tasks.base import Supervised, Task, zip_outputs

if TYPE_CHECKING:
    from jaxtyping import Float

    Errors = Float[np.ndarray, "samples"]

LARGEST = 100.0  # an error of numbers, in variances, so that no single sample decides
STANDARD_ERRORS = 2.0  # standard errors by which a training must be better
RELATIVE_GAIN = 0.02  # the share of the error that must be gone, too
HARDLY = 0.2  # the share of the error below which a gain is none to speak of
RANKED = 3  # seeds of each at least, for their ranks to tell: all better by chance in 1 of 20


class Comparison(NamedTuple):
    """Two trainings on the same samples.

    Attributes:
        before: the mean error of one.
        after: that of the other.
        noise: the standard error of their difference, over samples and seeds.
    """

    before: float
    after: float
    noise: float

    @property
    def gain(self) -> float:
        """By how much the error is smaller."""
        return self.before - self.after

    @property
    def helps(self) -> bool:
        """Whether the other one is better, beyond noise and by enough to matter."""
        if not math.isfinite(self.before):
            return math.isfinite(self.after)
        return self.gain > max(STANDARD_ERRORS * self.noise, RELATIVE_GAIN * self.before)

    @property
    def is_equal(self) -> bool:
        """Whether the other one is hardly better, even allowing for noise: by less than `HARDLY`.

        Where neither this nor `helps` holds, there are too few samples to tell.
        """
        return self.gain + STANDARD_ERRORS * self.noise < HARDLY * self.before


def compare(before: Sequence[Errors], after: Sequence[Errors]) -> Comparison:
    """Compare two trainings: errors of the same samples, for each seed, or one for all seeds.

    The noise is `√(Var(dᵢ) / n + Var(d̄ₛ) / S)` for the differences d, paired by sample and seed:
    dᵢ is the mean over the S seeds of a sample, d̄ₛ that over the n samples of a seed. The second
    term is left out where each of three or more seeds is better than any of the others, however
    much these differ (Wilcoxon, "Individual comparisons by ranking methods", 1945): a training that
    fails with some seeds only has differences as large as their mean. A training that could not be
    made has infinite errors.
    """
    means = float(np.mean(before)), float(np.mean(after))
    if not np.isfinite(means).all():  # one of them could not be trained
        return Comparison(*means, 0.0)
    gains = np.stack(before) - np.stack(after)
    of_samples = gains.mean(axis=0).var() / gains.shape[1]
    of_seeds = gains.mean(axis=1).var(ddof=1) / len(gains) if len(gains) > 1 else 0.0
    ranked = min(len(before), len(after)) >= RANKED
    if ranked and max(map(np.mean, after)) < min(map(np.mean, before)):
        of_seeds = 0.0
    return Comparison(*means, math.sqrt(of_samples + of_seeds))


def no_worse_than_constant(errors: Errors) -> Errors:
    """Return errors scaled to a mean of 1, that of a constant prediction, where it is above.

    Errors of classes never are. A training that could not be made keeps its infinite errors.
    """
    mean = errors.mean()
    return errors / mean if 1 < mean < math.inf else errors


def sample_errors(
    task: Task, kinds: Sequence[str], predicted: Any, y: Any, trained_on: Any
) -> Errors:
    """Return the error of each sample, a mean over outputs and axes.

    It is 1 for a wrong class and 0 for a right one, the share of wrong flags, and for numbers the
    squared error in variances of the training targets, at most `LARGEST`: `Σ (ŷⱼ - yⱼ)² / Σ σⱼ²`
    over the columns j of an output, which count as they do in a squared loss. A prediction that is
    not a number is wrong.

    Args:
        task: what was learned.
        kinds: what the targets of each output are: "classes", "flags", or "values".
        predicted: the predictions, in the units of `y`.
        y: the targets.
        trained_on: the targets of training.

    Raises:
        GradusError: for a task without targets.
    """
    if not isinstance(task, Supervised):
        raise GradusError("Trainings are compared by their predictions, which needs targets: y.")
    columns = [zip_outputs(task.objectives, None, tree) for tree in (predicted, y, trained_on)]
    errors = []
    for kind, *parts in zip(kinds, *columns, strict=True):
        loss, arrays = parts[0][1].loss, [np.asarray(part[3]) for part in parts]
        errors.append(_squared(*arrays) if kind == "values" else _wrong(kind, loss, *arrays[:2]))
    mean: Errors = np.mean(errors, axis=0)
    return mean


def constant_errors(task: Supervised, kinds: Sequence[str], y: Any, trained_on: Any) -> Errors:
    """Return the error of each sample of the best constant prediction, a mean over outputs.

    It is the most frequent class or flag of the training targets, or their mean; the arguments are
    those of `sample_errors`.
    """
    columns = [zip_outputs(task.objectives, None, tree) for tree in (y, trained_on)]
    errors = []
    for kind, *parts in zip(kinds, *columns, strict=True):
        targets, seen = (np.asarray(part[3]) for part in parts)
        if kind == "values":
            mean = np.broadcast_to(seen.mean(axis=0, dtype=np.float64), targets.shape)
            errors.append(_squared(mean, targets, seen))
            continue
        if kind == "flags":
            wrong = (targets > 0) != (np.mean(seen > 0, axis=0) > 0.5)
        else:
            targets, seen = (_labels(each) for each in (targets, seen))
            values, counts = np.unique(seen, return_counts=True)
            wrong = targets != values[counts.argmax()]
        errors.append(wrong.reshape(len(targets), -1).mean(axis=1))
    mean_errors: Errors = np.mean(errors, axis=0)
    return mean_errors


def _labels(y: np.ndarray) -> np.ndarray:
    """Return class labels, from labels or from one-hot rows."""
    one_hot = y.ndim > 1 and y.shape[-1] > 1 and bool((y.sum(axis=-1) == 1).all())
    return y.argmax(axis=-1) if one_hot and bool(np.isin(y, (0, 1)).all()) else y


def _wrong(kind: str, loss: Loss, predicted: np.ndarray, y: np.ndarray) -> Errors:
    """Return the share of wrong classes or flags of each sample."""
    right: np.ndarray
    if kind == "flags":
        right = (predicted > loss.threshold).reshape(y.shape) == (y > 0)
    else:
        one_hot = y.shape == predicted.shape and y.ndim > 1 and y.shape[-1] > 1
        labels = (y.argmax(axis=-1) if one_hot else y).reshape(len(y), -1)
        classes = _classes(loss, predicted, labels)
        right = classes.reshape(labels.shape) == labels
    finite = np.isfinite(predicted).reshape(len(y), -1).all(axis=1)
    wrong: Errors = np.where(finite, 1 - right.reshape(len(y), -1).mean(axis=1), 1.0)
    return wrong


def _classes(loss: Loss, predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the class of each prediction: the largest of several outputs, or the nearest."""
    if predicted.size > labels.size:
        return predicted.argmax(axis=-1)
    if loss.kind == "flags" or labels.max(initial=0) <= 1:
        return (predicted > loss.threshold).astype(int)
    return np.rint(np.nan_to_num(predicted)).astype(int)


def _squared(predicted: np.ndarray, y: np.ndarray, trained_on: np.ndarray) -> Errors:
    """Return the squared error of each sample as a share of the variance of targets.

    Both are summed over columns. In a mean of each column's share, those that hardly vary, such as
    the pixels of a border, would decide.
    """
    y = y.reshape(len(y), -1).astype(np.float64)
    predicted = predicted.reshape(y.shape).astype(np.float64)
    variance = trained_on.reshape(len(trained_on), -1).astype(np.float64).var(axis=0).sum()
    with np.errstate(over="ignore", invalid="ignore"):
        squared = ((predicted - y) ** 2).sum(axis=1)
        errors = squared / (variance if variance > 0 else y.shape[1])
    capped: Errors = np.minimum(np.nan_to_num(errors, nan=LARGEST, posinf=LARGEST), LARGEST)
    return capped
