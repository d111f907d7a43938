"""Layers of gradus as modules of PyTorch, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradus.bridges.chains import chain_of
from gradus.bridges.own_layers import is_own_layer
from gradus.bridges.torch.activations import (
    write_activation,
    write_prelu,
    write_relu,
    write_softmax,
)
from gradus.bridges.torch.convolutions import is_cropped, write_conv, write_conv_transpose
from gradus.bridges.torch.dense import write_dense, write_embedding
from gradus.bridges.torch.layouts import WriteLayout
from gradus.bridges.torch.normalizations import (
    write_batch_norm,
    write_group_norm,
    write_layer_norm,
    write_rms_norm,
    write_spatial_dropout,
)
from gradus.bridges.torch.pooling import (
    write_global_pool,
    write_pool,
    write_upsample,
    write_zero_pad,
)
from gradus.bridges.torch.recurrent import RECURRENT, write_recurrent
from gradus.bridges.torch.reshaping import is_unflatten, write_flatten, write_reshape
from gradus.nn.layer import Layer

Write = Callable[[WriteLayout, Any], list[Any]]


def _for_each_rank(name: str, write: Write) -> dict[str, Write]:
    """Return what writes a kind of layer for one, two, and three spatial axes."""
    return {name.format(rank): write for rank in (1, 2, 3)}


WRITERS: dict[str, Write] = {
    **_for_each_rank("Conv{}D", write_conv),
    **_for_each_rank("Conv{}DTranspose", write_conv_transpose),
    **_for_each_rank("MaxPooling{}D", write_pool),
    **_for_each_rank("AveragePooling{}D", write_pool),
    **_for_each_rank("GlobalMaxPooling{}D", write_global_pool),
    **_for_each_rank("GlobalAveragePooling{}D", write_global_pool),
    **dict.fromkeys(RECURRENT.values(), write_recurrent),
    **dict.fromkeys(("SpatialDropout1D", "SpatialDropout2D"), write_spatial_dropout),
    **dict.fromkeys(("ZeroPadding1D", "ZeroPadding2D"), write_zero_pad),
    "DepthwiseConv2D": write_conv,
    "Bidirectional": write_recurrent,
    "Dense": write_dense,
    "Embedding": write_embedding,
    "BatchNormalization": write_batch_norm,
    "LayerNormalization": write_layer_norm,
    "RMSNormalization": write_rms_norm,
    "GroupNormalization": write_group_norm,
    "Activation": write_activation,
    "PReLU": write_prelu,
    "ReLU": write_relu,
    "Softmax": write_softmax,
    "Flatten": write_flatten,
    "Reshape": write_reshape,
    "UpSampling2D": write_upsample,
    "Dropout": lambda writer, layer: [writer.nn.Dropout(float(layer.rate))],
    "AlphaDropout": lambda writer, layer: [writer.nn.AlphaDropout(float(layer.rate))],
    "ELU": lambda writer, layer: [writer.nn.ELU(float(layer.alpha))],
    "LeakyReLU": lambda writer, layer: [writer.nn.LeakyReLU(float(layer.negative_slope))],
    "Identity": lambda writer, layer: [],
}


class ModuleWriter(WriteLayout):
    """Turns layers into modules, and follows how their data are laid out."""

    def write(self, layer: Layer) -> list[Any]:
        """Return the modules for a layer.

        Raises:
            GradusError: for a layer that PyTorch has no module for; it names the layer.
        """
        modules: list[Any] = []
        layers: list[Any] = [*chain_of(layer), None]
        while (first := layers.pop(0)) is not None:
            if is_unflatten(self, first, layers[0]):
                self.channels_first = True
                modules.append(self.nn.Unflatten(1, tuple(first.target_shape)))
            elif is_cropped(first, layers[0]):
                modules += write_conv_transpose(self, first, layers[0])
            else:
                modules += self._write(first)
                continue
            layers.pop(0)
        return modules

    def _write(self, layer: Any) -> list[Any]:
        kind = type(layer).__name__
        if kind not in WRITERS or not is_own_layer(type(layer)):
            raise self.refusal(layer, "PyTorch's nn.Sequential has no module for it")
        return WRITERS[kind](self, layer)
