"""Which training programs use the native kernels."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gradus.kernels.library import kernels
from gradus.nn.layer import Layer, named_layers
from gradus.nn.layers.conv import WindowLayer

if TYPE_CHECKING:
    from jax.sharding import Mesh

LARGEST_BATCH = 256  # samples of a step, above which XLA, on all cores, is as fast or faster


def native_kernels(
    net: Layer, batch_size: int, mesh: Mesh | None = None
) -> contextlib.AbstractContextManager[None]:
    """Return a block in which a training step is traced with native kernels, if they pay.

    They are left out of large batches, and of networks with convolutions: those are XLA's, which
    computes the gradients of other layers beside them, while the threads of a kernel would wait for
    the cores that they hold.

    Args:
        net: the network.
        batch_size: samples of a step.
        mesh: the devices that share a batch, of which kernels know nothing; None for one device.
    """
    convolves = any(isinstance(layer, WindowLayer) for _, layer in named_layers(net))
    return kernels(mesh is None and batch_size <= LARGEST_BATCH and not convolves)
