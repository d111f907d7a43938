"""Recurrent layers: a state carried from step to step of a sequence."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gradus.errors import GradusError, ShapeError
from gradus.kernels.matmul import matmul
from gradus.kernels.recurrence import recur, takes_sequences
from gradus.nn import activations, initializers, mask_tracking
from gradus.nn.arguments import check_flags, check_functions, check_numbers, check_sizes
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.nn.ops.rnn import (
    Cell,
    gru_cell,
    lstm_cell,
    reset_before_step,
    scan_cell,
    scan_step,
    simple_cell,
)
from gradus.space import given_values

USUAL = (activations.get("tanh"), activations.get("sigmoid"))  # which the native kernels have


class Recurrent(Layer, abc.ABC):
    """The base of `SimpleRNN`, `LSTM`, and `GRU`: `(batch, steps, features)` in, states out.

    `kernel` has shape `(features, gates · units)`, `recurrent_kernel` `(units, gates · units)`,
    the gates concatenated in Keras's order. A step whose mask is false keeps the state and repeats
    the previous output.

    Attributes:
        gates: how many gates, each `units` wide, the weights have.
        states: how many arrays form the state, the output first; all are zero at the start.
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
        check_sizes(self, "units")
        check_numbers(self, "dropout", low=0, high=1, below=True)
        self._check_functions()

    def build(self, shape: tuple[int, ...]) -> None:
        """Create the weights."""
        self._check(shape)
        width = self.gates * self.units
        self.kernel = self.add_weight("kernel", (shape[-1], width), self.kernel_initializer)
        self.recurrent_kernel = self.add_weight(
            "recurrent_kernel", (self.units, width), self.recurrent_initializer
        )
        # Training looks up penalties by the weight's name; the argument has Keras's name.
        self.recurrent_kernel_regularizer = self.recurrent_regularizer
        if self.use_bias:
            self.bias = self.add_weight("bias", self.bias_shape(width), self.draw_bias)

    def bias_shape(self, width: int) -> tuple[int, ...]:
        """Return the shape of `bias`, given the size of the kernels' last axis."""
        return (width,)

    def draw_bias(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw `bias`."""
        return initializers.draw_weight(self.bias_initializer, generator, shape)

    def call(self, x: Any, training: bool, mask: Any = None) -> Any:
        """Return the last output, `(batch, units)`, or all, `(batch, steps, units)`."""
        self._check(x.shape)
        mask = self._check_mask(x, mask)
        x = as_float(x)
        if training and self.dropout is not None:
            x = self._drop(x, self.dropout)
        if self.go_backwards:
            x, mask = jnp.flip(x, 1), None if mask is None else jnp.flip(mask, 1)
        time_major_mask = None if mask is None else mask.swapaxes(0, 1)
        start = (jnp.zeros((x.shape[0], self.units), x.dtype),) * self.states
        h = self.outputs(matmul(x.swapaxes(0, 1), self.kernel), start, time_major_mask)
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

    def _scan(
        self, cell: Cell, x: Any, bias: Any, start: Any, mask: Any, native: str | None = None
    ) -> Any:
        """Return what `scan_cell` does, by the native kernel of that name where it can be used.

        That begins with a state of zeros, as `start` is.
        """
        kernel, all_steps = self.recurrent_kernel, bool(self.return_sequences)
        if native is not None and takes_sequences(x, kernel):
            return recur(native, x, kernel, bias, mask, all_steps)
        return scan_cell(cell, x, kernel, bias, start, mask, all_steps)

    def _activation(self, name: str) -> Any:
        return activations.get(getattr(self, name))

    def _check_functions(self) -> None:
        """Check activations, which cannot be layers, initializers, and penalties."""
        check_functions(self)
        check_flags(self)
        for name in ("activation", "recurrent_activation"):
            for value in given_values(self.__dict__.get(name)):
                if isinstance(value, Layer):
                    raise GradusError(
                        f"{type(self).__name__} cannot have the layer {value!r} as {name}: write a "
                        "name or a function."
                    )

    def _drop(self, x: Any, rate: Any) -> Any:
        """Apply dropout to the inputs, to the same features in all steps of a sequence."""
        shape = (x.shape[0], 1, x.shape[2])
        keep = jax.random.uniform(self.random(), shape, jnp.float32) >= rate
        return jnp.where(keep, x / (1.0 - rate), 0.0)

    def _check(self, shape: tuple[int, ...]) -> None:
        problem = f"{self._label()} takes sequences, shape (batch, steps, features), but was given "
        problem += f"shape {tuple(shape)}: "
        if len(shape) == 2:
            raise ShapeError(
                problem + "for one feature per step write x[..., None]; put an Embedding before it "
                "if x holds codes; for one sequence write x[None]. A recurrent layer before it "
                "needs return_sequences=True."
            )
        if len(shape) != 3:
            raise ShapeError(problem + "put a Reshape before it that flattens each step.")
        if shape[1] == 0:
            raise ShapeError(problem + "a sequence needs at least one step.")
        if self.built and shape[-1] != self.kernel.shape[0]:
            raise ShapeError(
                f"{self._label()} was built for {self.kernel.shape[0]} features per step (kernel "
                f"{tuple(self.kernel.shape)}) but was given an input of shape {tuple(shape)}."
            )

    def _check_mask(self, x: Any, mask: Any) -> Any:
        if mask is None:
            return None
        if tuple(mask.shape) != tuple(x.shape[:2]):
            raise ShapeError(
                f"{self._label()} was given a mask of shape {tuple(mask.shape)} for an input of "
                f"shape {tuple(x.shape)}: a mask has shape (batch, steps), {tuple(x.shape[:2])}."
            )
        return jnp.asarray(mask, bool)


class SimpleRNN(Recurrent):
    """A simple recurrent layer: `h_t = φ(x_t W + h_{t-1} U + b)`.

    `x` has shape `(batch, steps, d)`, the output `(batch, units)`, or `(batch, steps, units)`
    with `return_sequences`; `kernel` W has shape `(d, units)`, `recurrent_kernel` U
    `(units, units)`, `bias` b `(units,)` (Elman 1990, "Finding structure in time").

    Args:
        units: the number of outputs.
        activation: φ, a name or a function.
        use_bias: whether a bias is added.
        kernel_initializer: how W is drawn.
        recurrent_initializer: how U is drawn; an orthogonal matrix preserves a state's norm.
        bias_initializer: how the bias is drawn.
        kernel_regularizer: a penalty on W.
        recurrent_regularizer: a penalty on U.
        bias_regularizer: a penalty on the bias.
        dropout: the share of the inputs set to zero in training, in [0, 1), the same features in
            all steps of a sequence; None for none; a swept setting.
        return_sequences: whether to return the outputs of all steps rather than the last.
        go_backwards: whether to read, and return, the steps from last to first.

    Raises:
        GradusError: if `units` is not a positive whole number, or the activation is unknown.
        ShapeError: for inputs that are not sequences, have no steps, or other features than the
            layer was built for, and for a mask that does not fit; the message names both shapes.

    Examples:
        >>> x = jnp.zeros((2, 5, 3))
        >>> gr.init(gr.SimpleRNN(4), 0, x)(x).shape
        (2, 4)
    """

    def outputs(self, x: Any, start: tuple[Any, ...], mask: Any) -> Any:
        """Return h of the last step, or of all."""
        cell = simple_cell(self._activation("activation"))
        return self._scan(cell, x, self.bias if self.use_bias else None, start, mask)


class LSTM(Recurrent):
    """Long short-term memory: a cell state with gates to write, keep, and read it.

    `[i, f, g, o] = x_t W + h_{t-1} U + b`; `c_t = σ(f) c_{t-1} + σ(i) φ(g)`;
    `h_t = σ(o) φ(c_t)`. Shapes are those of `SimpleRNN`, but kernels and bias are four times as
    wide, with the gates in that order (Hochreiter & Schmidhuber 1997, "Long short-term memory"; the
    forget gate: Gers, Schmidhuber & Cummins 2000, "Learning to forget").

    Args:
        units: the number of outputs.
        activation: φ, a name or a function.
        recurrent_activation: σ, the gates' activation.
        use_bias: whether a bias is added.
        kernel_initializer: how W is drawn.
        recurrent_initializer: how U is drawn.
        bias_initializer: how the bias is drawn.
        unit_forget_bias: whether the bias of the forget gate starts at 1, so the cell remembers
            from the beginning (Jozefowicz, Zaremba & Sutskever 2015).
        kernel_regularizer: a penalty on W.
        recurrent_regularizer: a penalty on U.
        bias_regularizer: a penalty on the bias.
        dropout: the share of the inputs set to zero in training, in [0, 1), the same features in
            all steps of a sequence; None for none; a swept setting.
        return_sequences: whether to return the outputs of all steps rather than the last.
        go_backwards: whether to read, and return, the steps from last to first.

    Raises:
        GradusError: as for `SimpleRNN`.
        ShapeError: as for `SimpleRNN`.

    Examples:
        >>> x = jnp.zeros((2, 5, 3))
        >>> gr.init(gr.LSTM(4, return_sequences=True), 0, x)(x).shape
        (2, 5, 4)
    """

    gates = 4
    states = 2

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        dropout: float | None = None,
        return_sequences: bool = False,
        go_backwards: bool = False,
    ) -> None:
        super().__init__(
            units, activation, use_bias,
            kernel_initializer, recurrent_initializer, bias_initializer,
            kernel_regularizer, recurrent_regularizer, bias_regularizer,
            dropout, return_sequences, go_backwards,
        )  # fmt: skip
        self.recurrent_activation = recurrent_activation
        self._check_functions()
        self.unit_forget_bias = unit_forget_bias

    def draw_bias(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw `bias`; with `unit_forget_bias` that of the forget gate is 1."""
        bias = initializers.draw_weight(self.bias_initializer, generator, shape).copy()
        if self.unit_forget_bias:
            bias[self.units : 2 * self.units] = 1
        return bias

    def outputs(self, x: Any, start: tuple[Any, ...], mask: Any) -> Any:
        """Return h of the last step, or of all."""
        functions = self._activation("activation"), self._activation("recurrent_activation")
        bias = self.bias if self.use_bias else None
        native = "lstm" if functions == USUAL else None
        return self._scan(lstm_cell(*functions), x, bias, start, mask, native)


class GRU(Recurrent):
    """Gated recurrent unit: an update gate mixes state and candidate, a reset gate forgets.

    With `[u, s, h'] = x_t W + b_0` and `[r_u, r_s, r_h] = h_{t-1} U + b_1`:
    `h_t = σ(u + r_u) h_{t-1} + (1 − σ(u + r_u)) φ(h' + σ(s + r_s) r_h)`. Shapes are those of
    `SimpleRNN`, but kernels are three times as wide, with the parts in that order, and `bias` has
    shape `(2, 3 · units)`. With `reset_after=False` the reset gate multiplies h before the product,
    and `bias` has shape `(3 · units,)` (Cho et al. 2014, "Learning phrase representations using RNN
    encoder-decoder").

    Args:
        units: the number of outputs.
        activation: φ, a name or a function.
        recurrent_activation: σ, the gates' activation.
        use_bias: whether biases are added.
        kernel_initializer: how W is drawn.
        recurrent_initializer: how U is drawn.
        bias_initializer: how the biases are drawn.
        kernel_regularizer: a penalty on W.
        recurrent_regularizer: a penalty on U.
        bias_regularizer: a penalty on the biases.
        dropout: the share of the inputs set to zero in training, in [0, 1), the same features in
            all steps of a sequence; None for none; a swept setting.
        return_sequences: whether to return the outputs of all steps rather than the last.
        go_backwards: whether to read, and return, the steps from last to first.
        reset_after: whether the reset gate comes after the product, which is faster.

    Raises:
        GradusError: as for `SimpleRNN`.
        ShapeError: as for `SimpleRNN`.

    Examples:
        >>> x = jnp.zeros((2, 5, 3))
        >>> net = gr.init(gr.GRU(4), 0, x)
        >>> net.kernel.shape, net(x).shape
        ((3, 12), (2, 4))
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        reset_after: bool = True,
    ) -> None:
        super().__init__(
            units, activation, use_bias,
            kernel_initializer, recurrent_initializer, bias_initializer,
            kernel_regularizer, recurrent_regularizer, bias_regularizer,
            dropout, return_sequences, go_backwards,
        )  # fmt: skip
        self.recurrent_activation = recurrent_activation
        self._check_functions()
        self.reset_after = reset_after

    def bias_shape(self, width: int) -> tuple[int, ...]:
        """Return `(2, width)`, for a bias of the input and one of the state, or `(width,)`."""
        return (2, width) if self.reset_after else (width,)

    def outputs(self, x: Any, start: tuple[Any, ...], mask: Any) -> Any:
        """Return h of the last step, or of all."""
        functions = self._activation("activation"), self._activation("recurrent_activation")
        biases = (self.bias if self.reset_after else (self.bias, None)) if self.use_bias else None
        if biases is not None:
            x = x + biases[0]
        if not self.reset_after:
            step = reset_before_step(*functions, self.recurrent_kernel)
            return scan_step(step, x, start, mask, self.return_sequences)
        state_bias = None if biases is None else biases[1]
        native = "gru" if functions == USUAL else None
        return self._scan(gru_cell(*functions), x, state_bias, start, mask, native)
