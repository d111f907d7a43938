"""What a metric is: sums of a batch, which add up, and the number made of them."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from gradus.errors import ShapeError
from gradus.objectives.loss import Loss
from gradus.registry import Registry

registry = Registry("metric")


class Metric(abc.ABC):
    """A metric; subclasses are decorated with `gradus.nn.tree.pytree`.

    Attributes:
        scalar: whether `compute` returns one number.
    """

    scalar: ClassVar[bool] = True

    @abc.abstractmethod
    def update(self, y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike) -> Any:
        """Return the sums of a batch, a tree of float32 arrays, to be added to other batches'.

        Args:
            y_true: targets, `(batch, ...)`.
            y_pred: predictions, `(batch, ...)`.
            weight: weights of the samples, `(batch,)`; zero leaves a row out.

        Raises:
            ShapeError: if the shapes of targets and predictions do not fit.
        """

    @abc.abstractmethod
    def compute(self, sums: Any) -> Array:
        """Return the metric for the added sums."""

    def fit_targets(self, y_true: Any) -> Metric:
        """Return the metric fitted to targets on the host, before anything is compiled."""
        return self

    def for_loss(self, loss: Loss) -> Metric:
        """Return the metric as it should be for the targets and predictions of `loss`."""
        return self

    @property
    def name(self) -> str:
        """The name under which the metric is registered, else its class's."""
        return registry.name_of(type(self)) or type(self).__name__


def mean_sums(values: Array, weight: ArrayLike) -> tuple[Array, Array]:
    """Return Σwv and Σw for values and weights `(rows,)`; a value of weight zero may be NaN."""
    weight = jnp.asarray(weight, jnp.float32)
    return jnp.sum(jnp.where(weight != 0, weight * values, 0)), jnp.sum(weight)


def ratio(part: Array, whole: Array) -> Array:
    """Return part / whole, and 0 where the whole is 0."""
    return jnp.where(whole != 0, part / jnp.where(whole != 0, whole, 1), 0)


def decide(
    y_true: ArrayLike, y_pred: ArrayLike, weight: ArrayLike, threshold: ArrayLike, flags: bool
) -> tuple[Array, Array, Array]:
    """Return what is true and what is guessed, `(rows, K)` of bools, and weights `(rows,)`.

    One of K classes is a row with one True; a yes or no has K = 1, or with `flags` any K. All axes
    but the last of predictions `(batch, ..., K)` become rows.

    Raises:
        ShapeError: if the shapes of targets and predictions do not fit.
    """
    y, p = jnp.asarray(y_true), jnp.asarray(y_pred)
    count = p.shape[-1] if p.ndim > 1 else 1
    if y.shape == p.shape and (flags or count == 1):
        truth = (y.astype(jnp.float32) > 0.5).reshape(-1, count)
        guess = (p > jnp.asarray(threshold, p.dtype)).reshape(-1, count)
    elif y.shape == p.shape or (y.shape == p.shape[:-1] and count > 1):
        label = jnp.argmax(y, axis=-1) if y.ndim == p.ndim else y.astype(jnp.int32)
        kinds = jnp.arange(count, dtype=jnp.int32)
        truth = (label[..., None] == kinds).reshape(-1, count)
        guess = (jnp.argmax(p, axis=-1)[..., None] == kinds).reshape(-1, count)
    else:
        raise ShapeError(
            f"y_true has shape {y.shape} and y_pred {p.shape}; a metric of classes needs targets "
            "of the shape of y_pred, or integer labels without its last axis."
        )
    weight = jnp.asarray(weight, jnp.float32)
    spread = jnp.broadcast_to(weight[:, None], (len(weight), len(truth) // len(weight)))
    return truth, guess, spread.reshape(-1)
