"""Layers that normalize their inputs."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradus.checks import as_index, as_result, as_written, whole_number
from gradus.errors import GradusError, ShapeError
from gradus.nn.arguments import check_flags, check_functions, check_numbers, values_of
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.nn.layers.activation import axis_of, check_axis
from gradus.nn.mask_tracking import masked_mean
from gradus.space import Space


class BaseNormalization(Layer):
    """The base of the layers that scale and shift what they have standardized: `γ y + β`."""

    hypers: ClassVar[tuple[str, ...]] = ("epsilon",)
    build_only = ("gamma_initializer", "beta_initializer")

    def __init__(
        self,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        gamma_initializer: Any = "ones",
        beta_initializer: Any = "zeros",
    ) -> None:
        self.epsilon = epsilon
        check_numbers(self, "epsilon", low=0)
        self.center = center
        self.scale = scale
        self.gamma_initializer = gamma_initializer
        self.beta_initializer = beta_initializer
        check_functions(self)
        check_flags(self)

    def _add_scale_and_shift(self, features: int) -> None:
        """Create those of `gamma` and `beta` that are learned."""
        if self.scale:
            self.gamma = self.add_weight("gamma", (features,), self.gamma_initializer)
        if self.center:
            self.beta = self.add_weight("beta", (features,), self.beta_initializer)

    def _scaled_and_shifted(self, y: Any) -> Any:
        y = y * self.gamma if self.scale else y
        return y + self.beta if self.center else y


class BatchNormalization(BaseNormalization):
    """Standardize each feature over the mini-batch, then scale and shift it.

    In training `y = γ (x − μ_B) / √(σ²_B + ε) + β` with the mean and the biased variance of the
    batch over all axes but the last; the running statistics become
    `momentum · running + (1 − momentum) · batch`. Prediction uses the running statistics
    (Ioffe & Szegedy 2015, "Batch normalization"; Keras's convention of momentum).

    In sequences with a mask only the real steps count. The samples that pad an epoch's last batch
    count in the batch's statistics.

    `gamma`, `beta`, `moving_mean` and `moving_variance` have shape `(features,)`.

    Args:
        momentum: the share of the running statistics that is kept; a swept setting.
        epsilon: what is added to the variance; a swept setting.
        center: whether β is learned.
        scale: whether γ is learned.
        gamma_initializer: how γ is drawn.
        beta_initializer: how β is drawn.

    Examples:
        >>> x = jnp.array([[0.0], [2.0], [4.0]])
        >>> net = gr.init(gr.BatchNormalization(), 0, x)
        >>> y = gr.fresh(net)(x, training=True)
        >>> print(np.asarray(y.ravel()).round(2))
        [-1.22  0.    1.22]
    """

    hypers = ("momentum", "epsilon")

    def __init__(
        self,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        gamma_initializer: Any = "ones",
        beta_initializer: Any = "zeros",
    ) -> None:
        self.momentum = momentum
        check_numbers(self, "momentum", low=0, high=1)
        super().__init__(epsilon, center, scale, gamma_initializer, beta_initializer)

    def build(self, shape: tuple[int, ...]) -> None:
        """Create the learned and the running values."""
        size = (shape[-1],)
        self._add_scale_and_shift(shape[-1])
        self.moving_mean = self.add_weight("moving_mean", size, "zeros", kind="state")
        self.moving_variance = self.add_weight("moving_variance", size, "ones", kind="state")

    def call(self, x: Any, training: bool, mask: Any = None) -> Any:
        """Return the standardized input; in training, update the running statistics."""
        x = as_float(x)
        if x.shape[-1] != self.moving_mean.shape[0]:
            raise ShapeError(
                f"{self._label()} was built for {self.moving_mean.shape[0]} features but was "
                f"given an input of shape {tuple(x.shape)}."
            )
        if training and not self.frozen:
            mean = masked_mean(x, mask)
            variance = masked_mean(jnp.square(x - mean), mask)
            keep = self.momentum
            new_mean = keep * self.moving_mean + (1 - keep) * lax.stop_gradient(mean)
            new_variance = keep * self.moving_variance + (1 - keep) * lax.stop_gradient(variance)
            self.moving_mean, self.moving_variance = new_mean, new_variance
        else:
            mean, variance = self.moving_mean, self.moving_variance
        factor = lax.rsqrt(variance + self.epsilon)
        if self.scale:
            factor = factor * self.gamma
        y = (x - mean) * factor
        return y + self.beta if self.center else y


class LayerNormalization(BaseNormalization):
    """Standardize each sample over its last axis, then scale and shift it.

    `y = γ (x − μ) / √(σ² + ε) + β`, with the mean and the biased variance of that axis.
    `gamma` and `beta` have shape `(features,)` (Ba, Kiros & Hinton 2016, "Layer normalization").

    Args:
        epsilon: what is added to the variance; a swept setting.
        center: whether β is learned.
        scale: whether γ is learned.
        gamma_initializer: how γ is drawn.
        beta_initializer: how β is drawn.

    Examples:
        >>> x = jnp.array([[0.0, 2.0, 4.0]])
        >>> y = gr.init(gr.LayerNormalization(), 0, x)(x)
        >>> print(np.asarray(y).round(2))
        [[-1.22  0.    1.22]]
    """

    def build(self, shape: tuple[int, ...]) -> None:
        """Create `gamma` and `beta`."""
        self._add_scale_and_shift(shape[-1])

    def call(self, x: Any) -> Any:
        """Return the standardized input."""
        x = as_float(x)
        centered = x - x.mean(-1, keepdims=True)
        y = centered * lax.rsqrt(jnp.square(centered).mean(-1, keepdims=True) + self.epsilon)
        return self._scaled_and_shifted(y)


class GroupNormalization(BaseNormalization):
    """Standardize each sample over groups of channels and all positions, then scale and shift it.

    `y = γ (x − μ) / √(σ² + ε) + β`, with the mean and the biased variance of a group of neighboring
    channels at all positions of a sample, so no statistic depends on the batch. `gamma` and `beta`
    have shape `(channels,)` (Wu & He 2018, "Group normalization"). In sequences with a mask only
    the real steps count.

    Args:
        groups: how many groups the channels are divided into; -1 for one of each channel (instance
            normalization), 1 for one of all.
        epsilon: what is added to the variance; a swept setting.
        center: whether β is learned.
        scale: whether γ is learned.
        gamma_initializer: how γ is drawn.
        beta_initializer: how β is drawn.

    Raises:
        GradusError: for groups that are neither -1 nor a positive whole number.
        ShapeError: if the groups do not divide the channels.

    Examples:
        >>> x = jnp.array([[0.0, 2.0, 10.0, 30.0]])
        >>> y = gr.init(gr.GroupNormalization(groups=2), 0, x)(x)
        >>> print(np.asarray(y).round(2))
        [[-1.  1. -1.  1.]]
    """

    hypers = ("epsilon",)

    def __init__(
        self,
        groups: int = 32,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        gamma_initializer: Any = "ones",
        beta_initializer: Any = "zeros",
    ) -> None:
        self.groups = groups
        for value in values_of(self, "groups"):
            if as_index(value) != -1:
                whole_number("groups", value, 1, "GroupNormalization")
        super().__init__(epsilon, center, scale, gamma_initializer, beta_initializer)

    def build(self, shape: tuple[int, ...]) -> None:
        """Create `gamma` and `beta`."""
        if self.groups != -1 and shape[-1] % self.groups:
            raise ShapeError(
                f"{self._label()} has groups={self.groups}, which must divide the {shape[-1]} "
                f"channels of its input, shape {tuple(shape)}."
            )
        self._add_scale_and_shift(shape[-1])

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return the standardized input."""
        x = as_float(x)
        groups = x.shape[-1] if self.groups == -1 else self.groups
        grouped = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
        centered = grouped - _mean_of_groups(grouped, mask)
        variance = _mean_of_groups(jnp.square(centered), mask)
        y = (centered * lax.rsqrt(variance + self.epsilon)).reshape(x.shape)
        return self._scaled_and_shifted(y)


class RMSNormalization(Layer):
    """Divide each sample by the root mean square of its last axis, then scale it.

    `y = scale · x / √(mean of x² + ε)`; `scale`, of shape `(features,)`, is learned and starts at 1
    (Zhang & Sennrich 2019, "Root mean square layer normalization").

    Args:
        epsilon: what is added to the mean of the squares; a swept setting.

    Examples:
        >>> x = jnp.array([[3.0, 4.0, 5.0, 0.0]])
        >>> y = gr.init(gr.RMSNormalization(), 0, x)(x)
        >>> print(np.asarray(y).round(2))
        [[0.85 1.13 1.41 0.  ]]
    """

    hypers = ("epsilon",)

    def __init__(self, epsilon: float = 1e-6) -> None:
        self.epsilon = epsilon
        check_numbers(self, "epsilon", low=0)

    def build(self, shape: tuple[int, ...]) -> None:
        """Create `scale`."""
        self.scale = self.add_weight("scale", (shape[-1],), "ones")

    def call(self, x: Any) -> Any:
        """Return the scaled input."""
        x = as_float(x)
        square = jnp.square(x).mean(-1, keepdims=True)
        return x * lax.rsqrt(square + self.epsilon) * self.scale


class UnitNormalization(Layer):
    """Scale each sample to length 1 along an axis: `y = x / √(Σ x²)`; zeros stay zeros.

    Along the steps of a sequence with a mask only the real steps count.

    Args:
        axis: along which the squares are added; the batch is axis 0.

    Raises:
        GradusError: for an axis that is 0 or no whole number.
        ShapeError: for an input without this axis.

    Examples:
        >>> x = jnp.array([[3.0, 4.0]])
        >>> y = gr.init(gr.UnitNormalization(), 0, x)(x)
        >>> print(np.asarray(y).round(2))
        [[0.6 0.8]]
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis
        for value in values_of(self, "axis"):
            check_axis(self, value)

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return the scaled input."""
        x, axis = as_float(x), axis_of(self, x.ndim, self.axis)
        if mask is not None and axis == 1:
            x = jnp.where(mask.reshape(*mask.shape, *[1] * (x.ndim - 2)), x, 0.0)
        square = jnp.square(x).sum(axis, keepdims=True)
        return x * lax.rsqrt(jnp.maximum(square, 1e-12))


class Normalization(Layer):
    """Standardize each feature of the last axis with a given mean and variance: `(x − μ) / σ`.

    `Normalization().adapt(x)` takes both from data: pass the training rows only. They are settings,
    not weights: training leaves them as they are, and a saved model has them.

    Args:
        mean: μ, a number or one for each feature; None to `adapt` it.
        variance: σ², likewise.

    Raises:
        GradusError: for a mean without a variance, or the reverse; for anything but numbers; and,
            when the network is built, if there is neither.
        ShapeError: for an input with another number of features.

    Examples:
        >>> x = np.array([[0.0], [2.0], [4.0]])
        >>> layer = gr.Normalization().adapt(x)
        >>> y = gr.init(layer, 0, jnp.asarray(x))(jnp.asarray(x))
        >>> print(np.asarray(y.ravel()).round(2))
        [-1.22  0.    1.22]
    """

    hypers = ("mean", "variance")

    def __init__(self, mean: Any = None, variance: Any = None) -> None:
        if (mean is None) != (variance is None):
            missing = "mean" if mean is None else "variance"
            raise GradusError(f"Normalization({missing}=None): write both mean and variance.")
        self.mean = _statistic("mean", mean)
        self.variance = _statistic("variance", variance)

    def adapt(self, x: Any) -> Normalization:
        """Set mean and variance to those of each feature of some rows, and return the layer.

        Args:
            x: `(rows, ..., features)`.

        Raises:
            GradusError: if these are not finite numbers in rows.
        """
        values = np.asarray(x)
        if values.dtype.kind not in "iufb" or values.ndim < 2 or not values.size:
            raise GradusError(f"adapt takes rows of numbers, not {as_result(x)}.")
        if not np.isfinite(values).all():
            raise GradusError("adapt: x has numbers that are missing (NaN) or infinite.")
        axes = tuple(range(values.ndim - 1))
        self.mean = values.mean(axes, dtype=np.float64).astype(np.float32)
        self.variance = values.var(axes, dtype=np.float64).astype(np.float32)
        return self

    def build(self, shape: tuple[int, ...]) -> None:
        """Check that there are a mean and a variance, of as many features as the input has."""
        if self.mean is None:
            raise GradusError(
                f"{self._label()} has no mean and variance: write Normalization().adapt(x), with "
                "the training rows, or Normalization(mean, variance)."
            )
        for name in ("mean", "variance"):
            size = getattr(self, name).shape
            if size not in ((), (1,), (shape[-1],)):
                raise ShapeError(
                    f"{self._label()} has a {name} of shape {size} but was given an input of shape "
                    f"{tuple(shape)}: it needs one for each of {shape[-1]} features."
                )

    def call(self, x: Any) -> Any:
        """Return the standardized input."""
        return (as_float(x) - self.mean) / jnp.maximum(jnp.sqrt(self.variance), 1e-7)


def _mean_of_groups(x: Any, mask: Any) -> Any:
    """Return the mean of each sample and group, `(batch, 1, ..., groups, 1)`, of real steps only.

    Args:
        x: `(batch, ..., groups, channels of a group)`.
        mask: which steps are real, `(batch, steps)`; None for all.
    """
    axes = (*range(1, x.ndim - 2), x.ndim - 1)
    if mask is None:
        return x.mean(axes, keepdims=True)
    real = mask.reshape(*mask.shape, *[1] * (x.ndim - 2))
    each = x[0, 0].size // x.shape[-2]  # numbers of a step and group
    count = each * mask.sum(1, dtype=x.dtype).reshape(-1, *[1] * (x.ndim - 1))
    return jnp.where(real, x, 0.0).sum(axes, keepdims=True) / jnp.maximum(count, 1.0)


def _statistic(name: str, value: Any) -> Any:
    """Return a number, or one for each feature, as an array; None and a space pass."""
    if value is None or isinstance(value, Space | jax.core.Tracer):
        return value
    try:
        given = np.asarray(value)
    except ValueError:  # lists of different lengths
        given = np.empty(0)
    is_valid = given.dtype.kind in "iuf" and given.ndim < 2 and given.size > 0
    with np.errstate(over="ignore"):  # told below
        array = given.astype(np.float32) if is_valid else np.array(np.nan)
    if not np.isfinite(array).all() or (name == "variance" and array.min() < 0):
        span = " of at least 0" if name == "variance" else ""
        setting = as_written(name, value, "Normalization")
        raise GradusError(f"{setting}: write a number{span}, or one for each feature.")
    return array
