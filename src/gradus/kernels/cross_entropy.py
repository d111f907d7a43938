"""Cross-entropy of softmax, and its derivative."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import core
from jax.extend.core import Primitive
from jax.interpreters import ad

from gradus.kernels.library import in_use
from gradus.kernels.primitive import define_kernel


def softmax_cross_entropy(z: jax.Array, labels: jax.Array, smoothing: Any) -> jax.Array:
    """Return −Σ w log softmax(z) over the classes, `(...)`.

    Args:
        z: logits, `(..., K)`.
        labels: integers, `(...)`.
        smoothing: s; w is (1 − s) y + s/K for the one-hot labels y.
    """
    smoothing = jnp.asarray(smoothing)
    if not (in_use() and z.size and z.dtype == smoothing.dtype == jnp.float32):
        return plain_softmax_cross_entropy(z, labels, smoothing)
    rows = z.reshape(-1, z.shape[-1]), labels.astype(jnp.int32).reshape(-1)
    values: jax.Array = _cross_entropy.bind(*rows, smoothing)
    return values.reshape(labels.shape)


def plain_softmax_cross_entropy(z: jax.Array, labels: jax.Array, smoothing: jax.Array) -> jax.Array:
    """Return what `softmax_cross_entropy` does."""
    return logits_cross_entropy(one_hot(labels, z), z, smoothing, jnp.ones_like(z[..., 0]))


def plain_softmax_gradient(z: jax.Array, labels: jax.Array, smoothing: jax.Array) -> jax.Array:
    """Return the derivative of each value by its logits, `(..., K)`."""
    return jax.nn.softmax(z) - smooth(one_hot(labels, z), smoothing, z.shape[-1])


def logits_cross_entropy(y: jax.Array, z: jax.Array, smoothing: Any, mass: jax.Array) -> jax.Array:
    """(..., K), (..., K) -> (...): −Σ w log softmax(z), with half the passes over K.

    It is Σw · log Σ exp(z − max z) − Σ w (z − max z), for smoothed targets w; Σw is the smoothed
    `mass`, the sum of the targets before smoothing.
    """
    shifted = z - jax.lax.stop_gradient(jnp.max(z, axis=-1, keepdims=True))
    total = smooth(mass, smoothing, 1) * jnp.log(jnp.sum(jnp.exp(shifted), axis=-1))
    return total - jnp.sum(smooth(y, smoothing, y.shape[-1]) * shifted, axis=-1)


def smooth(y: jax.Array, smoothing: Any, classes: int) -> jax.Array:
    """Return y (1 − s) + s / classes."""
    smoothing = jnp.asarray(smoothing, y.dtype)
    return y * (1 - smoothing) + smoothing / classes


def one_hot(labels: jax.Array, z: jax.Array) -> jax.Array:
    """Return labels `(...)` as one-hot, of the shape and dtype of z, `(..., K)`.

    A comparison costs less than a gather, whose gradient is a scatter, and XLA can fuse it.
    """
    classes = jnp.arange(z.shape[-1], dtype=jnp.int32)
    return (labels[..., None].astype(jnp.int32) == classes).astype(z.dtype)


def _plain_with_gradient(z: jax.Array, labels: jax.Array, smoothing: jax.Array) -> list[jax.Array]:
    values = plain_softmax_cross_entropy(z, labels, smoothing)
    return [values, plain_softmax_gradient(z, labels, smoothing)]


def _jvp(primals: Any, tangents: Any) -> Any:
    of_z = tangents[0]
    if not isinstance(tangents[2], ad.Zero):  # nobody trains the smoothing
        return jax.jvp(
            plain_softmax_cross_entropy, primals, tuple(map(ad.instantiate_zeros, tangents))
        )
    if isinstance(of_z, ad.Zero):
        return _cross_entropy.bind(*primals), of_z
    values, gradient = _with_gradient.bind(*primals)
    return values, jnp.sum(gradient * of_z, axis=1)


_lower = jax.ffi.ffi_lowering("gradus_cross_entropy")
_cross_entropy = Primitive("gradus_cross_entropy")
_cross_entropy.def_abstract_eval(lambda z, *_: core.ShapedArray(z.shape[:1], z.dtype))
define_kernel(_cross_entropy, plain_softmax_cross_entropy, _lower)
ad.primitive_jvps[_cross_entropy] = _jvp

_with_gradient = Primitive("gradus_cross_entropy_and_gradient")
_with_gradient.multiple_results = True
_with_gradient.def_abstract_eval(
    lambda z, *_: [core.ShapedArray(shape, z.dtype) for shape in (z.shape[:1], z.shape)]
)
define_kernel(_with_gradient, _plain_with_gradient, _lower)
