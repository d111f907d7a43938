"""Metrics of a confusion matrix: counts of true classes against predicted ones.

In formulas, C_ij is the weight of the samples of class i predicted as j, t_i = Σ_j C_ij that of the
class, p_j = Σ_i C_ij that of its predictions, and n the whole weight. One yes or no is two classes.
"""

# ruff: noqa: D102 (an overriding method is documented where it is declared)

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from gradus.errors import ShapeError
from gradus.nn.pytree import pytree, static
from gradus.objectives.loss import Loss
from gradus.objectives.metric import REGISTRY, Metric, decide, ratio


@REGISTRY.add("confusion_matrix", "ConfusionMatrix")
@pytree
class ConfusionMatrix(Metric):
    """The weight of samples of class i predicted as j, `(K, K)`; `(2, 2)` for one yes or no.

    Args:
        threshold: the prediction above which an answer is yes.

    Examples:
        >>> metric = gr.metrics.ConfusionMatrix()
        >>> sums = metric.update(np.array([1, 1, 1, 0]), np.array([0.9, 0.1, 0.2, 0.8]), np.ones(4))
        >>> metric.compute(sums).tolist()
        [[0.0, 1.0], [2.0, 1.0]]
    """

    judges = "classes"
    scalar: ClassVar[bool] = False

    threshold: float = 0.5

    def update(self, y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike) -> Any:
        truth, predicted, weight = decide(y_true, y_pred, weight, self.threshold, flags=False)
        if truth.shape[-1] == 1:
            truth, predicted = (jnp.concatenate([~yes, yes], axis=-1) for yes in (truth, predicted))
        # (K, rows) @ (rows, K); full precision, since a GPU would round the weights to ten bits.
        return jnp.matmul(
            truth.T.astype(jnp.float32),
            jnp.where(predicted, weight[:, None], 0),
            precision=jax.lax.Precision.HIGHEST,
        )

    def compute(self, sums: Any) -> Array:
        return sums

    def for_loss(self, loss: Loss) -> Metric:
        return dataclasses.replace(self, threshold=loss.threshold)


@pytree
class _OfClasses(ConfusionMatrix):
    """A number computed from a confusion matrix.

    Args:
        threshold: the prediction above which an answer is yes.
        flags: whether each of K outputs is a separate yes or no, of which there may be only one.
    """

    scalar: ClassVar[bool] = True
    flags: bool = static(default=False)

    def update(self, y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike) -> Any:
        if self.flags and jnp.ndim(y_pred) > 1 and jnp.shape(y_pred)[-1] > 1:
            raise ShapeError(
                f"{self.name} is of one yes or no, or of one class among several, but each of the "
                f"{jnp.shape(y_pred)[-1]} outputs is a yes or no of its own: use f1."
            )
        return super().update(y_true, y_pred, weight)

    def for_loss(self, loss: Loss) -> Metric:
        return dataclasses.replace(self, threshold=loss.threshold, flags=loss.kind == "flags")


@REGISTRY.add("balanced_accuracy", "BalancedAccuracy")
@pytree
class BalancedAccuracy(_OfClasses):
    """The mean of C_ii / t_i over the classes that occur: the accuracy if all were as frequent.

    Always answering the same class scores 1/K (Brodersen et al. 2010).

    Args:
        threshold: the prediction above which an answer is yes.
        flags: as in `Accuracy`; several flags have no balanced accuracy.

    Examples:
        >>> metric = gr.metrics.BalancedAccuracy()
        >>> sums = metric.update(np.array([1, 1, 1, 0]), np.array([0.9, 0.1, 0.2, 0.3]), np.ones(4))
        >>> round(float(metric.compute(sums)), 2)
        0.67
    """

    def compute(self, sums: Any) -> Array:
        of_class = jnp.sum(sums, axis=-1)
        return ratio(jnp.sum(ratio(jnp.diagonal(sums), of_class)), jnp.sum(of_class > 0))


@REGISTRY.add("matthews_corrcoef", "matthews", "MatthewsCorrcoef")
@pytree
class MatthewsCorrcoef(_OfClasses):
    """Matthews' correlation of true and predicted classes, from -1 to 1; 0 for a constant guess.

    `(n Σ C_ii − Σ t_i p_i) / √((n² − Σ t_i²) (n² − Σ p_i²))`, and 0 where that is 0 / 0 (Matthews
    1975; for several classes Gorodkin 2004). Arguments are those of `BalancedAccuracy`.

    Examples:
        >>> metric = gr.metrics.MatthewsCorrcoef()
        >>> sums = metric.update(np.array([1, 1, 1, 0]), np.array([0.9, 0.1, 0.2, 0.3]), np.ones(4))
        >>> round(float(metric.compute(sums)), 2)
        0.33
    """

    def compute(self, sums: Any) -> Array:
        true, predicted, right, n = _margins(sums)
        # The same as the formula, class by class, without differences of large numbers:
        # n C − t p = TP · TN − FP · FN.
        others = n - true - predicted + right
        agreement = jnp.sum(right * others - (true - right) * (predicted - right))
        spread = [jnp.sqrt(jnp.sum(each * (n - each))) for each in (true, predicted)]
        return ratio(ratio(agreement, spread[0]), spread[1])


@REGISTRY.add("cohen_kappa", "kappa", "CohenKappa")
@pytree
class CohenKappa(_OfClasses):
    """Cohen's kappa: 1 − (share of wrong answers) / (the share expected by chance), at most 1.

    By chance, `Σ_{i≠j} t_i p_j / n²` are wrong; NaN if that is 0, as for samples of one class that
    are all predicted as it (Cohen 1960). Arguments are those of `BalancedAccuracy`.

    Examples:
        >>> metric = gr.metrics.CohenKappa()
        >>> sums = metric.update(np.array([1, 1, 1, 0]), np.array([0.9, 0.1, 0.2, 0.3]), np.ones(4))
        >>> round(float(metric.compute(sums)), 2)
        0.2
    """

    needs = "samples of both classes"

    def compute(self, sums: Any) -> Array:
        true, predicted, right, n = _margins(sums)
        wrong, by_chance = jnp.sum(true - right), jnp.sum(true * (n - predicted)) / n
        return 1 - wrong / by_chance


def _margins(sums: Array) -> tuple[Array, Array, Array, Array]:
    """Return the weights t, p, and C_ii of each class, and the whole weight n."""
    true, predicted = jnp.sum(sums, axis=1), jnp.sum(sums, axis=0)
    return true, predicted, jnp.diagonal(sums), jnp.sum(sums)
