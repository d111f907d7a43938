"""A whole network: built from a seed and an example, read and changed by path, copied for calls."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import jax
import numpy as np

from gradus.checks import MAX_INT, whole_number
from gradus.errors import GradusError, ShapeError
from gradus.foreign_names.arguments import explain_arguments
from gradus.nn import initializers, mask_tracking
from gradus.nn.heads import Head, record_heads
from gradus.nn.layer import (
    Kind,
    Layer,
    Scope,
    WeightSpec,
    assign_paths,
    named_layers,
    named_layers_trained,
)
from gradus.nn.prng import DerivedKey
from gradus.rng import host_rng

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Key, PyTree, Shaped

L = TypeVar("L", bound=Layer)


@explain_arguments
def init(net: L, seed: int, example: PyTree[Shaped[Any, "batch ..."]]) -> L:
    """Return a built copy of `net`, its weights drawn for inputs like `example`.

    An abstract call finds the shapes, without arithmetic. Each weight is then drawn on the host by
    NumPy's counter-based Philox generator, keyed by the seed and the weight's path. So a network
    has the same weights alone or in a sweep, on any device, and keeps them when you insert a layer
    without weights.

    Args:
        net: the network; it is not changed.
        seed: any integer.
        example: an array, or a tuple or dict of arrays or `jax.ShapeDtypeStruct`, batch first.

    Raises:
        GradusError: if one layer object has two paths, or a layer cannot take its input.

    Examples:
        >>> net = gr.init(gr.Dense(3), 0, jnp.zeros((1, 4)))
        >>> net.kernel.shape, net(jnp.ones((5, 4))).shape
        ((4, 3), (5, 3))
    """
    _require_layer("init", net)
    seed = whole_number("seed", seed, -MAX_INT)
    built: L = abstract_init(net, example).init_weights(seed)
    return built


@dataclasses.dataclass(frozen=True)
class AbstractNetwork:
    """A network whose shapes are known and whose weights are not drawn yet.

    Attributes:
        structure: the tree structure of the network.
        leaves: the shapes of its weights, and its swept settings.
        specs: how to draw each weight, by path.
        weights: the index of each weight among the leaves, by path.
        settings: the indices of the unbuilt network's leaves, in its order; None if `build`
            created other swept settings from them.
    """

    structure: jax.tree_util.PyTreeDef
    leaves: list[Any]
    specs: dict[str, WeightSpec]
    weights: dict[str, int]
    settings: list[int] | None

    @property
    def net(self) -> Any:
        """The network with the shapes of its weights in their place."""
        return self._unflatten(self.leaves)

    def init_weights(self, seed: int) -> Any:
        """Return the network with its weights, each drawn by the seed and its path."""
        leaves = list(self.leaves)
        for path, spec in self.specs.items():
            rng = host_rng(seed, path)
            leaves[self.weights[path]] = initializers.draw_weight(spec.initializer, rng, spec.shape)
        return self._unflatten(leaves)

    def with_settings_of(self, net: Layer) -> AbstractNetwork | None:
        """Return a copy with the settings of an unbuilt network of the same structure.

        This needs no trace; the result is None if only a trace can tell.
        """
        if self.settings is None:
            return None
        leaves = list(self.leaves)
        for index, leaf in zip(self.settings, jax.tree.leaves(net), strict=True):
            leaves[index] = leaf
        return dataclasses.replace(self, leaves=leaves)

    def _unflatten(self, leaves: list[Any]) -> Any:
        net = jax.tree.unflatten(self.structure, leaves)
        assign_paths(net, "", None)
        return net


def abstract_init(net: Layer, example: PyTree[Shaped[Any, "batch ..."]]) -> AbstractNetwork:
    """Return the network for inputs like `example`, its weights not drawn yet; see `init`."""
    unbuilt_paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(net)[0]]
    net = copy_structure(net)
    scope = Scope(building=True)
    assign_paths(net, "", scope)

    def call(x: Any) -> None:
        net(x)
        scope.losses.clear()  # no tracer may outlive the trace
        for _, layer in named_layers(net):
            for name, spec in layer.__dict__.get("_specs", {}).items():
                layer.__dict__[name] = jax.ShapeDtypeStruct(spec.shape, np.float32)

    jax.eval_shape(call, _abstract(example))
    net = copy_structure(net)  # an initializer may be a method that needs the layer as built
    specs = {}
    for path, layer in named_layers(net):
        for name, spec in layer.__dict__.pop("_specs", {}).items():
            specs[join_path(path, name)] = spec
        layer.__dict__.pop("_scope", None)
        layer.__dict__.setdefault("_weights", {})
        for name in type(layer).build_only:
            layer.__dict__.pop(name, None)
    markers = {path: object() for path in specs}
    marked, structure = jax.tree_util.tree_flatten_with_path(with_weights(net, markers))
    index_of_leaf = {id(leaf): index for index, (_, leaf) in enumerate(marked)}
    index_of_path = {path: index for index, (path, _) in enumerate(marked)}
    same_settings = len(marked) == len(unbuilt_paths) + len(specs) and all(
        path in index_of_path for path in unbuilt_paths
    )
    return AbstractNetwork(
        structure,
        jax.tree.leaves(net),
        specs,
        weights={path: index_of_leaf[id(marker)] for path, marker in markers.items()},
        settings=[index_of_path[path] for path in unbuilt_paths] if same_settings else None,
    )


def fresh(
    net: L,
    key: Key[Array, ""] | DerivedKey | None = None,
    *,
    training: bool = False,
    recording: bool = False,
) -> L:
    """Return a copy of `net` for one call: it draws random numbers and assigns its own state.

    Args:
        net: a built network.
        key: a JAX key for dropout and noise; None if nothing is random.
        training: whether its calls behave as in training by default.
        recording: whether to keep the inputs and outputs of its layers, for `recorded`.

    Examples:
        >>> net = gr.init(gr.Dropout(0.5), 0, jnp.zeros((1, 4)))
        >>> y = gr.fresh(net, jax.random.key(0), training=True)(jnp.ones((1, 100)))
        >>> sorted(set(y[0].tolist()))
        [0.0, 2.0]
    """
    _require_layer("fresh", net)
    leaves, structure = jax.tree.flatten(net)
    copied: L = jax.tree.unflatten(structure, leaves)
    assign_paths(copied, "", Scope(key, training, recording=recording))
    return copied


def _require_layer(function: str, net: Any) -> None:
    """Refuse what is no layer."""
    if not isinstance(net, Layer):
        raise GradusError(f"{function}(net={net!r}): write a layer such as gr.Sequential([...]).")


def recorded(net: Layer) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the inputs and outputs of the layers that a recording copy has called, by path."""
    scope: Scope = net.__dict__["_scope"]
    return scope.inputs, scope.outputs


