"""What all recurrent layers share: a sequence is gone through step by step."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gradus.checks import check_fraction, whole_number
from gradus.errors import GradusError, ShapeError
from gradus.nn import activations, initializers, mask_tracking
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.nn.ops.rnn import Cell, scan_cell


class Recurrent(Layer, abc.ABC):
    """What `SimpleRNN`, `LSTM` and `GRU` share: `(batch, steps, features)` in, states out.

    `kernel` has shape `(features, gates · units)`, `recurrent_kernel` `(units, gates · units)`,
    the gates side by side in Keras's order. A step whose mask is false leaves the state as it is,
    and its output is the one before.

    Attributes:
        gates: how many parts, each `units` wide, the weights have.
        states: how many arrays make the state, the output first; all are zero at the start.
    """

    hypers = ("dropout",)
    build_only = ("kernel_initializer", "recurrent_initializer", "bias_initializer")
    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        dropout: float | None = None,
        return_sequences: bool = False,
        go_backwards: bool = False,
    ) -> None:
        check_fraction("dropout", dropout, type(self).__name__)
        self.units = units
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.recurrent_initializer = recurrent_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.recurrent_regularizer = recurrent_regularizer
        self.bias_regularizer = bias_regularizer
        self.dropout = dropout
        self.return_sequences = return_sequences
        self.go_backwards = go_backwards

    def build(self, shape: tuple[int, ...]) -> None:
        """Make the weights."""
        self._check(shape)
        units = whole_number("units", self.units, 1, type(self).__name__)
        width = self.gates * units
        self.kernel = self.add_weight("kernel", (shape[-1], width), self.kernel_initializer)
        self.recurrent_kernel = self.add_weight(
            "recurrent_kernel", (units, width), self.recurrent_initializer
        )
        # Penalties are found by the weight's name; the argument's is Keras's.
        self.recurrent_kernel_regularizer = self.recurrent_regularizer
        if self.use_bias:
            self.bias = self.add_weight("bias", self.bias_shape(width), self.draw_bias)
        for name in ("activation", "recurrent_activation"):
            self._function(name)

    def bias_shape(self, width: int) -> tuple[int, ...]:
        """Return the shape of `bias`, given that of the kernels' last axis."""
        return (width,)

    def draw_bias(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw `bias`."""
        return initializers.draw_weight(self.bias_initializer, generator, shape)

    def call(self, x: Any, training: bool, mask: Any = None) -> Any:
        """Return the last output, `(batch, units)`, or all, `(batch, steps, units)`."""
        self._check(x.shape)
        mask = self._steps(x, mask)
        x = as_float(x)
        if training and self.dropout is not None:
            x = self._drop(x, self.dropout)
        if self.go_backwards:
            x, mask = jnp.flip(x, 1), None if mask is None else jnp.flip(mask, 1)
        first = None if mask is None else mask.swapaxes(0, 1)
        start = (jnp.zeros((x.shape[0], self.units), x.dtype),) * self.states
        h = self.outputs(x.swapaxes(0, 1) @ self.kernel, start, first)
        if not self.return_sequences:
            return h
        h = h.swapaxes(0, 1)
        if mask is not None:
            mask_tracking.set_mask(h, mask)
        return h

    @abc.abstractmethod
    def outputs(self, x: Any, start: tuple[Any, ...], mask: Any) -> Any:
        """Return the last output, `(batch, units)`, or all, `(steps, batch, units)`.

        Args:
            x: the inputs times `kernel`, `(steps, batch, gates · units)`.
            start: the state before the first step, arrays `(batch, units)`.
            mask: `(steps, batch)`, or None.
        """

    def _recur(self, cell: Cell, x: Any, bias: Any, start: Any, mask: Any) -> Any:
        every = bool(self.return_sequences)
        return scan_cell(cell, x, self.recurrent_kernel, bias, start, mask, every)

    def _function(self, name: str) -> Any:
        given = self.__dict__.get(name)
        if isinstance(given, Layer):
            raise GradusError(
                f"{self._where()} cannot have the layer {given!r} as {name}: write a name or a "
                "function."
            )
        return activations.get(given)

    def _drop(self, x: Any, rate: Any) -> Any:
        """Apply dropout to the inputs, the same features for all steps of a sequence."""
        shape = (x.shape[0], 1, x.shape[2])
        keep = jax.random.uniform(self.random(), shape, jnp.float32) >= rate
        return jnp.where(keep, x / (1.0 - rate), 0.0)

    def _check(self, shape: tuple[int, ...]) -> None:
        said = f"{self._where()} takes sequences, shape (batch, steps, features), but was given "
        said += f"shape {tuple(shape)}: "
        if len(shape) == 2:
            raise ShapeError(
                said + "for one feature a step write x[..., None]; put an Embedding before it if "
                "x holds codes; for one sequence write x[None]."
            )
        if len(shape) != 3:
            raise ShapeError(said + "put a Reshape or a Flatten of each step before it.")
        if shape[1] == 0:
            raise ShapeError(said + "a sequence needs at least one step.")
        if self.built and shape[-1] != self.kernel.shape[0]:
            raise ShapeError(
                f"{self._where()} was built for {self.kernel.shape[0]} features a step (kernel "
                f"{tuple(self.kernel.shape)}) but was given an input of shape {tuple(shape)}."
            )

    def _steps(self, x: Any, mask: Any) -> Any:
        if mask is None:
            return None
        if tuple(mask.shape) != tuple(x.shape[:2]):
            raise ShapeError(
                f"{self._where()} was given a mask of shape {tuple(mask.shape)} for an input of "
                f"shape {tuple(x.shape)}: a mask has shape (batch, steps), {tuple(x.shape[:2])}."
            )
        return jnp.asarray(mask, bool)
