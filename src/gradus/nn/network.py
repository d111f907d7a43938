"""A whole network: built from a seed and an example, taken apart by path, called afresh."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import numpy as np

from gradus.errors import GradusError
from gradus.nn import initializers, mask_tracking
from gradus.nn.heads import Head, record_heads
from gradus.nn.layer import (
    Layer,
    Scope,
    WeightSpec,
    assign_paths,
    named_layers,
    named_layers_trained,
)
from gradus.rng import host_rng

L = TypeVar("L", bound=Layer)


def init(net: L, seed: int, example: Any) -> L:
    """Return a built copy of `net`, its weights drawn for inputs like `example`.

    Shapes are found by an abstract call, without arithmetic; each weight is then drawn on the
    host by NumPy's counter-based Philox generator keyed by the seed and the weight's path, so
    that a network has the same weights alone or in a sweep, on any device, and keeps them when
    a layer without weights is put in.

    Args:
        net: the network; it is not changed.
        seed: any integer.
        example: an array, or a tuple or dict of arrays or `jax.ShapeDtypeStruct`, batch first.

    Raises:
        GradusError: if a layer stands in two places or cannot take its input.

    Example:
        >>> net = gr.init(gr.Dense(3), 0, jnp.zeros((1, 4)))
        >>> net.kernel.shape, net(jnp.ones((5, 4))).shape
        ((4, 3), (5, 3))
    """
    made: L = abstract_init(net, example).init_weights(seed)
    return made


@dataclasses.dataclass(frozen=True)
class AbstractNetwork:
    """A network whose shapes are known and whose weights are not drawn yet.

    Attributes:
        structure: of the network.
        leaves: of the network, weights and swept settings; the weights are zero.
        specs: how each weight is drawn, by path.
        weights: where among the leaves each weight is, by path.
        settings: where among them those of the unbuilt network are, in its order; None where
            `build` made swept settings of its own from them.
    """

    structure: Any
    leaves: list[Any]
    specs: dict[str, WeightSpec]
    weights: dict[str, int]
    settings: list[int] | None

    @property
    def net(self) -> Any:
        """The network, its weights zero."""
        return self._made(self.leaves)

    def init_weights(self, seed: int) -> Any:
        """Return the network with its weights, each drawn by the seed and its path."""
        leaves = list(self.leaves)
        for where, spec in self.specs.items():
            drawn = initializers.draw_weight(spec.initializer, host_rng(seed, where), spec.shape)
            leaves[self.weights[where]] = drawn
        return self._made(leaves)

    def with_settings_of(self, net: Layer) -> AbstractNetwork | None:
        """Return the outline of an unbuilt network of the same structure, without a trace.

        None where only a trace can tell.
        """
        if self.settings is None:
            return None
        leaves = list(self.leaves)
        for place, leaf in zip(self.settings, jax.tree.leaves(net), strict=True):
            leaves[place] = leaf
        return dataclasses.replace(self, leaves=leaves)

    def _made(self, leaves: list[Any]) -> Any:
        net = jax.tree.unflatten(self.structure, leaves)
        assign_paths(net, "", None)
        return net


def abstract_init(net: Layer, example: Any) -> AbstractNetwork:
    """Return the outline of a network for inputs like `example`; see `init`."""
    given = [path for path, _ in jax.tree_util.tree_flatten_with_path(net)[0]]
    net = copy_structure(net)
    scope = Scope(building=True)
    assign_paths(net, "", scope)
    jax.eval_shape(net, _abstract(example))
    net = copy_structure(net)  # an initialiser may be a method of the layer as it was in build
    specs = {}
    for path, layer in named_layers(net):
        for name, spec in layer.__dict__.pop("_specs", {}).items():
            specs[join_path(path, name)] = spec
        layer.__dict__.pop("_scope", None)
        layer.__dict__.setdefault("_weights", {})
        for name in type(layer).build_only:
            layer.__dict__.pop(name, None)
    marks = {where: object() for where in specs}
    marked, structure = jax.tree_util.tree_flatten_with_path(with_weights(net, marks))
    places = {id(leaf): place for place, (_, leaf) in enumerate(marked)}
    by_path = {path: place for place, (path, _) in enumerate(marked)}
    whole = len(marked) == len(given) + len(specs) and all(path in by_path for path in given)
    return AbstractNetwork(
        structure,
        jax.tree.leaves(net),
        specs,
        weights={where: places[id(mark)] for where, mark in marks.items()},
        settings=[by_path[path] for path in given] if whole else None,
    )


def fresh(net: L, key: Any = None, *, training: bool = False, recording: bool = False) -> L:
    """Return a copy of `net` that a trace may update: it takes randomness and assigns state.

    Args:
        net: a built network.
        key: JAX key for dropout, noise and the like; None where nothing is random.
        training: whether its calls are in training unless they say otherwise.
        recording: whether it keeps the inputs and outputs of its layers, for `recorded`.

    Example:
        >>> net = gr.init(gr.Dropout(0.5), 0, jnp.zeros((1, 4)))
        >>> y = gr.fresh(net, jax.random.key(0), training=True)(jnp.ones((1, 100)))
        >>> sorted(set(y[0].tolist()))
        [0.0, 2.0]
    """
    leaves, structure = jax.tree.flatten(net)
    made: L = jax.tree.unflatten(structure, leaves)
    assign_paths(made, "", Scope(key, training, recording=recording))
    return made


def recorded(net: Layer) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the inputs and outputs, by path, of the layers that a recording copy has called."""
    scope: Scope = net.__dict__["_scope"]
    return scope.inputs, scope.outputs


