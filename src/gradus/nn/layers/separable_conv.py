"""Separable convolutions: filters that see one channel each, and then mixtures of their outputs."""

from __future__ import annotations

import math
from typing import Any

from gradus.nn.arguments import check_sizes
from gradus.nn.layers.conv import WindowLayer
from gradus.nn.layers.window import check_axes, per_axis
from gradus.nn.ops.conv import Sizes


class BaseSeparableConv(WindowLayer):
    """The base of `SeparableConv1D` and `SeparableConv2D`."""

    build_only = ("depthwise_initializer", "pointwise_initializer", "bias_initializer")

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
    ) -> None:
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.dilation_rate = dilation_rate
        self.depth_multiplier = depth_multiplier
        self.activation = activation
        self.use_bias = use_bias
        self.depthwise_initializer = depthwise_initializer
        self.pointwise_initializer = pointwise_initializer
        self.bias_initializer = bias_initializer
        self.depthwise_regularizer = depthwise_regularizer
        self.pointwise_regularizer = pointwise_regularizer
        self.bias_regularizer = bias_regularizer
        self.depthwise_constraint = depthwise_constraint
        self.pointwise_constraint = pointwise_constraint
        self.bias_constraint = bias_constraint
        check_sizes(self, "filters", "depth_multiplier")
        self._check_arguments()

    def build(self, shape: Sizes) -> None:
        """Create `depthwise`, `pointwise`, and `bias`."""
        check_axes(self, shape, self.rank)
        sizes = per_axis(self, "kernel_size", self.rank)
        depthwise = (*sizes, shape[-1], self.depth_multiplier)
        pointwise = (*[1] * self.rank, math.prod(depthwise[-2:]), self.filters)
        self.depthwise = self.add_weight("depthwise", depthwise, self.depthwise_initializer)
        self.pointwise = self.add_weight("pointwise", pointwise, self.pointwise_initializer)
        if self.use_bias:
            self.bias = self.add_weight("bias", (self.filters,), self.bias_initializer)

    def apply_window(self, x: Any) -> Any:
        """Return the mixtures of the convolutions of each channel."""
        y = self._convolve_by_channel(x, self.depthwise)
        return y @ self.pointwise.reshape(self.pointwise.shape[-2:])


class SeparableConv1D(BaseSeparableConv):
    """Filters of one channel each that slide over a sequence, and mixtures of their outputs.

    `x` has shape `(batch, steps, channels)`, `depthwise` `(size, channels, multiplier)`,
    `pointwise` `(1, channels · multiplier, filters)`, the output `(batch, new steps, filters)`. In
    a sequence with a mask the steps that are not real count as zeros. Arguments and errors are
    those of `SeparableConv2D`, with one number in place of each pair.

    Examples:
        >>> x = jnp.zeros((2, 10, 3))
        >>> gr.init(gr.SeparableConv1D(8, 3), 0, x)(x).shape
        (2, 8, 8)
    """

    rank = 1

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return `activation(apply_window(x) + bias)`, with a mask of its steps if `x` has one."""
        outputs = super().call(x, mask)
        self._pass_mask_on(mask, outputs)
        return outputs


class SeparableConv2D(BaseSeparableConv):
    """Filters of one channel each that slide over an image, and mixtures of their outputs.

    `x` has shape `(batch, height, width, channels)`, `depthwise` `(h, w, channels, multiplier)`,
    `pointwise` `(1, 1, channels · multiplier, filters)`, `bias` `(filters,)`, the output `(batch,
    new height, new width, filters)`. It is a `DepthwiseConv2D` without bias, followed by a `Conv2D`
    with kernels of one pixel: nearly as good as a `Conv2D` with far fewer weights (Chollet 2017,
    "Xception").

    Args:
        filters: the number of outputs at each position.
        kernel_size: the height and width of the kernel, two numbers or one for both; likewise for
            `strides` and `dilation_rate`.
        strides: the distance from one position of the kernel to the next.
        padding: "valid" or "same", as in `Conv2D`.
        dilation_rate: the distance between the pixels under the kernel.
        depth_multiplier: how many filters each channel has.
        activation: a name, a function, a layer, or None for none.
        use_bias: whether a bias is added.
        depthwise_initializer: how the filters of the channels are drawn.
        pointwise_initializer: how the mixtures are drawn.
        bias_initializer: how the bias is drawn.
        depthwise_regularizer: a penalty on the filters of the channels.
        pointwise_regularizer: a penalty on the mixtures.
        bias_regularizer: a penalty on the bias.
        depthwise_constraint: a projection of the filters of the channels after each update.
        pointwise_constraint: a projection of the mixtures after each update.
        bias_constraint: a projection of the bias after each update.

    Raises:
        GradusError: as for `Conv2D`.
        ShapeError: as for `Conv2D`.

    Examples:
        >>> x = jnp.zeros((2, 8, 8, 3))
        >>> net = gr.init(gr.SeparableConv2D(16, 3), 0, x)
        >>> net.depthwise.shape, net.pointwise.shape, net(x).shape
        ((3, 3, 3, 1), (1, 1, 3, 16), (2, 6, 6, 16))
    """

    rank = 2
