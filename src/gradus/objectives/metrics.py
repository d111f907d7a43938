"""Metrics: `update` returns accumulators of a batch, which add up; `compute` returns the number.

The same functions run in the compiled training program and in evaluation. Predictions are
probabilities for classification and values for regression. Padding rows have weight zero.
Accumulators are float32, so counts are exact up to 2²⁴, and then correct to seven digits.

The shapes tell the kind of targets. `y_pred` of shape `(batch, ..., K)` with integer labels
`(batch, ...)` or one-hot targets of the same shape is one of K classes. `(batch, 1)` or `(batch,)`
with targets of the same shape is yes or no: a target above ½, a prediction above `threshold`. Only
`flags=True` means that K outputs are K separate answers; `get` sets it if the loss says so.
"""

# ruff: noqa: D102 (an overriding method is documented where it is declared)

from __future__ import annotations

import abc
import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from gradus.checks import is_word, whole_number
from gradus.errors import GradusError, ShapeError, unknown
from gradus.nn.pytree import pytree, static
from gradus.objectives import losses
from gradus.objectives.confusion_metrics import BalancedAccuracy as BalancedAccuracy
from gradus.objectives.confusion_metrics import CohenKappa as CohenKappa
from gradus.objectives.confusion_metrics import ConfusionMatrix as ConfusionMatrix
from gradus.objectives.confusion_metrics import MatthewsCorrcoef as MatthewsCorrcoef
from gradus.objectives.loss import REGISTRY as LOSSES
from gradus.objectives.loss import FunctionLoss, Loss
from gradus.objectives.metric import REGISTRY, Metric, decide, mean_sums, ratio
from gradus.objectives.ranking_metrics import AUC as AUC
from gradus.objectives.ranking_metrics import AveragePrecision as AveragePrecision
from gradus.objectives.targets import numeric
from gradus.space import Space, given_values


@pytree
class LossMetric(Metric):
    """The weighted mean of any loss, such as MSE, MAE, or a cross-entropy; for RMSE its root.

    Args:
        loss: the loss, computed from predictions, not logits.
        label: the metric's name; by default the loss's.

    Examples:
        >>> metric = gr.metrics.LossMetric(gr.losses.RootMeanSquaredError())
        >>> float(metric.compute(metric.update(np.zeros(2), np.array([3.0, 3.0]), np.ones(2))))
        3.0
    """

    loss: Loss
    label: str | None = static(default=None)

    def __post_init__(self) -> None:
        if not isinstance(self.loss, Loss | Space):
            raise GradusError(
                f"LossMetric(loss={self.loss!r}): write a loss, such as gr.losses.Huber()."
            )
        if not isinstance(self.label, str | None):
            raise GradusError(f"LossMetric(label={self.label!r}): write a word.")

    @property
    def name(self) -> str:
        """The label, else the loss's name."""
        return self.label or self.loss.name

    def update(self, y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike) -> Any:
        return mean_sums(self.loss(y_true, y_pred), weight)

    def compute(self, sums: Any) -> Array:
        return self.loss.finalize(ratio(*sums))


@REGISTRY.add("accuracy", "acc", "categorical_accuracy", "sparse_categorical_accuracy", "Accuracy")
@pytree
class Accuracy(Metric):
    """The share of correct answers; with `flags` the share of correct flags.

    Args:
        threshold: the prediction above which an answer is yes.
        flags: whether each of K outputs is a separate yes or no.

    Examples:
        >>> metric = gr.metrics.Accuracy()
        >>> sums = metric.update(np.array([1, 0]), np.array([[0.2, 0.8], [0.4, 0.6]]), np.ones(2))
        >>> float(metric.compute(sums))
        0.5
    """

    judges = "classes"
    threshold: float = 0.5
    flags: bool = static(default=False)

    def update(self, y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike) -> Any:
        truth, predicted, weight = decide(y_true, y_pred, weight, self.threshold, self.flags)
        agree = truth == predicted
        correct = jnp.mean(agree, axis=-1, dtype=jnp.float32) if self.flags else agree.all(axis=-1)
        return mean_sums(correct.astype(jnp.float32), weight)

    def compute(self, sums: Any) -> Array:
        return ratio(*sums)

    def for_loss(self, loss: Loss) -> Metric:
        return _with_flags(self, loss)

    @property
    def takes_largest(self) -> bool:
        return not self.flags and type(self).update is Accuracy.update  # not a user's own


