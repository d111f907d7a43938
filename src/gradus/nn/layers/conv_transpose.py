"""Transposed convolutional layers, which enlarge sequences and images."""

from __future__ import annotations

from typing import Any

from gradus.nn.arguments import check_sizes
from gradus.nn.layers.conv import WindowLayer
from gradus.nn.layers.window import check_axes, per_axis
from gradus.nn.ops.conv import Sizes
from gradus.nn.ops.conv_transpose import convolve_transposed


class BaseConvTranspose(WindowLayer):
    """The base of the transposed convolutional layers."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
    ) -> None:
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.dilation_rate = dilation_rate
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint
        check_sizes(self, "filters")
        self._check_arguments()

    def build(self, shape: Sizes) -> None:
        """Create `kernel` and `bias`."""
        check_axes(self, shape, self.rank)
        sizes = per_axis(self, "kernel_size", self.rank)
        self._add_weights((*sizes, self.filters, shape[-1]), self.filters)

    def apply_window(self, x: Any) -> Any:
        """Return the transposed convolution of `x` with the kernel."""
        self._check_channels(x, self.kernel.shape[-1], self.kernel)
        strides, dilation = self._strides_and_dilation()
        return convolve_transposed(x, self.kernel, strides, self.padding, dilation)


class Conv1DTranspose(BaseConvTranspose):
    """The transpose of `Conv1D`: the kernel spreads each step over several.

    `x` has shape `(batch, steps, channels)`, `kernel` `(size, filters, channels)`, `bias`
    `(filters,)`, the output `(batch, new steps, filters)`. Arguments and errors are those of
    `Conv2DTranspose`, with one number in place of each pair.

    Examples:
        >>> x = jnp.zeros((2, 5, 8))
        >>> gr.init(gr.Conv1DTranspose(4, 3, strides=2, padding="same"), 0, x)(x).shape
        (2, 10, 4)
    """

    rank = 1


class Conv2DTranspose(BaseConvTranspose):
    """The transpose of `Conv2D`: the kernel spreads each pixel over several.

    `x` has shape `(batch, height, width, channels)`, `kernel` `(h, w, filters, channels)`, `bias`
    `(filters,)`, the output `(batch, new height, new width, filters)`. The strides enlarge the
    image, as in a decoder or generator (Dumoulin & Visin 2016, "A guide to convolution arithmetic
    for deep learning").

    Args:
        filters: the number of outputs at each position.
        kernel_size: the height and width of the kernel, two numbers or one for both; likewise for
            `strides` and `dilation_rate`.
        strides: the distance from one position of the kernel in the output to the next.
        padding: the output size is `size · stride` for "same", and
            `(size − 1) · stride + max(kernel, stride)` for "valid".
        dilation_rate: the distance between the pixels under the kernel.
        activation: a name, a function, a layer, or None for none.
        use_bias: whether a bias is added.
        kernel_initializer: how the kernel is drawn; Glorot and Bengio's uniform, as in Keras.
        bias_initializer: how the bias is drawn.
        kernel_regularizer: a penalty on the kernel.
        bias_regularizer: a penalty on the bias.
        kernel_constraint: a projection of the kernel after each update.
        bias_constraint: a projection of the bias after each update.

    Raises:
        GradusError: for sizes that are not positive whole numbers, an unknown padding or
            activation, or strides and dilation both larger than 1.
        ShapeError: for an input whose axes or channels are not those the layer was built for.

    Examples:
        >>> x = jnp.zeros((2, 7, 7, 8))
        >>> gr.init(gr.Conv2DTranspose(4, 3, strides=2, padding="same"), 0, x)(x).shape
        (2, 14, 14, 4)
    """

    rank = 2
