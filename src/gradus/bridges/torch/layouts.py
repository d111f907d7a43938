"""How data are laid out between two modules, and between two layers: where the channels are.

PyTorch's images are (batch, channels, height, width), gradus's (batch, height, width, channels). So
kernels are transposed, and where channels were flattened, the weights of what follows are permuted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.bridges.chains import chain_of, input_shapes
from gradus.bridges.torch.modules import channels_last_order
from gradus.errors import GradusError
from gradus.nn.layer import Layer

Given = list[tuple[Layer, list[np.ndarray]]]
# Layers after which features are last; the first of others tells that channels are.
FEATURES_LAST = (
    *("Dense", "LSTM", "GRU", "SimpleRNN", "Bidirectional"),
    *("Embedding", "LayerNormalization", "Flatten"),
)
SPATIAL_LAYERS = ("Conv", "DepthwiseConv", "MaxPooling", "AveragePooling", "Global", "ZeroPadding")


class ReadLayout:
    """The layout of PyTorch's data after the modules that were read.

    Args:
        axes: the number of axes of the data, the batch's included.
        channels: how many channels the data have on axis 1; None if their features are last.

    Attributes:
        flat_channels: the channels of data that were flattened, until a layer mixes them.
        positive: whether no value is below zero, as after a ReLU.
        pooled: whether images are one position, whose order is the same in both layouts.
        given: the layers that have weights, each with its arrays in gradus's order.
        notes: sentences about what was changed.
        pending: a recurrent module whose tuple is not taken apart yet; or None.
    """

    def __init__(self, axes: int, channels: int | None) -> None:
        self.axes, self.channels = axes, channels
        self.flat_channels: int | None = None
        self.positive = self.pooled = False
        self.given: Given = []
        self.notes: list[str] = []
        self.pending: str | None = None

    def give(self, layer: Layer, *weights: Any) -> Layer:
        """Return the layer, for which the weights that are not None are kept."""
        self.given.append((layer, [w for w in weights if w is not None]))
        return layer

    def require_channels_first(self, where: str, channels: int | None = None) -> None:
        """Refuse data whose channels are not first; afterward they have so many."""
        if self.channels is None:
            raise GradusError(
                f"{where} takes channels first, but follows layers whose features are last."
            )
        self.channels, self.pooled = channels or self.channels, False

    def require_axes(self, axes: int, where: str) -> None:
        """Refuse data of another number of axes."""
        if self.axes != axes:
            raise GradusError(
                f"{where} takes data of {axes} axes, the batch first, but is given {self.axes}."
            )

    def features(self, values: Any) -> Any:
        """Return numbers of features in the order of gradus's."""
        if values is None or self.flat_channels is None:
            return values
        return values[channels_last_order(len(values), self.flat_channels)]


class WriteLayout:
    """The layout of PyTorch's data after the layers that were written.

    Args:
        torch: the package.
        net: the built network.
        example: the shape of its inputs.

    Attributes:
        nn: PyTorch's modules.
        shapes: the shape of what each layer is given, by the layer's path.
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

    def refusal(self, layer: Layer, why: str) -> GradusError:
        """Return the error of a layer that cannot be written."""
        return GradusError(f"{layer._label()} cannot be carried to PyTorch: {why}.")

    def require_channels_first(self, layer: Layer) -> None:
        """Refuse a layer whose data have their features last."""
        if not self.channels_first:
            raise self.refusal(
                layer, "the features before it are last, where PyTorch has them first"
            )

    def padded(self, pads: Any, value: float) -> tuple[list[Any], tuple[int, ...]]:
        """Return a module that pads before, and the padding that both sides share."""
        if all(low == high for low, high in pads):
            return [], tuple(low for low, _ in pads)
        sides = [zeros for pair in reversed(pads) for zeros in pair]
        cls = getattr(self.nn, f"ConstantPad{len(pads)}d")
        return [cls(tuple(sides), value)], (0,) * len(pads)

    def features(self, values: Any) -> Any:
        """Return numbers of features in the order of PyTorch's."""
        values = np.asarray(values, np.float32)
        if self.flat_channels is None:
            return values
        return values[np.argsort(channels_last_order(len(values), self.flat_channels))]

    def fill(self, module: Any, **arrays: Any) -> None:
        """Set the weights of a module."""
        state = {
            name: self.torch.tensor(np.array(array, np.float32))
            for name, array in arrays.items()
            if array is not None
        }
        with self.torch.no_grad():
            module.load_state_dict(state, strict=False)
