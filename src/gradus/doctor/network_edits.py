"""Edits of a network that is not built: other activations, initializers, rates, and sizes.

Each function returns the edited network and the changes that were made; none means that the edit
does not apply.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from gradus.doctor.candidate import Change
from gradus.hyperparameters import rebuild_settings, replace_settings
from gradus.init_args import init_args
from gradus.nn.layer import Layer, named_children, named_layers
from gradus.nn.layers.activation import as_activation
from gradus.nn.layers.attention import MultiHeadAttention, TransformerEncoder
from gradus.nn.layers.containers import Sequential
from gradus.nn.layers.conv import WindowLayer
from gradus.nn.layers.dense import Dense
from gradus.nn.layers.normalization import BatchNormalization
from gradus.nn.layers.reshaping import Rescaling

Edited = tuple[Layer, list[Change]]
Arguments = Mapping[str, Any]


def edit_layers(net: Layer, edit: Callable[[str, Layer], Arguments]) -> Edited:
    """Give some layers other arguments.

    Args:
        net: the network.
        edit: returns the arguments that are to differ, for the path of a layer and the layer.
    """
    changes: list[Change] = []
    paths = {id(layer): path for path, layer in named_layers(net)}

    def replacement(part: Any) -> Any:
        if id(part) not in paths:
            return part
        path = paths[id(part)]
        wanted = edit(path, part)
        editable = as_activation(part) if "activation" in wanted else part
        old = dict(init_args(editable))
        new = {
            name: value
            for name, value in wanted.items()
            if name in old and not same(old[name], value)
        }
        changes.extend(
            Change(f"{path}.{name}" if path else name, code(old[name]), code(value))
            for name, value in new.items()
        )
        return rebuild_settings(editable, {**old, **new}) if new else part

    return replace_settings(net, replacement), changes


def hidden_layers(net: Layer, outputs: Collection[str | None]) -> dict[str, Layer]:
    """Return the dense and convolutional layers with an activation that are no outputs, by path."""
    return {
        path: layer
        for path, layer in named_layers(net)
        if isinstance(layer, Dense | WindowLayer) and path not in outputs
    }


def has_attention(net: Layer) -> bool:
    """Whether a network, built or not, has a layer of attention."""
    kinds = TransformerEncoder, MultiHeadAttention
    return any(isinstance(layer, kinds) for _, layer in named_layers(net))


def with_batch_norm(net: Layer, outputs: Collection[str | None]) -> Edited:
    """Normalize what each hidden layer takes, but the first, which the data's scaling serves."""
    hidden = set(hidden_layers(net, outputs)) | set(outputs)
    return _insert_before(net, hidden, BatchNormalization)


def with_rescaled_inputs(net: Layer, mean: np.ndarray, deviation: np.ndarray) -> Edited:
    """Scale the inputs to mean 0 and deviation 1, by a first layer in place of another scaling."""
    first = Rescaling(_plain(1 / deviation), _plain(-mean / deviation))
    if type(net) is not Sequential:
        return Sequential([first, net]), []
    replaced, changes = int(isinstance(net.layers[0], Rescaling)), []
    if replaced:
        changes.append(Change(next(named_children(net))[0], code(net.layers[0].scale), "left out"))
    return rebuild_settings(net, {"layers": [first, *net.layers[replaced:]]}), changes


def with_rescaled_outputs(net: Layer, mean: np.ndarray, deviation: np.ndarray) -> tuple[Layer, str]:
    """Add a last layer that undoes a scaling, and return what precedes the paths of weights."""
    last = Rescaling(_plain(deviation), _plain(mean))
    if type(net) is Sequential:
        return rebuild_settings(net, {"layers": [*net.layers, last]}), ""
    whole = Sequential([net, last])
    return whole, f"{next(named_children(whole))[0]}/"


def without_half_of_hidden(net: Layer, outputs: Collection[str | None]) -> Edited:
    """Remove every other hidden dense layer of a sequential network with four or more of them."""
    if type(net) is not Sequential:
        return net, []
    hidden = hidden_layers(net, outputs)
    dense = [layer for layer in hidden.values() if type(layer) is Dense and layer in net.layers]
    if len(dense) < 4:
        return net, []
    removed = {id(layer) for layer in dense[1::2]}
    layers = [layer for layer in net.layers if id(layer) not in removed]
    change = Change("hidden layers", str(len(dense)), str(len(dense) - len(removed)))
    return rebuild_settings(net, {"layers": layers}), [change]


def code(value: Any) -> str:
    """Return a setting as people write it: `0.001`, `"relu"`, `L2(0.001)`."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, float | np.floating):
        return f"{float(f'{float(value):.4g}'):g}"
    if isinstance(value, type):
        return value.__name__
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        shown = [
            f"{field.name}={code(getattr(value, field.name))}"
            for field in dataclasses.fields(value)
            if field.init and not same(getattr(value, field.name), field.default)
        ]
        return f"{type(value).__name__}({', '.join(shown)})"
    return repr(value)


def same(one: Any, other: Any) -> bool:
    """Whether two settings are equal, or are the same activation by two names."""
    if one is other:
        return True
    try:
        return bool(one == other)
    except (TypeError, ValueError):  # arrays
        return False


def _insert_before(net: Layer, paths: Collection[str | None], make: Callable[[], Layer]) -> Edited:
    """Insert a layer before those of some paths but the first, in sequential networks."""
    if type(net) is not Sequential:
        return net, []
    names = {id(layer): path for path, layer in named_layers(net)}
    layers: list[Layer] = []
    changes: list[Change] = []
    is_first = True
    for layer in net.layers:
        path = names[id(layer)]
        if path in paths:
            if not is_first:
                made = make()
                layers.append(made)
                changes.append(Change(f"before {path}", "nothing", f"{type(made).__name__}()"))
            is_first = False
        layers.append(layer)
    return rebuild_settings(net, {"layers": layers}), changes


def _plain(values: np.ndarray) -> Any:
    """Return a number or a tuple of numbers, as settings are stored."""
    return float(values) if values.ndim == 0 else tuple(values.tolist())
