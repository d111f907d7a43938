"""Dense layers and embeddings as PyTorch's `Linear` and `Embedding`."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.bridges.own_layers import own_layer
from gradus.bridges.torch.activations import activation_modules
from gradus.bridges.torch.layouts import ReadLayout, WriteLayout
from gradus.bridges.torch.modules import array_of_tensor, channels_last_order, require_settings
from gradus.errors import GradusError
from gradus.nn.layer import Layer


def read_linear(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a `Dense`, its kernel permuted where channels were flattened."""
    if reader.channels is not None:
        raise GradusError(f"{where} mixes the last axis of images, not channels: flatten them.")
    kernel = array_of_tensor(module.weight).T
    if reader.flat_channels is not None:
        kernel = kernel[channels_last_order(len(kernel), reader.flat_channels)]
        reader.flat_channels = None
    layer = own_layer("Dense")(module.out_features, use_bias=module.bias is not None)
    return [reader.give(layer, kernel, array_of_tensor(module.bias))]


def read_embedding(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return an `Embedding`, which adds an axis."""
    require_settings(where, module, max_norm=None)
    if module.padding_idx is not None:
        reader.notes.append(f"{where}: the vector of padding_idx is trained here")
    reader.axes += 1
    layer = own_layer("Embedding")(module.num_embeddings, module.embedding_dim)
    return [reader.give(layer, array_of_tensor(module.weight))]


def write_dense(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return a `Linear`, its weights permuted where channels were flattened."""
    if writer.channels_first:
        raise writer.refusal(layer, "it mixes the channels of images, which a Linear does not")
    kernel = np.asarray(layer.kernel)
    if writer.flat_channels is not None:
        kernel = kernel[np.argsort(channels_last_order(len(kernel), writer.flat_channels))]
        writer.flat_channels = None
    module = writer.nn.Linear(*kernel.shape, bias=layer.use_bias)
    writer.fill(module, weight=kernel.T, bias=getattr(layer, "bias", None))
    return [module, *activation_modules(writer, layer)]


def write_embedding(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return an `Embedding`."""
    if layer.mask_zero:
        raise writer.refusal(layer, "mask_zero=True, and PyTorch's modules know no masks")
    module = writer.nn.Embedding(*layer.embeddings.shape)
    writer.fill(module, weight=layer.embeddings)
    return [module]
