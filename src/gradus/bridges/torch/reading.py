"""Modules of PyTorch as layers of gradus, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradus.bridges.own_layers import own_layer
from gradus.bridges.torch.activations import read_activation, read_prelu, read_softmax
from gradus.bridges.torch.convolutions import read_conv, read_conv_transpose
from gradus.bridges.torch.dense import read_embedding, read_linear
from gradus.bridges.torch.layouts import ReadLayout
from gradus.bridges.torch.modules import ACTIVATIONS
from gradus.bridges.torch.normalizations import (
    read_batch_norm,
    read_group_norm,
    read_instance_norm,
    read_layer_norm,
    read_rms_norm,
    read_spatial_dropout,
)
from gradus.bridges.torch.pooling import (
    read_adaptive,
    read_average_pool,
    read_max_pool,
    read_upsample,
    read_zero_pad,
)
from gradus.bridges.torch.recurrent import RECURRENT, read_last_output, read_recurrent
from gradus.bridges.torch.reshaping import read_flatten, read_unflatten
from gradus.errors import GradusError
from gradus.nn.layer import Layer

Read = Callable[[ReadLayout, Any, str], list[Layer]]
NOT_NEGATIVE = ("ReLU", "ReLU6", "Sigmoid", "Softplus", "Hardsigmoid")


def _for_each_rank(name: str, read: Read) -> dict[str, Read]:
    """Return what reads a kind of module for one, two, and three spatial axes."""
    return {f"{name}{rank}d": read for rank in (1, 2, 3)}


READERS: dict[str, Read] = {
    **_for_each_rank("Conv", read_conv),
    **_for_each_rank("ConvTranspose", read_conv_transpose),
    **_for_each_rank("BatchNorm", read_batch_norm),
    **_for_each_rank("InstanceNorm", read_instance_norm),
    **_for_each_rank("MaxPool", read_max_pool),
    **_for_each_rank("AvgPool", read_average_pool),
    **_for_each_rank("AdaptiveAvgPool", read_adaptive),
    **_for_each_rank("AdaptiveMaxPool", read_adaptive),
    **_for_each_rank("Dropout", read_spatial_dropout),
    **dict.fromkeys(ACTIVATIONS, read_activation),
    **dict.fromkeys(("Softmax", "LogSoftmax"), read_softmax),
    **dict.fromkeys(RECURRENT, read_recurrent),
    **dict.fromkeys(("ZeroPad1d", "ZeroPad2d"), read_zero_pad),
    **dict.fromkeys(("ConstantPad1d", "ConstantPad2d"), read_zero_pad),
    "Linear": read_linear,
    "Embedding": read_embedding,
    "LayerNorm": read_layer_norm,
    "RMSNorm": read_rms_norm,
    "GroupNorm": read_group_norm,
    "LastOutput": read_last_output,
    "Flatten": read_flatten,
    "Unflatten": read_unflatten,
    "Upsample": read_upsample,
    "PReLU": read_prelu,
    "Dropout": lambda _, module, where: [own_layer("Dropout")(module.p)],
    "AlphaDropout": lambda _, module, where: [own_layer("AlphaDropout")(module.p)],
    "LeakyReLU": lambda _, module, where: [
        own_layer("Activation")("leaky_relu", module.negative_slope)
    ],
    "ELU": lambda _, module, where: [own_layer("Activation")("elu", module.alpha)],
    "Identity": lambda _, module, where: [],
}


class ModuleReader(ReadLayout):
    """Turns modules into layers, and follows how their data are laid out."""

    def __init__(self, axes: int, channels: int | None) -> None:
        super().__init__(axes, channels)
        self.seen: set[Any] = set()

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
        if kind not in READERS:
            raise GradusError(f"{where}: gradus has no layer for it.")
        if kind[-2:] in ("1d", "2d", "3d") and kind != "BatchNorm1d":
            self.require_axes(int(kind[-2]) + 2, where)
        try:
            layers = READERS[kind](self, module, where)
        except GradusError as error:
            raise error if where in str(error) else GradusError(f"{where}: {error}") from None
        keeps_signs = kind.startswith(("MaxPool", "AvgPool", "Dropout"))
        self.positive = kind in NOT_NEGATIVE or (self.positive and keeps_signs)
        return layers
