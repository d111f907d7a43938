"""Layers that contain layers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from gradus.checks import is_word, whole_number
from gradus.errors import GradusError, ShapeError, unknown
from gradus.nn.arguments import check_sizes
from gradus.nn.layer import Layer
from gradus.nn.network import copy_structure
from gradus.space import Range, Space


def _check_layers(owner: str, layers: Any) -> Any:
    if isinstance(layers, Space):
        return layers
    if isinstance(layers, Layer) or not isinstance(layers, Sequence):
        raise GradusError(f"{owner} takes a list of layers: write {owner}([Dense(10), ...]).")
    for index, layer in enumerate(layers):
        if isinstance(layer, type) and issubclass(layer, Layer):
            raise GradusError(
                f"{owner}: item {index} is the class {layer.__name__}, not a layer: "
                f"write {layer.__name__}(...)."
            )
        if not isinstance(layer, Layer | Space):
            raise GradusError(
                f"{owner}: item {index} is {layer!r} ({type(layer).__name__}), not a layer; "
                'for an activation write Activation("relu").'
            )
    return list(layers)


class Sequential(Layer):
    """One layer after another: the output of each is the input of the next.

    Layers are named by their class and a count ("dense", "dense_1") unless they have a name.

    Args:
        layers: the layers, first to last.

    Raises:
        GradusError: for an item that is not a layer.

    Examples:
        >>> x = jnp.zeros((2, 4))
        >>> net = gr.init(gr.Sequential([gr.Dense(8, "relu"), gr.Dense(3)]), 0, x)
        >>> net(x).shape
        (2, 3)
    """

    takes_several = True

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = _check_layers("Sequential", layers)

    def call(self, x: Any) -> Any:
        """Return the output of the last layer."""
        for layer in self.layers:
            x = layer(x)
        return x


class Repeat(Layer):
    """Copies of a layer, one after another, each with its own weights.

    It makes the number of layers a hyperparameter: `Repeat(Dense(64, "relu"), int_uniform(1, 4))`.

    Args:
        layer: the layer to copy.
        times: how many copies; with none the output is the input.

    Raises:
        GradusError: if `layer` is not a layer, or `times` not a whole number of at least 0.

    Examples:
        >>> x = jnp.zeros((2, 4))
        >>> net = gr.init(gr.Repeat(gr.Dense(4, "relu"), times=3), 0, x)
        >>> len(net.layers)
        3
    """

    build_only = ("layer",)
    takes_several = True

    def __init__(self, layer: Layer, times: int) -> None:
        (self.layer,) = _check_layers("Repeat", [layer])
        self.times = times
        check_sizes(self, "times", least=0)
        if isinstance(times, Range):
            whole_number("times", times.low, 0, "Repeat")

    def build(self, shape: Any) -> None:
        """Create the copies."""
        self.layers = [copy_structure(self.layer) for _ in range(int(self.times))]

    def call(self, x: Any) -> Any:
        """Return the output of the last copy."""
        for layer in self.layers:
            x = layer(x)
        return x


class Residual(Layer):
    """A skip connection: `x + f(x)`, where `f` is a chain of layers.

    He et al. 2016, "Deep residual learning for image recognition".

    Args:
        layers: the layers of `f`; its output must have the shape of its input.

    Raises:
        ShapeError: if the shapes differ; the message names both.

    Examples:
        >>> x = jnp.ones((2, 4))
        >>> net = gr.init(gr.Residual([gr.Dense(4, kernel_initializer="zeros")]), 0, x)
        >>> net(x)[0].tolist()
        [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = _check_layers("Residual", layers)

    def call(self, x: Any) -> Any:
        """Return `x + f(x)`."""
        y = x
        for layer in self.layers:
            y = layer(y)
        if y.shape != x.shape:
            raise ShapeError(
                f"{self._label()} adds its layers' output of shape {tuple(y.shape)} to its input "
                f"of shape {tuple(x.shape)}: end it with Dense({x.shape[-1]})."
            )
        return x + y


MERGES = ("concatenate", "add", "multiply")


class Parallel(Layer):
    """Several branches on one input or on one input each, merged into one or several outputs.

    A list of branches is merged by `merge`; a dict of branches gives a dict of outputs, one for
    each name. If the input is a dict with the branches' names, each branch gets its own entry.

    Args:
        branches: a list or a dict of layers.
        merge: "concatenate" (along the last axis), "add", or "multiply"; None to return the
            outputs as a dict or a tuple.

    Raises:
        GradusError: for an unknown `merge`.

    Examples:
        >>> x = jnp.zeros((2, 4))
        >>> heads = gr.Parallel({"label": gr.Dense(3, "softmax"), "price": gr.Dense(1)})
        >>> {name: y.shape for name, y in gr.init(heads, 0, x)(x).items()}
        {'label': (2, 3), 'price': (2, 1)}
    """

    takes_several = True

    def __init__(self, branches: Any, merge: str | None = None) -> None:
        if merge is not None and not is_word(merge, MERGES):
            raise unknown("merge", merge, MERGES)
        named = isinstance(branches, dict)
        _check_layers("Parallel", list(branches.values()) if named else branches)
        self.branches = branches
        self.merge = merge

    def call(self, x: Any) -> Any:
        """Return the merged outputs, or all of them."""
        if isinstance(self.branches, dict):
            separate = isinstance(x, dict) and set(x) == set(self.branches)
            named = {n: layer(x[n] if separate else x) for n, layer in self.branches.items()}
            if self.merge is None:
                return named
            outputs = list(named.values())
        else:
            outputs = [layer(x) for layer in self.branches]
            if self.merge is None:
                return tuple(outputs)
        if self.merge == "concatenate":
            return jnp.concatenate(outputs, axis=-1)
        return functools.reduce(jnp.add if self.merge == "add" else jnp.multiply, outputs)
