"""Dropout and other noise, in training only."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradus.nn.activations import SELU_ALPHA, SELU_SCALE
from gradus.nn.arguments import check_numbers
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.nn.layers.window import check_axes


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
        drawn = self._drawn_shape(x.shape)
        if not training:
            return x
        keep = self._keep_mask(self.rate, drawn)
        return jnp.where(keep, as_float(x) / (1.0 - self.rate), 0.0)

    def _drawn_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the draws, which broadcasts to that of the input."""
        return shape


class SpatialDropout1D(Dropout):
    """Set a share of the channels of each sequence to zero in training, at all steps alike.

    `x` has shape `(batch, steps, channels)`. Neighboring steps are alike, so a `Dropout` of single
    numbers would hide little (Tompson et al. 2015, "Efficient object localization using
    convolutional networks").

    Args:
        rate: the share of channels set to zero, in [0, 1); a swept setting.

    Raises:
        GradusError: for a rate outside [0, 1).
        ShapeError: for an input that is not a batch of sequences.

    Examples:
        >>> net = gr.init(gr.SpatialDropout1D(0.5), 0, jnp.zeros((1, 4, 9)))
        >>> y = gr.fresh(net, jax.random.key(0))(jnp.ones((1, 4, 9)), training=True)
        >>> bool((y[:, 0] == y[:, 3]).all()), sorted(set(y.ravel().tolist()))
        (True, [0.0, 2.0])
    """

    def _drawn_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        check_axes(self, shape, 1)
        return (shape[0], 1, shape[2])


class SpatialDropout2D(Dropout):
    """Set a share of the channels of each image to zero in training, at all pixels alike.

    `x` has shape `(batch, height, width, channels)`. Source, arguments, and errors are those of
    `SpatialDropout1D`.

    Examples:
        >>> net = gr.init(gr.SpatialDropout2D(0.5), 0, jnp.zeros((1, 4, 4, 9)))
        >>> y = gr.fresh(net, jax.random.key(0))(jnp.ones((1, 4, 4, 9)), training=True)
        >>> bool((y[:, 0, 0] == y[:, 3, 1]).all()), sorted(set(y.ravel().tolist()))
        (True, [0.0, 2.0])
    """

    def _drawn_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        check_axes(self, shape, 2)
        return (shape[0], 1, 1, shape[3])


class AlphaDropout(Dropout):
    """Set a share of the inputs to the lower limit of SELU in training, keeping mean and variance.

    `y = a (x, or α′ where it is dropped) + b` with `α′ = −λα ≈ −1.7581` and the `a` and `b` with
    which inputs of mean 0 and variance 1 have these still. Meant after `"selu"` (Klambauer et al.
    2017, "Self-normalizing neural networks").

    Args:
        rate: the share of inputs that are dropped, in [0, 1); a swept setting.

    Raises:
        GradusError: for a rate outside [0, 1).

    Examples:
        >>> net = gr.init(gr.AlphaDropout(0.1), 0, jnp.zeros((1, 4)))
        >>> x = jax.random.normal(jax.random.key(0), (100, 500))
        >>> y = gr.fresh(net, jax.random.key(1))(x, training=True)
        >>> round(float(y.mean()), 1) + 0.0, round(float(y.std()), 1)
        (0.0, 1.0)
    """

    def call(self, x: Any, training: bool) -> Any:
        """Return `x` with a share dropped, or `x` outside training."""
        if not training:
            return x
        dropped, rate = -SELU_SCALE * SELU_ALPHA, self.rate
        a = 1.0 / jnp.sqrt((1.0 - rate) * (1.0 + rate * dropped**2))
        keep = self._keep_mask(rate, x.shape)
        return a * (jnp.where(keep, as_float(x), dropped) - rate * dropped)


class GaussianDropout(Dropout):
    """Multiply the inputs by noise from N(1, rate / (1 − rate)) in training.

    The noise has the mean and the variance of that of a `Dropout` of the same rate (Srivastava et
    al. 2014, section 10).

    Args:
        rate: the rate of the `Dropout`, in [0, 1); a swept setting.

    Raises:
        GradusError: for a rate outside [0, 1).

    Examples:
        >>> net = gr.init(gr.GaussianDropout(0.5), 0, jnp.zeros((1, 4)))
        >>> y = gr.fresh(net, jax.random.key(0))(jnp.ones((100, 500)), training=True)
        >>> round(float(y.mean()), 1), round(float(y.std()), 1)
        (1.0, 1.0)
    """

    def call(self, x: Any, training: bool) -> Any:
        """Return `x` times noise, or `x` outside training."""
        if not training:
            return x
        x = as_float(x)
        noise = jax.random.normal(self.random(), x.shape, x.dtype)
        return x * (1.0 + jnp.sqrt(self.rate / (1.0 - self.rate)) * noise)


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
        keep = self._keep_mask(self.rate, x.shape)
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
