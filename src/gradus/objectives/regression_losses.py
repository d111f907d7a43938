"""Losses of numbers to predict: elementwise formulas of targets and predictions.

In formulas y is a target and ŷ a prediction. All arithmetic is in at least float32, whatever the
dtype of the targets.
"""

# ruff: noqa: D102 (an overriding method is documented where it is declared)

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from gradus.errors import ShapeError
from gradus.nn.penalties import absolute
from gradus.nn.pytree import check_setting, pytree
from gradus.objectives import targets
from gradus.objectives.loss import EPSILON, REGISTRY, Loss, pair


@REGISTRY.add("mean_squared_error", "mse", "MeanSquaredError")
@pytree
class MeanSquaredError(Loss):
    """Mean squared error: (y − ŷ)².

    Examples:
        >>> gr.losses.MeanSquaredError()(np.array([[0.0, 2.0]]), np.array([[1.0, 0.0]])).tolist()
        [2.5]
    """

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred)
        return jnp.square(y - p)


@REGISTRY.add("root_mean_squared_error", "rmse", "RootMeanSquaredError")
@pytree
class RootMeanSquaredError(Loss):
    """Root mean squared error: √(mean of (y − ŷ)²) of the whole batch, not of each sample.

    Its gradient at a mean of exactly zero is defined as zero.

    Examples:
        >>> loss = gr.losses.RootMeanSquaredError()
        >>> float(loss.finalize(loss(np.array([0.0, 0.0]), np.array([3.0, 3.0])).mean()))
        3.0
    """

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred)
        return jnp.square(y - p)

    def finalize(self, mean: Array) -> Array:
        # The inner `where` keeps the infinite slope of the root out of the gradient: 0 · ∞ is NaN.
        return jnp.where(mean > 0, jnp.sqrt(jnp.where(mean > 0, mean, 1)), mean)


@REGISTRY.add("mean_absolute_error", "mae", "MeanAbsoluteError")
@pytree
class MeanAbsoluteError(Loss):
    """Mean absolute error: |y − ŷ|; where both are equal its derivative is zero.

    Examples:
        >>> gr.losses.MeanAbsoluteError()(np.array([[0.0, 2.0]]), np.array([[1.0, 0.0]])).tolist()
        [1.5]
    """

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred)
        return absolute(y - p)