def added_losses(net: Layer) -> list[Any]:
    """Return what the layers of a fresh copy have added to the loss: scalars, or `(batch,)`."""
    scope: Scope = net.__dict__["_scope"]
    return scope.losses


def forward(net: Layer, x: Any) -> Head:
    """Call a (fresh) network and say what its output is: its logits where they are known.

    A softmax, log-softmax or sigmoid that ends the network, as an activation, as a layer or as
    the last line of a user's `call`, is recognised; so is the mask of an output that still has
    the steps of a masked sequence. For several outputs the head's parts are trees of the output's
    structure.
    """
    with record_heads() as recorder, mask_tracking.tracking():
        output = net(x)

        def head(part: Any) -> Head:
            return recorder.head_of(part)._replace(mask=mask_tracking.get_mask(part))

        return jax.tree.map(head, output)


def weights(net: Layer, kind: str | None = None) -> dict[str, Any]:
    """Return the weights of `net` by path, such as "dense_1/kernel".

    Args:
        net: a built network.
        kind: "param" for those that are trained, "state" for all others (running statistics
            and the weights of frozen layers), None for all.
    """
    found = {}
    for path, layer, trained in named_layers_trained(net):
        for name, declared in layer.__dict__.get("_weights", {}).items():
            actual = "param" if declared == "param" and trained else "state"
            if kind in (None, actual):
                found[join_path(path, name)] = getattr(layer, name)
    return found


def with_weights(net: L, values: Mapping[str, Any]) -> L:
    """Return a copy of `net` with the weights at the given paths replaced."""
    leaves, structure = jax.tree.flatten(net)
    made: L = jax.tree.unflatten(structure, leaves)
    left = dict(values)
    for path, layer in named_layers(made):
        for name in layer.__dict__.get("_weights", {}):
            where = join_path(path, name)
            if where in left:
                setattr(layer, name, left.pop(where))
    if left:
        raise GradusError(f"The network has no weights named {', '.join(sorted(left))}.")
    assign_paths(made, "", None)
    return made


def copy_structure(net: L) -> L:
    """Return a copy of a network whose layers are new objects, all else being shared."""
    memo: dict[int, Any] = {}
    return _copy(net, memo)


def join_path(path: str, name: str) -> str:
    """Return the path of the weight `name` of the layer at `path`."""
    return f"{path}/{name}" if path else name


def _abstract(example: Any) -> Any:
    def shape_of(leaf: Any) -> jax.ShapeDtypeStruct:
        if isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        return jax.ShapeDtypeStruct(np.shape(leaf), jax.dtypes.canonicalize_dtype(leaf.dtype))

    return jax.tree.map(shape_of, example)


def _copy(value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, Layer):
        if id(value) not in memo:
            made = copy.copy(value)
            memo[id(value)] = made
            for name, attribute in vars(value).items():
                made.__dict__[name] = _copy(attribute, memo)
        return memo[id(value)]
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(_copy(item, memo) for item in value)
    if isinstance(value, dict):
        return {key: _copy(item, memo) for key, item in value.items()}
    return value
