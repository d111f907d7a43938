"""Modules of PyTorch as layers of gradus: channels last, flattened features in that order too.

PyTorch's images are (batch, channels, height, width), gradus's (batch, height, width, channels). So
kernels are transposed, and where channels were flattened, the weights of what follows are permuted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradus.bridges.own_layers import own_layer
from gradus.bridges.torch_modules import (
    ACTIVATIONS,
    array_of_tensor,
    channels_last_order,
    per_axis_of,
    require_settings,
    spatial_kernel,
)
from gradus.bridges.torch_recurrent import RECURRENT, recurrent_weights
from gradus.errors import GradusError
from gradus.nn.layer import Layer

NOT_NEGATIVE = ("ReLU", "ReLU6", "Sigmoid", "Softplus", "Hardsigmoid")
Given = list[tuple[Layer, list[np.ndarray]]]


class ModuleReader:
    """Turns modules into layers, one after the other, and follows how their data are laid out.

    Args:
        axes: the number of axes of the data, the batch's included.
        channels: how many channels the data have on axis 1; None if their features are last.

    Attributes:
        flat_channels: the channels of data that were flattened, until a layer mixes them.
        given: the layers that have weights, each with its arrays in gradus's order.
        notes: sentences about what was changed.
    """

    def __init__(self, axes: int, channels: int | None) -> None:
        self.axes, self.channels = axes, channels
        self.flat_channels: int | None = None
        self.positive = False  # whether no value is below zero, after a ReLU
        self.pooled = False  # to one position, whose order is the same in both layouts
        self.given: Given = []
        self.notes: list[str] = []
        self.seen: set[Any] = set()
        self.pending: str | None = None  # a recurrent module whose tuple is not taken apart yet

    def read(self, module: Any, name: str) -> list[Layer]:
        """Return the layers for a module.

        Args:
            module: the module.
            name: its name within the whole, for errors.

        Raises:
            GradusError: for a module that gradus has not; it names it.
        """
        kind = type(module).__name__
        where = f"Module {name!r} ({kind})"
        if not type(module).__module__.startswith(("torch.nn.", "gradus.")):
            raise GradusError(
                f"{where} is code of its author: only modules of torch.nn can be carried; write it "
                "as a layer of gradus."
            )
        if module in self.seen and any(True for _ in module.parameters()):
            raise GradusError(f"{where} stands twice: layers that share weights cannot be carried.")
        self.seen.add(module)
        if self.pending is not None and kind != "LastOutput":
            raise GradusError(f"{where} follows {self.pending}, which returns a tuple.")
        if kind in ACTIVATIONS:
            self.positive = kind in NOT_NEGATIVE
            return [self._activation(module, ACTIVATIONS[kind], where)]
        readers: dict[str, Callable[[Any, str], list[Layer]]] = {
            **_for_each_rank("Conv", self._conv),
            **_for_each_rank("ConvTranspose", self._conv_transpose),
            **_for_each_rank("BatchNorm", self._batch_norm),
            **_for_each_rank("MaxPool", self._max_pool),
            **_for_each_rank("AvgPool", self._average_pool),
            **_for_each_rank("AdaptiveAvgPool", self._adaptive),
            **_for_each_rank("AdaptiveMaxPool", self._adaptive),
            **dict.fromkeys(("Softmax", "LogSoftmax"), self._softmax),
            **dict.fromkeys(RECURRENT, self._recurrent),
            "Linear": self._linear,
            "LayerNorm": self._layer_norm,
            "RMSNorm": self._rms_norm,
            "GroupNorm": self._group_norm,
            **_for_each_rank("InstanceNorm", self._instance_norm),
            **_for_each_rank("Dropout", self._spatial_dropout),
            "Dropout": lambda m, _: [own_layer("Dropout")(m.p)],
            "AlphaDropout": lambda m, _: [own_layer("AlphaDropout")(m.p)],
            "LeakyReLU": lambda m, _: [own_layer("Activation")("leaky_relu", m.negative_slope)],
            "ELU": lambda m, _: [own_layer("Activation")("elu", m.alpha)],
            "PReLU": self._prelu,
            "Identity": lambda m, _: [],
            "Flatten": self._flatten,
            "Unflatten": self._unflatten,
            "Upsample": self._upsample,
            **dict.fromkeys(("ZeroPad1d", "ZeroPad2d"), self._zero_pad),
            **dict.fromkeys(("ConstantPad1d", "ConstantPad2d"), self._zero_pad),
            "Embedding": self._embedding,
            "LastOutput": self._last_output,
        }
        if kind not in readers:
            raise GradusError(f"{where}: gradus has no layer for it.")
        if kind[-2:] in ("1d", "2d", "3d") and kind != "BatchNorm1d":
            self._require_axes(int(kind[-2]) + 2, where)
        try:
            layers = readers[kind](module, where)
        except GradusError as error:
            raise error if where in str(error) else GradusError(f"{where}: {error}") from None
        self.positive = self.positive and kind.startswith(("MaxPool", "AvgPool", "Dropout"))
        return layers

    def _give(self, layer: Layer, *weights: Any) -> Layer:
        self.given.append((layer, [w for w in weights if w is not None]))
        return layer

    def _activation(self, module: Any, name: str, where: str) -> Layer:
        if getattr(module, "approximate", "none") != "none":
            raise GradusError(f"{where}: approximate={module.approximate!r} cannot be carried.")
        if getattr(module, "beta", 1) != 1:
            raise GradusError(f"{where}: beta={module.beta!r} cannot be carried.")
        return own_layer("Activation")(name)

    # --- layers with weights ---------------------------------------------------------------------

    def _linear(self, module: Any, where: str) -> list[Layer]:
        if self.channels is not None:
            raise GradusError(f"{where} mixes the last axis of images, not channels: flatten them.")
        kernel = array_of_tensor(module.weight).T
        if self.flat_channels is not None:
            kernel = kernel[channels_last_order(len(kernel), self.flat_channels)]
            self.flat_channels = None
        layer = own_layer("Dense")(module.out_features, use_bias=module.bias is not None)
        return [self._give(layer, kernel, array_of_tensor(module.bias))]

    def _conv(self, module: Any, where: str) -> list[Layer]:
        self._channels_first(where, module.out_channels)
        require_settings(where, module, padding_mode="zeros")
        rank = self.axes - 2
        padding, before = self._padding(module, where)
        cls = own_layer(f"Conv{rank}D", where)
        layer = cls(
            module.out_channels,
            tuple(module.kernel_size),
            tuple(module.stride),
            padding,
            tuple(module.dilation),
            module.groups,
            use_bias=module.bias is not None,
        )
        kernel = spatial_kernel(array_of_tensor(module.weight))
        return [*before, self._give(layer, kernel, array_of_tensor(module.bias))]

    def _padding(self, module: Any, where: str) -> tuple[str, list[Layer]]:
        """Return the padding of a convolution, and layers that pad before it."""
        if isinstance(module.padding, str):
            return module.padding, []
        zeros = [int(p) for p in module.padding]
        spans = [d * (k - 1) for k, d in zip(module.kernel_size, module.dilation, strict=True)]
        if not any(zeros):
            return "valid", []
        if set(module.stride) == {1} and [2 * p for p in zeros] == spans:
            return "same", []
        return "valid", [_zero_padding(zeros, where)]

    def _conv_transpose(self, module: Any, where: str) -> list[Layer]:
        self._channels_first(where, module.out_channels)
        require_settings(where, module, padding_mode="zeros", groups=1)
        sizes, strides = tuple(module.kernel_size), tuple(module.stride)
        extra = [k - s for k, s in zip(sizes, strides, strict=True)]
        before, more = tuple(module.padding), tuple(module.output_padding)
        after = [p - o for p, o in zip(before, more, strict=True)]
        if set(module.dilation) != {1} or min(extra) < 0 or min(after) < 0:
            raise GradusError(
                f"{where}: dilation={tuple(module.dilation)}, padding={before}, output_padding="
                f"{more} cannot be carried: only a kernel of at least its strides, without "
                "dilation, and an output_padding of at most the padding."
            )
        same = not any(more) and [2 * p for p in before] == extra
        cls = own_layer(f"Conv{len(sizes)}DTranspose", where)
        layer = cls(
            module.out_channels,
            sizes,
            strides,
            "same" if same else "valid",
            use_bias=module.bias is not None,
        )
        kernel = spatial_kernel(array_of_tensor(module.weight))
        self._give(layer, kernel, array_of_tensor(module.bias))
        if same or not any(before):
            return [layer]
        crops = tuple(zip(before, after, strict=True))
        cropping = own_layer(f"Cropping{len(sizes)}D", where)
        return [layer, cropping(crops if len(crops) > 1 else crops[0])]

    def _batch_norm(self, module: Any, where: str) -> list[Layer]:
        require_settings(where, module, track_running_stats=True)
        if module.momentum is None:
            raise GradusError(f"{where}: momentum=None cannot be carried.")
        if self.axes > 2:
            self._channels_first(where, module.num_features)
        layer = own_layer("BatchNormalization")(
            1 - module.momentum, module.eps, center=module.affine, scale=module.affine
        )
        arrays = [module.weight, module.bias, module.running_mean, module.running_var]
        return [self._give(layer, *(self._features(array_of_tensor(each)) for each in arrays))]

    def _layer_norm(self, module: Any, where: str) -> list[Layer]:
        if len(module.normalized_shape) != 1 or self.channels is not None:
            raise GradusError(f"{where} normalizes other axes than gradus's, which takes the last.")
        scaled, centered = module.weight is not None, module.bias is not None
        layer = own_layer("LayerNormalization")(module.eps, center=centered, scale=scaled)
        arrays = [self._features(array_of_tensor(each)) for each in (module.weight, module.bias)]
        return [self._give(layer, *arrays) if scaled or centered else layer]

    def _rms_norm(self, module: Any, where: str) -> list[Layer]:
        if len(module.normalized_shape) != 1 or self.channels is not None:
            raise GradusError(f"{where} normalizes other axes than gradus's, which takes the last.")
        epsilon = np.finfo(np.float32).eps if module.eps is None else module.eps
        scale = array_of_tensor(module.weight)
        scale = np.ones(module.normalized_shape, np.float32) if scale is None else scale
        return [self._give(own_layer("RMSNormalization")(float(epsilon)), self._features(scale))]

    def _instance_norm(self, module: Any, where: str) -> list[Layer]:
        require_settings(where, module, track_running_stats=False)
        self._channels_first(where, module.num_features)
        layer = own_layer("GroupNormalization")(
            module.num_features, module.eps, center=module.affine, scale=module.affine
        )
        if module.affine:
            self._give(layer, array_of_tensor(module.weight), array_of_tensor(module.bias))
        return [layer]

    def _group_norm(self, module: Any, where: str) -> list[Layer]:
        self._channels_first(where, module.num_channels)
        layer = own_layer("GroupNormalization", where)(
            module.num_groups, module.eps, center=module.affine, scale=module.affine
        )
        if not module.affine:
            return [layer]
        return [self._give(layer, array_of_tensor(module.weight), array_of_tensor(module.bias))]

    def _spatial_dropout(self, module: Any, where: str) -> list[Layer]:
        self._channels_first(where)
        return [own_layer(f"SpatialDropout{self.axes - 2}D", where)(module.p)]

    def _prelu(self, module: Any, where: str) -> list[Layer]:
        alpha = array_of_tensor(module.weight)
        shared = tuple(range(1, self.axes if alpha.size == 1 else self.axes - 1))
        if alpha.size > 1 and self.axes > 2:
            self._channels_first(where, alpha.size)
        layer = own_layer("PReLU")(shared_axes=shared)
        alpha = self._features(alpha) if alpha.size > 1 else alpha
        return [self._give(layer, alpha.reshape(*(1 for _ in range(self.axes - 2)), -1))]

    def _embedding(self, module: Any, where: str) -> list[Layer]:
        require_settings(where, module, max_norm=None)
        if module.padding_idx is not None:
            self.notes.append(f"{where}: the vector of padding_idx is trained here")
        self.axes += 1
        layer = own_layer("Embedding")(module.num_embeddings, module.embedding_dim)
        return [self._give(layer, array_of_tensor(module.weight))]

    def _recurrent(self, module: Any, where: str) -> list[Layer]:
        if not module.batch_first:
            raise GradusError(
                f"{where}: write batch_first=True, the order of axes that gradus has."
            )
        if getattr(module, "proj_size", 0):
            raise GradusError(f"{where}: proj_size={module.proj_size} cannot be carried.")
        if self.channels is not None:
            raise GradusError(f"{where} follows layers whose channels are first.")
        layers: list[Layer] = []
        for index in range(module.num_layers):
            if index and module.dropout:
                layers.append(own_layer("Dropout")(module.dropout))
            layers.append(self._recurrent_layer(module, index))
        self.pending = where
        return layers

    def _recurrent_layer(self, module: Any, index: int) -> Layer:
        kind = RECURRENT[type(module).__name__]
        options = {"activation": module.nonlinearity} if kind == "SimpleRNN" else {}
        layer: Any = own_layer(kind)(
            module.hidden_size, use_bias=module.bias, return_sequences=True, **options
        )
        arrays = recurrent_weights(module, kind, f"l{index}")
        if module.bidirectional:
            layer = own_layer("Bidirectional")(layer)
            arrays += recurrent_weights(module, kind, f"l{index}_reverse")
        return self._give(layer, *arrays)

    def _last_output(self, module: Any, where: str) -> list[Layer]:
        """Have the last recurrent layer return what the module takes of its tuple."""
        if self.pending is None:
            raise GradusError(f"{where} follows no LSTM, GRU, or RNN.")
        self.pending = None
        if not module.all_steps:
            layer: Any = self.given[-1][0]
            recurrent = getattr(layer, "layer", layer)
            recurrent.return_sequences = False
            self.axes -= 1
        return []

    # --- layers without weights ------------------------------------------------------------------

    def _flatten(self, module: Any, where: str) -> list[Layer]:
        if module.start_dim != 1 or module.end_dim not in (-1, self.axes - 1):
            raise GradusError(f"{where}: only Flatten(1, -1) can be carried.")
        if self.channels is not None and not self.pooled:
            self.flat_channels = self.channels
        self.axes, self.channels = 2, None
        return [own_layer("Flatten")()]

    def _unflatten(self, module: Any, where: str) -> list[Layer]:
        channels, *space = map(int, module.unflattened_size)
        if module.dim not in (1, -1) or self.axes != 2 or len(space) < 2:
            raise GradusError(
                f"{where}: only Unflatten(1, (channels, height, width)) can be carried."
            )
        if self.flat_channels not in (None, 1, channels):
            raise GradusError(f"{where} makes other channels of those that were flattened.")
        last = channels in (self.flat_channels, 1)
        self.axes, self.channels, self.flat_channels = len(space) + 2, channels, None
        if last:
            return [own_layer("Reshape")((*space, channels))]
        # As PyTorch has it, and then the channels moved to the end.
        order = (*range(2, self.axes), 1)
        return [own_layer("Reshape")((channels, *space)), own_layer("Permute")(order)]

    def _max_pool(self, module: Any, where: str) -> list[Layer]:
        require_settings(where, module, ceil_mode=False, return_indices=False)
        if set(per_axis_of(module.dilation, 1)) != {1}:
            raise GradusError(f"{where}: dilation={module.dilation} cannot be carried.")
        return self._pool("MaxPooling", module, where)

    def _average_pool(self, module: Any, where: str) -> list[Layer]:
        require_settings(where, module, ceil_mode=False)
        if getattr(module, "divisor_override", None) is not None:
            raise GradusError(f"{where}: divisor_override cannot be carried.")
        return self._pool("AveragePooling", module, where, module.count_include_pad)

    def _pool(
        self, kind: str, module: Any, where: str, counts_padding: bool = False
    ) -> list[Layer]:
        self._channels_first(where)
        rank = self.axes - 2
        sizes = per_axis_of(module.kernel_size, rank)
        strides, zeros = per_axis_of(module.stride, rank), per_axis_of(module.padding, rank)
        cls = own_layer(f"{kind}{rank}D", where)
        if not any(zeros):
            return [cls(sizes, strides)]
        if counts_padding or (kind == "MaxPooling" and self.positive):
            return [_zero_padding(zeros, where), cls(sizes, strides)]
        if (
            set(strides) == {1}
            and all(2 * p == k - 1 for p, k in zip(zeros, sizes, strict=True))
            and not counts_padding
        ):
            return [cls(sizes, strides, "same")]
        after = ", except after a ReLU" if kind == "MaxPooling" else ""
        raise GradusError(f"{where}: padding={module.padding} cannot be carried{after}.")

    def _adaptive(self, module: Any, where: str) -> list[Layer]:
        self._channels_first(where)
        rank = self.axes - 2
        if per_axis_of(module.output_size, rank) != (1,) * rank:
            raise GradusError(f"{where}: only an output_size of 1 can be carried.")
        self.pooled = True
        kind = "Average" if "Avg" in type(module).__name__ else "Max"
        return [own_layer(f"Global{kind}Pooling{rank}D", where)(keepdims=True)]

    def _softmax(self, module: Any, where: str) -> list[Layer]:
        last = {1} if self.channels is not None or self.axes == 2 else {self.axes - 1}
        if self.channels is None:
            last.add(-1)
        if module.dim not in last:
            raise GradusError(f"{where}: dim={module.dim} is not the axis of features.")
        return [
            own_layer("Activation")(
                "softmax" if type(module).__name__ == "Softmax" else "log_softmax"
            )
        ]

    def _upsample(self, module: Any, where: str) -> list[Layer]:
        factor = module.scale_factor
        factors = per_axis_of(factor, 2) if factor is not None else (0.5,)
        if module.mode != "nearest" or self.axes != 4 or any(f != int(f) for f in factors):
            raise GradusError(
                f"{where}: only whole factors of images, mode='nearest', are carried."
            )
        return [own_layer("UpSampling2D")(tuple(map(int, factors)))]

    def _zero_pad(self, module: Any, where: str) -> list[Layer]:
        self._channels_first(where)
        if getattr(module, "value", 0) != 0:
            raise GradusError(f"{where}: value={module.value} cannot be carried, only 0.")
        sides = tuple(map(int, module.padding))
        if len(sides) == 2:
            return [own_layer("ZeroPadding1D")(sides)]
        left, right, top, bottom = sides
        return [own_layer("ZeroPadding2D")(((top, bottom), (left, right)))]

    # --- layout ----------------------------------------------------------------------------------

    def _channels_first(self, where: str, channels: int | None = None) -> None:
        """Refuse data whose channels are not first; afterward they have so many."""
        if self.channels is None:
            raise GradusError(
                f"{where} takes channels first, but follows layers whose features are last."
            )
        self.channels, self.pooled = channels or self.channels, False

    def _require_axes(self, axes: int, where: str) -> None:
        if self.axes != axes:
            raise GradusError(
                f"{where} takes data of {axes} axes, the batch first, but is given {self.axes}."
            )

    def _features(self, values: Any) -> Any:
        """Return numbers of features in the order of gradus's."""
        if values is None or self.flat_channels is None:
            return values
        return values[channels_last_order(len(values), self.flat_channels)]


def _zero_padding(zeros: Sequence[int], where: str) -> Layer:
    """Return a layer that pads both sides of each spatial axis with so many zeros."""
    padding = zeros[0] if len(zeros) == 1 else tuple(zeros)
    return own_layer(f"ZeroPadding{len(zeros)}D", where)(padding)


def _for_each_rank(name: str, reader: Any) -> dict[str, Any]:
    """Return the reader of a kind of module for one, two, and three spatial axes."""
    return {f"{name}{rank}d": reader for rank in (1, 2, 3)}
