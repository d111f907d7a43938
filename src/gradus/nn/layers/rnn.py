"""Recurrent layers: a state carried from step to step of a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.nn import initializers
from gradus.nn.layers.rnn_base import Recurrent
from gradus.nn.ops.rnn import gru_cell, lstm_cell, reset_before, scan_step, simple_cell


class SimpleRNN(Recurrent):
    """A recurrent layer of one kind of unit: `h_t = φ(x_t W + h_{t-1} U + b)`.

    `x` has shape `(batch, steps, d)`, the output `(batch, units)`, or `(batch, steps, units)`
    with `return_sequences`; `kernel` W has shape `(d, units)`, `recurrent_kernel` U
    `(units, units)`, `bias` b `(units,)` (Elman 1990, "Finding structure in time").

    Args:
        units: the number of outputs.
        activation: φ, a name or a function.
        use_bias: whether a bias is added.
        kernel_initializer: how W is drawn.
        recurrent_initializer: how U is drawn; an orthogonal matrix keeps a state's length.
        bias_initializer: how the bias is drawn.
        kernel_regularizer: a penalty on W.
        recurrent_regularizer: a penalty on U.
        bias_regularizer: a penalty on the bias.
        dropout: the share of the inputs set to zero in training, in [0, 1), the same features in
            all steps of a sequence; None for none; a swept setting.
        return_sequences: whether the outputs of all steps are returned rather than the last.
        go_backwards: whether the steps are taken from last to first, and outputs in that order.

    Raises:
        GradusError: for `units` that is no positive whole number, or an unknown activation.
        ShapeError: for inputs that are no sequences, of no steps, or of other features than the
            layer was built for, and for a mask that does not fit; the message names both shapes.
    """

    def outputs(self, x: Any, start: tuple[Any, ...], mask: Any) -> Any:
        """Return the last h, or all."""
        cell = simple_cell(self._function("activation"))
        return self._recur(cell, x, self.bias if self.use_bias else None, start, mask)


class LSTM(Recurrent):
    """Long short-term memory: a cell state that gates write to, keep and read.

    `[i, f, g, o] = x_t W + h_{t-1} U + b`; `c_t = σ(f) c_{t-1} + σ(i) φ(g)`;
    `h_t = σ(o) φ(c_t)`. Shapes are those of `SimpleRNN`, with kernels and bias four times as wide,
    the gates in that order (Hochreiter & Schmidhuber 1997, "Long short-term memory"; the forget
    gate: Gers, Schmidhuber & Cummins 2000, "Learning to forget").

    Args:
        units: the number of outputs.
        activation: φ, a name or a function.
        recurrent_activation: σ, the gates' activation.
        use_bias: whether a bias is added.
        kernel_initializer: how W is drawn.
        recurrent_initializer: how U is drawn.
        bias_initializer: how the bias is drawn.
        unit_forget_bias: whether the bias of the forget gate begins at 1, so that the cell
            remembers from the start (Jozefowicz, Zaremba & Sutskever 2015).
        kernel_regularizer: a penalty on W.
        recurrent_regularizer: a penalty on U.
        bias_regularizer: a penalty on the bias.
        dropout: the share of the inputs set to zero in training, in [0, 1), the same features in
            all steps of a sequence; None for none; a swept setting.
        return_sequences: whether the outputs of all steps are returned rather than the last.
        go_backwards: whether the steps are taken from last to first, and outputs in that order.

    Raises:
        GradusError: as `SimpleRNN`.
        ShapeError: as `SimpleRNN`.
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
        self.unit_forget_bias = unit_forget_bias

    def draw_bias(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw `bias`, that of the forget gate being 1 with `unit_forget_bias`."""
        bias = initializers.draw_weight(self.bias_initializer, generator, shape).copy()
        if self.unit_forget_bias:
            bias[self.units : 2 * self.units] = 1
        return bias

    def outputs(self, x: Any, start: tuple[Any, ...], mask: Any) -> Any:
        """Return the last h, or all."""
        cell = lstm_cell(self._function("activation"), self._function("recurrent_activation"))
        return self._recur(cell, x, self.bias if self.use_bias else None, start, mask)


class GRU(Recurrent):
    """Gated recurrent unit: an update gate mixes the state with a candidate, a reset gate forgets.

    With `[u, s, h'] = x_t W + b_0` and `[r_u, r_s, r_h] = h_{t-1} U + b_1`:
    `h_t = σ(u + r_u) h_{t-1} + (1 − σ(u + r_u)) φ(h' + σ(s + r_s) r_h)`. Shapes are those of
    `SimpleRNN`, with kernels three times as wide, the parts in that order, and `bias` of shape
    `(2, 3 · units)`. With `reset_after=False` the reset gate is applied to h before the product
    and `bias` has shape `(3 · units,)` (Cho et al. 2014, "Learning phrase representations using
    RNN encoder-decoder").

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
        return_sequences: whether the outputs of all steps are returned rather than the last.
        go_backwards: whether the steps are taken from last to first, and outputs in that order.
        reset_after: whether the reset gate follows the product, which is faster.

    Raises:
        GradusError: as `SimpleRNN`.
        ShapeError: as `SimpleRNN`.
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
        self.reset_after = reset_after

    def bias_shape(self, width: int) -> tuple[int, ...]:
        """Return `(2, width)`: a bias of the input and one of the state, or one alone."""
        return (2, width) if self.reset_after else (width,)

    def outputs(self, x: Any, start: tuple[Any, ...], mask: Any) -> Any:
        """Return the last h, or all."""
        functions = self._function("activation"), self._function("recurrent_activation")
        biases = (self.bias if self.reset_after else (self.bias, None)) if self.use_bias else None
        if biases is not None:
            x = x + biases[0]
        if not self.reset_after:
            step = reset_before(*functions, self.recurrent_kernel)
            return scan_step(step, x, start, mask, self.return_sequences)
        remembered = None if biases is None else biases[1]
        return self._recur(gru_cell(*functions), x, remembered, start, mask)
