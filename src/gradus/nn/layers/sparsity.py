"""Penalties on activations, such as that few units are active at a time."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from gradus.errors import GradusError
from gradus.nn.arguments import check_numbers
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.space import given_values

EPSILON = 1e-6  # keeps the logarithms of a mean activation finite


class Sparsity(Layer):
    """Return the input, `(batch, ...)`, unchanged and add a penalty on its activity to the loss.

    Without a target the penalty is the mean over the samples of `strength · Σ_j |a_j|`. With a
    target ρ, for activations in (0, 1) such as sigmoid's, it is `strength · Σ_j KL(ρ ‖ ρ̂_j)`, where
    `KL(ρ ‖ ρ̂) = ρ log ρ/ρ̂ + (1 − ρ) log (1 − ρ)/(1 − ρ̂)` and ρ̂_j is unit j's mean over the batch
    (Ng 2011, "Sparse autoencoder", CS294A lecture notes). The samples that pad an epoch's last
    batch count in that mean; the steps that pad a sequence with a mask count in neither.

    Args:
        strength: the factor, at least 0, in units of the loss, whose value for a sample is the mean
            over its elements; a swept setting.
        target: ρ, the share of samples for which a unit should be active, in (0, 1), or None; a
            swept setting.

    Raises:
        GradusError: for a negative strength, or a target outside (0, 1).

    Examples:
        >>> x = jnp.zeros((2, 4))
        >>> net = gr.Sequential([gr.Dense(8, "sigmoid"), gr.Sparsity(0.01, target=0.1)])
        >>> gr.init(net, 0, x)(x).shape
        (2, 8)
    """

    hypers = ("strength", "target")

    def __init__(self, strength: float, target: float | None = None) -> None:
        self.strength = strength
        self.target = target
        check_numbers(self, "strength", "target", low=0)
        for value in given_values(target):
            if isinstance(value, int | float) and not 0 < value < 1:
                raise GradusError(f"Sparsity(target={value!r}): write a number between 0 and 1.")

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return `x`, with its penalty added to the loss."""
        a, real = _real_activity(x, mask)
        if self.target is None:
            self.add_loss(self.strength * jnp.abs(a).reshape(a.shape[0], -1).sum(-1))  # (batch,)
        else:
            rows = a.shape[0] if mask is None else jnp.maximum(real.sum(0, dtype=a.dtype), 1.0)
            rho, mean = self.target, jnp.clip(a.sum(0) / rows, EPSILON, 1 - EPSILON)
            on, off = rho * jnp.log(rho / mean), (1 - rho) * jnp.log((1 - rho) / (1 - mean))
            penalty = on + off if mask is None else jnp.where(real.any(0), on + off, 0.0)
            self.add_loss(self.strength * jnp.sum(penalty))
        return x


class ActivityRegularization(Layer):
    """Return the input, `(batch, ...)`, unchanged and add a penalty on its size to the loss.

    The penalty is the mean over the samples of `l1 · Σ |x| + l2 · Σ x²`, over all numbers of a
    sample; the steps that pad a sequence with a mask do not count.

    Args:
        l1: the factor of the magnitudes, at least 0, in units of the loss; a swept setting.
        l2: the factor of the squares, likewise; a swept setting.

    Raises:
        GradusError: for a negative factor.

    Examples:
        >>> x = jnp.array([[3.0, -4.0]])
        >>> gr.init(gr.ActivityRegularization(l2=0.01), 0, x)(x).tolist()
        [[3.0, -4.0]]
    """

    hypers = ("l1", "l2")

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = l1
        self.l2 = l2
        check_numbers(self, "l1", "l2", low=0)

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return `x`, with its penalty added to the loss."""
        a = _real_activity(x, mask)[0]
        penalty = self.l1 * jnp.abs(a) + self.l2 * jnp.square(a)
        self.add_loss(penalty.reshape(a.shape[0], -1).sum(-1))  # (batch,)
        return x


def _real_activity(x: Any, mask: Any) -> tuple[Any, Any]:
    """Return `x` with zeros in the steps that are not real, and which are."""
    a = as_float(x)
    real: Any = True if mask is None else mask.reshape(*mask.shape, *[1] * (a.ndim - 2))
    return jnp.where(real, a, 0.0), real
