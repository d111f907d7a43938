"""An LSTM over whole sequences: one call forward, and one backward."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import core, lax
from jax.extend.core import Primitive

from gradus.kernels.library import in_use
from gradus.kernels.matmul import multiply
from gradus.kernels.primitive import define_kernel

State = tuple[jax.Array, ...]
MOST_WEIGHTS = 1_100_000  # of the recurrent kernel: more than the second cache has


def takes_sequences(x: Any, kernel: Any) -> bool:
    """Return whether the kernel is in use and takes these arrays.

    Args:
        x: the projected inputs, `(steps, batch, 4 · units)`.
        kernel: U, `(units, 4 · units)`.
    """
    fits = x.size > 0 and kernel.size <= MOST_WEIGHTS
    return in_use() and fits and x.dtype == kernel.dtype == jnp.float32


def lstm(
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None,
    mask: jax.Array | None,
    all_steps: bool,
) -> jax.Array:
    """Return the outputs of an LSTM with tanh and sigmoid that starts at zero.

    `[i, f, g, o] = x_t + h_{t-1} U + b`, `c_t = σ(f) c_{t-1} + σ(i) tanh(g)`,
    `h_t = σ(o) tanh(c_t)`, as `nn/ops/rnn.py: lstm_cell` has it.

    Args:
        x: the projected inputs, `(steps, batch, 4 · units)`, for which `takes_sequences` is true.
        kernel: U, `(units, 4 · units)`.
        bias: b, `(4 · units,)`, or None.
        mask: `(steps, batch)`, false for padding, which keeps the state; or None.
        all_steps: whether to return the outputs of all steps.

    Returns:
        `(steps, batch, units)` with `all_steps`, else `(batch, units)`.
    """
    return _lstm(all_steps, x, kernel, bias, mask)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _lstm(all_steps: bool, x: Any, kernel: Any, bias: Any, mask: Any) -> jax.Array:
    return _forward(all_steps, x, kernel, bias, mask)[0]


def _forward(
    all_steps: bool, x: Any, kernel: Any, bias: Any, mask: Any
) -> tuple[jax.Array, tuple[Any, ...]]:
    given = [each for each in (mask, bias) if each is not None]
    options = {"masked": mask is not None, "biased": bias is not None}
    h, c, gates = _sequence.bind(x, kernel, *given, **options)
    return h if all_steps else h[-1], (kernel, bias is not None, mask, h, c, gates)


def _backward(_: bool, residuals: tuple[Any, ...], dh: Any) -> tuple[Any, ...]:
    """Return the gradients of x, the kernel, and the bias (the mask has none)."""
    kernel, biased, mask, h, c, gates = residuals
    given = [] if mask is None else [mask]
    dz = _gradient.bind(gates, kernel, *given, c, dh, masked=mask is not None)
    units, width = kernel.shape
    # As products of matrices, which an optimizer's kernel computes when it needs them.
    before, after = h[:-1].reshape(-1, units), dz[1:].reshape(-1, width)
    dkernel = multiply(before, after, True, False)
    if not biased:
        return dz, dkernel, None, None
    rows = dz.reshape(-1, width)
    dbias = multiply(jnp.ones((len(rows), 1), rows.dtype), rows, True, False)
    return dz, dkernel, dbias.reshape(width), None


_lstm.defvjp(_forward, _backward)


def plain_sequence(
    x: jax.Array, kernel: jax.Array, *given: jax.Array, masked: bool, biased: bool
) -> list[jax.Array]:
    """Return h and c after each step, and the gates: what the kernel does.

    Args:
        x: the projected inputs, `(steps, batch, 4 · units)`.
        kernel: U.
        given: the mask if there is one, and the bias if there is one.
        masked: whether there is a mask.
        biased: whether there is a bias.
    """
    mask, bias = given[0] if masked else None, given[-1] if biased else 0.0

    def step(state: State, inputs: Any) -> Any:
        (h, c), (z, is_real) = state, inputs
        i, f, g, o = jnp.split(z + h @ kernel + bias, 4, axis=-1)
        i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
        c = f * c + i * g
        new = _where(is_real, (o * jnp.tanh(c), c), state)
        return new, (*new, jnp.concatenate([i, f, g, o], -1))

    start = (jnp.zeros((x.shape[1], len(kernel)), x.dtype),) * 2
    return list(lax.scan(step, start, (x, mask))[1])


def plain_gradient(
    gates: jax.Array, kernel: jax.Array, *given: jax.Array, masked: bool
) -> jax.Array:
    """Return the gradient of x: what the kernel does.

    Args:
        gates: as `plain_sequence` returns them.
        kernel: U.
        given: the mask if there is one, c of all steps, and the gradient of h: of all steps, or of
            the last.
        masked: whether there is a mask.
    """
    *mask, c, dh = given
    if dh.ndim == 2:
        dh = jnp.zeros_like(c).at[-1].set(dh)

    def step(state: State, inputs: Any) -> Any:
        gates, c, c_before, dh, is_real = inputs
        dh, dc = state[0] + dh, state[1]
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        size = jnp.tanh(c)
        of_c = dc + dh * o * (1 - size * size)
        changes = (
            of_c * g * i * (1 - i),
            of_c * c_before * f * (1 - f),
            of_c * i * (1 - g * g),
            dh * size * o * (1 - o),
        )
        dz = jnp.concatenate(changes, -1)
        before = _where(is_real, (dz @ kernel.T, of_c * f), (dh, dc))
        return before, _where(is_real, (dz,), (jnp.zeros_like(dz),))[0]

    c_before = jnp.concatenate([jnp.zeros_like(c[:1]), c[:-1]])
    start = (jnp.zeros_like(c[0]),) * 2
    steps = gates, c, c_before, dh, mask[0] if masked else None
    return lax.scan(step, start, steps, reverse=True)[1]


def _where(is_real: jax.Array | None, new: State, old: State) -> State:
    """Return new arrays, or the old ones for samples whose step is padding."""
    if is_real is None:
        return new
    return tuple(jnp.where(is_real[:, None], n, o) for n, o in zip(new, old, strict=True))


def _shapes(x: Any, kernel: Any, *_: Any, masked: bool, biased: bool) -> list[Any]:
    state = core.ShapedArray((*x.shape[:2], kernel.shape[0]), x.dtype)
    return [state, state, core.ShapedArray(x.shape, x.dtype)]


_sequence = Primitive("gradus_lstm")
_sequence.multiple_results = True
_sequence.def_abstract_eval(_shapes)
define_kernel(_sequence, plain_sequence, jax.ffi.ffi_lowering("gradus_lstm"))
_gradient = Primitive("gradus_lstm_gradient")
_gradient.def_abstract_eval(lambda gates, *_, **__: core.ShapedArray(gates.shape, gates.dtype))
define_kernel(_gradient, plain_gradient, jax.ffi.ffi_lowering("gradus_lstm_gradient"))
