"""Layers that contain layers, or a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gradus.checks import as_items, as_result, is_word, whole_number
from gradus.checks import function as check_callable
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
            library = type(layer).__module__.partition(".")[0]
            theirs = library in ("keras", "tensorflow", "torch")
            advice = (
                f"it is one of {library}: write one of gradus, gr.Dense(8), or take all of them, "
                f"gr.from_{'torch' if library == 'torch' else 'keras'}(model)"
            )
            activation = 'for an activation write Activation("relu")'
            raise GradusError(
                f"{owner}: item {index} is {layer!r} ({type(layer).__name__}), not a layer; "
                f"{advice if theirs else activation}."
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


class Functional(Layer):
    """A graph of layers, each called on what others returned, and as often as needed.

    `layers` says which layers there are, `calls` what is computed: the name of each result, with
    the layer that returns it and the names of what the layer is given. A layer that is called
    several times has its weights once, and one of two inputs, such as cross-attention, is given
    both. A layer that takes a tuple (`Add`, `Sequential`) is given several results as one.

    Args:
        layers: the layers by name.
        calls: for each result, in order, `(layer, input, ...)`, where an input is the name of an
            earlier result or of one of `inputs`.
        inputs: what the network's input is called; for a dict or a tuple, the names of its arrays.
        outputs: the result that is returned, or a list or dict of several; None for the last one.

    Raises:
        GradusError: for a name that is none of a layer, a result, or an input (with the nearest);
            for a layer that is not called, and a name that two results or inputs share.

    Examples:
        >>> twins = gr.Functional(
        ...     layers={"encode": gr.Dense(4, "tanh"), "compare": gr.Subtract()},
        ...     calls={
        ...         "a": ("encode", "left"),
        ...         "b": ("encode", "right"),
        ...         "difference": ("compare", "a", "b"),
        ...     },
        ...     inputs=("left", "right"),
        ... )
        >>> x = {"left": jnp.ones((2, 3)), "right": jnp.ones((2, 3))}
        >>> gr.init(twins, 0, x)(x)[0].tolist()
        [0.0, 0.0, 0.0, 0.0]
    """

    takes_several = True

    def __init__(
        self,
        layers: Mapping[str, Layer],
        calls: Mapping[str, Sequence[str]],
        inputs: str | Sequence[str] = "x",
        outputs: str | Sequence[str] | Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(layers, dict) or not isinstance(calls, dict) or not calls:
            raise GradusError(
                "Functional takes dicts of layers and of calls: write "
                'Functional({"dense": Dense(4)}, {"y": ("dense", "x")}).'
            )
        _check_layers("Functional", list(layers.values()))
        self.layers = layers
        self.calls = {result: _names_in(call) for result, call in calls.items()}
        self.inputs = inputs if isinstance(inputs, str) else _names_in(inputs)
        is_dict = outputs is None or isinstance(outputs, str | Mapping)
        self.outputs = outputs if is_dict else _names_in(outputs)
        self._check_names()

    def _check_names(self) -> None:
        """Refuse calls of layers, inputs, and outputs that do not exist."""
        known, outputs = list(_names_in(self.inputs)), self.outputs
        named = _names_in(outputs.values() if isinstance(outputs, Mapping) else outputs)
        if outputs is not None and not named:
            raise GradusError(
                "Functional: outputs has no name: write that of a result, or several."
            )
        for name in (*self.layers, *known, *self.calls, *named):
            if not isinstance(name, str):
                raise GradusError(f"Functional: {name!r} is no name: write a word, such as 'y'.")
        for result, call in self.calls.items():
            if len(call) < 2:
                raise GradusError(
                    f"Functional: {result!r} is {call!r}: write the name of a layer and those of "
                    'its inputs, such as ("dense", "x").'
                )
            if result in known:
                raise GradusError(f"Functional: two results or inputs are called {result!r}.")
            if not is_word(call[0], self.layers):
                raise unknown("layer", call[0], self.layers)
            for given in call[1:]:
                if not is_word(given, known):
                    raise unknown(f"input of {result!r}", given, known)
            known.append(result)
        for name in named:
            if not is_word(name, known):
                raise unknown("output", name, known)
        called = {call[0] for call in self.calls.values()}
        if unused := [name for name in self.layers if name not in called]:
            raise GradusError(f"Functional: the layer {unused[0]!r} is not called: leave it out.")

    def call(self, x: Any) -> Any:
        """Return the output, or all of them as a tuple or a dict."""
        return self.evaluate(x, lambda layer, *given: layer(*given))

    def evaluate(self, x: Any, apply: Callable[..., Any]) -> Any:
        """Return the outputs, each layer called by `apply(layer, *inputs)`."""
        values = self._named_inputs(x)
        for result, (name, *names) in self.calls.items():
            layer, given = self.layers[name], tuple(values[each] for each in names)
            several = len(given) > 1 and layer.takes_several
            values[result] = apply(layer, given) if several else apply(layer, *given)
        if self.outputs is None:
            return values[result]
        if isinstance(self.outputs, str):
            return values[self.outputs]
        if isinstance(self.outputs, Mapping):
            return {key: values[name] for key, name in self.outputs.items()}
        return tuple(values[name] for name in self.outputs)

    def layers_given(self, name: str) -> list[Layer]:
        """Return the layers that are given an input or a result."""
        return [self.layers[call[0]] for call in self.calls.values() if name in call[1:]]

    def _named_inputs(self, x: Any) -> dict[str, Any]:
        """Return the inputs by name.

        Raises:
            ShapeError: for other inputs than the graph has.
        """
        if isinstance(self.inputs, str):
            return {self.inputs: x}
        if isinstance(x, dict) and set(x) == set(self.inputs):
            return dict(x)
        if isinstance(x, tuple | list) and len(x) == len(self.inputs):
            return dict(zip(self.inputs, x, strict=True))
        given = f"a dict of {', '.join(map(str, x))}" if isinstance(x, dict) else as_result(x)
        raise ShapeError(
            f"{self._label()} takes a dict of {', '.join(self.inputs)}, or a tuple in this order, "
            f"but was given {given}."
        )


def _names_in(given: Any) -> tuple[str, ...]:
    """Return the one name, or the names in a list, that are given."""
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(as_items(given) or ())


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
