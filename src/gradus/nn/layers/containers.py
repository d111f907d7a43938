"""Layers that contain layers, or a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gradus.checks import function as check_callable
from gradus.checks import is_word, whole_number
from gradus.errors import GradusError, ShapeError, unknown
from gradus.nn.arguments import check_sizes
from gradus.nn.heads import reshape_steps
from gradus.nn.layer import Layer, Scope
from gradus.nn.layers.merging import MERGES, merge
from gradus.nn.network import copy_structure
from gradus.space import Range, Space, given_values


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
        layers: the layers in a list, first to last; or the first of them.
        others: the layers after the first, if they are not in a list.

    Raises:
        GradusError: for an item that is not a layer.

    Examples:
        >>> x = jnp.zeros((2, 4))
        >>> net = gr.init(gr.Sequential([gr.Dense(8, "relu"), gr.Dense(3)]), 0, x)
        >>> net(x).shape
        (2, 3)
        >>> same = gr.Sequential(gr.Dense(8, "relu"), gr.Dense(3))
        >>> len(same.layers)
        2
    """

    takes_several = True
    build_only = ("others",)  # `layers` has them

    def __init__(self, layers: Sequence[Layer] | Layer, *others: Layer) -> None:
        is_list = not others and not isinstance(layers, Layer | type)
        self.layers = _check_layers("Sequential", layers if is_list else [layers, *others])

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


class Parallel(Layer):
    """Several branches on one input or on one input each, merged into one or several outputs.

    A list of branches is merged by `merge`; a dict of branches gives a dict of outputs, one for
    each name. If the input is a dict with the branches' names, each branch gets its own entry.

    Args:
        branches: a list or a dict of layers.
        merge: "concatenate" (along the last axis), "add", "subtract", "multiply", "average",
            "maximum", or "minimum", as the layers of these names do; None to return the outputs as
            a dict or a tuple.

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
        return merge(self, self.merge, outputs)


class TimeDistributed(Layer):
    """A layer applied to each step of a sequence by itself.

    `x` has shape `(batch, steps, ...)`. The layer sees all steps of all samples as one batch,
    `(batch · steps, ...)`, those that pad a sequence, too; the output has the axis of steps again.
    So a network for images reads the pictures of a film. A `Dense` needs none of it: it works on
    the last axis.

    Args:
        layer: the layer, or a `Sequential` of several.

    Raises:
        GradusError: if it is not a layer.
        ShapeError: for an input without an axis of steps.

    Examples:
        >>> film = jnp.zeros((2, 10, 28, 28, 1))
        >>> net = gr.TimeDistributed(gr.Sequential([gr.Conv2D(4, 3), gr.GlobalMaxPooling2D()]))
        >>> gr.init(net, 0, film)(film).shape
        (2, 10, 4)
    """

    def __init__(self, layer: Layer) -> None:
        (self.layer,) = _check_layers("TimeDistributed", [layer])

    def call(self, x: Any, mask: Any = None) -> Any:
        """Return the layer's outputs of all steps."""
        if x.ndim < 3:
            raise ShapeError(
                f"{self._label()} takes sequences, shape (batch, steps, ...), but was given shape "
                f"{tuple(x.shape)}: for one feature per step write x[..., None]."
            )
        rows, steps = x.shape[:2]
        scope: Scope = self.__dict__.get("_scope") or Scope()
        before = len(scope.losses)
        y = self.layer(x.reshape(rows * steps, *x.shape[2:]))
        for index, loss in enumerate(scope.losses[before:], before):
            if jnp.shape(loss) == (rows * steps,):  # of each step: a sample has their sum
                real = True if mask is None else mask
                scope.losses[index] = jnp.where(real, loss.reshape(rows, steps), 0.0).sum(1)
        return jax.tree.map(lambda a: reshape_steps(a, (rows, steps, *a.shape[1:])), y)


class Lambda(Layer):
    """A function as a layer: `function(x)`.

    A model with a function of yours cannot be saved, since code is never stored: to save one, write
    a `Layer` whose `call` does the same. A function of gradus, such as `gr.activations.mish`, is
    saved by its name.

    Args:
        function: `f(x)`, of `jax.numpy`; `x` is an array or, for several inputs, a tuple or dict.

    Raises:
        GradusError: for what cannot be called as `f(x)`, or a layer.

    Examples:
        >>> x = jnp.array([[1.0, 2.0]])
        >>> gr.init(gr.Lambda(lambda x: x**2), 0, x)(x).tolist()
        [[1.0, 4.0]]
    """

    takes_several = True

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        for value in given_values(function):
            if isinstance(value, Layer):
                raise GradusError(f"Lambda({value!r}): this is a layer already; leave out Lambda.")
            check_callable("function", value, "f(x)", "Lambda")

    def call(self, x: Any) -> Any:
        """Return `function(x)`."""
        return self.function(x)
