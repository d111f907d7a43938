"""Recurrent layers over whole sequences: one call forward, and one backward."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import core, lax
from jax.extend.core import Primitive

from gradus.kernels.library import in_use
from gradus.kernels.matmul import multiply
from gradus.kernels.primitive import define_kernel

MOST_WEIGHTS = 1_100_000  # of the recurrent kernel: more than the second cache has


def takes_sequences(x: Any, kernel: Any) -> bool:
    """Return whether the kernels are in use and take these arrays.

    Args:
        x: the projected inputs, `(steps, batch, width)`.
        kernel: U, `(units, width)`.
    """
    fits = x.size > 0 and kernel.size <= MOST_WEIGHTS
    return in_use() and fits and x.dtype == kernel.dtype == jnp.float32


def recur(
    cell: str,
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None,
    mask: jax.Array | None,
    all_steps: bool,
) -> jax.Array:
    """Return the outputs of a recurrent layer with tanh and sigmoid whose state starts at zero.

    Args:
        cell: "lstm" or "gru", with the formulas of `lstm_cell` and `gru_cell` in `nn/ops/rnn.py`.
        x: the projected inputs, `(steps, batch, width)`, for which `takes_sequences` is true.
        kernel: U, `(units, width)`.
        bias: what is added to h U, `(width,)`, or None.
        mask: `(steps, batch)`, false for padding, which keeps the state; or None.
        all_steps: whether to return the outputs of all steps.

    Returns:
        `(steps, batch, units)` with `all_steps`, else `(batch, units)`.
    """
    return _recur(cell, all_steps, x, kernel, bias, mask)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _recur(cell: str, all_steps: bool, x: Any, kernel: Any, bias: Any, mask: Any) -> jax.Array:
    return _forward(cell, all_steps, x, kernel, bias, mask)[0]


def _forward(
    cell: str, all_steps: bool, x: Any, kernel: Any, bias: Any, mask: Any
) -> tuple[jax.Array, tuple[Any, ...]]:
    given = [each for each in (mask, bias) if each is not None]
    options = {"masked": mask is not None, "biased": bias is not None}
    h, kept = _sequence.bind(x, kernel, *given, cell=cell, **options)
    return h if all_steps else h[-1], (kernel, bias is not None, mask, h, kept)


def _backward(cell: str, _: bool, residuals: tuple[Any, ...], dh: Any) -> tuple[Any, ...]:
    """Return the gradients of x, the kernel, and the bias (the mask has none)."""
    kernel, biased, mask, h, kept = residuals
    given = [] if mask is None else [mask]
    dx, *other = _gradient.bind(kept, kernel, *given, h, dh, cell=cell, masked=mask is not None)
    dr = other[0] if other else dx
    units, width = kernel.shape
    # As products of matrices, which an optimizer's kernel computes when it needs them.
    before, after = h[:-1].reshape(-1, units), dr[1:].reshape(-1, width)
    dkernel = multiply(before, after, True, False)
    if not biased:
        return dx, dkernel, None, None
    rows = dr.reshape(-1, width)
    dbias = multiply(jnp.ones((len(rows), 1), rows.dtype), rows, True, False)
    return dx, dkernel, dbias.reshape(width), None


_recur.defvjp(_forward, _backward)


# --- the same in JAX ------------------------------------------------------------------------------


class Cell(NamedTuple):
    """What a cell computes in a step, and the way back.

    Attributes:
        kept: how many parts, each of as many numbers as there are units, it keeps of a step.
        step: from the parts of x and of h U + b, h, and what was kept before, the new h and what is
            kept.
        back: from what is kept, what was kept before, h before, and the gradients of h and of the
            last part that was kept, the parts of the gradients of x and of h U + b, and those two
            gradients before the step (but for that by way of h U).
    """

    kept: int
    step: Callable[..., tuple[Any, list[Any]]]
    back: Callable[..., tuple[list[Any], list[Any], Any, Any]]


def _lstm_step(x: list[Any], r: list[Any], _: Any, before: list[Any]) -> tuple[Any, list[Any]]:
    i, f, g, o = (a + b for a, b in zip(x, r, strict=True))
    i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
    c = f * before[-1] + i * g
    return o * jnp.tanh(c), [i, f, g, o, c]


def _lstm_back(kept: list[Any], before: list[Any], _: Any, dh: Any, dc: Any) -> Any:
    i, f, g, o, c = kept
    size = jnp.tanh(c)
    dc = dc + dh * o * (1 - size * size)
    dz = [
        dc * g * i * (1 - i),
        dc * before[-1] * f * (1 - f),
        dc * i * (1 - g * g),
        dh * size * o * (1 - o),
    ]
    return dz, dz, jnp.zeros_like(dh), dc * f


def _gru_step(x: list[Any], r: list[Any], h: Any, _: Any) -> tuple[Any, list[Any]]:
    update, reset = jax.nn.sigmoid(x[0] + r[0]), jax.nn.sigmoid(x[1] + r[1])
    candidate = jnp.tanh(x[2] + reset * r[2])
    return update * h + (1 - update) * candidate, [update, reset, candidate, r[2]]


def _gru_back(kept: list[Any], _: Any, h: Any, dh: Any, rest: Any) -> Any:
    update, reset, candidate, r = kept
    of_update = dh * (h - candidate) * update * (1 - update)
    of_candidate = dh * (1 - update) * (1 - candidate * candidate)
    of_reset = of_candidate * r * reset * (1 - reset)
    dx = [of_update, of_reset, of_candidate]
    return dx, [of_update, of_reset, of_candidate * reset], dh * update, rest


CELLS = {"lstm": Cell(5, _lstm_step, _lstm_back), "gru": Cell(4, _gru_step, _gru_back)}


def plain_sequence(
    x: jax.Array, kernel: jax.Array, *given: jax.Array, cell: str, masked: bool, biased: bool
) -> list[jax.Array]:
    """Return h of each step, and what is kept of it: what the kernel does.

    Args:
        x: the projected inputs, `(steps, batch, width)`.
        kernel: U, `(units, width)`.
        given: the mask if there is one, and the bias if there is one.
        cell: a key of `CELLS`.
        masked: whether there is a mask.
        biased: whether there is a bias.
    """
    mask, bias = given[0] if masked else None, given[-1] if biased else 0.0
    units, width = kernel.shape

    def step(state: tuple[Any, Any], inputs: Any) -> Any:
        (h, kept), (x, is_real) = state, inputs
        r = h @ kernel + bias
        parts = _parts(x, width // units), _parts(r, width // units)
        h, now = CELLS[cell].step(*parts, h, _parts(kept, CELLS[cell].kept))
        new = _where(is_real, (h, jnp.concatenate(now, -1)), state)
        return new, new

    widths = units, CELLS[cell].kept * units
    start: Any = tuple(jnp.zeros((x.shape[1], size), x.dtype) for size in widths)
    return list(lax.scan(step, start, (x, mask))[1])


def plain_gradient(
    kept: jax.Array, kernel: jax.Array, *given: jax.Array, cell: str, masked: bool
) -> list[jax.Array]:
    """Return the gradient of x, and that of h U + b if it is another: what the kernel does.

    Args:
        kept: as `plain_sequence` returns it.
        kernel: U, `(units, width)`.
        given: the mask if there is one, h of all steps, and its gradient: of all, or of the last.
        cell: a key of `CELLS`.
        masked: whether there is a mask.
    """
    *mask, h, dh = given
    if dh.ndim == 2:
        dh = jnp.zeros_like(h).at[-1].set(dh)

    def step(state: tuple[Any, Any], inputs: Any) -> Any:
        kept, before, h, dh, is_real = inputs
        dh, rest = state[0] + dh, state[1]
        count = CELLS[cell].kept
        now = _parts(kept, count), _parts(before, count)
        *parts, direct, new_rest = CELLS[cell].back(*now, h, dh, rest)
        dx, dr = (jnp.concatenate(each, -1) for each in parts)
        new = _where(is_real, (direct + dr @ kernel.T, new_rest), (dh, rest))
        zeros = jnp.zeros_like(dx)
        return new, _where(is_real, (dx, dr), (zeros, zeros))

    earlier = [jnp.concatenate([jnp.zeros_like(a[:1]), a[:-1]]) for a in (kept, h)]
    start = (jnp.zeros_like(h[0]),) * 2
    steps = kept, *earlier, dh, mask[0] if masked else None
    dx, dr = lax.scan(step, start, steps, reverse=True)[1]
    return [dx] if cell == "lstm" else [dx, dr]


def _parts(array: jax.Array, count: int) -> list[jax.Array]:
    return jnp.split(array, count, axis=-1)


def _where(is_real: jax.Array | None, new: Any, old: Any) -> Any:
    """Return new arrays, or the old ones for samples whose step is padding."""
    if is_real is None:
        return new
    return tuple(jnp.where(is_real[:, None], n, o) for n, o in zip(new, old, strict=True))


def _shapes(x: Any, kernel: Any, *_: Any, cell: str, **__: bool) -> list[Any]:
    widths = kernel.shape[0], CELLS[cell].kept * kernel.shape[0]
    return [core.ShapedArray((*x.shape[:2], width), x.dtype) for width in widths]


def _gradient_shapes(kept: Any, kernel: Any, *_: Any, cell: str, **__: bool) -> list[Any]:
    shape = core.ShapedArray((*kept.shape[:2], kernel.shape[1]), kept.dtype)
    return [shape] if cell == "lstm" else [shape, shape]


_sequence = Primitive("gradus_recurrence")
_sequence.multiple_results = True
_sequence.def_abstract_eval(_shapes)
define_kernel(_sequence, plain_sequence, jax.ffi.ffi_lowering("gradus_recurrence"))
_gradient = Primitive("gradus_recurrence_gradient")
_gradient.multiple_results = True
_gradient.def_abstract_eval(_gradient_shapes)
define_kernel(_gradient, plain_gradient, jax.ffi.ffi_lowering("gradus_recurrence_gradient"))
