"""The base of losses, and the arithmetic that they share."""

# ruff: noqa: D102 (an overriding method is documented where it is declared)

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from gradus.errors import GradusError, ShapeError
from gradus.foreign_names.lookup import meaning_here
from gradus.kernels.cross_entropy import one_hot, smooth
from gradus.nn import activations, tracing_errors
from gradus.nn.pytree import check_function, pytree, static
from gradus.objectives import targets
from gradus.registry import Registry

REGISTRY = Registry("loss")

# By its link, the final activations whose inputs a loss is computed from.
FUSED_ACTIVATIONS: dict[str, tuple[str, ...]] = {
    "softmax": ("softmax", "log_softmax"),
    "sigmoid": ("sigmoid",),
}

EPSILON = 1e-7  # Keras's: probabilities are clipped to [EPSILON, 1 - EPSILON]


def takes_logits(link: str | None, activation: str) -> bool:
    """Return whether a loss takes what ends in an activation for logits.

    It takes the inputs of its own link, and any output that is no probability.

    Args:
        link: of the loss, "softmax", "sigmoid", or None.
        activation: the name of the final activation.
    """
    if link is None:
        return False
    is_fused = activation in FUSED_ACTIVATIONS[link]
    return is_fused or not (activation == "log_softmax" or is_probability(activation))


def is_probability(activation: str) -> bool:
    """Return whether an activation's outputs lie between 0 and 1."""
    low, high = activations.info(activation).range
    return low >= 0 and high <= 1


class Loss(abc.ABC):
    """A loss; subclasses are decorated with `gradus.nn.pytree.pytree`, so numbers are leaves.

    Attributes:
        link: the function that turns logits into predictions, "softmax" or "sigmoid", or None.
        kind: the kind of targets: "values", "classes" (one of K), or "flags" (each yes or no).
        threshold: the prediction above which a flag means yes.
    """

    link: ClassVar[str | None] = None
    kind: ClassVar[Literal["values", "classes", "flags"]] = "values"
    threshold: ClassVar[float] = 0.5

    @abc.abstractmethod
    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """Return the loss of each element, `(batch, ...)`, without an axis of classes.

        Raises:
            ShapeError: if the two shapes do not fit.
        """

    def values_from_logits(self, y_true: ArrayLike, logits: ArrayLike) -> Array:
        """Return `values` for the predictions that belong to `logits`, numerically stable.

        Raises:
            GradusError: if `link` is None.
        """
        raise GradusError(f"{self.name} is not a loss of logits; give it predictions.")

    def finalize(self, mean: Array) -> Array:
        """Turn the weighted mean of the values into the loss; the identity by default."""
        return mean

    def check(self, y_true: Any, output_shape: targets.Shape, where: str) -> None:
        """Check all targets on the host, before training.

        Args:
            y_true: the targets, `(n, ...)`.
            output_shape: the shape of a batch of outputs; its first entry is ignored.
            where: the name of the targets in an error: "y", "validation_data".

        Raises:
            DataError: if values cannot be targets of this loss.
            ShapeError: if their shape does not fit the output's.
        """
        targets.same_shape(y_true, output_shape, where)

    @property
    def is_custom(self) -> bool:
        """Whether the loss is a user's own, function or class."""
        return not type(self).__module__.startswith("gradus.")

    def align(self, y_true: Any, output_shape: targets.Shape) -> Any:
        """Return targets `(n, ...)` as `(n, ..., 1)` if outputs have that shape.

        A user's own loss gets its targets as they are, and so does one of classes.
        """
        if self.is_custom or self.kind == "classes":
            return y_true
        shape = tuple(y_true.shape)
        one_output = (*shape[1:], 1) == tuple(output_shape[1:])
        return y_true.reshape(*shape, 1) if one_output else y_true

    @property
    def name(self) -> str:
        """The name under which the loss is registered, else that of its class."""
        return REGISTRY.name_of(type(self)) or type(self).__name__

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, mask: ArrayLike | None = None
    ) -> Array:
        """Return the mean loss of each sample, `(batch,)`, before `finalize`.

        Args:
            y_true: targets.
            y_pred: predictions.
            mask: which steps are real, `(batch, steps)`: the mean is over those, and 0 if there
                are none, so a short sequence counts as much as a long one.
        """
        return _per_sample(self.values(y_true, y_pred), mask)

    def per_sample_from_logits(
        self, y_true: ArrayLike, logits: ArrayLike, mask: ArrayLike | None = None
    ) -> Array:
        """Return the mean loss of each sample, as calling the loss does, from logits."""
        return _per_sample(self.values_from_logits(y_true, logits), mask)


def for_arithmetic(y: ArrayLike) -> ArrayLike:
    """Return targets of a type in which `1 - y` is what it says: float32, int32, or their own."""
    y = jnp.asarray(y)
    if y.dtype == bool:
        return y.astype(jnp.float32)
    narrow = jnp.issubdtype(y.dtype, jnp.integer) and y.dtype != jnp.int32
    return y.astype(jnp.int32) if narrow else y