@REGISTRY.add("binary_accuracy", "BinaryAccuracy")
def binary_accuracy(threshold: float = 0.5) -> Accuracy:
    """Return an `Accuracy` of flags: the share of correct answers of any number of outputs.

    Examples:
        >>> metric = gr.metrics.binary_accuracy(threshold=0.3)
        >>> sums = metric.update(np.array([[1, 0]]), np.array([[0.4, 0.6]]), np.ones(1))
        >>> float(metric.compute(sums))
        0.5
    """
    return Accuracy(threshold, flags=True)


@REGISTRY.add("top_k_accuracy", "top_k_categorical_accuracy", "TopKAccuracy")
@pytree
class TopKAccuracy(Metric):
    """The share of samples whose class is among the k with the highest predictions.

    Among equal predictions the lower class comes first, so k = 1 is the accuracy.

    Args:
        k: how many classes count, at least 1.

    Examples:
        >>> metric = gr.metrics.TopKAccuracy(k=2)
        >>> sums = metric.update(np.array([0, 0]), np.array([[3, 9, 1], [1, 9, 3]]), np.ones(2))
        >>> float(metric.compute(sums))
        0.5
    """

    judges = "classes"
    k: int = static(default=5)

    def __post_init__(self) -> None:
        for k in given_values(self.k):
            whole_number("k", k, 1, "TopKAccuracy")

    @property
    def name(self) -> str:
        """top_5_accuracy, for k = 5."""
        return f"top_{self.k}_accuracy"

    def update(self, y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike) -> Any:
        truth, _, weight = decide(y_true, y_pred, weight, 0.5, flags=False)
        if truth.shape[-1] == 1:
            raise ShapeError(f"{self.name} needs several classes, but y_pred has one output.")
        scores = jnp.asarray(y_pred).reshape(truth.shape)
        true_score = jnp.sum(jnp.where(truth, scores, 0), axis=-1, keepdims=True)
        lower_class = jnp.arange(truth.shape[-1]) < jnp.argmax(truth, axis=-1, keepdims=True)
        # Not `scores > true_score`: a prediction of NaN must count as wrong.
        ahead = ~(scores <= true_score) | ((scores == true_score) & lower_class)
        return mean_sums((ahead.sum(axis=-1) < self.k).astype(jnp.float32), weight)

    def compute(self, sums: Any) -> Array:
        return ratio(*sums)


@pytree
class _CountMetric(Metric):
    """A metric of true positives, false positives and false negatives, each `(K,)`."""

    judges = "classes"
    threshold: float = 0.5
    flags: bool = static(default=False)
    average: Literal["macro", "micro"] = static(default="macro")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_word(self.average, ("macro", "micro")):
            raise unknown("average", self.average, ("macro", "micro"))

    def update(self, y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike) -> Any:
        truth, predicted, weight = decide(y_true, y_pred, weight, self.threshold, self.flags)
        weight = weight[:, None]
        true_positives = jnp.sum(jnp.where(truth & predicted, weight, 0), axis=0)
        false_positives = jnp.sum(jnp.where(~truth & predicted, weight, 0), axis=0)
        false_negatives = jnp.sum(jnp.where(truth & ~predicted, weight, 0), axis=0)
        return true_positives, false_positives, false_negatives

    def compute(self, sums: Any) -> Array:
        if self.average == "micro":
            return self.score(*(count.sum() for count in sums))
        # As in scikit-learn, a class without targets and predictions does not count.
        present = (sum(sums) > 0).astype(jnp.float32)
        return ratio(jnp.sum(present * self.score(*sums)), jnp.sum(present))

    def for_loss(self, loss: Loss) -> Metric:
        return _with_flags(self, loss)

    @abc.abstractmethod
    def score(self, tp: Array, fp: Array, fn: Array) -> Array:
        """Return the score of each class from its true and false positives and false negatives."""


