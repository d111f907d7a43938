"""The base of metrics: accumulators of a batch, which add up, and the number computed from them."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from gradus.errors import ShapeError
from gradus.nn.pytree import check_fields
from gradus.objectives.loss import Loss
from gradus.registry import Registry

REGISTRY = Registry("metric")


class Metric(abc.ABC):
    """A metric; subclasses are decorated with `gradus.nn.pytree.pytree`.

    Attributes:
        scalar: whether `compute` returns one number.
        needs: what samples must have for that number to exist, in words; "" for nothing.
        judges: the targets that it makes sense for: "classes", "values", or "any".
    """

    scalar: ClassVar[bool] = True
    needs: ClassVar[str] = ""
    judges: ClassVar[str] = "any"

    def __post_init__(self) -> None:
        """Refuse what is no number, or no flag, for a setting that is declared as one."""
        if dataclasses.is_dataclass(self):
            check_fields(self)

    @abc.abstractmethod
    def update(self, y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike) -> Any:
        """Return the accumulators of a batch, a tree of float32 arrays; those of batches add up.

        Args:
            y_true: targets, `(batch, ...)`.
            y_pred: predictions, `(batch, ...)`.
            weight: weights of the samples, `(batch,)`; zero excludes a sample.

        Raises:
            ShapeError: if the shapes of targets and predictions do not fit.
        """

    @abc.abstractmethod
    def compute(self, sums: Any) -> Array:
        """Return the metric from the added accumulators."""

    def fit_targets(self, y_true: Any) -> Metric:
        """Return the metric adapted to the targets, on the host, before compilation."""
        return self

    def for_loss(self, loss: Loss) -> Metric:
        """Return the metric adapted to the targets and predictions of `loss`."""
        return self

    @property
    def takes_largest(self) -> bool:
        """Whether all that counts of predictions for several classes is which is the largest.

        Then logits say as much as probabilities.
        """
        return False

    @property
    def name(self) -> str:
        """The name under which the metric is registered, else that of its class."""
        return REGISTRY.name_of(type(self)) or type(self).__name__


def mean_sums(values: Array, weight: ArrayLike) -> tuple[Array, Array]:
    """Return Σwv and Σw for values and weights `(rows,)`; a value of weight zero may be NaN."""
    weight = jnp.asarray(weight, jnp.float32)
    return jnp.sum(jnp.where(weight != 0, weight * values, 0)), jnp.sum(weight)


def ratio(part: Array, whole: Array) -> Array:
    """Return part / whole, and 0 where the whole is 0."""
    nonzero = whole != 0
    return jnp.where(nonzero, part / jnp.where(nonzero, whole, 1), 0)


def decide(
    y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike, threshold: ArrayLike, flags: bool
) -> tuple[Array, Array, Array]:
    """Return true and predicted answers as bools `(rows, K)`, and weights `(rows,)`.

    One of K classes is a row with one True; a yes or no has K = 1, or with `flags` any K. All axes
    of predictions `(batch, ..., K)` but the last become rows.

    Raises:
        ShapeError: if the shapes of targets and predictions do not fit.
    """
    y, p = jnp.asarray(y_true), jnp.asarray(y_pred)
    count = p.shape[-1] if p.ndim > 1 else 1
    if y.shape == p.shape and (flags or count == 1):
        truth = (y.astype(jnp.float32) > 0.5).reshape(-1, count)
        predicted = (p > jnp.asarray(threshold, p.dtype)).reshape(-1, count)
    elif y.shape == p.shape or (y.shape == p.shape[:-1] and count > 1):
        label = jnp.argmax(y, axis=-1) if y.ndim == p.ndim else y.astype(jnp.int32)
        classes = jnp.arange(count, dtype=jnp.int32)
        truth = (label[..., None] == classes).reshape(-1, count)
        predicted = (jnp.argmax(p, axis=-1)[..., None] == classes).reshape(-1, count)
    else:
        raise ShapeError(
            f"y_true has shape {y.shape} and y_pred {p.shape}; a metric of classes needs targets "
            "with the shape of y_pred, or integer labels without its last axis."
        )
    weight = jnp.asarray(weight, jnp.float32)
    row_weights = jnp.broadcast_to(weight[:, None], (len(weight), len(truth) // len(weight)))
    return truth, predicted, row_weights.reshape(-1)
