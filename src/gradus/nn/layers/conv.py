"""Convolutional layers: kernels that slide over sequences and images, channels last."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp

from gradus.errors import GradusError, ShapeError
from gradus.nn import activations, mask_tracking
from gradus.nn.arguments import (
    check_choice,
    check_flags,
    check_functions,
    check_sizes,
    has_space,
)
from gradus.nn.casting import as_float
from gradus.nn.layer import Layer
from gradus.nn.layers.window import (
    check_axes,
    check_fits,
    check_per_axis,
    mask_of_windows,
    per_axis,
)
from gradus.nn.ops.conv import Sizes, convolve, padding_sizes

# By the number of spatial axes.
PADDINGS = {1: ("valid", "same", "causal"), 2: ("valid", "same"), 3: ("valid", "same")}


class WindowLayer(Layer):
    """The base of layers with a sliding kernel.

    Attributes:
        rank: the number of spatial axes, 1 to 3, set by subclasses.
    """

    build_only: ClassVar[tuple[str, ...]] = ("kernel_initializer", "bias_initializer")
    rank: ClassVar[int]
    kernel_size: Any
    strides: Any
    padding: str
    dilation_rate: Any
    activation: Any
    use_bias: bool
    kernel_initializer: Any
    bias_initializer: Any

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return `activation(apply_window(x) + bias)`; steps that pad a sequence are zeros."""
        check_axes(self, x.shape, self.rank)
        x = as_float(x)
        if mask is not None:
            x = jnp.where(mask.reshape(*mask.shape, *[1] * (x.ndim - 2)), x, 0.0)
        z = self.apply_window(x)
        if self.use_bias:
            z = z + self.bias
        return activations.get(self.activation)(z)

    def apply_window(self, x: Any) -> Any:
        """Apply the kernel to `x`; subclasses override it."""
        raise GradusError(f"{type(self).__name__} has no apply_window(self, x): write one.")

    def _check_arguments(self, paddings: tuple[str, ...] = ("valid", "same")) -> None:
        """Check what all layers with a sliding kernel take."""
        check_per_axis(self, "kernel_size", self.rank)
        check_per_axis(self, "strides", self.rank)
        check_per_axis(self, "dilation_rate", self.rank)
        check_choice(self, "padding", paddings)
        check_functions(self)
        check_flags(self)
        if not has_space(self.strides, self.dilation_rate):
            self._strides_and_dilation()

    def _add_weights(self, kernel: Sizes, outputs: int) -> None:
        """Create `kernel` and `bias`."""
        self.kernel = self.add_weight("kernel", kernel, self.kernel_initializer)
        if self.use_bias:
            self.bias = self.add_weight("bias", (outputs,), self.bias_initializer)

    def _strides_and_dilation(self) -> tuple[Sizes, Sizes]:
        """Return the strides and the dilation."""
        strides = per_axis(self, "strides", self.rank)
        dilation = per_axis(self, "dilation_rate", self.rank)
        if max(strides) > 1 and max(dilation) > 1:
            raise GradusError(
                f"{type(self).__name__}(strides={self.strides!r}, dilation_rate="
                f"{self.dilation_rate!r}): a kernel has either strides or dilation; leave one of "
                "them at 1."
            )
        return strides, dilation

    def _check_channels(self, x: Any, channels: int, kernel: Any) -> None:
        if x.shape[-1] != channels:
            raise ShapeError(
                f"{self._label()} was built for {channels} channels (kernel "
                f"{tuple(kernel.shape)}) but was given an input of shape {tuple(x.shape)}."
            )

    def _convolve_by_channel(self, x: Any, kernel: Any) -> Any:
        """Convolve each channel with filters of its own, `(*size, channels, multiplier)`."""
        *sizes, channels, multiplier = kernel.shape
        self._check_channels(x, channels, kernel)
        return self._convolve(x, kernel.reshape(*sizes, 1, channels * multiplier), channels)

    def _pass_mask_on(self, mask: Any, outputs: Any) -> None:
        """Set the mask of the outputs of a sequence from that of its steps, if it has one."""
        if mask is not None:
            (size,) = per_axis(self, "kernel_size", 1)
            (stride,), (dilation,) = self._strides_and_dilation()
            spans = (dilation * (size - 1) + 1,)
            real = mask_of_windows(mask, outputs.shape[1], stride, spans, self.padding)
            mask_tracking.set_mask(outputs, real)

    def _convolve(self, x: Any, kernel: Any, groups: int) -> Any:
        sizes = kernel.shape[:-2]
        strides, dilation = self._strides_and_dilation()
        spans = tuple(d * (k - 1) + 1 for k, d in zip(sizes, dilation, strict=True))
        check_fits(self, "kernel_size", spans, x.shape, self.padding)
        pads = padding_sizes(self.padding, x.shape[1:-1], sizes, strides, dilation)
        return convolve(x, kernel, strides, pads, dilation, groups)