@pytree
class FunctionLoss(Loss):
    """A user's function as a loss.

    Args:
        function: `f(y_true, y_pred)`, which returns `(batch, ...)`; targets that are booleans are
            float32, and small integers int32, so that no arithmetic wraps around.
    """

    function: Callable[..., Any] = static()

    def __post_init__(self) -> None:
        check_function(self, "f(y_true, y_pred)")

    @property
    def is_custom(self) -> bool:
        return True

    @property
    def name(self) -> str:
        """The name of the function."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        name = f"The function {self.name}"
        try:
            returned = self.function(for_arithmetic(y_true), y_pred)
        except Exception as error:
            raise (tracing_errors.explain(error, name) or self._of_library() or error) from None
        if returned is None:
            raise GradusError(f"{name} returned nothing: end it with return.")
        if isinstance(returned, str):
            raise GradusError(f"{name} returned the text {returned!r}: return numbers.")
        result, samples = jnp.asarray(returned), jnp.shape(y_pred)[0]
        if jnp.iscomplexobj(result):
            raise GradusError(f"{name} returned complex numbers: return real ones.")
        if result.shape[:1] != (samples,):
            raise ShapeError(
                f"{name} returned shape {result.shape}, but must return "
                f"one value for each of the {samples} samples: leave out the mean, "
                "or take it over axis -1 only."
            )
        return as_float32(result)

    def check(self, y_true: Any, output_shape: targets.Shape, where: str) -> None:
        targets.numeric(y_true, where)

    def _of_library(self) -> GradusError | None:
        """Return the error for a loss of a library that has arrays of its own; None for others."""
        owner = self.function if inspect.isroutine(self.function) else type(self.function)
        library = str(owner.__module__).partition(".")[0]
        if library not in ("torch", "tensorflow", "sklearn"):
            return None
        here = meaning_here(self.name) or ' Write the name of one of gradus, such as "mse".'
        return GradusError(f"{self.name} is of {library}, and takes no arrays of JAX.{here}")


def _per_sample(values: Array, mask: ArrayLike | None = None) -> Array:
    """(batch, ...) -> (batch,), the mean; with a mask `(batch, steps)`, over the real steps.

    A mask is ignored if the values have no axis of steps, such as those of a user's function.
    """
    axes = tuple(range(1, values.ndim))
    if mask is None or values.shape[:2] != jnp.shape(mask):
        return jnp.mean(values, axis=axes)
    steps = jnp.mean(values, axis=axes[1:])  # (batch, steps)
    real = jnp.asarray(mask, bool)
    total = jnp.sum(jnp.where(real, steps, 0), axis=1)
    return total / jnp.maximum(jnp.sum(real, axis=1, dtype=values.dtype), 1)


def as_float32(array: ArrayLike) -> Array:
    """Return `array` as float32, unless it is float64 already."""
    array = jnp.asarray(array)
    return array if array.dtype == jnp.float64 else array.astype(jnp.float32)


def pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Return both as floats of the same dtype and shape."""
    p = as_float32(y_pred)
    y = jnp.asarray(y_true).astype(p.dtype)
    if y.shape != p.shape:
        raise ShapeError(
            f"y_true has shape {y.shape} and y_pred {p.shape}; this loss needs them equal."
        )
    return y, p


def pair_of_labels(labels: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Return integer labels `(batch, ...)` as one-hot `(batch, ..., K)`, and `y_pred`."""
    labels, p = labels_with(labels, y_pred)
    return one_hot(labels, p), p


def labels_with(labels: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Return integer labels `(batch, ...)`, and `y_pred`, `(batch, ..., K)`."""
    labels, p = jnp.asarray(labels), as_float32(y_pred)
    if labels.shape != p.shape[:-1]:
        raise ShapeError(
            f"y_true has shape {labels.shape} and y_pred {p.shape}; integer labels need the shape "
            "of y_pred without its last axis, the classes."
        )
    return labels, p


def pair_of_either(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Return one-hot targets, or labels as one-hot, and `y_pred`."""
    return (pair_of_labels if jnp.ndim(y_true) < jnp.ndim(y_pred) else pair)(y_true, y_pred)


def clip(p: Array) -> Array:
    """Clip probabilities so that the logarithms of p and 1 − p are finite."""
    return jnp.clip(p, EPSILON, 1 - EPSILON)


def normalized(p: Array) -> Array:
    """Scale outputs to sum to 1 over the last axis, then clip them."""
    return clip(p / jnp.maximum(jnp.sum(p, axis=-1, keepdims=True), EPSILON))


def binary_entropy(y: Array, p: Array) -> Array:
    """Return −y log p − (1 − y) log(1 − p) of each element, p clipped."""
    p = clip(p)
    return -y * jnp.log(p) - (1 - y) * jnp.log1p(-p)


def cross_entropy(y: Array, log_p: Array, smoothing: ArrayLike) -> Array:
    """(..., K), (..., K) -> (...): −Σ of the smoothed targets times the log-probabilities."""
    return -jnp.sum(smooth(y, smoothing, y.shape[-1]) * log_p, axis=-1)


def power(base: Array, exponent: ArrayLike) -> Array:
    """Return base^exponent for a base in [0, 1], with a finite slope at zero."""
    return jnp.maximum(base, EPSILON) ** jnp.asarray(exponent, base.dtype)


def to_signs(y: Array) -> Array:
    """Return labels 0 and 1 as -1 and 1; labels -1 and 1 do not change."""
    return jnp.where(y == 0, -1, y)
