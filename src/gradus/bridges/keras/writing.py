"""Layers of gradus as layers of Keras: by name, and those few that need more than that."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from gradus.bridges.keras.objects import RENAMED, short_float
from gradus.bridges.own_layers import is_own_layer
from gradus.errors import GradusError, ShapeError
from gradus.init_args import init_args
from gradus.nn import activations
from gradus.nn.layer import Layer
from gradus.nn.layers.attention import MultiHeadAttention, TransformerEncoder
from gradus.nn.layers.containers import Functional, Parallel, Repeat, Residual, Sequential
from gradus.nn.layers.merging import BaseMerge
from gradus.nn.network import weights

CHAINS = (Sequential, Repeat, TransformerEncoder)
# What Keras's layer needs to be told to compute the same.
TOLD: dict[str, dict[str, Any]] = {
    "RandomRotation": {"fill_mode": "constant"},
    "RandomZoom": {"fill_mode": "constant"},
    "RandomTranslation": {"fill_mode": "constant", "interpolation": "nearest"},
}
# Layers that have Keras's name but compute something else.
OTHERS = {
    "RandomCrop": "Keras's shrinks larger images at prediction, where gradus's cuts them",
    "Lambda": "it holds code",
}
NO_SUCH_LAYER = (
    "Keras has no such layer. gr.export writes ONNX of gradus's layers, and StableHLO of any"
)


class LayerWriter:
    """Applies a network's layers, as Keras's, to Keras's symbolic tensors.

    Args:
        keras: the package.
        net: the built network.

    Attributes:
        made: the layers of Keras that have weights, each with the layer of gradus.
        chain: the layers of Keras in order, None once there was a branch.
    """

    def __init__(self, keras: Any, net: Layer) -> None:
        self.keras, self.net = keras, net
        self.made: list[tuple[Any, Layer]] = []
        self.chain: list[Any] | None = []
        self._twins: dict[int, Any] = {}  # of the layers that were called

    def apply(self, layer: Layer, x: Any, *others: Any) -> Any:
        """Return Keras's tensor of what a layer makes of another, or of several.

        Raises:
            GradusError: for a layer that Keras does not have; it names the layer.
        """
        if isinstance(layer, CHAINS):
            for each in layer.layers:
                x = self.apply(each, x)
            return x
        if isinstance(layer, Functional):
            self.chain = None
            return layer.evaluate(x, self.apply)
        if isinstance(layer, Residual):
            self.chain = None
            y = x
            for each in layer.layers:
                y = self.apply(each, y)
            return self._merge(layer, "Add")([x, y])
        if isinstance(layer, Parallel):
            return self._parallel(layer, x)
        if isinstance(layer, BaseMerge):
            self.chain = None
            arrays = [x[name] for name in sorted(x)] if isinstance(x, dict) else list(x)
            return self._twin(layer, lambda: self.write(layer))(arrays)
        written = self._twin(layer, lambda: self._made(layer))
        if isinstance(layer, MultiHeadAttention):
            self.chain = None
            value = others[0] if others else x
            return written(x, value, use_causal_mask=bool(layer.causal))
        return written(x, *others)

    def _twin(self, layer: Layer, make: Callable[[], Any]) -> Any:
        """Return the layer of Keras for one of gradus, made for its first call."""
        if id(layer) not in self._twins:
            self._twins[id(layer)] = make()
        return self._twins[id(layer)]

    def _made(self, layer: Layer) -> Any:
        written = self.write(layer)
        self.made.append((written, layer))
        if self.chain is not None:
            self.chain.append(written)
        return written

    def _merge(self, layer: Layer, kind: str) -> Any:
        """Return the layer of Keras that merges what the parts of a layer return."""
        cls = getattr(self.keras.layers, kind)
        return self._twin(layer, lambda: cls(name=self._name(layer)))

    def _parallel(self, layer: Parallel, x: Any) -> Any:
        self.chain = None
        if isinstance(layer.branches, dict):
            own = isinstance(x, dict) and set(x) == set(layer.branches)
            named = {n: self.apply(b, x[n] if own else x) for n, b in layer.branches.items()}
            outputs = list(named.values())
            if layer.merge is None:
                return named
        else:
            outputs = [self.apply(branch, x) for branch in layer.branches]
            if layer.merge is None:
                return outputs
        return self._merge(layer, layer.merge.capitalize())(outputs)

    def write(self, layer: Any, named: bool = True) -> Any:
        """Return the layer of Keras for one of gradus."""
        where, kind = layer._label(), type(layer).__name__
        if not is_own_layer(type(layer)):
            raise GradusError(f"{where} cannot be carried to Keras: it is a layer of its own kind.")
        if isinstance(layer, Sequential):  # within TimeDistributed
            chain = [self.write(each) for each in layer.layers]
            model = self.keras.Sequential(chain, name=self._name(layer))
            if not layer.trainable:  # set, it counts for each of the chain
                model.trainable = False
            return model
        if kind == "Activation" and layer.alpha is not None:
            kind = (
                "LeakyReLU"
                if activations.get(layer.activation) is activations.leaky_relu
                else "ELU"
            )
            own_name = "negative_slope" if kind == "LeakyReLU" else "alpha"
            arguments = {own_name: _plain_value(layer.alpha)}
        else:
            arguments = self._arguments(layer, where)
        cls = getattr(self.keras.layers, kind, None)
        if cls is None or kind in OTHERS:
            why = OTHERS.get(kind, NO_SUCH_LAYER)
            raise GradusError(f"{where} cannot be carried to Keras: {why}.")
        self._check_known(cls, arguments, layer, where)
        if named:
            arguments["name"] = self._name(layer)
        try:
            written = cls(**arguments)
        except Exception as error:
            raise GradusError(f"{where} cannot be carried to Keras: {error}") from error
        written.trainable = layer.trainable
        return written

    def _arguments(self, layer: Layer, where: str) -> dict[str, Any]:
        """Return a layer's arguments, named and written as Keras does."""
        renamed = {own: theirs for theirs, own in RENAMED.get(type(layer).__name__, {}).items()}
        arguments = {
            renamed.get(name, name): self._value(name, value, where)
            for name, value in init_args(layer)
            if not name.endswith("_initializer")  # the weights are carried themselves
        }
        arguments |= TOLD.get(type(layer).__name__, {})
        if isinstance(layer, MultiHeadAttention):
            del arguments["causal"]
            built: Any = layer
            arguments["key_dim"] = built.query.kernel.shape[1] // layer.num_heads
        if type(layer).__name__ == "Activation":
            del arguments["alpha"]
        for name, empty in (("dropout", 0.0), ("shared_axes", None)):
            if arguments.get(name, ...) in (None, ()):
                arguments[name] = empty
        return arguments

    def _check_known(self, cls: Any, arguments: dict[str, Any], layer: Layer, where: str) -> None:
        """Refuse an argument that Keras's layer lacks; drop it where it has its default."""
        known = inspect.signature(cls.__init__).parameters
        for name in [name for name in arguments if name not in known]:
            default = inspect.signature(type(layer)).parameters[name].default
            if arguments.pop(name) != default:
                raise GradusError(
                    f"{where} cannot be carried: Keras's {cls.__name__} has no {name}."
                )

    def _value(self, name: str, value: Any, where: str) -> Any:
        """Return a setting as Keras takes it."""
        if isinstance(value, Layer) and not name.endswith("activation"):
            return self.write(value, named=False)
        if name.endswith("activation") and value is not None:
            return self._activation(value, where)
        for ending, family in (("_regularizer", "regularizers"), ("_constraint", "constraints")):
            if name.endswith(ending) and value is not None:
                return keras_twin(getattr(self.keras, family), value, where)
        return _plain_value(value)

    def _activation(self, value: Any, where: str) -> str:
        """Return the name of an activation, which Keras must have."""
        name = (
            None
            if isinstance(value, Layer)
            else activations.REGISTRY.name_of(activations.get(value))
        )
        if name is None or not hasattr(self.keras.activations, name):
            raise GradusError(
                f"{where} cannot be carried: Keras has no activation {name or value!r}."
            )
        return name

    def _name(self, layer: Layer) -> str:
        """Return a name for a layer of Keras, where paths are not allowed, nor dots for PyTorch."""
        return layer.path.replace("/", "_").replace(".", "_") or type(layer).__name__.lower()

    def carry_weights(self) -> dict[int, str]:
        """Give Keras's layers the weights of gradus's; return their paths by Keras's variables.

        The key is `id(variable)`, as variables cannot be compared.
        """
        current = weights(self.net)
        paths: dict[int, str] = {}
        for written, layer in self.made:
            names = [
                name for name in current if name.startswith(f"{layer.path}/" if layer.path else "")
            ]
            arrays = [np.asarray(current[name]) for name in names]
            if len(arrays) != len(written.weights):
                raise ShapeError(
                    f"Layer {layer.path!r} ({type(layer).__name__}) has {len(arrays)} weights, but "
                    f"Keras's has {len(written.weights)}."
                )
            pairs = zip(arrays, written.weights, strict=True)
            written.set_weights([array.reshape(weight.shape) for array, weight in pairs])
            paths |= {id(w): name for w, name in zip(written.weights, names, strict=True)}
        return paths