@REGISTRY.add("precision", "Precision")
@pytree
class Precision(_CountMetric):
    """TP / (TP + FP): the share of predicted positives that are correct; 0 if none is predicted.

    Args:
        threshold: the prediction above which an answer is yes.
        flags: whether each of K outputs is a separate yes or no.
        average: over K classes or flags: "macro", the mean of their scores, or "micro", the score
            of their added counts. One yes or no has one score, that of yes.

    Examples:
        >>> metric = gr.metrics.Precision()
        >>> sums = metric.update(np.array([1, 1, 1, 0]), np.array([0.9, 0.1, 0.2, 0.8]), np.ones(4))
        >>> float(metric.compute(sums))
        0.5
    """

    def score(self, tp: Array, fp: Array, fn: Array) -> Array:
        return ratio(tp, tp + fp)


@REGISTRY.add("recall", "Recall")
@pytree
class Recall(_CountMetric):
    """TP / (TP + FN): the share of actual positives that are predicted; 0 if there are none.

    Arguments are those of `Precision`.

    Examples:
        >>> metric = gr.metrics.Recall()
        >>> sums = metric.update(np.array([1, 1, 1, 0]), np.array([0.9, 0.1, 0.2, 0.8]), np.ones(4))
        >>> round(float(metric.compute(sums)), 2)
        0.33
    """

    def score(self, tp: Array, fp: Array, fn: Array) -> Array:
        return ratio(tp, tp + fn)


@REGISTRY.add("f1", "f1_score", "F1Score")
@pytree
class F1Score(_CountMetric):
    """2 TP / (2 TP + FP + FN): the harmonic mean of precision and recall (van Rijsbergen 1979).

    Arguments are those of `Precision`.

    Examples:
        >>> metric = gr.metrics.F1Score()
        >>> sums = metric.update(np.array([1, 1, 1, 0]), np.array([0.9, 0.1, 0.2, 0.8]), np.ones(4))
        >>> round(float(metric.compute(sums)), 2)
        0.4
    """

    def score(self, tp: Array, fp: Array, fn: Array) -> Array:
        return ratio(2 * tp, 2 * tp + fp + fn)


@REGISTRY.add("r2", "r2_score", "R2Score")
@pytree
class R2Score(Metric):
    """R² = 1 − Σ(y − ŷ)² / Σ(y − ȳ)², averaged over outputs; 1 is perfect, 0 the mean's score.

    An output whose targets are all equal counts as 1 if predicted exactly, else 0.

    Args:
        shift: a number near the mean of each output's targets, set by `fit_targets`. It is
            subtracted first, since squares of large float32 targets would swamp their variance.

    Examples:
        >>> metric = gr.metrics.R2Score()
        >>> sums = metric.update(np.array([0.0, 2.0]), np.array([0.0, 1.0]), np.ones(2))
        >>> float(metric.compute(sums))
        0.5
    """

    judges = "values"
    shift: float | Array = 0.0

    def update(self, y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike) -> Any:
        y, p = (jnp.asarray(array).astype(jnp.float32) for array in (y_true, y_pred))
        if y.shape != p.shape:
            raise ShapeError(
                f"y_true has shape {y.shape} and y_pred {p.shape}; r2 needs them equal."
            )
        weight = jnp.asarray(weight, jnp.float32)
        column = weight.reshape(-1, *[1] * (y.ndim - 1))

        def total(values: Array) -> Array:
            return jnp.sum(jnp.where(column != 0, column * values, 0), axis=0)

        shift = jnp.asarray(self.shift)
        while shift.ndim >= y.ndim:  # each step of a sequence has become a separate row
            shift = shift.mean(0)
        shifted = y - shift
        return {
            "weight": jnp.sum(weight),
            "residual": total(jnp.square(y - p)),
            "first": total(shifted),
            "second": total(jnp.square(shifted)),
        }

    def compute(self, sums: Any) -> Array:
        variation = sums["second"] - ratio(jnp.square(sums["first"]), sums["weight"])
        constant = variation <= 0
        explained = 1 - sums["residual"] / jnp.where(constant, 1, variation)
        return jnp.mean(jnp.where(constant, sums["residual"] == 0, explained))

    def fit_targets(self, y_true: Any) -> Metric:
        mean = numeric(y_true, "y_true").mean(axis=0, dtype=np.float64)
        return dataclasses.replace(self, shift=mean.astype(np.float32))


