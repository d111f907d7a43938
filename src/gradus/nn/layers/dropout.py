"""Dropout and other noise, in training only."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradus.nn.arguments import check_numbers
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.nn.prng import keep_mask


class Dropout(Layer):
    """Set a share of the inputs to zero in training and scale the others by `1 / (1 - rate)`.

    The expected output is the input, so prediction needs no change (inverted dropout; Srivastava
    et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting").

    Args:
        rate: the share of inputs set to zero, in [0, 1); a swept setting.

    Raises:
        GradusError: for a rate outside [0, 1).

    Examples:
        >>> net = gr.init(gr.Dropout(0.5), 0, jnp.zeros((1, 4)))
        >>> net(jnp.ones((1, 3))).tolist()
        [[1.0, 1.0, 1.0]]
        >>> y = gr.fresh(net, jax.random.key(0))(jnp.ones((1, 100)), training=True)
        >>> sorted(set(y[0].tolist()))
        [0.0, 2.0]
    """

    hypers = ("rate",)

    def __init__(self, rate: float) -> None:
        self.rate = rate
        check_numbers(self, "rate", low=0, high=1, below=True)

    def call(self, x: Any, training: bool) -> Any:
        """Return `x · keep / (1 - rate)` with a new draw of `keep`, or `x` outside training."""
        if not training:
            return x
        keep = keep_mask(self.random(), self.rate, x.shape)
        return jnp.where(keep, as_float(x) / (1.0 - self.rate), 0.0)


class GaussianNoise(Layer):
    """Add noise from N(0, stddev²) in training.

    Args:
        stddev: the standard deviation of the noise, in units of the input; a swept setting.

    Raises:
        GradusError: for a negative standard deviation.

    Examples:
        >>> net = gr.init(gr.GaussianNoise(0.1), 0, jnp.zeros((1, 4)))
        >>> y = gr.fresh(net, jax.random.key(0))(jnp.zeros((100, 500)), training=True)
        >>> round(float(y.std()), 2)
        0.1
    """

    hypers = ("stddev",)

    def __init__(self, stddev: float) -> None:
        self.stddev = stddev
        check_numbers(self, "stddev", low=0)

    def call(self, x: Any, training: bool) -> Any:
        """Return `x` plus noise, or `x` outside training."""
        x = as_float(x)
        if not training:
            return x
        return x + self.stddev * jax.random.normal(self.random(), x.shape, x.dtype)


class MaskingNoise(Layer):
    """Set a share of the inputs to zero in training, without scaling the others.

    The corruption of a denoising autoencoder (Vincent et al. 2008, "Extracting and composing
    robust features with denoising autoencoders").

    Args:
        rate: the share of inputs set to zero, in [0, 1); a swept setting.

    Raises:
        GradusError: for a rate outside [0, 1).

    Examples:
        >>> net = gr.init(gr.MaskingNoise(0.3), 0, jnp.zeros((1, 4)))
        >>> y = gr.fresh(net, jax.random.key(0))(jnp.ones((1, 100)), training=True)
        >>> sorted(set(y[0].tolist()))
        [0.0, 1.0]
    """

    hypers = ("rate",)

    def __init__(self, rate: float) -> None:
        self.rate = rate
        check_numbers(self, "rate", low=0, high=1, below=True)

    def call(self, x: Any, training: bool) -> Any:
        """Return `x` with a share of zeros, or `x` outside training."""
        if not training:
            return x
        keep = keep_mask(self.random(), self.rate, x.shape)
        return jnp.where(keep, as_float(x), 0.0)


class SaltAndPepperNoise(Layer):
    """Set a share of the inputs to the lowest or highest value in training, each equally likely.

    This imitates dust and dead pixels in a picture; a corruption of denoising autoencoders (Vincent
    et al. 2010, "Stacked denoising autoencoders").

    Args:
        rate: the share of inputs that are replaced, in [0, 1); a swept setting.
        low: the lowest value, pepper; a swept setting.
        high: the highest value, salt; a swept setting.

    Raises:
        GradusError: for a rate outside [0, 1).

    Examples:
        >>> net = gr.init(gr.SaltAndPepperNoise(0.3), 0, jnp.zeros((1, 4)))
        >>> y = gr.fresh(net, jax.random.key(0))(jnp.full((1, 100), 0.5), training=True)
        >>> sorted(set(y[0].tolist()))
        [0.0, 0.5, 1.0]
    """

    hypers = ("rate", "low", "high")

    def __init__(self, rate: float, low: float = 0.0, high: float = 1.0) -> None:
        self.rate = rate
        check_numbers(self, "rate", low=0, high=1, below=True)
        self.low = low
        self.high = high
        check_numbers(self, "low", "high")

    def call(self, x: Any, training: bool) -> Any:
        """Return `x` with a share replaced by `low` or `high`, or `x` outside training."""
        if not training:
            return x
        draws = jax.random.uniform(self.random(), x.shape, jnp.float32)
        noise = jnp.where(draws < self.rate / 2, self.low, self.high)
        return jnp.where(draws < self.rate, noise, as_float(x))
