"""Layers that normalize their inputs."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from gradus.errors import ShapeError
from gradus.nn.arguments import check_flags, check_functions, check_numbers
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.nn.mask_tracking import masked_mean


class BatchNormalization(Layer):
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
    build_only = ("gamma_initializer", "beta_initializer")

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
        self.epsilon = epsilon
        check_numbers(self, "epsilon", low=0)
        self.center = center
        self.scale = scale
        self.gamma_initializer = gamma_initializer
        self.beta_initializer = beta_initializer
        check_functions(self)
        check_flags(self)

    def build(self, shape: tuple[int, ...]) -> None:
        """Create the learned and the running values."""
        size = (shape[-1],)
        if self.scale:
            self.gamma = self.add_weight("gamma", size, self.gamma_initializer)
        if self.center:
            self.beta = self.add_weight("beta", size, self.beta_initializer)
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


class LayerNormalization(Layer):
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

    hypers = ("epsilon",)
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

    def build(self, shape: tuple[int, ...]) -> None:
        """Create `gamma` and `beta`."""
        if self.scale:
            self.gamma = self.add_weight("gamma", (shape[-1],), self.gamma_initializer)
        if self.center:
            self.beta = self.add_weight("beta", (shape[-1],), self.beta_initializer)

    def call(self, x: Any) -> Any:
        """Return the standardized input."""
        x = as_float(x)
        centered = x - x.mean(-1, keepdims=True)
        y = centered * lax.rsqrt(jnp.square(centered).mean(-1, keepdims=True) + self.epsilon)
        y = y * self.gamma if self.scale else y
        return y + self.beta if self.center else y
