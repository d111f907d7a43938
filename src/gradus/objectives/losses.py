"""Losses: elementwise formulas of targets and predictions; the caller takes the weighted mean.

In formulas y is a target, ŷ a prediction, z a logit, and K the number of classes, the size of the
last axis. All arithmetic is in at least float32, whatever the dtype of the targets.
"""

# ruff: noqa: D102 (an overriding method is documented where it is declared)

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from gradus.errors import GradusError
from gradus.kernels.cross_entropy import logits_cross_entropy, smooth, softmax_cross_entropy
from gradus.nn.pytree import check_fields, check_setting, pytree, static
from gradus.objectives import targets
from gradus.objectives.loss import (
    EPSILON,
    REGISTRY,
    FunctionLoss,
    Loss,
    binary_entropy,
    clip,
    cross_entropy,
    labels_with,
    normalized,
    pair,
    pair_of_either,
    pair_of_labels,
    power,
    to_signs,
)
from gradus.objectives.regression_losses import CosineSimilarity as CosineSimilarity
from gradus.objectives.regression_losses import Huber as Huber
from gradus.objectives.regression_losses import LogCosh as LogCosh
from gradus.objectives.regression_losses import MeanAbsoluteError as MeanAbsoluteError
from gradus.objectives.regression_losses import (
    MeanAbsolutePercentageError as MeanAbsolutePercentageError,
)
from gradus.objectives.regression_losses import MeanSquaredError as MeanSquaredError
from gradus.objectives.regression_losses import (
    MeanSquaredLogarithmicError as MeanSquaredLogarithmicError,
)
from gradus.objectives.regression_losses import Poisson as Poisson
from gradus.objectives.regression_losses import Quantile as Quantile
from gradus.objectives.regression_losses import RootMeanSquaredError as RootMeanSquaredError


@REGISTRY.add("binary_crossentropy", "bce", "BinaryCrossentropy")
@pytree
class BinaryCrossentropy(Loss):
    """Binary cross-entropy of each output: −y log ŷ − (1 − y) log(1 − ŷ) = softplus(z) − y z.

    Args:
        label_smoothing: s in [0, 1]; a target y becomes y (1 − s) + s/2.

    Examples:
        >>> loss = gr.losses.BinaryCrossentropy()
        >>> print(np.asarray(loss(np.array([1, 0]), np.array([0.9, 0.9]))).round(2))
        [0.11 2.3 ]
        >>> loss.values_from_logits(np.array([0.0]), np.array([50.0])).tolist()
        [50.0]
    """

    link = "sigmoid"
    kind = "flags"
    check = staticmethod(targets.flags)

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_setting(self, "label_smoothing", 0.0, 1.0)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred)
        return binary_entropy(smooth(y, self.label_smoothing, 2), p)

    def values_from_logits(self, y_true: ArrayLike, logits: ArrayLike) -> Array:
        y, z = pair(y_true, logits)
        return jax.nn.softplus(z) - smooth(y, self.label_smoothing, 2) * z


@REGISTRY.add("binary_focal_crossentropy", "focal", "BinaryFocalCrossentropy")
@pytree
class BinaryFocalCrossentropy(Loss):
    """(1 − p)^γ times the binary cross-entropy, p = yŷ + (1 − y)(1 − ŷ) (Lin et al. 2017).

    Args:
        apply_class_balancing: whether to weight by α where y is 1 and by 1 − α where it is 0.
        alpha: α in [0, 1].
        gamma: γ, at least 0; the larger, the less an element counts that is already right.
        label_smoothing: s in [0, 1]; a target y becomes y (1 − s) + s/2.

    Examples:
        >>> loss = gr.losses.BinaryFocalCrossentropy(gamma=2.0)
        >>> print(np.asarray(loss(np.array([1, 1]), np.array([0.9, 0.5]))).round(3))
        [0.001 0.173]
    """

    link = "sigmoid"
    kind = "flags"
    check = staticmethod(targets.flags)

    apply_class_balancing: bool = static(default=False)
    alpha: float = 0.25
    gamma: float = 2.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        check_setting(self, "alpha", 0.0, 1.0)
        check_setting(self, "gamma", 0.0)
        check_setting(self, "label_smoothing", 0.0, 1.0)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred)
        y, p = smooth(y, self.label_smoothing, 2), clip(p)
        return self._focus(y, y * (1 - p) + (1 - y) * p) * binary_entropy(y, p)

    def values_from_logits(self, y_true: ArrayLike, logits: ArrayLike) -> Array:
        y, z = pair(y_true, logits)
        y = smooth(y, self.label_smoothing, 2)
        wrong = y * jax.nn.sigmoid(-z) + (1 - y) * jax.nn.sigmoid(z)
        return self._focus(y, wrong) * (jax.nn.softplus(z) - y * z)

    def _focus(self, y: Array, wrong: Array) -> Array:
        """Return the weight of an element; `wrong` is 1 − p."""
        weight = power(wrong, self.gamma)
        alpha = jnp.asarray(self.alpha, y.dtype)
        return (
            weight * (y * alpha + (1 - y) * (1 - alpha)) if self.apply_class_balancing else weight
        )


