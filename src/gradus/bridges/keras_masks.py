"""Which layers know masks in gradus but not in Keras, where a network that has one is another.

Keras drops the mask at a layer that does not say that it supports masks, such as a convolution;
gradus passes it on, or leaves padding out of what the layer computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax

from gradus.errors import GradusError
from gradus.nn import mask_tracking
from gradus.nn.layer import Layer, named_layers
from gradus.nn.layers.attention import MultiHeadAttention, TransformerEncoder
from gradus.nn.layers.containers import Functional, Parallel, Repeat, Residual, Sequential
from gradus.nn.layers.reshaping import Permute
from gradus.nn.network import fresh, recorded

# The layers of Keras that support masks, by the name that both have.
KNOW_MASKS = frozenset(
    {
        *("Masking", "Embedding", "Identity", "Activation", "Dense", "Rescaling", "Normalization"),
        *("LeakyReLU", "ReLU", "PReLU", "ELU", "Softmax", "TimeDistributed", "Bidirectional"),
        *("SimpleRNN", "LSTM", "GRU", "MultiHeadAttention", "GlobalAveragePooling1D"),
        *("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization"),
        *("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
        *("BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization"),
        *("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"),
    }
)
NESTING = (Sequential, Repeat, Residual, Parallel, Functional, TransformerEncoder)


def check_masks(net: Layer, example: Any) -> None:
    """Refuse a network in which a layer gets a mask that Keras does not know there.

    Args:
        net: the built network.
        example: inputs, or their shapes.

    Raises:
        GradusError: naming the layer.
    """
    found = _masked(net, example)
    masked = [layer for layer in _parts(net) if layer.path in found]
    # What a permuted mask was of are no steps any more, in either.
    ends = [each for each in masked if not found[each.path] or isinstance(each, Permute)]
    for layer in masked:
        if ends and isinstance(layer, MultiHeadAttention | TransformerEncoder):
            raise GradusError(
                f"{layer._label()} cannot be carried: it gets a mask, and in padded steps its "
                f"outputs are others in Keras, which {ends[0]._label()} takes for real ones: write "
                "a layer that knows masks there, such as GlobalAveragePooling1D."
            )
        if not any(layer is end for end in ends) and type(layer).__name__ not in KNOW_MASKS:
            raise GradusError(
                f"{layer._label()} cannot be carried: it gets a mask, which Keras drops at this "
                "layer and gradus does not, so that sequences with padding have other outputs. If "
                "no layer needs the mask, write mask_zero=False, and leave out Masking."
            )


def _parts(layer: Layer) -> Iterator[Layer]:
    """Yield the layers that a network consists of, without what is within them."""
    if not isinstance(layer, NESTING):
        yield layer
        return
    branches: Any = layer.branches if isinstance(layer, Parallel) else layer.layers
    for each in branches.values() if isinstance(branches, dict) else branches:
        yield from _parts(each)


def _called_again(net: Layer) -> Iterator[Layer]:
    """Yield the layers that are called several times, or are within one that is."""
    for _, graph in named_layers(net):
        if isinstance(graph, Functional):
            called = [call[0] for call in graph.calls.values()]
            for name, layer in graph.layers.items():
                if called.count(name) > 1:
                    yield from _parts(layer)


def _masked(net: Layer, example: Any) -> dict[str, bool]:
    """Return the paths of layers that get a mask, and whether they use it or pass it on.

    Of a layer that is called several times not every call is recorded: it counts as one that gets a
    mask if anything has one.
    """
    found: dict[str, bool] = {}

    def call(net: Layer, x: Any) -> None:
        copy = fresh(net, recording=True)
        with mask_tracking.tracking():
            copy(x)
            inputs, outputs = recorded(copy)
            for layer in _parts(copy):
                given = mask_tracking.get_mask(*inputs.get(layer.path, ()))
                passed = mask_tracking.get_mask(outputs.get(layer.path))
                if given is not None:
                    uses = "mask" in layer._call_options(False, None)
                    found[layer.path] = uses or passed is not None
            if any(mask_tracking.get_mask(y) is not None for y in jax.tree.leaves(outputs)):
                for layer in _called_again(copy):
                    found.setdefault(layer.path, True)

    jax.eval_shape(call, net, example)
    return found
