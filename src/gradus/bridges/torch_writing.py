"""Layers of gradus as modules of PyTorch: channels first, and flattened features in that order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradus.bridges.chains import chain_of, input_shapes
from gradus.bridges.own_layers import is_own_layer
from gradus.bridges.torch_modules import (
    ACTIVATIONS,
    channels_first_kernel,
    channels_last_order,
    per_axis_of,
)
from gradus.bridges.torch_recurrent import RECURRENT, last_output_class, recurrent_arrays
from gradus.errors import GradusError
from gradus.nn import activations
from gradus.nn.layer import Layer
from gradus.nn.ops.conv import padding_sizes

MODULES = {name: kind for kind, name in ACTIVATIONS.items()}
# Layers after which features are last; the first of others tells that channels are.
FEATURES_LAST = (
    *("Dense", "LSTM", "GRU", "SimpleRNN", "Bidirectional"),
    *("Embedding", "LayerNormalization", "Flatten"),
)
SPATIAL_LAYERS = ("Conv", "DepthwiseConv", "MaxPooling", "AveragePooling", "Global", "ZeroPadding")


class ModuleWriter:
    """Turns layers into modules, one after the other, and follows how their data are laid out.

    Args:
        torch: the package.
        net: the built network.
        example: the shape of its inputs.

    Attributes:
        channels_first: whether the data have their channels on axis 1 in PyTorch.
        flat_channels: the channels of data that were flattened, until a layer mixes them.
    """

    def __init__(self, torch: Any, net: Layer, example: Any) -> None:
        self.torch, self.nn = torch, torch.nn
        self.shapes = input_shapes(net, example)
        kinds = (type(layer).__name__ for layer in chain_of(net))
        told = (k for k in kinds if k in FEATURES_LAST or k.startswith(SPATIAL_LAYERS))
        axes = len(example.shape)
        self.channels_first = axes >= 4 or (axes == 3 and next(told, "").startswith(SPATIAL_LAYERS))
        self.flat_channels: int | None = None

    def write(self, layer: Layer) -> list[Any]:
        """Return the modules for a layer.

        Raises:
            GradusError: for a layer that PyTorch has no module for; it names the layer.
        """
        modules: list[Any] = []
        layers: list[Any] = [*chain_of(layer), None]
        while (first := layers.pop(0)) is not None:
            if self._is_unflatten(first, layers[0]):
                self.channels_first = True
                modules.append(self.nn.Unflatten(1, tuple(first.target_shape)))
            elif self._is_cropped(first, layers[0]):
                modules += self._conv_transpose(first, layers[0])
            else:
                modules += self._write(first)
                continue
            layers.pop(0)
        return modules

    def _is_unflatten(self, layer: Any, after: Any) -> bool:
        """Return whether rows become images, channels first, whose channels then are moved last."""
        if type(layer).__name__ != "Reshape" or type(after).__name__ != "Permute":
            return False
        axes = len(layer.target_shape)
        rows = len(self.shapes[layer.path]) == 2 and self.flat_channels in (None, 1)
        return rows and axes > 2 and tuple(after.dims) == (*range(2, axes + 1), 1)

    def _is_cropped(self, layer: Any, after: Any) -> bool:
        """Return whether a transposed convolution is cropped, no less at the beginning."""
        names = type(layer).__name__, type(after).__name__
        ranked = [(f"Conv{rank}DTranspose", f"Cropping{rank}D") for rank in (1, 2)]
        if (
            names not in ranked
            or layer.padding != "valid"
            or _name_of(layer.activation) != "linear"
        ):
            return False
        strides = per_axis_of(layer.strides, layer.rank)
        return all(
            0 <= a - b < stride for (a, b), stride in zip(_sides(after), strides, strict=True)
        )

    def _write(self, layer: Any) -> list[Any]:
        kind = type(layer).__name__
        writers: dict[str, Callable[[Any], list[Any]]] = {
            "DepthwiseConv2D": self._conv,
            **_by_rank(("Conv{}D",), self._conv),
            **_by_rank(("Conv{}DTranspose",), self._conv_transpose),
            **_by_rank(("MaxPooling{}D", "AveragePooling{}D"), self._pool),
            **_by_rank(("GlobalMaxPooling{}D", "GlobalAveragePooling{}D"), self._global_pool),
            **dict.fromkeys(RECURRENT.values(), self._recurrent),
            "Bidirectional": self._recurrent,
            "Dense": self._dense,
            "BatchNormalization": self._batch_norm,
            "LayerNormalization": self._layer_norm,
            "RMSNormalization": self._rms_norm,
            "PReLU": self._prelu,
            "Embedding": self._embedding,
            "Activation": self._activation_layer,
            "Dropout": lambda layer: [self.nn.Dropout(float(layer.rate))],
            "AlphaDropout": lambda layer: [self.nn.AlphaDropout(float(layer.rate))],
            "ELU": lambda layer: [self.nn.ELU(float(layer.alpha))],
            "LeakyReLU": lambda layer: [self.nn.LeakyReLU(float(layer.negative_slope))],
            "ReLU": self._relu,
            "Softmax": self._softmax,
            "Identity": lambda layer: [],
            "SpatialDropout1D": self._spatial_dropout,
            "SpatialDropout2D": self._spatial_dropout,
            "GroupNormalization": self._group_norm,
            "Flatten": self._flatten,
            "Reshape": self._reshape,
            "UpSampling2D": self._upsample,
            "ZeroPadding1D": self._zero_pad,
            "ZeroPadding2D": self._zero_pad,
        }
        if kind not in writers or not is_own_layer(type(layer)):
            raise self._refusal(layer, "PyTorch's nn.Sequential has no module for it")
        return writers[kind](layer)

    def _refusal(self, layer: Layer, why: str) -> GradusError:
        return GradusError(f"{layer._label()} cannot be carried to PyTorch: {why}.")

    # --- layers with weights ---------------------------------------------------------------------

    def _dense(self, layer: Any) -> list[Any]:
        if self.channels_first:
            raise self._refusal(layer, "it mixes the channels of images, which a Linear does not")
        kernel = np.asarray(layer.kernel)
        if self.flat_channels is not None:
            kernel = kernel[np.argsort(channels_last_order(len(kernel), self.flat_channels))]
            self.flat_channels = None
        module = self.nn.Linear(*kernel.shape, bias=layer.use_bias)
        self._fill(module, weight=kernel.T, bias=getattr(layer, "bias", None))
        return [module, *self._activation(layer)]

    def _conv(self, layer: Any) -> list[Any]:
        self._require_channels(layer)
        kernel, strides, dilation = self._window(layer)
        groups = getattr(layer, "groups", 1)
        if type(layer).__name__ == "DepthwiseConv2D":
            groups, multiplier = kernel.shape[-2:]
            kernel = kernel.reshape(*kernel.shape[:-2], 1, groups * multiplier)
        weight = channels_first_kernel(kernel)
        sizes, space = kernel.shape[:-2], self.shapes[layer.path][1:-1]
        pads = padding_sizes(layer.padding, space, sizes, strides, dilation)
        before, zeros = self._pads(pads, 0.0)
        cls = getattr(self.nn, f"Conv{len(sizes)}d")
        module = cls(
            weight.shape[1] * groups, weight.shape[0], sizes, strides, zeros, dilation, groups,
            bias=layer.use_bias,
        )  # fmt: skip
        self._fill(module, weight=weight, bias=getattr(layer, "bias", None))
        return [*before, module, *self._activation(layer)]

    def _conv_transpose(self, layer: Any, cropping: Any = None) -> list[Any]:
        self._require_channels(layer)
        kernel, strides, dilation = self._window(layer)
        weight, sizes = channels_first_kernel(kernel), kernel.shape[:-2]
        extra = [k - s for k, s in zip(sizes, strides, strict=True)]
        same = layer.padding == "same"
        if min(extra) < 0 or max(dilation) > 1 or (same and any(each % 2 for each in extra)):
            raise self._refusal(layer, "PyTorch crops both sides equally, and pads nothing")
        zeros = [each // 2 if same else 0 for each in extra]
        cls = getattr(self.nn, f"ConvTranspose{len(sizes)}d")
        more: Any = 0
        if cropping is not None:
            zeros = [before for before, _ in _sides(cropping)]
            more = [before - after for before, after in _sides(cropping)]
        module = cls(*weight.shape[:2], sizes, strides, zeros, more, bias=layer.use_bias)
        self._fill(module, weight=weight, bias=getattr(layer, "bias", None))
        return [module, *self._activation(layer)]

    def _batch_norm(self, layer: Any) -> list[Any]:
        axes = len(self.shapes[layer.path])
        if axes > 2:
            self._require_channels(layer)
        cls = getattr(self.nn, f"BatchNorm{max(axes - 2, 1)}d")
        count = len(layer.moving_mean)
        module = cls(count, float(layer.epsilon), 1 - float(layer.momentum))
        gamma, beta = (
            getattr(layer, "gamma", np.ones(count)),
            getattr(layer, "beta", np.zeros(count)),
        )
        arrays = dict(
            zip(
                ("weight", "bias", "running_mean", "running_var"),
                map(self._features, (gamma, beta, layer.moving_mean, layer.moving_variance)),
                strict=True,
            )
        )
        self._fill(module, **arrays)
        return [module]

    def _layer_norm(self, layer: Any) -> list[Any]:
        if self.channels_first:
            raise self._refusal(
                layer, "it normalizes the channels, where LayerNorm takes the last axis"
            )
        size = self.shapes[layer.path][-1]
        module = self.nn.LayerNorm(size, float(layer.epsilon))
        arrays = getattr(layer, "gamma", np.ones(size)), getattr(layer, "beta", np.zeros(size))
        self._fill(module, weight=self._features(arrays[0]), bias=self._features(arrays[1]))
        return [module]

    def _rms_norm(self, layer: Any) -> list[Any]:
        if self.channels_first:
            raise self._refusal(
                layer, "it normalizes the channels, where RMSNorm takes the last axis"
            )
        module = self.nn.RMSNorm(self.shapes[layer.path][-1], float(layer.epsilon))
        self._fill(module, weight=self._features(layer.scale))
        return [module]

    def _prelu(self, layer: Any) -> list[Any]:
        alpha = np.asarray(layer.alpha)
        if alpha.size not in (1, alpha.shape[-1]) or (alpha.ndim == 2 and not self.channels_first):
            raise self._refusal(layer, "PyTorch's has one slope, or one for each channel")
        alpha = alpha.ravel() if alpha.size == 1 else np.asarray(self._features(alpha.ravel()))
        module = self.nn.PReLU(alpha.size)
        self._fill(module, weight=alpha)
        return [module]

    def _embedding(self, layer: Any) -> list[Any]:
        if layer.mask_zero:
            raise self._refusal(layer, "mask_zero=True, and PyTorch's modules know no masks")
        module = self.nn.Embedding(*layer.embeddings.shape)
        self._fill(module, weight=layer.embeddings)
        return [module]

    def _recurrent(self, layer: Any) -> list[Any]:
        both = type(layer).__name__ == "Bidirectional"
        parts = [layer.layer, layer.backward] if both else [layer]
        inner, kind = parts[0], type(parts[0]).__name__
        if both and layer.merge_mode != "concat":
            raise self._refusal(layer, "PyTorch concatenates the two directions")
        if self.channels_first or (inner.go_backwards and not both):
            raise self._refusal(layer, "PyTorch reads features last, forward or both ways")
        self._check_gates(layer, inner, kind)
        name = next(theirs for theirs, ours in RECURRENT.items() if ours == kind)
        options = {"nonlinearity": _name_of(inner.activation)} if name == "RNN" else {}
        module = getattr(self.nn, name)(
            self.shapes[layer.path][-1], inner.units, bias=inner.use_bias, batch_first=True,
            bidirectional=both, **options,
        )  # fmt: skip
        for part, suffix in zip(parts, ("l0", "l0_reverse"), strict=False):
            self._fill(module, **recurrent_arrays(part, kind, suffix))
        return [module, last_output_class()(bool(inner.return_sequences))]

    def _check_gates(self, layer: Layer, inner: Any, kind: str) -> None:
        """Refuse what PyTorch's recurrent modules cannot be told."""
        known = ("tanh", "relu") if kind == "SimpleRNN" else ("tanh",)
        gates = _name_of(getattr(inner, "recurrent_activation", "sigmoid"))
        if _name_of(inner.activation) not in known or gates != "sigmoid":
            raise self._refusal(layer, "PyTorch's has other activations")
        if not getattr(inner, "reset_after", True):
            raise self._refusal(layer, "reset_after=False, and PyTorch resets after the product")
        if inner.dropout is not None and float(inner.dropout):
            raise self._refusal(
                layer, "PyTorch has no dropout of the inputs: put a Dropout before it"
            )

    def _group_norm(self, layer: Any) -> list[Any]:
        self._require_channels(layer)
        size = self.shapes[layer.path][-1]
        module = self.nn.GroupNorm(layer.groups, size, float(layer.epsilon))
        arrays = getattr(layer, "gamma", np.ones(size)), getattr(layer, "beta", np.zeros(size))
        self._fill(module, weight=arrays[0], bias=arrays[1])
        return [module]

    # --- layers without weights ------------------------------------------------------------------

    def _relu(self, layer: Any) -> list[Any]:
        if float(layer.negative_slope) or float(layer.threshold):
            raise self._refusal(layer, "PyTorch's has no slope below zero and no threshold")
        if layer.max_value is None:
            return [self.nn.ReLU()]
        if float(layer.max_value) != 6:
            raise self._refusal(layer, "PyTorch's ends at 6")
        return [self.nn.ReLU6()]

    def _softmax(self, layer: Any) -> list[Any]:
        if layer.axis not in (-1, len(self.shapes[layer.path]) - 1):
            raise self._refusal(layer, "only a softmax over the features is")
        return [self.nn.Softmax(dim=1 if self.channels_first else -1)]

    def _spatial_dropout(self, layer: Any) -> list[Any]:
        self._require_channels(layer)
        rank = len(self.shapes[layer.path]) - 2
        return [getattr(self.nn, f"Dropout{rank}d")(float(layer.rate))]

    def _activation_layer(self, layer: Any) -> list[Any]:
        name = _name_of(layer.activation)
        if layer.alpha is not None and name == "leaky_relu":
            return [self.nn.LeakyReLU(float(layer.alpha))]
        if layer.alpha is not None and name == "elu":
            return [self.nn.ELU(float(layer.alpha))]
        return self._activation(layer)

    def _activation(self, layer: Any) -> list[Any]:
        """Return the module of a layer's activation."""
        if isinstance(layer.activation, Layer):
            raise self._refusal(layer, "its activation is a layer: write it after the layer")
        name = _name_of(layer.activation)
        if name == "linear":
            return []
        if name in MODULES:
            return [getattr(self.nn, MODULES[name])()]
        if name in ("softmax", "log_softmax"):
            cls = self.nn.Softmax if name == "softmax" else self.nn.LogSoftmax
            return [cls(dim=1 if self.channels_first else -1)]
        if name == "leaky_relu":
            return [self.nn.LeakyReLU(0.2)]
        if name == "elu":
            return [self.nn.ELU()]
        raise self._refusal(layer, f"it has no activation {name or layer.activation!r}")

    def _flatten(self, layer: Any) -> list[Any]:
        *space, channels = self.shapes[layer.path][1:]
        if self.channels_first and set(space) != {1}:
            self.flat_channels = channels
        self.channels_first = False
        return [self.nn.Flatten()]

    def _reshape(self, layer: Any) -> list[Any]:
        sizes = tuple(layer.target_shape)
        channels = self.flat_channels or 1  # their order is PyTorch's if they become channels again
        if len(self.shapes[layer.path]) != 2 or len(sizes) < 3 or sizes[-1] != channels:
            raise self._refusal(
                layer,
                "only rows become images, of one channel, or with Permute((2, 3, 1)) after a "
                "Reshape((channels, height, width))",
            )
        self.channels_first, self.flat_channels = True, None
        return [self.nn.Unflatten(1, (channels, *sizes[:-1]))]

    def _pool(self, layer: Any) -> list[Any]:
        self._require_channels(layer)
        rank = layer.rank
        sizes, strides = per_axis_of(layer.pool_size, rank), layer.strides
        strides = sizes if strides is None else per_axis_of(strides, rank)
        space, average = self.shapes[layer.path][1:-1], "Average" in type(layer).__name__
        pads = padding_sizes(layer.padding, space, sizes, strides, (1,) * rank)
        before, zeros = self._pads(pads, -np.inf)
        if average and before:
            raise self._refusal(layer, "PyTorch counts padding that is not equal on both sides")
        options = {"count_include_pad": False} if average else {}
        name = f"{'Avg' if average else 'Max'}Pool{rank}d"
        return [*before, getattr(self.nn, name)(sizes, strides, zeros, **options)]

    def _global_pool(self, layer: Any) -> list[Any]:
        self._require_channels(layer)
        kind = "Avg" if "Average" in type(layer).__name__ else "Max"
        module = getattr(self.nn, f"Adaptive{kind}Pool{layer.rank}d")(1)
        if layer.keepdims:
            return [module]
        self.channels_first = False
        return [module, self.nn.Flatten()]

    def _upsample(self, layer: Any) -> list[Any]:
        return [self.nn.Upsample(scale_factor=per_axis_of(layer.size, 2), mode="nearest")]

    def _zero_pad(self, layer: Any) -> list[Any]:
        if type(layer).__name__ == "ZeroPadding1D":
            return [self.nn.ZeroPad1d(per_axis_of(layer.padding, 2))]
        pair = per_axis_of(layer.padding, 2)
        (top, bottom), (left, right) = (per_axis_of(side, 2) for side in pair)
        return [self.nn.ZeroPad2d((left, right, top, bottom))]

    # --- layout ----------------------------------------------------------------------------------

    def _require_channels(self, layer: Layer) -> None:
        if not self.channels_first:
            raise self._refusal(
                layer, "the features before it are last, where PyTorch has them first"
            )

    def _window(self, layer: Any) -> tuple[np.ndarray, tuple[int, ...], tuple[int, ...]]:
        """Return kernel, strides, and dilation."""
        rank = layer.rank
        strides, dilation = (
            per_axis_of(each, rank) for each in (layer.strides, layer.dilation_rate)
        )
        return np.asarray(layer.kernel), strides, dilation

    def _pads(self, pads: Any, value: float) -> tuple[list[Any], tuple[int, ...]]:
        """Return a module that pads before, and the padding that both sides share."""
        if all(low == high for low, high in pads):
            return [], tuple(low for low, _ in pads)
        sides = [zeros for pair in reversed(pads) for zeros in pair]
        cls = getattr(self.nn, f"ConstantPad{len(pads)}d")
        return [cls(tuple(sides), value)], (0,) * len(pads)

    def _features(self, values: Any) -> Any:
        """Return numbers of features in the order of PyTorch's."""
        values = np.asarray(values, np.float32)
        if self.flat_channels is None:
            return values
        return values[np.argsort(channels_last_order(len(values), self.flat_channels))]

    def _fill(self, module: Any, **arrays: Any) -> None:
        """Set the weights of a module."""
        state = {
            name: self.torch.tensor(np.array(array, np.float32))
            for name, array in arrays.items()
            if array is not None
        }
        with self.torch.no_grad():
            module.load_state_dict(state, strict=False)


def _sides(cropping: Any) -> list[tuple[int, int]]:
    """Return by how much each spatial axis is cropped, before and after."""
    rank = cropping.rank
    pairs = [cropping.cropping] if rank == 1 else per_axis_of(cropping.cropping, rank)
    return [per_axis_of(pair, 2) for pair in pairs]  # type: ignore[misc]


def _by_rank(names: tuple[str, ...], writer: Any) -> dict[str, Any]:
    """Return the writer of some kinds of layers for one, two, and three spatial axes."""
    return {name.format(rank): writer for name in names for rank in (1, 2, 3)}


def _name_of(activation: Any) -> str:
    """Return the name of an activation of gradus; "" for a user's function."""
    return activations.REGISTRY.name_of(activations.get(activation)) or ""
