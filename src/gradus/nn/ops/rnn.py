"""Recurrence: a cell applied step after step, with a hand-written gradient.

A cell is an elementwise function `cell(x, r, state) -> state` of the projected input `x`, the
product `r` of the last output and the recurrent kernel, and the last state, whose first array is
the output. The inputs of all steps are projected at once beforehand. So each step has one matrix
product, forward and backward, and the gradient of the kernel is a single product over all steps,
where automatic differentiation of a loop would add up one product per step (Appleyard, Kočiský &
Blunsom 2016, "Optimizing performance of recurrent neural networks on GPUs").

All arrays have their steps first: `(steps, batch, width)`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from gradus.nn.activations import Activation
from gradus.nn.heads import record_heads

State = tuple[jax.Array, ...]
Cell = Callable[[jax.Array, jax.Array, State], State]


@functools.partial(jax.jit, static_argnames=("cell", "all_steps"))
def scan_cell(
    cell: Cell,
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None,
    start: State,
    mask: jax.Array | None,
    all_steps: bool,
) -> jax.Array:
    """Return the last output h, or those of all steps: the first array of each state.

    `state_t = cell(x_t, h_{t-1} @ kernel + bias, state_{t-1})`

    Args:
        cell: an elementwise function; the same object for the same formula.
        x: the projected inputs, `(steps, batch, width)`.
        kernel: `(units, width)`.
        bias: `(width,)`, or None.
        start: the state before the first step, arrays `(batch, units)`, the output first.
        mask: `(steps, batch)`, false for padding, which keeps the state; or None.
        all_steps: whether to return the outputs of all steps.

    Returns:
        `(steps, batch, units)` with `all_steps`, else `(batch, units)`.
    """
    config: Any = jax.config
    if config.jax_disable_jit:  # then no scan can return the VJPs of its steps
        return _scan_plainly(cell, all_steps, x, kernel, bias, start, mask)
    return _recurrence(cell, all_steps, x, kernel, bias, start, mask)


def scan_step(
    step: Callable[[jax.Array, State], State],
    x: jax.Array,
    start: State,
    mask: jax.Array | None,
    all_steps: bool,
) -> jax.Array:
    """Return what `scan_cell` does, for any step function `state_t = step(x_t, state_{t-1})`."""

    def scan_body(state: State, inputs: Any) -> Any:
        x, is_real = inputs
        with record_heads():  # its tracers must not outlive the step
            state = _keep_if_padded(step(x, state), state, is_real)
        return state, state[0] if all_steps else None

    last, h = lax.scan(scan_body, start, (x, mask))
    return h if all_steps else last[0]


def _scan_plainly(
    cell: Cell, all_steps: bool, x: Any, kernel: Any, bias: Any, start: State, mask: Any
) -> jax.Array:
    def step(x: jax.Array, state: State) -> State:
        return cell(x, _recurrent_input(state, kernel, bias), state)

    return scan_step(step, x, start, mask, all_steps)


_recurrence = jax.custom_vjp(_scan_plainly, nondiff_argnums=(0, 1))


def _forward(
    cell: Cell, all_steps: bool, x: Any, kernel: Any, bias: Any, start: State, mask: Any
) -> tuple[jax.Array, Any]:
    """Return the outputs, and the residuals of the backward pass.

    These are the outputs and the cell's VJP of each step, a pytree of a few arrays.
    """

    def scan_body(state: State, inputs: Any) -> Any:
        x, is_real = inputs

        def step(x: jax.Array, r: jax.Array, state: State) -> State:
            with record_heads():
                return _keep_if_padded(cell(x, r, state), state, is_real)

        state, vjp = jax.vjp(step, x, _recurrent_input(state, kernel, bias), state)
        return state, (state[0], vjp)

    _, (h, vjps) = lax.scan(scan_body, start, (x, mask))
    return h if all_steps else h[-1], (kernel, bias, start, h, vjps)


def _backward(cell: Cell, all_steps: bool, residuals: Any, dh: jax.Array) -> tuple[Any, ...]:
    """Return the gradients of x, the kernel, the bias, and the start (the mask has none)."""
    kernel, bias, start, h, vjps = residuals
    transposed = kernel.T

    def scan_body(dstate: State, inputs: Any) -> Any:
        vjp, dh = inputs
        if all_steps:
            dstate = (dstate[0] + dh, *dstate[1:])
        dx, dr, (dlast, *rest) = vjp(dstate)
        # A cell that adds x and r gives both the same gradient, which is then stored once.
        return (dlast + dr @ transposed, *rest), (None if dx is dr else dx, dr)

    zeros = jax.tree.map(jnp.zeros_like, start)
    dend = zeros if all_steps else (dh, *zeros[1:])
    steps = vjps, dh if all_steps else None  # without arrays where a cell is linear
    dstart, (dx, dr) = lax.scan(scan_body, dend, steps, length=len(h), reverse=True)
    dx = dr if dx is None else dx
    previous_h = jnp.concatenate([start[0][None], h[:-1]])
    units, width = kernel.shape
    dkernel = previous_h.reshape(-1, units).T @ dr.reshape(-1, width)
    dbias = None if bias is None else dr.sum((0, 1))
    return dx, dkernel, dbias, dstart, None


_recurrence.defvjp(_forward, _backward)


def _recurrent_input(state: State, kernel: jax.Array, bias: jax.Array | None) -> jax.Array:
    r = state[0] @ kernel
    return r if bias is None else r + bias


def _keep_if_padded(new: State, old: State, is_real: jax.Array | None) -> State:
    """Return the new state, or the old one for samples whose step is padding."""
    if is_real is None:
        return new
    return tuple(jnp.where(is_real[:, None], n, o) for n, o in zip(new, old, strict=True))


@functools.cache
def simple_cell(activation: Activation) -> Cell:
    """Return `h = activation(x + r)` (Elman 1990, "Finding structure in time")."""
    return lambda x, r, state: (activation(x + r),)


@functools.cache
def lstm_cell(activation: Activation, gate: Activation) -> Cell:
    """Return the cell with an input, a forget, and an output gate, and a candidate.

    `[i, f, g, o] = x + r` (Keras's order), `c = σ(f) c + σ(i) φ(g)`, `h = σ(o) φ(c)`, with σ the
    gates' activation and φ the other (Hochreiter & Schmidhuber 1997, "Long short-term memory";
    the forget gate: Gers, Schmidhuber & Cummins 2000, "Learning to forget").
    """

    def cell(x: jax.Array, r: jax.Array, state: State) -> State:
        z = x + r
        # Apply the gates' activation to all four parts, though one is unused: XLA vectorizes a
        # kernel on one wide array, but not one that slices it four times.
        i, f, _, o = jnp.split(gate(z), 4, axis=-1)
        g = jnp.split(z, 4, axis=-1)[2]
        c = f * state[1] + i * activation(g)
        return o * activation(c), c

    return cell


@functools.cache
def gru_cell(activation: Activation, gate: Activation) -> Cell:
    """Return the cell with an update gate and a reset gate that comes after the product.

    `u = σ(x_u + r_u)`, `s = σ(x_s + r_s)`, `h = u h + (1 − u) φ(x_h + s r_h)`, the variant of
    Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder", that needs one
    product per step.
    """

    def cell(x: jax.Array, r: jax.Array, state: State) -> State:
        update, reset, _ = jnp.split(gate(x + r), 3, axis=-1)
        x_candidate, r_candidate = (jnp.split(a, 3, axis=-1)[2] for a in (x, r))
        candidate = activation(x_candidate + reset * r_candidate)
        return (update * state[0] + (1 - update) * candidate,)

    return cell


def reset_before_step(
    activation: Activation, gate: Activation, kernel: jax.Array
) -> Callable[[jax.Array, State], State]:
    """Return a GRU's step as first published: the reset gate comes before the product.

    `h = u h + (1 − u) φ(x_h + (s h) @ kernel_h)`, with u and s as in `gru_cell`.
    """
    units = kernel.shape[0]
    gate_kernel, candidate_kernel = kernel[:, : 2 * units], kernel[:, 2 * units :]

    def step(x: jax.Array, state: State) -> State:
        (h,) = state
        update, reset = jnp.split(gate(x[:, : 2 * units] + h @ gate_kernel), 2, axis=-1)
        candidate = activation(x[:, 2 * units :] + (reset * h) @ candidate_kernel)
        return (update * h + (1 - update) * candidate,)

    return step