@REGISTRY.add("categorical_crossentropy", "CategoricalCrossentropy")
@pytree
class CategoricalCrossentropy(Loss):
    """Categorical cross-entropy for one-hot or soft targets: −Σ y log ŷ over the classes.

    From logits it is computed by log-softmax.

    Args:
        label_smoothing: s in [0, 1]; a target y becomes y (1 − s) + s/K.

    Examples:
        >>> loss = gr.losses.CategoricalCrossentropy()
        >>> print(np.asarray(loss(np.array([[0, 1, 0]]), np.array([[0.1, 0.8, 0.1]]))).round(2))
        [0.22]
    """

    link = "softmax"
    kind = "classes"
    check = staticmethod(targets.distribution)

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_setting(self, "label_smoothing", 0.0, 1.0)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred)
        return cross_entropy(y, jnp.log(normalized(p)), self.label_smoothing)

    def values_from_logits(self, y_true: ArrayLike, logits: ArrayLike) -> Array:
        y, z = pair(y_true, logits)
        return logits_cross_entropy(y, z, self.label_smoothing, jnp.sum(y, axis=-1))


@REGISTRY.add("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy")
@pytree
class SparseCategoricalCrossentropy(Loss):
    """Categorical cross-entropy for integer labels 0…K-1: −log ŷ of the labeled class.

    From logits it is computed by log-softmax.

    Args:
        label_smoothing: s in [0, 1]; the one-hot target y becomes y (1 − s) + s/K.

    Examples:
        >>> loss = gr.losses.SparseCategoricalCrossentropy()
        >>> print(np.asarray(loss(np.array([1]), np.array([[0.1, 0.8, 0.1]]))).round(2))
        [0.22]
    """

    link = "softmax"
    kind = "classes"
    check = staticmethod(targets.labels)

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_setting(self, "label_smoothing", 0.0, 1.0)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair_of_labels(y_true, y_pred)
        return cross_entropy(y, jnp.log(normalized(p)), self.label_smoothing)

    def values_from_logits(self, y_true: ArrayLike, logits: ArrayLike) -> Array:
        labels, z = labels_with(y_true, logits)
        return softmax_cross_entropy(z, labels, self.label_smoothing)


@REGISTRY.add("categorical_focal_crossentropy", "CategoricalFocalCrossentropy")
@pytree
class CategoricalFocalCrossentropy(Loss):
    """−Σ α (1 − ŷ)^γ y log ŷ over the classes (Lin et al. 2017), for one-hot targets or labels.

    Args:
        alpha: α, one number, or one for each class, `(K,)`.
        gamma: γ, at least 0; the larger, the less a sample counts that is already right.
        label_smoothing: s in [0, 1]; a target y becomes y (1 − s) + s/K.

    Examples:
        >>> loss = gr.losses.CategoricalFocalCrossentropy(alpha=1.0)
        >>> p = np.array([[0.1, 0.8, 0.1], [0.1, 0.8, 0.1]])
        >>> print(np.asarray(loss(np.array([1, 0]), p)).round(2))
        [0.01 1.87]
    """

    link = "softmax"
    kind = "classes"

    alpha: float | tuple[float, ...] | Array = 0.25
    gamma: float = 2.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_setting(self, "alpha", 0.0, several=True)
        check_setting(self, "gamma", 0.0)
        check_setting(self, "label_smoothing", 0.0, 1.0)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair_of_either(y_true, y_pred)
        p = normalized(p)
        return cross_entropy(y, self._focus(1 - p) * jnp.log(p), self.label_smoothing)

    def values_from_logits(self, y_true: ArrayLike, logits: ArrayLike) -> Array:
        y, z = pair_of_either(y_true, logits)
        log_p = jax.nn.log_softmax(z)
        return cross_entropy(y, self._focus(-jnp.expm1(log_p)) * log_p, self.label_smoothing)

    def _focus(self, wrong: Array) -> Array:
        """Return the weight of a class; `wrong` is 1 − ŷ."""
        return jnp.asarray(self.alpha, wrong.dtype) * power(wrong, self.gamma)

    def check(self, y_true: Any, output_shape: targets.Shape, where: str) -> None:
        sparse = jnp.ndim(targets.numeric(y_true, where)) < len(output_shape)
        (targets.labels if sparse else targets.distribution)(y_true, output_shape, where)