def added_losses(net: Layer) -> list[Float[Array, "..."]]:
    """Return the losses that the layers of a fresh copy have added: scalars, or `(batch,)`."""
    scope: Scope = net.__dict__["_scope"]
    return scope.losses


def forward(net: Layer, x: PyTree[Shaped[Array, "batch ..."]]) -> Head:
    """Call a (fresh) network and return its head: the logits where known, else the output.

    A final softmax, log-softmax, or sigmoid is recognized as an activation, as a layer, and as the
    last line of a user's `call`; so is the mask of an output that still has the steps of a masked
    sequence. For several outputs the result is a tree of heads.
    """
    with record_heads() as recorder, mask_tracking.tracking():
        output = net(x)

        def head(part: Any) -> Head:
            return recorder.head_of(part)._replace(mask=mask_tracking.get_mask(part))

        return jax.tree.map(head, output)


def weights(net: Layer, kind: Kind | None = None) -> dict[str, Any]:
    """Return the weights of `net` by path, such as "dense_1/kernel".

    Args:
        net: a built network.
        kind: "param" for the trained weights, "state" for all others (running statistics and the
            weights of frozen layers), None for all.
    """
    selected = {}
    for path, layer, trained in named_layers_trained(net):
        for name, declared in layer.__dict__.get("_weights", {}).items():
            actual = "param" if declared == "param" and trained else "state"
            if kind in (None, actual):
                selected[join_path(path, name)] = getattr(layer, name)
    return selected


def with_weights(net: L, values: Mapping[str, Any]) -> L:
    """Return a copy of `net` with the weights at the given paths replaced."""
    _require_layer("with_weights", net)
    leaves, structure = jax.tree.flatten(net)
    copied: L = jax.tree.unflatten(structure, leaves)
    unused = dict(values)
    for path, layer in named_layers(copied):
        for name in layer.__dict__.get("_weights", {}):
            weight_path = join_path(path, name)
            if weight_path in unused:
                setattr(layer, name, unused.pop(weight_path))
    if unused:
        raise GradusError(f"The network has no weights named {', '.join(sorted(unused))}.")
    assign_paths(copied, "", None)
    return copied


def copy_structure(net: L) -> L:
    """Return a copy of a network with new layer objects; everything else is shared."""
    memo: dict[int, Any] = {}
    return _copy(net, memo)


def join_path(path: str, name: str) -> str:
    """Return the path of the weight `name` of the layer at `path`."""
    return f"{path}/{name}" if path else name


def _abstract(example: Any) -> Any:
    def shape_of(leaf: Any) -> jax.ShapeDtypeStruct:
        if isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        if not hasattr(leaf, "shape") or np.asarray(leaf).dtype.kind not in "biufV":
            raise ShapeError(f"init(example={leaf!r}): write an array, the batch axis first.")
        return jax.ShapeDtypeStruct(np.shape(leaf), jax.dtypes.canonicalize_dtype(leaf.dtype))

    if isinstance(example, Layer) or not jax.tree.leaves(example):
        raise ShapeError(f"init(example={example!r}): write an array, the batch axis first.")
    return jax.tree.map(shape_of, example)


def _copy(value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, Layer):
        if id(value) not in memo:
            copied = copy.copy(value)
            memo[id(value)] = copied
            for name, attribute in vars(value).items():
                copied.__dict__[name] = _copy(attribute, memo)
        return memo[id(value)]
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(_copy(item, memo) for item in value)
    if isinstance(value, dict):
        return {key: _copy(item, memo) for key, item in value.items()}
    return value
