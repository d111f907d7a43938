"""A multi-layer perceptron in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradus.checks import as_items, flag
from gradus.errors import GradusError
from gradus.foreign_names.arguments import explain_arguments
from gradus.nn.layer import Layer
from gradus.nn.layers.activation import Activation
from gradus.nn.layers.containers import Sequential
from gradus.nn.layers.dense import Dense
from gradus.nn.layers.dropout import Dropout
from gradus.nn.layers.normalization import BatchNormalization


@explain_arguments
def mlp(
    widths: Sequence[int],
    activation: Any = "relu",
    output_activation: Any = None,
    dropout: Any = 0.0,
    batch_norm: bool = False,
    kernel_initializer: Any = "glorot_uniform",
    kernel_regularizer: Any = None,
) -> Sequential:
    """Return a network of fully connected layers: `mlp([128, 64, 10])`.

    Args:
        widths: the units of each layer; the last are the outputs.
        activation: of all layers but the last.
        output_activation: of the last; None for logits or unbounded values.
        dropout: the share dropped after each hidden layer; none at 0.
        batch_norm: whether each hidden layer is normalized before its activation.
        kernel_initializer: how the kernels are drawn.
        kernel_regularizer: a penalty on the kernels.

    Raises:
        GradusError: if `widths` is empty or not a list.

    Examples:
        >>> net = gr.init(gr.mlp([8, 3], output_activation="softmax"), 0, np.ones((5, 4)))
        >>> net(np.ones((5, 4))).shape
        (5, 3)
    """
    units = None if isinstance(widths, str | bytes | dict | set) else as_items(widths)
    if not units:
        raise GradusError(f"mlp({widths!r}): write a list of widths, such as mlp([128, 64, 10]).")
    common = {"kernel_initializer": kernel_initializer, "kernel_regularizer": kernel_regularizer}
    layers: list[Layer] = []
    batch_norm = flag("batch_norm", batch_norm, "mlp")
    for width in units[:-1]:
        if batch_norm:
            layers += [
                Dense(width, use_bias=False, **common),
                BatchNormalization(),
                Activation(activation),
            ]
        else:
            layers.append(Dense(width, activation, **common))
        if not isinstance(dropout, int | float) or dropout > 0:
            layers.append(Dropout(dropout))
    return Sequential([*layers, Dense(units[-1], output_activation, **common)])