def keras_twin(module: Any, value: Any, where: str, **told: Any) -> Any:
    """Return Keras's penalty, loss, or the like for gradus's of the same name.

    Args:
        module: of Keras, such as `keras.regularizers`.
        value: of gradus.
        where: what has it, for errors.
        told: arguments of Keras's that gradus does not have, or writes in another way.

    Raises:
        GradusError: if Keras does not have it.
    """
    name = type(value).__name__
    cls = getattr(module, name, None)
    if cls is None or not type(value).__module__.startswith("gradus."):
        raise GradusError(f"{where} cannot be carried: Keras has no {name}.")
    renamed = {own: theirs for theirs, own in RENAMED.get(name, {}).items()}
    known = inspect.signature(cls.__init__).parameters
    arguments = dict(told)
    for own, setting in init_args(value):
        theirs = renamed.get(own, own)
        if theirs in arguments:
            continue
        if theirs in known:
            arguments[theirs] = _plain_value(setting)
        elif setting not in (None, (), False, 0.0):
            raise GradusError(f"{where} cannot be carried: Keras's {name} has no {own}.")
    try:
        return cls(**arguments)
    except Exception as error:
        raise GradusError(f"{where} cannot be carried: {error}") from error


def _plain_value(value: Any) -> Any:
    """Return a setting as plain Python: an array of one number as the shortest float."""
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        value = np.asarray(value).tolist()
    return short_float(value) if isinstance(value, float) else value
