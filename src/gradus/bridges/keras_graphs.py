"""The graph of a Keras model as nested layers: chains, branches, and residual connections.

A node's *gate* is the last node that all paths from the model's inputs to it pass. Two branches
that are merged begin at the last node that both have in common among their gates; between that
node and the merge each is a chain again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from gradus.bridges.keras_files import arrays_of_layer
from gradus.bridges.keras_layers import LayerReader, layer_name
from gradus.bridges.keras_objects import keras_class
from gradus.errors import GradusError
from gradus.nn.layer import Layer, snake_case
from gradus.nn.layers.containers import Parallel, Residual, Sequential

MERGES = {"Add": "add", "Multiply": "multiply", "Concatenate": "concatenate"}
START = ""  # the node before all inputs
MODELS = ("Sequential", "Functional", "Model")
OPERATIONS = "keras.src.ops."


class Node(NamedTuple):
    """One call of a layer.

    Attributes:
        where: what errors call it.
        kind: its class in Keras.
        inputs: the names of the nodes whose outputs it takes.
        layer: the layer of gradus; None for an input and for a merge.
    """

    where: str
    kind: str
    inputs: list[str]
    layer: Layer | None


class KerasNetwork:
    """A network read from a Keras model: its layers, and their weights.

    Args:
        config: the model, as Keras serializes it.
        arrays: its weights by path.

    Attributes:
        net: the network, unbuilt.
        inputs: the descriptions of its inputs by name: shape and dtype.
        outputs: the names of its outputs; None for one.
        named_outputs: whether the outputs are a dict rather than a list.
        reader: what read the layers, with its notes.
        weights: the layers that have weights, each with its arrays, in Keras's order.
    """

    def __init__(self, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        self.reader = LayerReader()
        self.arrays = dict(arrays)
        self.weights: list[tuple[Layer, list[np.ndarray]]] = []
        self.inputs: dict[str, tuple[Any, str]] = {}
        self.outputs: list[str] | None = None
        self.named_outputs = False
        self.net = self._model(config, "", whole=True)

    def _model(self, entry: Mapping[str, Any], path: str, whole: bool = False) -> Layer:
        """Return a whole model, or one within a model, as a layer."""
        where = "The model" if whole else layer_name(entry)
        kind, config = keras_class(entry, "models", where)
        if kind not in MODELS or not isinstance(config.get("layers"), list):
            raise GradusError(
                f"{where} is a {kind}, a model with code of its own, which is not run here: only "
                "Sequential and functional models are taken."
            )
        entries = [each for each in config["layers"] if isinstance(each, Mapping)]
        names = _paths_of(entries, f"{path}/layers" if path else "layers", kind)
        net = (
            Sequential(list(self._chain(entries, names, entry, whole)))
            if kind == "Sequential"
            else self._functional(config, entries, names, whole)
        )
        if not whole and isinstance(config.get("name"), str):
            net.named(config["name"])
        return net if config.get("trainable", True) else net.freeze()

    def _chain(
        self, entries: list[Any], paths: list[str], model: Mapping[str, Any], whole: bool
    ) -> Iterator[Layer]:
        """Yield the layers of a sequential model."""
        build = model.get("build_config")
        shape = build.get("input_shape") if isinstance(build, Mapping) else None
        config = entries[0].get("config") if entries else None
        dtype = "float32"
        if isinstance(config, Mapping):
            if entries[0].get("class_name") == "InputLayer":
                shape, dtype = config.get("batch_shape", shape), config.get("dtype", dtype)
            else:
                shape = config.get("batch_shape", shape)
        if whole:
            self.inputs = {"input": (shape, str(dtype))}
        for each, path in zip(entries, paths, strict=True):
            if each.get("class_name") != "InputLayer":
                yield self._layer(each, path)

    def _layer(self, entry: Mapping[str, Any], path: str, causal: bool = False) -> Layer:
        if entry.get("class_name") in MODELS:
            return self._model(entry, path)
        arrays = arrays_of_layer(self.arrays, path)
        layer = self.reader.read(entry, arrays, causal)
        if arrays and entry.get("class_name") != "Normalization":
            self.weights.append((layer, arrays))
        return layer

    def _functional(
        self, config: Mapping[str, Any], entries: list[Any], paths: list[str], whole: bool
    ) -> Sequential:
        nodes: dict[str, Node] = {START: Node("", "", [], None)}
        for entry, path in zip(entries, paths, strict=True):
            nodes[str(entry.get("name"))] = self._node(entry, path)
        inputs = _names(config.get("input_layers"))
        if whole:
            found = {str(each.get("name")): each.get("config", {}) for each in entries}
            self.inputs = {
                name: (found[name].get("batch_shape"), str(found[name].get("dtype")))
                for name in inputs
            }
        elif len(inputs) != 1:
            raise GradusError("A model within the model takes several inputs, or none: one only.")
        graph = _Graph(nodes, inputs)
        outputs = config.get("output_layers")
        ends = _names(outputs)
        if len(ends) == 1 and not isinstance(outputs, Mapping):
            return Sequential(graph.between(START, ends[0]))
        if not whole:
            raise GradusError("A model within the model has several outputs: one only.")
        named = self.named_outputs = isinstance(outputs, Mapping)
        self.outputs = [str(key) for key in outputs] if isinstance(outputs, Mapping) else ends
        start = graph.common(ends)
        branches = [_one(graph.between(start, end)) for end in ends]
        heads = Parallel(dict(zip(self.outputs, branches, strict=True)) if named else branches)
        return Sequential([*graph.between(START, start), heads])

    def _node(self, entry: Mapping[str, Any], path: str) -> Node:
        """Return the call of a layer, its layer converted."""
        where, kind = layer_name(entry), str(entry.get("class_name"))
        if kind == "InputLayer":
            return Node(where, kind, [START], None)
        calls = entry.get("inbound_nodes")
        if not isinstance(calls, list) or len(calls) != 1:
            raise GradusError(
                f"{where} is called {len(calls or [])} times: layers that share weights cannot be "
                "carried; write a layer of your own that calls it twice."
            )
        inputs = list(_tensors(calls[0].get("args"), where))
        causal = _check_call(calls[0], where)
        if kind in MERGES and len(inputs) > 1:
            self._check_merge(entry, kind, where, len(inputs), calls[0])
            return Node(where, kind, inputs, None)
        if str(entry.get("module")).startswith(OPERATIONS):
            raise GradusError(f"{where}: the operation {kind} of keras.ops cannot be carried.")
        layer = self._layer(entry, path, causal)
        if len(set(inputs)) != 1 and not layer.takes_several:
            raise GradusError(
                f"{where} is called with {len(set(inputs))} inputs, but gradus's {kind} takes one "
                "in a network: write a layer of your own that calls it."
            )
        return Node(where, kind, inputs if layer.takes_several else inputs[:1], layer)

    def _check_merge(
        self, entry: Mapping[str, Any], kind: str, where: str, count: int, call: Mapping[str, Any]
    ) -> None:
        """Refuse a merge along another axis than the last, and one with a constant."""
        keras_class({**entry, "registered_name": None}, "layers", where)
        config = entry.get("config", {})
        axis = config.get("axis", -1) if kind == "Concatenate" else -1
        build = entry.get("build_config")
        shapes = build.get("input_shape") if isinstance(build, Mapping) else None
        last = len(shapes[0]) - 1 if isinstance(shapes, list) and shapes else None
        if axis not in (-1, last):
            raise GradusError(f"{where}: axis={axis} cannot be carried, only the last axis.")


class _Graph:
    """The nodes of a functional model, and the layers between two of them.

    Args:
        nodes: by name.
        inputs: the names of the inputs.

    Attributes:
        gates: for each node those that all paths from the inputs to it pass, first to last.
    """

    def __init__(self, nodes: dict[str, Node], inputs: list[str]) -> None:
        self.nodes, self.inputs = nodes, inputs
        self.used: set[str] = set()
        self.gates: dict[str, list[str]] = {START: [START]}
        for name, node in nodes.items():  # Keras lists a layer after those that it is called with
            for each in node.inputs:
                if each not in self.gates:
                    raise GradusError(f"{node.where} takes the output of {each!r}, unknown there.")
            if name != START:
                first, *others = (self.gates[each] for each in node.inputs)
                shared = [gate for gate in first if all(gate in gates for gates in others)]
                self.gates[name] = [*shared, name]

    def between(self, start: str, end: str) -> list[Layer]:
        """Return the layers that turn the output of `start` into that of `end`."""
        layers: list[Layer] = []
        while end != start:
            node = self.nodes[end]
            if end in self.used:
                raise GradusError(
                    f"{node.where}: its output goes to several layers that are not merged as "
                    "branches or residual connections of gradus are, so it cannot be carried: "
                    "write a layer of your own."
                )
            if node.kind != "InputLayer":
                self.used.add(end)
            if len(node.inputs) == 1:
                layers += [] if node.layer is None else [node.layer]
                end = node.inputs[0]
                continue
            gate = self.common(node.inputs)
            layers += reversed(self._merged(node, gate))
            end = gate
        return layers[::-1]

    def common(self, names: list[str]) -> str:
        """Return the last node that all paths from the inputs to each of some nodes pass."""
        first, *others = (self.gates[name] for name in names)
        return [gate for gate in first if all(gate in gates for gates in others)][-1]

    def _merged(self, node: Node, gate: str) -> list[Layer]:
        """Return the layers of a merge whose branches begin at `gate`."""
        if gate == START and len(self.inputs) > 1:
            branches: Any = self._branches_by_input(node)
        else:
            chains = [self.between(gate, name) for name in node.inputs]
            if node.kind == "Add" and len(chains) == 2 and [] in chains and chains != [[], []]:
                return [Residual(chains[0] or chains[1])]
            branches = [_one(chain) for chain in chains]
        if node.layer is None:
            return [Parallel(branches, MERGES[node.kind])]
        return [Parallel(branches), node.layer]

    def _branches_by_input(self, node: Node) -> dict[str, Layer]:
        """Return the branches of a merge by the name of the input that each takes."""
        branches: dict[str, Layer] = {}
        for name in node.inputs:
            taken = [each for each in self.gates[name] if each in self.inputs]
            if len(taken) != 1 or taken[0] in branches:
                raise GradusError(
                    f"{node.where} does not merge one branch for each input, so it cannot be "
                    "carried: write a layer of your own that takes the inputs."
                )
            branches[taken[0]] = _one(self.between(START, name))
        if set(branches) != set(self.inputs):
            left = ", ".join(sorted(set(self.inputs) - set(branches)))
            raise GradusError(
                f"{node.where} does not merge all inputs ({left} comes later), so it cannot be "
                "carried: write a layer of your own that takes the inputs."
            )
        return branches


def _one(chain: list[Layer]) -> Layer:
    """Return a chain as one layer."""
    return chain[0] if len(chain) == 1 else Sequential(chain)


def _paths_of(entries: list[Any], path: str, kind: str) -> list[str]:
    """Return where the weights of each layer of a model are: its class and a count."""
    counts: dict[str, int] = {}
    paths = []
    for entry in entries:
        name = snake_case(str(entry.get("class_name")))
        is_layer = not str(entry.get("module")).startswith(OPERATIONS)
        if is_layer and (kind != "Sequential" or name != "input_layer"):
            count = counts[name] = counts.get(name, -1) + 1
            name = f"{name}_{count}" if count else name
        paths.append(f"{path}/{name}")
    return paths


def _tensors(value: Any, where: str) -> Iterator[str]:
    """Yield the names of the layers whose outputs are among the arguments of a call."""
    if isinstance(value, list):
        for item in value:
            yield from _tensors(item, where)
    elif isinstance(value, Mapping):
        if value.get("class_name") != "__keras_tensor__":
            for item in value.values():
                yield from _tensors(item, where)
            return
        history = value.get("config", {}).get("keras_history")
        if not isinstance(history, list) or len(history) != 3 or history[1:] != [0, 0]:
            raise GradusError(
                f"{where} takes the second output or call of the layer {history!r}, which cannot "
                "be carried."
            )
        yield str(history[0])
    elif value is not None:
        raise GradusError(f"{where} is called with {value!r}, which cannot be carried.")


def _check_call(call: Mapping[str, Any], where: str) -> bool:
    """Return whether attention is causal; refuse other arguments of a call than its inputs."""
    options = {k: v for k, v in (call.get("kwargs") or {}).items() if v not in (None, False)}
    causal = bool(options.pop("use_causal_mask", False))
    if options:
        names = ", ".join(f"{name}=…" for name in options)
        raise GradusError(f"{where} is called with {names}, which cannot be carried.")
    return causal


def _names(layers: Any) -> list[str]:
    """Return the names of a model's inputs or outputs, however Keras nests them."""
    if isinstance(layers, Mapping):
        return [name for value in layers.values() for name in _names(value)]
    if isinstance(layers, list) and layers and isinstance(layers[0], str):
        return [layers[0]]
    return [name for each in layers or [] for name in _names(each)]