class BaseConv(WindowLayer):
    """The base of `Conv1D`, `Conv2D`, and `Conv3D`."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        dilation_rate: Any = 1,
        groups: int = 1,
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
        self.groups = groups
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint
        check_sizes(self, "filters", "groups")
        self._check_arguments(PADDINGS[self.rank])

    def build(self, shape: Sizes) -> None:
        """Create `kernel` and `bias`."""
        filters, groups = self.filters, self.groups
        check_axes(self, shape, self.rank)
        if shape[-1] % groups or filters % groups:
            raise ShapeError(
                f"{self._label()} has groups={groups}, which must divide its {filters} filters "
                f"and the {shape[-1]} channels of its input, shape {tuple(shape)}."
            )
        sizes = per_axis(self, "kernel_size", self.rank)
        self._add_weights((*sizes, shape[-1] // groups, filters), filters)

    def apply_window(self, x: Any) -> Any:
        """Return the convolution of `x` with the kernel."""
        self._check_channels(x, self.kernel.shape[-2] * self.groups, self.kernel)
        return self._convolve(x, self.kernel, self.groups)


class Conv1D(BaseConv):
    """Filters that slide over a sequence: `activation(x ∗ kernel + bias)`.

    `x` has shape `(batch, steps, channels)`, `kernel` `(size, channels / groups, filters)`, `bias`
    `(filters,)`, the output `(batch, new steps, filters)`. In a sequence with a mask the steps that
    are not real count as zeros.

    Args:
        filters: the number of outputs at each step.
        kernel_size: how many steps the kernel spans.
        strides: the distance from one position of the kernel to the next.
        padding: as in `Conv2D`, or "causal": zeros before the first step, so no output depends on
            later steps.
        dilation_rate: the distance between the steps under the kernel.
        groups: as in `Conv2D`, like all other arguments and errors.

    Examples:
        >>> x = jnp.zeros((2, 10, 3))
        >>> gr.init(gr.Conv1D(8, 3, padding="causal"), 0, x)(x).shape
        (2, 10, 8)
    """

    rank = 1

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return `activation(apply_window(x) + bias)`, with a mask of its steps if `x` has one."""
        outputs = super().call(x, mask)
        self._pass_mask_on(mask, outputs)
        return outputs


class Conv2D(BaseConv):
    """Filters that slide over an image: `activation(x ∗ kernel + bias)`.

    `x` has shape `(batch, height, width, channels)`, `kernel` `(h, w, channels / groups, filters)`,
    `bias` `(filters,)`, the output `(batch, new height, new width, filters)`. As usual in deep
    learning, the kernel is not flipped (LeCun et al. 1998, "Gradient-based learning applied to
    document recognition").

    Args:
        filters: the number of outputs at each position.
        kernel_size: the height and width of the kernel, two numbers or one for both; likewise for
            `strides` and `dilation_rate`.
        strides: the distance from one position of the kernel to the next.
        padding: "valid" keeps the kernel within the image; "same" pads with zeros so that the
            output size is `⌈size / stride⌉`.
        dilation_rate: the distance between the pixels under the kernel.
        groups: how many groups the channels and filters are divided into; each group of filters
            sees only its group of channels.
        activation: a name, a function, a layer, or None for none.
        use_bias: whether a bias is added.
        kernel_initializer: how the kernel is drawn; Glorot and Bengio's uniform, as in Keras.
        bias_initializer: how the bias is drawn.
        kernel_regularizer: a penalty on the kernel, such as `L2(1e-4)`.
        bias_regularizer: a penalty on the bias.
        kernel_constraint: a projection of the kernel after each update, such as
            `MaxNorm(3, axis=(0, 1, 2))`.
        bias_constraint: a projection of the bias after each update.

    Raises:
        GradusError: for sizes that are not positive whole numbers, an unknown padding or
            activation, or strides and dilation both larger than 1.
        ShapeError: for an input whose axes or channels are not those that the layer was built for,
            that is smaller than the kernel, or cannot be divided into the groups.

    Examples:
        >>> x = jnp.zeros((2, 28, 28, 1))
        >>> net = gr.init(gr.Conv2D(16, 3, activation="relu"), 0, x)
        >>> net.kernel.shape, net(x).shape
        ((3, 3, 1, 16), (2, 26, 26, 16))
    """

    rank = 2