@REGISTRY.add("kl_divergence", "kld", "KLDivergence")
@pytree
class KLDivergence(Loss):
    """KL divergence: Σ y log(y/ŷ) over the classes, both in [1e-7, 1] (Kullback & Leibler 1951).

    Examples:
        >>> loss = gr.losses.KLDivergence()
        >>> print(np.asarray(loss(np.array([[0.5, 0.5]]), np.array([[0.9, 0.1]]))).round(2))
        [0.51]
    """

    link = "softmax"
    kind = "classes"
    check = staticmethod(targets.distribution)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = (jnp.clip(array, EPSILON, 1) for array in pair(y_true, y_pred))
        return jnp.sum(y * (jnp.log(y) - jnp.log(p)), axis=-1)

    def values_from_logits(self, y_true: ArrayLike, logits: ArrayLike) -> Array:
        y, z = pair(y_true, logits)
        y = jnp.clip(y, EPSILON, 1)
        return jnp.sum(y * (jnp.log(y) - jax.nn.log_softmax(z)), axis=-1)


@REGISTRY.add("hinge", "Hinge")
@pytree
class Hinge(Loss):
    """Hinge loss: max(0, 1 − yŷ), for labels -1 and 1; a label 0 means -1.

    Examples:
        >>> gr.losses.Hinge()(np.array([1, 1, -1]), np.array([2.0, 0.5, 0.5])).tolist()
        [0.0, 0.5, 1.5]
    """

    kind = "flags"
    threshold = 0.0
    check = staticmethod(targets.signs)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred)
        return jax.nn.relu(1 - to_signs(y) * p)


@REGISTRY.add("squared_hinge", "SquaredHinge")
@pytree
class SquaredHinge(Hinge):
    """Squared hinge loss: max(0, 1 − yŷ)², for labels -1 and 1; a label 0 means -1.

    Examples:
        >>> gr.losses.SquaredHinge()(np.array([1, 1, -1]), np.array([2.0, 0.5, 0.5])).tolist()
        [0.0, 0.25, 2.25]
    """

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        return jnp.square(super().values(y_true, y_pred))


@REGISTRY.add("categorical_hinge", "CategoricalHinge")
@pytree
class CategoricalHinge(Loss):
    """max(0, 1 + max((1 − y) ŷ) − Σ yŷ) over the classes, for one-hot targets, as in Keras.

    Examples:
        >>> loss = gr.losses.CategoricalHinge()
        >>> loss(np.array([[0, 1, 0]]), np.array([[0.5, 1.0, 0.0]])).tolist()
        [0.5]
    """

    kind = "classes"
    check = staticmethod(targets.distribution)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = pair(y_true, y_pred)
        return jax.nn.relu(1 + jnp.max((1 - y) * p, axis=-1) - jnp.sum(y * p, axis=-1))


def get(loss: str | Loss | type[Loss] | Callable[..., Any]) -> Loss:
    """Return the loss of a name, a class, or a function `f(y_true, y_pred)`; a loss unchanged.

    Raises:
        GradusError: for an unknown name or any other type.

    Examples:
        >>> gr.losses.get("mse")
        MeanSquaredError()
        >>> gr.losses.get(lambda y, p: abs(y - p) ** 1.5)(np.array([0.0]), np.array([4.0])).tolist()
        [8.0]
    """
    if isinstance(loss, str):
        return REGISTRY.find(loss)()
    if inspect.isclass(loss) and issubclass(loss, Loss):
        loss = loss()
    if isinstance(loss, Loss):
        if jax.tree_util.all_leaves([loss]):
            raise GradusError(f"Decorate the class {type(loss).__name__} with @pytree.")
        return loss
    if callable(loss):
        return FunctionLoss(loss)
    raise GradusError(
        f'A loss is a name such as "mse", a Loss or a function f(y_true, y_pred), not {loss!r}.'
    )


# Losses without settings as functions: `(y_true, y_pred) -> (batch,)`.
mean_squared_error = MeanSquaredError()
mean_absolute_error = MeanAbsoluteError()
mean_absolute_percentage_error = MeanAbsolutePercentageError()
mean_squared_logarithmic_error = MeanSquaredLogarithmicError()
huber = Huber()
log_cosh = LogCosh()
poisson = Poisson()
cosine_similarity = CosineSimilarity()
quantile = Quantile()
binary_crossentropy = BinaryCrossentropy()
binary_focal_crossentropy = BinaryFocalCrossentropy()
categorical_crossentropy = CategoricalCrossentropy()
sparse_categorical_crossentropy = SparseCategoricalCrossentropy()
categorical_focal_crossentropy = CategoricalFocalCrossentropy()
kl_divergence = KLDivergence()
hinge = Hinge()
squared_hinge = SquaredHinge()
categorical_hinge = CategoricalHinge()
