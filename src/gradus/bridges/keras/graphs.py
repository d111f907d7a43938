"""A Keras model as it is described: its layers, their weights, and how they are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gradus.bridges.keras.files import arrays_of_layer
from gradus.bridges.keras.layers import LayerReader, layer_name
from gradus.bridges.keras.mask_arguments import MaskArguments, mask_sources
from gradus.bridges.keras.nesting import (
    MERGES,
    START,
    Node,
    NotNestedError,
    as_functional,
    in_order,
    nested,
    node_name,
)
from gradus.bridges.keras.objects import construct, keras_class, short_float
from gradus.bridges.keras.operations import check_dropped_masks, is_operation, read_operation
from gradus.errors import GradusError
from gradus.init_args import snake_case
from gradus.nn.layer import Layer
from gradus.nn.layers.attention import MultiHeadAttention
from gradus.nn.layers.containers import Sequential, TimeDistributed
from gradus.nn.layers.sparsity import ActivityRegularization

MODELS = ("Sequential", "Functional", "Model")
ATTENDED = ("query", "value", "key")  # what attention is called with


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
        if entry.get("class_name") == "TimeDistributed":
            _, config = keras_class(entry, "layers", layer_name(entry))
            if isinstance(each := config.get("layer"), Mapping) and each["class_name"] in MODELS:
                wrapped = TimeDistributed(self._model(each, f"{path}/layer"))
                wrapped.named(config["name"])
                return wrapped if config.get("trainable", True) else wrapped.freeze()
        arrays = arrays_of_layer(self.arrays, path)
        entry, regularizer = _without_activity_regularizer(entry)
        layer = self.reader.read(entry, arrays, causal)
        if arrays and entry.get("class_name") != "Normalization":
            self.weights.append((layer, arrays))
        if regularizer is None:
            return layer
        name = layer_name(entry)
        kind, factors = keras_class(regularizer, "regularizers", name)
        if kind not in ("L1", "L2", "L1L2"):
            raise GradusError(f"{name}: activity_regularizer={kind} cannot be carried.")
        factors = {factor: short_float(value) for factor, value in factors.items()}
        after = construct(ActivityRegularization, factors, name)
        return Sequential([layer, after]).named(str(entry["config"]["name"]))

    def _functional(
        self, config: Mapping[str, Any], entries: list[Any], paths: list[str], whole: bool
    ) -> Layer:
        calls: dict[str, Node] = {}
        operations = {str(each.get("name")): each for each in entries if is_operation(each)}
        layers = [each for each in entries if not is_operation(each)]
        outputs = config.get("output_layers")
        ends = _names(outputs)
        masks = MaskArguments(mask_sources(operations, layers, ends))
        for entry, path in zip(entries, paths, strict=True):
            if str(entry.get("name")) not in masks:
                for count, node in enumerate(self._calls(entry, path, masks)):
                    calls[node_name(node.name, count)] = node
        nodes = in_order(calls)
        masks.check(nodes)
        check_dropped_masks(nodes, operations)
        inputs = _names(config.get("input_layers"))
        if whole:
            found = {str(each.get("name")): each.get("config", {}) for each in entries}
            self.inputs = {
                name: (found[name].get("batch_shape"), str(found[name].get("dtype")))
                for name in inputs
            }
        keys = [str(key) for key in outputs] if isinstance(outputs, Mapping) else None
        several = len(ends) > 1 or keys is not None
        if whole and several:
            self.outputs, self.named_outputs = keys or ends, keys is not None
        elif several:
            raise GradusError(
                f"The model {config.get('name')!r} within the model has several outputs, which "
                "cannot be carried: call its layers in the model itself."
            )
        if not whole and len(inputs) != 1:
            if isinstance(config.get("input_layers"), Mapping) or not inputs:
                raise GradusError(
                    f"The model {config.get('name')!r} within the model takes a dict, or nothing, "
                    "which cannot be carried: give it one input, or a list."
                )
            return as_functional(nodes, inputs, ends, keys)  # which is given a tuple
        try:
            return nested(nodes, inputs, ends, keys if several else None)
        except NotNestedError:
            return as_functional(nodes, inputs, ends, keys)

    def _calls(self, entry: Mapping[str, Any], path: str, masks: MaskArguments) -> Iterator[Node]:
        """Yield the calls of a layer, the layer converted, and note the masks that they have."""
        where, kind, name = layer_name(entry), str(entry.get("class_name")), str(entry.get("name"))
        if kind == "InputLayer":
            yield Node(name, kind, [START], None)
            return
        calls = entry.get("inbound_nodes")
        if not isinstance(calls, list) or not calls:
            raise GradusError(f"{where} is never called, so it cannot be carried.")
        if is_operation(entry):
            yield read_operation(entry, where)
            return
        causal = {_check_call(call, kind, where) for call in calls}
        if len(causal) > 1:
            raise GradusError(f"{where} is causal in some of its calls only: that is one setting.")
        inputs = [list(_inputs_of(call, kind, where)) for call in calls]
        for count, call in enumerate(calls):
            for mask in _tensors((call.get("kwargs") or {}).get("mask"), where):
                masks.add(where, node_name(name, count), mask)
        is_merge = kind in MERGES and all(len(each) > 1 for each in inputs)
        if is_merge and self._is_along_last_axis(entry, kind, where):
            for each in inputs:
                yield Node(name, kind, each, None)
            return
        layer = self._layer(entry, path, causal.pop())
        for each in inputs:
            one = len(each) == 1 or layer.takes_several
            yield Node(name, kind, each if one else self._attended(layer, each, where), layer)

    def _attended(self, layer: Layer, inputs: list[str], where: str) -> list[str]:
        """Return the query and the value that attention is called with; one if they are the same.

        Raises:
            GradusError: for another layer, and for keys that are not the values.
        """
        if not isinstance(layer, MultiHeadAttention):
            raise GradusError(
                f"{where} is called with {len(inputs)} inputs, but gradus's "
                f"{type(layer).__name__} takes one: write a layer of your own that calls it."
            )
        query, value, *key = inputs
        if len(key) > 1 or (key and key[0] != value):
            raise GradusError(
                f"{where} is called with keys that are not its values, but gradus's "
                "MultiHeadAttention makes both of one sequence: call it with a query and a value."
            )
        return [query] if query == value else [query, value]

    def _is_along_last_axis(self, entry: Mapping[str, Any], kind: str, where: str) -> bool:
        """Return whether arrays are merged element by element, or along the last axis."""
        keras_class({**entry, "registered_name": None}, "layers", where)
        config = entry.get("config", {})
        axis = config.get("axis", -1) if kind == "Concatenate" else -1
        build = entry.get("build_config")
        shapes = build.get("input_shape") if isinstance(build, Mapping) else None
        last = len(shapes[0]) - 1 if isinstance(shapes, list) and shapes else None
        return axis in (-1, last)


def _without_activity_regularizer(entry: Mapping[str, Any]) -> tuple[Mapping[str, Any], Any]:
    """Return a layer without the penalty on its outputs, and that penalty; None for none."""
    config = entry.get("config")
    if entry.get("class_name") == "ActivityRegularization" or not isinstance(config, Mapping):
        return entry, None
    left = {name: value for name, value in config.items() if name != "activity_regularizer"}
    return {**entry, "config": left}, config.get("activity_regularizer")


def _paths_of(entries: list[Any], path: str, kind: str) -> list[str]:
    """Return where the weights of each layer of a model are: its class and a count."""
    counts: dict[str, int] = {}
    paths = []
    for entry in entries:
        name = snake_case(str(entry.get("class_name")))
        if not is_operation(entry) and (kind != "Sequential" or name != "input_layer"):
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
        if not isinstance(history, list) or len(history) != 3 or history[2] != 0:
            raise GradusError(
                f"{where} takes the second output of the layer {history!r}, which cannot be "
                "carried."
            )
        yield node_name(str(history[0]), int(history[1]))
    elif value is not None:
        raise GradusError(f"{where} is called with {value!r}, which cannot be carried.")


def _inputs_of(call: Mapping[str, Any], kind: str, where: str) -> list[str]:
    """Return the nodes whose outputs a layer is called with, those of attention in its order."""
    inputs = [name for each in call.get("args") or [] for name in _tensors(each, where)]
    named = call.get("kwargs") or {}
    if kind != "MultiHeadAttention":
        return inputs
    arguments = dict(zip(ATTENDED, inputs, strict=False))
    for name in ATTENDED:
        if named.get(name) is not None:
            (arguments[name],) = _tensors(named[name], where)
    return [arguments[name] for name in ATTENDED if name in arguments]


def _check_call(call: Mapping[str, Any], kind: str, where: str) -> bool:
    """Return whether attention is causal; refuse other arguments of a call than its inputs."""
    options = {
        name: value
        for name, value in (call.get("kwargs") or {}).items()
        if value not in (None, False) and not (isinstance(value, list) and not any(value))
    }
    causal = bool(options.pop("use_causal_mask", False))
    options.pop("mask", None)  # `MaskArguments` checks it
    options.pop("training", None)  # that of fit and predict takes its place, in Keras, too
    if kind == "MultiHeadAttention":
        options = {name: value for name, value in options.items() if name not in ATTENDED}
    if options:
        names = ", ".join(f"{name}=…" for name in options)
        raise GradusError(f"{where} is called with {names}, which cannot be carried.")
    return causal


def _names(layers: Any) -> list[str]:
    """Return the names of a model's inputs or outputs, however Keras nests them."""
    if isinstance(layers, Mapping):
        return [name for value in layers.values() for name in _names(value)]
    if isinstance(layers, list) and layers and isinstance(layers[0], str):
        return [node_name(layers[0], int(layers[1]))]
    return [name for each in layers or [] for name in _names(each)]
