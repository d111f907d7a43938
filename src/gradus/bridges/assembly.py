"""A network that was read and its weights become a `Model`, for every bridge."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from gradus.errors import GradusError, warn
from gradus.host_memory import host_free_bytes
from gradus.models.inputs.arguments import abstract_network
from gradus.models.supervised import output_heads
from gradus.nn.layer import Layer, named_layers
from gradus.nn.layers.containers import Functional, Parallel, Sequential
from gradus.nn.layers.embedding import Embedding
from gradus.nn.network import with_weights
from gradus.train import memory
from gradus.train.tasks.base import is_head

Note = Callable[[str], None]
# The loss of a model that says none, by its final activation.
DEFAULT_LOSSES = {
    "softmax": "sparse_categorical_crossentropy",
    "log_softmax": "sparse_categorical_crossentropy",
    "sigmoid": "binary_crossentropy",
}


def built_network(
    net: Layer, example: Any, given: Iterable[tuple[Layer, list[np.ndarray]]]
) -> tuple[Layer, list[str]]:
    """Return a network with the weights that its layers are given, and their paths in that order.

    Args:
        net: the network, unbuilt.
        example: inputs, or their shapes.
        given: layers of `net`, each with its arrays in the order of its own weights.

    Raises:
        GradusError: for weights that are missing, left over, or of another shape.
    """
    network = abstract_network(net, example)
    memory.check_weights(network, host_free_bytes())
    shapes = {path: spec.shape for path, spec in network.specs.items()}
    paths = {id(layer): path for path, layer in named_layers(net)}
    values: dict[str, np.ndarray] = {}
    for layer, arrays in given:
        path = paths[id(layer)]
        names = [name for name in shapes if name.startswith(f"{path}/" if path else "")]
        if len(names) != len(arrays):
            raise GradusError(
                f"Layer {path!r} ({type(layer).__name__}) has {len(names)} weights, but "
                f"{len(arrays)} are given."
            )
        values |= {n: _fitted(n, a, shapes[n]) for n, a in zip(names, arrays, strict=True)}
    missing = sorted(set(shapes) - set(values))
    if missing:
        raise GradusError(f"There are no weights for {', '.join(missing)}.")
    return with_weights(network.net, values), list(values)


def _fitted(name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a weight as float32 in a layer's shape: in attention all heads share an axis here."""
    if array.shape != shape and (array.ndim == len(shape) or array.size != np.prod(shape)):
        raise GradusError(f"The weight {name!r} has shape {shape} but {array.shape} is given.")
    return np.asarray(array, np.float32).reshape(shape)


def takes_codes(net: Layer) -> bool:
    """Return whether the first layer of a network is an embedding, which takes whole numbers."""
    if isinstance(net, Embedding):
        return True
    parts: Any = ()
    if isinstance(net, Functional):
        names = (net.inputs,) if isinstance(net.inputs, str) else net.inputs
        return any(takes_codes(each) for name in names for each in net.layers_given(name))
    if isinstance(net, Sequential):
        parts = net.layers
    elif isinstance(net, Parallel):
        parts = list(net.branches.values()) if isinstance(net.branches, dict) else net.branches
    return bool(parts) and takes_codes(parts[0])


def default_loss(net: Layer, example: Any, note: Note) -> Any:
    """Return a loss for a built network that says none, by its final activation, and note it."""
    heads, _ = output_heads(net, example)

    def loss(head: Any) -> str:
        return DEFAULT_LOSSES.get(head.activation, "mse")

    losses = jax.tree.map(loss, heads, is_leaf=is_head)
    named = losses if isinstance(losses, str) else ", ".join(jax.tree.leaves(losses))
    note(f"it says no loss, so {named} was taken for its outputs: to choose, write loss=…")
    return losses


def tell(function: str, notes: list[str]) -> None:
    """Warn once of all that was changed or dropped.

    Args:
        function: what the user called.
        notes: sentences without a full stop.
    """
    if notes:
        warn(f"{function}: {'; '.join(notes)}.", UserWarning)