def get(
    metric: str | Metric | type[Metric] | Loss | Callable[..., Any], loss: Loss | None = None
) -> Metric:
    """Return the metric of a name, a class, a loss, or a function; a metric adapted to the loss.

    The name of a loss, a loss, and a function `f(y_true, y_pred)` of samples become a mean.

    Args:
        metric: a name, a class or an object of `Metric`, a loss, or a user's function.
        loss: the training loss, which tells whether targets are flags or one class, and predictions
            probabilities or scores; settings that differ from their defaults are kept.

    Raises:
        GradusError: for an unknown name or any other type.

    Examples:
        >>> gr.metrics.get("accuracy", gr.losses.get("binary_crossentropy"))
        Accuracy(flags=True)
    """
    if isinstance(metric, str):
        return _find(metric, loss)
    if inspect.isclass(metric) and issubclass(metric, Metric):
        return _adapt(metric(), loss)
    if isinstance(metric, Metric):
        if jax.tree_util.all_leaves([metric]):
            raise GradusError(f"Decorate the class {type(metric).__name__} with @pytree.")
        return _adapt(metric, loss)
    if isinstance(metric, Loss) or (inspect.isclass(metric) and issubclass(metric, Loss)):
        return LossMetric(losses.get(metric))
    if callable(metric):
        return LossMetric(FunctionLoss(metric))
    raise GradusError(
        f'A metric is a name such as "accuracy", a Metric or a function f(y_true, y_pred), not '
        f"{metric!r}."
    )


def needs_of(name: str) -> str:
    """Return what samples must have for the metric of a name in a history to exist, in words.

    Args:
        name: such as "auc", "val_auc", or with several outputs "val_left_auc".

    Examples:
        >>> gr.metrics.needs_of("val_auc")
        'samples of both classes'
    """
    found = [known for known in REGISTRY if f"_{name}".endswith(f"_{known}")]
    return get(max(found, key=len)).needs if found else ""  # val_pr_auc ends with auc, too


def _find(name: str, loss: Loss | None) -> Metric:
    """Return the metric, or the mean of the loss, with this name."""
    if name in REGISTRY or name.lower() in REGISTRY:
        return _adapt(REGISTRY.find(name)(), loss)
    if name in LOSSES or name.lower() in LOSSES:
        return LossMetric(losses.get(name), name)
    raise unknown("metric", name, {*REGISTRY, *LOSSES})


def _adapt(metric: Metric, loss: Loss | None) -> Metric:
    """Return the metric adapted to the loss; settings that differ from their defaults are kept."""
    if loss is None:
        return metric
    instance: Any = metric
    explicit = {
        field.name: getattr(instance, field.name)
        for field in dataclasses.fields(instance)
        if getattr(instance, field.name) is not field.default
    }
    adapted: Any = metric.for_loss(loss)
    return dataclasses.replace(adapted, **explicit)


def _with_flags(metric: Any, loss: Loss) -> Metric:
    """Return a metric with threshold and flags for the targets of `loss`."""
    flags = metric.flags or loss.kind == "flags"
    return dataclasses.replace(metric, threshold=loss.threshold, flags=flags)
