"""The calls of a Keras model's layers as nested layers: chains, branches, residual connections.

A node's *gate* is the last node that all paths from the model's inputs to it pass. Two branches
that are merged begin at the last node that both have in common among their gates; between that
node and the merge each is a chain again. What is no such nesting, as where layers are shared,
becomes a `Functional`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gradus.errors import GradusError
from gradus.nn.layer import Layer
from gradus.nn.layers.containers import Functional, Parallel, Residual, Sequential
from gradus.nn.layers.merging import Add, Concatenate, Multiply

MERGES: dict[str, type[Layer]] = {"Add": Add, "Multiply": Multiply, "Concatenate": Concatenate}
START = ""  # the node before all inputs


class Node(NamedTuple):
    """One call of a layer.

    Attributes:
        name: of the layer in Keras.
        kind: its class in Keras.
        inputs: the names of the nodes whose outputs it takes.
        layer: the layer of gradus; None for an input and for a merge along the last axis.
    """

    name: str
    kind: str
    inputs: list[str]
    layer: Layer | None


def node_name(name: str, count: int) -> str:
    """Return the name of a call of a layer, which is the layer's own for the first.

    Args:
        name: of the layer.
        count: the number of the call, from 0.
    """
    return f"{name}/{count}" if count else name


class NotNestedError(Exception):
    """A graph that is no nesting of chains, branches, and residual connections."""


def in_order(calls: dict[str, Node]) -> dict[str, Node]:
    """Return the nodes, after that of all inputs, each after those whose outputs it takes.

    Raises:
        GradusError: for a node that takes an output which is not there.
    """
    nodes, left = {START: Node("", "", [], None)}, dict(calls)
    while left:  # Keras lists a layer's later calls beside its first
        found = {n: node for n, node in left.items() if all(each in nodes for each in node.inputs)}
        if not found:
            node = next(iter(left.values()))
            absent = next(each for each in node.inputs if each not in nodes)
            raise GradusError(f"Layer {node.name!r} takes the output of {absent!r}, unknown there.")
        nodes |= found
        left = {name: node for name, node in left.items() if name not in found}
    return nodes


def nested(
    nodes: dict[str, Node], inputs: list[str], ends: list[str], keys: list[str] | None
) -> Sequential:
    """Return a graph as nested layers.

    Args:
        nodes: by name.
        inputs: the names of the inputs.
        ends: the names of the outputs.
        keys: what a dict of outputs calls them.

    Raises:
        NotNestedError: if it is no nesting.
    """
    layers = [id(node.layer) for node in nodes.values() if node.layer is not None]
    if len(layers) > len(set(layers)):
        raise NotNestedError  # a layer has several calls
    graph = _Nesting(nodes, inputs)
    if len(ends) == 1 and keys is None:
        return Sequential(graph.between(START, ends[0]))
    start = graph.common(ends)
    branches = [_one(graph.between(start, end)) for end in ends]
    heads = Parallel(branches if keys is None else dict(zip(keys, branches, strict=True)))
    return Sequential([*graph.between(START, start), heads])


def as_functional(
    nodes: dict[str, Node], inputs: list[str], ends: list[str], keys: list[str] | None
) -> Functional:
    """Return any graph as one layer; the arguments are those of `nested`."""
    layers: dict[str, Layer] = {}
    calls: dict[str, tuple[str, ...]] = {}
    for result, node in nodes.items():
        if result == START or node.kind == "InputLayer":
            continue
        if node.name not in layers:
            layers[node.name] = node.layer or MERGES[node.kind]().named(node.name)
        calls[result] = (node.name, *node.inputs)
    outputs: Any = ends[0] if len(ends) == 1 else tuple(ends)
    if keys is not None:
        outputs = dict(zip(keys, ends, strict=True))
    return Functional(layers, calls, inputs[0] if len(inputs) == 1 else tuple(inputs), outputs)


class _Nesting:
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
        for name, node in nodes.items():
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
                raise NotNestedError  # its output goes to layers that are not merged
            if node.kind != "InputLayer":
                self.used.add(end)
            if len(node.inputs) == 1:
                layers += [] if node.layer is None else [node.layer]
                end = node.inputs[0]
                continue
            if node.layer is not None and not node.layer.takes_several:
                raise NotNestedError  # as cross-attention
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
            if node.layer is not None:
                raise NotNestedError  # it would be given a dict, which has no order
        else:
            chains = [self.between(gate, name) for name in node.inputs]
            if node.kind == "Add" and len(chains) == 2 and [] in chains and chains != [[], []]:
                return [Residual(chains[0] or chains[1])]
            branches = [_one(chain) for chain in chains]
        if node.layer is None:
            return [Parallel(branches, node.kind.lower())]
        return [Parallel(branches), node.layer]

    def _branches_by_input(self, node: Node) -> dict[str, Layer]:
        """Return the branches of a merge by the name of the input that each takes."""
        branches: dict[str, Layer] = {}
        for name in node.inputs:
            taken = [each for each in self.gates[name] if each in self.inputs]
            if len(taken) != 1 or taken[0] in branches:
                raise NotNestedError  # it does not merge one branch for each input
            branches[taken[0]] = _one(self.between(START, name))
        if set(branches) != set(self.inputs):
            raise NotNestedError  # an input comes later
        return branches


def _one(chain: list[Layer]) -> Layer:
    """Return a chain as one layer."""
    return chain[0] if len(chain) == 1 else Sequential(chain)
