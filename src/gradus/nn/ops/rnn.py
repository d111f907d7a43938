"""Recurrence itself: a cell applied step after step, with its gradient written by hand.

A cell is an elementwise function `cell(x, r, state) -> state` of what the step brings, `x`, of
the product of the last output and the recurrent kernel, `r`, and of the last state, whose first
array is the output. What it brings is projected for all steps at once beforehand. So only one
matrix product is left in each step; going backwards it is one too, and the gradient of the kernel
is a single product over all steps, where the gradient of a plain loop would add up a product for
each (Appleyard, Kočiský & Blunsom 2016, "Optimizing performance of recurrent neural networks on
GPUs").

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

State = tuple[jax.Array, ...]
Cell = Callable[[jax.Array, jax.Array, State], State]


@functools.partial(jax.jit, static_argnames=("cell", "every"))
def scan_cell(
    cell: Cell,
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None,
    start: State,
    mask: jax.Array | None,
    every: bool,
) -> jax.Array:
    """Return the last output h, or those of all steps: the first array of each state.

    `state_t = cell(x_t, h_{t-1} @ kernel + bias, state_{t-1})`

    Args:
        cell: an elementwise function, the same object for the same mathematics.
        x: what each step brings, `(steps, batch, width)`.
        kernel: `(units, width)`.
        bias: `(width,)`, or None.
        start: the state before the first step, arrays `(batch, units)`, the output first.
        mask: `(steps, batch)`, false where a step only fills and the state stays; or None.
        every: whether the outputs of all steps are returned.

    Returns:
        `(steps, batch, units)` with `every`, else `(batch, units)`.
    """
    return _recurrence(cell, every, x, kernel, bias, start, mask)


def scan_step(
    step: Callable[[jax.Array, State], State],
    x: jax.Array,
    start: State,
    mask: jax.Array | None,
    every: bool,
) -> jax.Array:
    """Return what `scan_cell` does for `state_t = step(x_t, state_{t-1})`, a step of any kind."""

    def move(state: State, now: Any) -> Any:
        x, keep = now
        state = _held(step(x, state), state, keep)
        return state, state[0] if every else None

    last, h = lax.scan(move, start, (x, mask))
    return h if every else last[0]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _recurrence(
    cell: Cell, every: bool, x: Any, kernel: Any, bias: Any, start: State, mask: Any
) -> jax.Array:
    def step(x: jax.Array, state: State) -> State:
        return cell(x, _product(state, kernel, bias), state)

    return scan_step(step, x, start, mask, every)


def _forward(
    cell: Cell, every: bool, x: Any, kernel: Any, bias: Any, start: State, mask: Any
) -> tuple[jax.Array, Any]:
    """Return the outputs, and what going backwards needs: them, and the cell's gradient by step.

    That gradient, a function, is a pytree of the few arrays that it holds.
    """

    def move(state: State, now: Any) -> Any:
        x, keep = now

        def moved(x: jax.Array, r: jax.Array, state: State) -> State:
            return _held(cell(x, r, state), state, keep)

        state, pull = jax.vjp(moved, x, _product(state, kernel, bias), state)
        return state, (state[0], pull)

    _, (h, pulls) = lax.scan(move, start, (x, mask))
    return h if every else h[-1], (kernel, bias, start, h, pulls)


def _backward(cell: Cell, every: bool, kept: Any, dh: jax.Array) -> tuple[Any, ...]:
    """Return the gradients of x, the kernel, the bias and the start (the mask has none)."""
    kernel, bias, start, h, pulls = kept
    turned = kernel.T

    def move(dstate: State, now: Any) -> Any:
        pull, dh = now
        if every:
            dstate = (dstate[0] + dh, *dstate[1:])
        dx, dr, (dlast, *rest) = pull(dstate)
        # A cell that adds x and r gives both one gradient, which is then written down once.
        return (dlast + dr @ turned, *rest), (None if dx is dr else dx, dr)

    nothing = jax.tree.map(jnp.zeros_like, start)
    after = nothing if every else (dh, *nothing[1:])
    dstart, (dx, dr) = lax.scan(move, after, (pulls, dh if every else None), reverse=True)
    dx = dr if dx is None else dx
    before = jnp.concatenate([start[0][None], h[:-1]])
    units, width = kernel.shape
    dkernel = before.reshape(-1, units).T @ dr.reshape(-1, width)
    dbias = None if bias is None else dr.sum((0, 1))
    return dx, dkernel, dbias, dstart, None


_recurrence.defvjp(_forward, _backward)


def _product(state: State, kernel: jax.Array, bias: jax.Array | None) -> jax.Array:
    r = state[0] @ kernel
    return r if bias is None else r + bias


def _held(new: State, old: State, keep: jax.Array | None) -> State:
    """Return the new state, but the old one for samples whose step only fills."""
    if keep is None:
        return new
    return tuple(jnp.where(keep[:, None], n, o) for n, o in zip(new, old, strict=True))


@functools.cache
def simple_cell(activation: Activation) -> Cell:
    """Return `h = activation(x + r)` (Elman 1990, "Finding structure in time")."""
    return lambda x, r, state: (activation(x + r),)


@functools.cache
def lstm_cell(activation: Activation, gate: Activation) -> Cell:
    """Return the cell with an input, a forget and an output gate and a candidate.

    `[i, f, g, o] = x + r` (Keras's order), `c = σ(f) c + σ(i) φ(g)`, `h = σ(o) φ(c)`, with σ the
    gates' activation and φ the other (Hochreiter & Schmidhuber 1997, "Long short-term memory";
    the forget gate: Gers, Schmidhuber & Cummins 2000, "Learning to forget").
    """

    def cell(x: jax.Array, r: jax.Array, state: State) -> State:
        z = x + r
        # The gates' activation of all four parts at once, though one goes unused: a kernel for
        # one wide array is vectorized by XLA, one that slices it four times is not.
        i, f, _, o = jnp.split(gate(z), 4, axis=-1)
        g = jnp.split(z, 4, axis=-1)[2]
        c = f * state[1] + i * activation(g)
        return o * activation(c), c

    return cell


@functools.cache
def gru_cell(activation: Activation, gate: Activation) -> Cell:
    """Return the cell with an update and a reset gate, which is applied after the product.

    `u = σ(x_u + r_u)`, `s = σ(x_s + r_s)`, `h = u h + (1 − u) φ(x_h + s r_h)`, the variant of
    Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder", that needs one
    product a step.
    """

    def cell(x: jax.Array, r: jax.Array, state: State) -> State:
        update, reset, _ = jnp.split(gate(x + r), 3, axis=-1)
        brought, remembered = (jnp.split(a, 3, axis=-1)[2] for a in (x, r))
        new = activation(brought + reset * remembered)
        return (update * state[0] + (1 - update) * new,)

    return cell


def reset_before(
    activation: Activation, gate: Activation, kernel: jax.Array
) -> Callable[[jax.Array, State], State]:
    """Return a GRU's step as first published: the reset gate is applied before the product.

    `h = u h + (1 − u) φ(x_h + (s h) @ kernel_h)`, with u and s as in `gru_cell`.
    """
    units = kernel.shape[0]
    gates, candidate = kernel[:, : 2 * units], kernel[:, 2 * units :]

    def step(x: jax.Array, state: State) -> State:
        (h,) = state
        update, reset = jnp.split(gate(x[:, : 2 * units] + h @ gates), 2, axis=-1)
        new = activation(x[:, 2 * units :] + (reset * h) @ candidate)
        return (update * h + (1 - update) * new,)

    return step
