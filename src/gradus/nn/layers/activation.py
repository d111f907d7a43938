"""Activations as layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from gradus.checks import as_index, as_items, is_number
from gradus.errors import GradusError, ShapeError
from gradus.nn import activations
from gradus.nn.arguments import check_functions, check_numbers, has_space, values_of
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.space import given_values


class Activation(Layer):
    """An activation as a separate layer.

    Args:
        activation: a name or a function.
        alpha: the slope of "leaky_relu" or the scale of "elu"; None for its default; a swept
            setting.

    Raises:
        GradusError: for an unknown name, or an `alpha` that the activation does not accept.

    Examples:
        >>> x = jnp.array([[-1.0, 2.0]])
        >>> gr.init(gr.Activation("leaky_relu", alpha=0.5), 0, x)(x).tolist()
        [[-0.5, 2.0]]
    """

    hypers = ("alpha",)

    def __init__(self, activation: Any, alpha: float | None = None) -> None:
        self.activation = activation
        self.alpha = alpha
        check_functions(self)
        check_numbers(self, "alpha")
        self._check_takes_alpha()

    def build(self, shape: Any) -> None:
        """Check again that the activation accepts `alpha`: in a sweep both may have changed."""
        self._check_takes_alpha()

    def call(self, x: Any) -> Any:
        """Return `activation(x)`."""
        function: Callable[..., Any] = activations.get(self.activation)
        return function(x) if self.alpha is None else function(x, self.alpha)

    def _check_takes_alpha(self) -> None:
        if self.alpha is None or has_space(self.activation, self.alpha):
            return
        if activations.get(self.activation) not in (activations.leaky_relu, activations.elu):
            raise GradusError(f"Activation({self.activation!r}) takes no alpha: leave it out.")


class PReLU(Layer):
    """`x` where it is positive, `alpha · x` elsewhere, with a learned `alpha` per unit.

    `alpha` has the shape of one sample, with the axes of `shared_axes` reduced to 1
    (He et al. 2015, "Delving deep into rectifiers").

    Args:
        alpha_initializer: how `alpha` is drawn; the paper starts at 0.25, Keras at 0.
        shared_axes: axes of the input (the batch is axis 0) that share one `alpha`.

    Examples:
        >>> x = jnp.array([[-1.0, 2.0]])
        >>> gr.init(gr.PReLU(gr.initializers.Constant(0.25)), 0, x)(x).tolist()
        [[-0.25, 2.0]]
    """

    build_only = ("alpha_initializer",)

    def __init__(self, alpha_initializer: Any = "zeros", shared_axes: tuple[int, ...] = ()) -> None:
        self.alpha_initializer = alpha_initializer
        self.shared_axes = shared_axes
        for axes in given_values(shared_axes):
            if as_items(axes) is None:
                raise GradusError(
                    f"PReLU(shared_axes={axes!r}): write a list of axes, such as [1]."
                )
        check_functions(self)

    def build(self, shape: tuple[int, ...]) -> None:
        """Create `alpha`."""
        sizes = [1 if i in self.shared_axes else size for i, size in enumerate(shape)][1:]
        self.alpha = self.add_weight("alpha", tuple(sizes), self.alpha_initializer)

    def call(self, x: Any) -> Any:
        """Return `max(x, 0) + alpha · min(x, 0)`."""
        x = as_float(x)
        return jnp.maximum(x, 0) + self.alpha * jnp.minimum(x, 0)


class ReLU(Layer):
    """The rectified linear unit as a layer, with a ceiling, a slope below it, or another threshold.

    `y = max_value` where `x ≥ max_value`, `x` where `x ≥ threshold`, and
    `negative_slope · (x − threshold)` elsewhere. Without arguments it is `Activation("relu")`.

    Args:
        max_value: the largest output, at least 0, or None for no limit; a swept setting.
        negative_slope: the slope below the threshold, at least 0; a swept setting.
        threshold: where the unit begins to pass its input, at least 0; a swept setting.

    Raises:
        GradusError: for a negative number.

    Examples:
        >>> x = jnp.array([[-2.0, 1.0, 9.0]])
        >>> gr.init(gr.ReLU(), 0, x)(x).tolist()
        [[0.0, 1.0, 9.0]]
        >>> gr.init(gr.ReLU(max_value=6.0, negative_slope=0.5), 0, x)(x).tolist()
        [[-1.0, 1.0, 6.0]]
    """

    hypers = ("max_value", "negative_slope", "threshold")

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
    ) -> None:
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold
        check_numbers(self, "max_value", "negative_slope", "threshold", low=0)
        # Which activation it is is part of the program, so that a network's end can be recognized.
        self.activation = _rectifier(max_value, negative_slope, threshold)

    def call(self, x: Any) -> Any:
        """Return the rectified input."""
        if self.activation == "leaky_relu":
            return activations.leaky_relu(x, self.negative_slope)
        if self.activation != rectified:
            return activations.get(self.activation)(x)
        return rectified(as_float(x), self.max_value, self.negative_slope, self.threshold)


class LeakyReLU(Layer):
    """`x` where it is positive, `negative_slope · x` elsewhere (Maas et al. 2013).

    It is `Activation("leaky_relu", alpha=…)` with Keras's slope for this layer, 0.3; that of the
    activation is 0.2.

    Args:
        negative_slope: the slope of negative inputs, at least 0; a swept setting.

    Raises:
        GradusError: for a negative slope.

    Examples:
        >>> x = jnp.array([[-2.0, 1.0]])
        >>> gr.init(gr.LeakyReLU(0.5), 0, x)(x).tolist()
        [[-1.0, 1.0]]
    """

    hypers = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.3) -> None:
        self.negative_slope = negative_slope
        check_numbers(self, "negative_slope", low=0)
        self.activation = "leaky_relu"

    def call(self, x: Any) -> Any:
        """Return `leaky_relu(x)`."""
        return activations.leaky_relu(x, self.negative_slope)


class ELU(Layer):
    """`x` where it is positive, `alpha · (exp(x) − 1)` elsewhere (Clevert et al. 2016).

    Args:
        alpha: the limit of negative outputs is `−alpha`; a swept setting.

    Raises:
        GradusError: if `alpha` is not a number of at least 0.

    Examples:
        >>> x = jnp.array([[-jnp.inf, 1.0]])
        >>> gr.init(gr.ELU(2.0), 0, x)(x).tolist()
        [[-2.0, 1.0]]
    """

    hypers = ("alpha",)

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha
        check_numbers(self, "alpha", low=0)
        # As of `ReLU`; with another limit the range of the activation is another one.
        self.activation = "elu" if is_number(alpha) and alpha == 1 else scaled_elu

    def call(self, x: Any) -> Any:
        """Return `elu(x)`."""
        return activations.elu(x) if self.activation == "elu" else activations.elu(x, self.alpha)


class Softmax(Layer):
    """`exp(x_i) / Σ_j exp(x_j)` along an axis, as a layer.

    As the last layer it is what `Dense(…, "softmax")` ends with: the loss is computed from the
    logits before it. Along the steps of a sequence with a mask, the steps that are not real get 0.

    Args:
        axis: along which the outputs sum to 1; the batch is axis 0.

    Raises:
        GradusError: for an axis that is 0 or no whole number.
        ShapeError: for an input without this axis.

    Examples:
        >>> x = jnp.zeros((1, 4))
        >>> gr.init(gr.Softmax(), 0, x)(x).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis
        for value in values_of(self, "axis"):
            check_axis(self, value)
        self.activation = "softmax" if not has_space(axis) and axis == -1 else softmax_along

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return `softmax(x)`."""
        axis = axis_of(self, x.ndim, self.axis)
        if mask is None or axis != 1:
            return activations.softmax(x, axis)
        real = mask.reshape(*mask.shape, *[1] * (x.ndim - 2))
        x = as_float(x)
        y = activations.softmax(jnp.where(real, x, jnp.finfo(x.dtype).min), axis)
        return jnp.where(real, y, 0.0)


def as_activation(layer: Layer) -> Layer:
    """Return `ReLU`, `LeakyReLU`, `ELU`, or `Softmax` as an `Activation`; any other one unchanged.

    An `Activation` says in an argument which it is, so that it can be given another one.
    """
    if not isinstance(layer, ReLU | LeakyReLU | ELU | Softmax):
        return layer
    same = Activation(layer.activation)
    for mark in ("_name", "trainable"):
        if mark in vars(layer):
            setattr(same, mark, vars(layer)[mark])
    return same


def rectified(
    x: Any, max_value: Any = None, negative_slope: Any = 0.0, threshold: Any = 0.0
) -> Any:
    """Return what `ReLU` computes; its arguments are those of the layer."""
    y = jnp.where(x >= threshold, x, negative_slope * (x - threshold))
    return y if max_value is None else jnp.where(x >= max_value, max_value, y).astype(y.dtype)


def scaled_elu(x: Any) -> Any:
    """Return what stands for an ELU with another limit than −1, whose range is not known."""
    return activations.elu(x)


def softmax_along(x: Any) -> Any:
    """Return what stands for a softmax that is not along the last axis: it ends no classifier."""
    return activations.softmax(x)


def check_axis(layer: Layer, value: Any) -> None:
    """Refuse what is no axis of a sample.

    Raises:
        GradusError: naming the layer's class, for the batch's axis or no whole number.
    """
    if as_index(value) in (None, 0):
        raise GradusError(
            f"{type(layer).__name__}(axis={value!r}): write a whole number, such as -1 for the "
            "last axis; the batch is axis 0."
        )


def axis_of(layer: Layer, rank: int, axis: int) -> int:
    """Return an axis, which may count from the end, counted from the first.

    Args:
        layer: the layer, for an error.
        rank: how many axes its input has.
        axis: the axis.

    Raises:
        ShapeError: if the input has no such axis, or it is the batch's.
    """
    if not 1 <= axis + rank * (axis < 0) < rank:
        raise ShapeError(
            f"{layer._label()} has axis={axis} but was given an input of {rank} axes, of which the "
            "first is the batch."
        )
    return axis % rank


def _rectifier(max_value: Any, negative_slope: Any, threshold: Any) -> Any:
    """Return the activation that `ReLU` is with these arguments: a name, or `rectified`."""
    if not all(map(is_number, (0 if max_value is None else max_value, negative_slope, threshold))):
        return rectified  # a space, or an array that is refused when the layer is built
    if threshold != 0:
        return rectified
    if max_value is None:
        return "leaky_relu" if negative_slope != 0 else "relu"
    return "relu6" if max_value == 6 and negative_slope == 0 else rectified
