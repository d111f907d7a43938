"""Which training programs use the native kernels."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gradus.kernels.library import kernels
from gradus.nn.layer import Layer, named_layers
from gradus.nn.layers.conv import WindowLayer
from gradus.nn.layers.dense import Dense

if TYPE_CHECKING:
    from jax.sharding import Mesh

LARGEST_BATCH = 256  # samples of a step, above which XLA, on all cores, is as fast or faster
MOST_OUTPUTS = 60_000  # of a dense layer in a step, above which XLA divides them among the cores


def native_kernels(
    net: Layer, batch_size: int, mesh: Mesh | None = None
) -> contextlib.AbstractContextManager[None]:
    """Return a block in which a training step is traced with native kernels, if they pay.

    They are left out of large batches, and of networks with convolutions or with wide layers for
    the batch: there XLA has much to compute beside the products, on the cores that the threads of
    a kernel would hold.

    Args:
        net: the network.
        batch_size: samples of a step.
        mesh: the devices that share a batch, of which kernels know nothing; None for one device.
    """
    layers = [layer for _, layer in named_layers(net)]
    units = [layer.units for layer in layers if isinstance(layer, Dense)]
    fits = batch_size <= LARGEST_BATCH and batch_size * max(units, default=0) <= MOST_OUTPUTS
    convolves = any(isinstance(layer, WindowLayer) for layer in layers)
    return kernels(mesh is None and fits and not convolves)
