"""Which layers know masks in gradus but not in Keras, where a network that has one is another.

Keras drops the mask at a layer that does not say that it supports masks, such as a convolution;
gradus passes it on, or leaves padding out of what the layer computes. And Keras's attention takes
the mask away from the arrays that it is given: where another layer is given them, too, as in a
residual connection, an attention after it attends to padding.
"""

from __future__ import annotations

from collections import Counter
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
    found, lost = _masked(net, example)
    if lost is not None:
        raise GradusError(
            f"{lost} cannot be carried: it gets a mask here but none in Keras, whose attention "
            "takes it away from what it is given, and other layers are given that, too. If no "
            "layer needs the mask, write mask_zero=False, and leave out Masking; or normalize "
            "before each attention, as in x + attend(norm(x))."
        )
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


def _without_mask(net: Layer, inputs: dict[str, Any], outputs: dict[str, Any]) -> str | None:
    """Return which attention has a mask here but not in Keras, or None.

    Args:
        net: a copy of a network that was called, recording.
        inputs: of its layers, by path.
        outputs: of its layers, by path, in the order of their calls.
    """
    merging = [each for _, each in named_layers(net) if isinstance(each, Residual | Parallel)]
    given = Counter(
        id(array)
        for layer in (*_parts(net), *merging)
        for array in jax.tree.leaves(inputs.get(layer.path, ()))
    )
    shared = {layer.path for layer in _called_again(net)}
    attends = {each.path: each for each in _parts(net) if isinstance(each, MultiHeadAttention)}
    taken = False
    for path in outputs:  # an array of several layers has lost its mask after the first attention
        arrays = jax.tree.leaves(inputs.get(path, ()))
        if path in attends and mask_tracking.get_mask(*arrays) is not None:
            if taken or path in shared:
                return attends[path]._label()
            taken = any(given[id(array)] > 1 for array in arrays)
    return None


def _masked(net: Layer, example: Any) -> tuple[dict[str, bool], str | None]:
    """Return the paths of layers that get a mask, and whether they use it or pass it on.

    And which attention gets one that it has not in Keras, or None.

    Of a layer that is called several times not every call is recorded: it counts as one that gets a
    mask if anything has one.
    """
    found: dict[str, bool] = {}
    lost: list[str | None] = []

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
            lost.append(_without_mask(copy, inputs, outputs))

    jax.eval_shape(call, net, example)
    return found, lost[0]
