"""The masks that layers of a functional Keras model are called with, which gradus finds by itself.

Where an `Embedding` or a `Masking` layer says which steps are padding, Keras computes the mask with
operations in the graph, `ids != 0`, and calls the layers after it with `mask=…`. Such an argument
is left out if it is the mask that follows the arrays in gradus, too. Any other is the author's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gradus.bridges.keras.nesting import START, Node, node_name
from gradus.errors import GradusError
from gradus.nn.layer import Layer
from gradus.nn.layers.embedding import Embedding
from gradus.nn.layers.masking import Masking


class Source(NamedTuple):
    """What a mask says of an array: where it is other than a value, a step is real.

    Attributes:
        node: the name of the node whose output the array is.
        value: of padding.
    """

    node: str
    value: float


class MaskArguments:
    """The masks in the graph of a model, and the calls that have one.

    Args:
        sources: of each mask, by the name of the operation that computes it; None for one that
            follows from no single array.
    """

    def __init__(self, sources: Mapping[str, Source | None]) -> None:
        self._sources = sources
        self._given: list[tuple[str, str, str]] = []

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    def add(self, where: str, node: str, mask: str) -> None:
        """Note that the call of a layer, the node, has the mask that an operation computes."""
        self._given.append((where, node, mask))

    def check(self, nodes: Mapping[str, Node]) -> None:
        """Check that each mask is the one that follows the layer's input by itself.

        Args:
            nodes: the calls by name, each after those whose outputs it takes.

        Raises:
            GradusError: naming the layer of another mask.
        """
        followed: dict[str, Source | None] = {START: None}
        for name, node in nodes.items():
            if name != START:
                inherited = (followed[each] for each in node.inputs)
                own = _own_source(node.layer, node.inputs[0])
                followed[name] = own or next((each for each in inherited if each), None)
        for where, called, mask in self._given:
            inherited = (followed[each] for each in nodes[called].inputs)
            found = next((each for each in inherited if each), None)
            if found is None or found != self._sources.get(mask):
                raise GradusError(
                    f"{where} is called with a mask that is not that of one "
                    "Embedding(mask_zero=True) or Masking, passed on by the first input of each "
                    "layer between, so it cannot be carried."
                )


def mask_sources(
    operations: Mapping[str, Mapping[str, Any]],
    layers: Iterable[Mapping[str, Any]],
    outputs: Iterable[str],
) -> dict[str, Source | None]:
    """Return the sources of all masks that operations of a model compute.

    Args:
        operations: the descriptions of the model's operations by name. Those on whose outputs no
            layer is called, except with `mask=…`, compute masks.
        layers: the descriptions of its layers.
        outputs: the names of the nodes that it returns.
    """

    def source(name: str) -> Source | None:
        kind, arguments = operations[name].get("class_name"), _arguments(operations[name])
        if kind == "NotEqual" and len(arguments) == 2 and isinstance(arguments[1], int | float):
            (array,) = _tensors(arguments[0])
            return Source(array, float(arguments[1]))
        of_masks = [each for each in _tensors(arguments) if each in operations]
        found = {source(each) for each in of_masks}
        return found.pop() if kind in ("Any", "LogicalOr") and len(found) == 1 else None

    called = [each for layer in layers for each in _tensors(layer.get("inbound_nodes"))]
    needed = [*called, *outputs]
    for name in needed:  # which grows meanwhile
        if name in operations:
            needed += _tensors(_arguments(operations[name]))
    return {name: source(name) for name in operations if name not in needed}


def _arguments(entry: Mapping[str, Any]) -> list[Any]:
    """Return what an operation is called with."""
    return [each for call in entry.get("inbound_nodes") or [] for each in call.get("args") or []]


def _tensors(value: Any) -> list[str]:
    """Return the names of the nodes whose outputs are among the arguments of calls, but masks."""
    if isinstance(value, list):
        return [name for each in value for name in _tensors(each)]
    if not isinstance(value, Mapping):
        return []
    if value.get("class_name") == "__keras_tensor__":
        name, call, _ = value["config"]["keras_history"]
        return [node_name(str(name), int(call))]
    return [name for key, each in value.items() if key != "mask" for name in _tensors(each)]


def _own_source(layer: Layer | None, x: str) -> Source | None:
    """Return the mask that a layer makes of its input, or None."""
    if isinstance(layer, Embedding) and layer.mask_zero:
        return Source(x, 0.0)
    return Source(x, float(layer.mask_value)) if isinstance(layer, Masking) else None