@REGISTRY.add("huber", "Huber")
@pytree
class Huber(Loss):
    """Huber loss: e²/2 where |e| ≤ δ, else δ|e| − δ²/2, with e = y − ŷ (Huber 1964).

    Args:
        delta: δ, where the squared error becomes an absolute error; in units of the target.

    Examples:
        >>> gr.losses.Huber(delta=1.0)(np.array([0.0, 0.0]), np.array([0.5, 3.0])).tolist()
        [0.125, 2.5]
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        check_setting(self, "delta", 0.0)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred)
        error = jnp.abs(y - p)
        delta = jnp.asarray(self.delta, error.dtype)
        return jnp.where(error <= delta, 0.5 * error**2, delta * error - 0.5 * delta**2)


@REGISTRY.add("log_cosh", "LogCosh")
@pytree
class LogCosh(Loss):
    """log cosh(ŷ − y): near e²/2 for a small error e, near |e| − log 2 for a large one.

    Examples:
        >>> y = gr.losses.LogCosh()(np.array([0.0, 0.0]), np.array([0.1, 5.0]))
        >>> print(np.asarray(y).round(3))
        [0.005 4.307]
    """

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred)
        error = p - y
        return jnp.logaddexp(error, -error) - jnp.log(2.0).astype(error.dtype)


@REGISTRY.add("poisson", "Poisson")
@pytree
class Poisson(Loss):
    """ŷ − y log(ŷ + 1e-7): the negative log-likelihood of a count y at rate ŷ, up to a constant.

    Examples:
        >>> y = gr.losses.Poisson()(np.array([0, 3]), np.array([1.0, 3.0]))
        >>> print(np.asarray(y).round(2))
        [ 1.  -0.3]
    """

    check = staticmethod(targets.counts)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred)
        return p - y * jnp.log(p + EPSILON)


@REGISTRY.add("mean_absolute_percentage_error", "mape", "MeanAbsolutePercentageError")
@pytree
class MeanAbsolutePercentageError(Loss):
    """Mean absolute percentage error: 100 |y − ŷ| / max(|y|, 1e-7), in percent of the target.

    A target of zero counts as 1e-7, so its error is huge: use it for targets far from zero. Where
    both are equal its derivative is zero.

    Examples:
        >>> loss = gr.losses.MeanAbsolutePercentageError()
        >>> loss(np.array([[2.0, 4.0]]), np.array([[1.0, 5.0]])).tolist()
        [37.5]
    """

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred)
        return 100 * absolute(y - p) / jnp.maximum(jnp.abs(y), EPSILON)


@REGISTRY.add("mean_squared_logarithmic_error", "msle", "MeanSquaredLogarithmicError")
@pytree
class MeanSquaredLogarithmicError(Loss):
    """Mean squared logarithmic error: (log(1 + y) − log(1 + ŷ))², both at least 1e-7.

    It compares ratios, so it fits amounts of many sizes. A negative prediction counts as 1e-7 and
    gets no gradient: end the network with "softplus".

    Examples:
        >>> loss = gr.losses.MeanSquaredLogarithmicError()
        >>> y = loss(np.array([[0.0, 9.0]]), np.array([[0.0, 99.0]]))
        >>> print(np.asarray(y).round(2))  # half of (log 10)²
        [2.65]
    """

    check = staticmethod(targets.counts)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = (jnp.log1p(jnp.maximum(array, EPSILON)) for array in pair(y_true, y_pred))
        return jnp.square(y - p)


@REGISTRY.add("cosine_similarity", "cosine", "CosineSimilarity")
@pytree
class CosineSimilarity(Loss):
    """−cos of the angle between y and ŷ, vectors along the last axis: −Σ yŷ / (‖y‖ ‖ŷ‖).

    It is -1 for equal directions, 0 for orthogonal ones, and 1 for opposite ones; as a metric, too,
    where Keras's has the other sign. A length below 1e-6 counts as 1e-6.

    Examples:
        >>> loss = gr.losses.CosineSimilarity()
        >>> y = loss(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[0.0, 3.0], [2.0, 2.0]]))
        >>> print(np.asarray(y).round(2) + 0.0)
        [ 0. -1.]
    """

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = (_unit(array) for array in pair(y_true, y_pred))
        return -jnp.sum(y * p, axis=-1)

    def check(self, y_true: Any, output_shape: targets.Shape, where: str) -> None:
        if len(output_shape) < 2 or output_shape[-1] == 1:
            raise ShapeError(
                f"{where}: the cosine of single numbers is 1 or -1, whatever their sizes. Use "
                "mean_squared_error, or vectors of two or more numbers as targets."
            )
        targets.same_shape(y_true, output_shape, where)


@REGISTRY.add("quantile", "pinball", "Quantile")
@pytree
class Quantile(Loss):
    """The quantile or pinball loss: max(q (y − ŷ), (q − 1) (y − ŷ)) (Koenker & Bassett 1978).

    The prediction that minimizes it has a share q of the targets below it, so levels of 0.05 and
    0.95 predict an interval that holds 90 % of them. At 0.5 it is half the absolute error.

    Args:
        level: q, in [0, 1].

    Examples:
        >>> gr.losses.Quantile(0.9)(np.array([1.0, 1.0]), np.array([0.0, 3.0])).round(2).tolist()
        [0.8999999761581421, 0.20000000298023224]
    """

    level: float = 0.5

    def __post_init__(self) -> None:
        check_setting(self, "level", 0.0, 1.0)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred)
        level, error = jnp.asarray(self.level, y.dtype), y - p
        return jnp.maximum(level * error, (level - 1) * error)


def _unit(x: Array) -> Array:
    """Return vectors along the last axis scaled to length 1; shorter ones than 1e-6 less."""
    square = jnp.sum(jnp.square(x), axis=-1, keepdims=True)
    return x * lax.rsqrt(jnp.maximum(square, 1e-12))
