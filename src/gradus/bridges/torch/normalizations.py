"""Normalization over batches, features, and groups of channels, and dropout of whole channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.bridges.own_layers import own_layer
from gradus.bridges.torch.layouts import ReadLayout, WriteLayout
from gradus.bridges.torch.modules import array_of_tensor, require_settings
from gradus.errors import GradusError
from gradus.nn.layer import Layer


def read_batch_norm(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a `BatchNormalization` with the running moments."""
    require_settings(where, module, track_running_stats=True)
    if module.momentum is None:
        raise GradusError(f"{where}: momentum=None cannot be carried.")
    if reader.axes > 2:
        reader.require_channels_first(where, module.num_features)
    layer = own_layer("BatchNormalization")(
        1 - module.momentum, module.eps, center=module.affine, scale=module.affine
    )
    arrays = [module.weight, module.bias, module.running_mean, module.running_var]
    return [reader.give(layer, *(reader.features(array_of_tensor(each)) for each in arrays))]


def read_layer_norm(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a `LayerNormalization` over the last axis."""
    if len(module.normalized_shape) != 1 or reader.channels is not None:
        raise GradusError(f"{where} normalizes other axes than gradus's, which takes the last.")
    scaled, centered = module.weight is not None, module.bias is not None
    layer = own_layer("LayerNormalization")(module.eps, center=centered, scale=scaled)
    arrays = [reader.features(array_of_tensor(each)) for each in (module.weight, module.bias)]
    return [reader.give(layer, *arrays) if scaled or centered else layer]


def read_rms_norm(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return an `RMSNormalization` over the last axis."""
    if len(module.normalized_shape) != 1 or reader.channels is not None:
        raise GradusError(f"{where} normalizes other axes than gradus's, which takes the last.")
    epsilon = np.finfo(np.float32).eps if module.eps is None else module.eps
    scale = array_of_tensor(module.weight)
    scale = np.ones(module.normalized_shape, np.float32) if scale is None else scale
    return [reader.give(own_layer("RMSNormalization")(float(epsilon)), reader.features(scale))]


def read_instance_norm(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a `GroupNormalization` of as many groups as channels."""
    require_settings(where, module, track_running_stats=False)
    reader.require_channels_first(where, module.num_features)
    layer = own_layer("GroupNormalization")(
        module.num_features, module.eps, center=module.affine, scale=module.affine
    )
    if module.affine:
        reader.give(layer, array_of_tensor(module.weight), array_of_tensor(module.bias))
    return [layer]


def read_group_norm(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a `GroupNormalization`."""
    reader.require_channels_first(where, module.num_channels)
    layer = own_layer("GroupNormalization", where)(
        module.num_groups, module.eps, center=module.affine, scale=module.affine
    )
    if not module.affine:
        return [layer]
    return [reader.give(layer, array_of_tensor(module.weight), array_of_tensor(module.bias))]


def read_spatial_dropout(reader: ReadLayout, module: Any, where: str) -> list[Layer]:
    """Return a dropout of whole channels."""
    reader.require_channels_first(where)
    return [own_layer(f"SpatialDropout{reader.axes - 2}D", where)(module.p)]


def write_batch_norm(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return a `BatchNorm` for as many spatial axes as the data have."""
    axes = len(writer.shapes[layer.path])
    if axes > 2:
        writer.require_channels_first(layer)
    cls = getattr(writer.nn, f"BatchNorm{max(axes - 2, 1)}d")
    count = len(layer.moving_mean)
    module = cls(count, float(layer.epsilon), 1 - float(layer.momentum))
    gamma, beta = (
        getattr(layer, "gamma", np.ones(count)),
        getattr(layer, "beta", np.zeros(count)),
    )
    arrays = dict(
        zip(
            ("weight", "bias", "running_mean", "running_var"),
            map(writer.features, (gamma, beta, layer.moving_mean, layer.moving_variance)),
            strict=True,
        )
    )
    writer.fill(module, **arrays)
    return [module]


def write_layer_norm(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return a `LayerNorm` over the last axis."""
    if writer.channels_first:
        raise writer.refusal(
            layer, "it normalizes the channels, where LayerNorm takes the last axis"
        )
    size = writer.shapes[layer.path][-1]
    module = writer.nn.LayerNorm(size, float(layer.epsilon))
    arrays = getattr(layer, "gamma", np.ones(size)), getattr(layer, "beta", np.zeros(size))
    writer.fill(module, weight=writer.features(arrays[0]), bias=writer.features(arrays[1]))
    return [module]


def write_rms_norm(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return an `RMSNorm` over the last axis."""
    if writer.channels_first:
        raise writer.refusal(layer, "it normalizes the channels, where RMSNorm takes the last axis")
    module = writer.nn.RMSNorm(writer.shapes[layer.path][-1], float(layer.epsilon))
    writer.fill(module, weight=writer.features(layer.scale))
    return [module]


def write_group_norm(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return a `GroupNorm`."""
    writer.require_channels_first(layer)
    size = writer.shapes[layer.path][-1]
    module = writer.nn.GroupNorm(layer.groups, size, float(layer.epsilon))
    arrays = getattr(layer, "gamma", np.ones(size)), getattr(layer, "beta", np.zeros(size))
    writer.fill(module, weight=arrays[0], bias=arrays[1])
    return [module]


def write_spatial_dropout(writer: WriteLayout, layer: Any) -> list[Any]:
    """Return a dropout of whole channels."""
    writer.require_channels_first(layer)
    rank = len(writer.shapes[layer.path]) - 2
    return [getattr(writer.nn, f"Dropout{rank}d")(float(layer.rate))]