class Conv3D(BaseConv):
    """Filters that slide over a volume, or a film: `activation(x ∗ kernel + bias)`.

    `x` has shape `(batch, depth, height, width, channels)`, `kernel` `(d, h, w, channels / groups,
    filters)`, `bias` `(filters,)`, the output `(batch, new depth, new height, new width, filters)`
    (Tran et al. 2015, "Learning spatiotemporal features with 3D convolutional networks"). Arguments
    and errors are those of `Conv2D`, with three numbers in place of each pair.

    Examples:
        >>> x = jnp.zeros((2, 8, 8, 8, 1))
        >>> net = gr.init(gr.Conv3D(4, 3), 0, x)
        >>> net.kernel.shape, net(x).shape
        ((3, 3, 3, 1, 4), (2, 6, 6, 6, 4))
    """

    rank = 3


class DepthwiseConv2D(WindowLayer):
    """Filters that see one channel each: `activation(x ∗ kernel + bias)`.

    `x` has shape `(batch, height, width, channels)`, `kernel` `(h, w, channels, multiplier)`,
    `bias` `(channels · multiplier,)`, the output `(batch, new height, new width, channels ·
    multiplier)`. Followed by a `Conv2D` with kernels of one pixel, it is a `SeparableConv2D`
    (Chollet 2017, "Xception").

    Args:
        kernel_size: the height and width of the kernel, two numbers or one for both; likewise for
            `strides` and `dilation_rate`.
        strides: the distance from one position of the kernel to the next.
        padding: "valid" or "same", as in `Conv2D`.
        depth_multiplier: how many filters each channel has.
        dilation_rate: the distance between the pixels under the kernel.
        activation: a name, a function, a layer, or None for none.
        use_bias: whether a bias is added.
        kernel_initializer: how the kernel is drawn; Keras calls it `depthwise_initializer`.
        bias_initializer: how the bias is drawn.
        kernel_regularizer: a penalty on the kernel; Keras calls it `depthwise_regularizer`.
        bias_regularizer: a penalty on the bias.
        kernel_constraint: a projection of the kernel after each update; Keras calls it
            `depthwise_constraint`.
        bias_constraint: a projection of the bias after each update.

    Raises:
        GradusError: as for `Conv2D`.
        ShapeError: as for `Conv2D`.

    Examples:
        >>> x = jnp.zeros((2, 8, 8, 3))
        >>> net = gr.init(gr.DepthwiseConv2D(3, depth_multiplier=2), 0, x)
        >>> net.kernel.shape, net(x).shape
        ((3, 3, 3, 2), (2, 6, 6, 6))
    """

    rank = 2

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
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
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.depth_multiplier = depth_multiplier
        self.dilation_rate = dilation_rate
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint
        check_sizes(self, "depth_multiplier")
        self._check_arguments()

    def build(self, shape: Sizes) -> None:
        """Create `kernel` and `bias`."""
        multiplier = self.depth_multiplier
        check_axes(self, shape, self.rank)
        sizes = per_axis(self, "kernel_size", self.rank)
        self._add_weights((*sizes, shape[-1], multiplier), shape[-1] * multiplier)

    def apply_window(self, x: Any) -> Any:
        """Return the convolution of each channel of `x` with its filters."""
        return self._convolve_by_channel(x, self.kernel)
