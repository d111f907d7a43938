"""Fully connected layers."""

from __future__ import annotations

from typing import Any

from gradus.errors import ShapeError
from gradus.kernels.epilogues import affine
from gradus.nn import activations
from gradus.nn.arguments import check_flags, check_functions, check_sizes
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer


class Dense(Layer):
    """A fully connected layer: `activation(x @ kernel + bias)`.

    `x` has shape `(..., d)`, `kernel` `(d, units)`, `bias` `(units,)`, the output `(..., units)`.

    Args:
        units: the number of outputs.
        activation: a name, a function, a layer, or None for none.
        use_bias: whether a bias is added.
        kernel_initializer: how the kernel is drawn; Glorot and Bengio's uniform, as in Keras.
        bias_initializer: how the bias is drawn.
        kernel_regularizer: a penalty on the kernel, such as `L2(1e-4)`.
        bias_regularizer: a penalty on the bias.
        kernel_constraint: a projection of the kernel after each update, such as `MaxNorm(3)`.
        bias_constraint: a projection of the bias after each update.

    Raises:
        GradusError: if `units` is not a positive whole number, or the activation is unknown.
        ShapeError: if the last axis of an input is not the one the layer was built for.

    Examples:
        >>> net = gr.init(gr.Dense(3, "softmax"), 0, jnp.zeros((1, 4)))
        >>> net.kernel.shape, net(jnp.ones((2, 4))).shape
        ((4, 3), (2, 3))
    """

    build_only = ("kernel_initializer", "bias_initializer")

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
    ) -> None:
        self.units = units
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint
        check_sizes(self, "units")
        check_functions(self)
        check_flags(self)

    def build(self, shape: tuple[int, ...]) -> None:
        """Create `kernel` and `bias`."""
        if len(shape) < 2:
            raise ShapeError(
                f"{self._label()} takes rows of numbers, shape (batch, features), but was given "
                f"shape {shape}: for one feature write x[:, None]."
            )
        self.kernel = self.add_weight("kernel", (shape[-1], self.units), self.kernel_initializer)
        if self.use_bias:
            self.bias = self.add_weight("bias", (self.units,), self.bias_initializer)

    def call(self, x: Any) -> Any:
        """Return `activation(x @ kernel + bias)`."""
        if x.shape[-1] != self.kernel.shape[0]:
            raise ShapeError(
                f"{self._label()} was built for {self.kernel.shape[0]} inputs (kernel "
                f"{tuple(self.kernel.shape)}) but was given an input of shape {tuple(x.shape)}."
            )
        z = affine(as_float(x), self.kernel, self.bias if self.use_bias else None)
        return activations.get(self.activation)(z)


class Maxout(Layer):
    """The largest of `pieces` linear maps, per unit: `max_k (x @ kernel_k + bias_k)`.

    `kernel` has shape `(d, units · pieces)`, `bias` `(units · pieces,)`
    (Goodfellow et al. 2013, "Maxout networks").

    Args:
        units: the number of outputs.
        pieces: how many linear maps each output is the maximum of.
        kernel_initializer: how the kernel is drawn.
        bias_initializer: how the bias is drawn.
        kernel_regularizer: a penalty on the kernel.

    Examples:
        >>> x = jnp.zeros((2, 4))
        >>> net = gr.init(gr.Maxout(3, pieces=2), 0, x)
        >>> net.kernel.shape, net(x).shape
        ((4, 6), (2, 3))
    """

    build_only = ("kernel_initializer", "bias_initializer")

    def __init__(
        self,
        units: int,
        pieces: int = 2,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
    ) -> None:
        self.units = units
        self.pieces = pieces
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        check_sizes(self, "units", "pieces")
        check_functions(self)

    def build(self, shape: tuple[int, ...]) -> None:
        """Create `kernel` and `bias`."""
        width = self.units * self.pieces
        self.kernel = self.add_weight("kernel", (shape[-1], width), self.kernel_initializer)
        self.bias = self.add_weight("bias", (width,), self.bias_initializer)

    def call(self, x: Any) -> Any:
        """Return the maximum over the pieces of each unit."""
        z = as_float(x) @ self.kernel + self.bias
        return z.reshape(*z.shape[:-1], self.units, self.pieces).max(-1)  # (..., units)
