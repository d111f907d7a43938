"""What a layer is: a pytree that users write with `__init__`, `build` and `call`."""

from __future__ import annotations

import functools
import inspect
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import jax
import jax.numpy as jnp

from gradus.checks import as_result, as_written
from gradus.drawing.notebook import html_table
from gradus.errors import GradusError, ShapeError
from gradus.foreign_names.arguments import explain_arguments
from gradus.foreign_names.attributes import refuse_attribute
from gradus.init_args import short_repr, snake_case
from gradus.nn import mask_tracking, tracing_errors
from gradus.nn.initializers import Initializer, Shape
from gradus.nn.layer_pytree import PLAIN, FrozenDict, flatten, flatten_with_keys, unflatten
from gradus.nn.prng import DerivedKey
from gradus.nn.pytree import check_scalar

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Key, PyTree, Shaped

    # What passes from layer to layer: an array, or a tuple or dict of arrays.
    Arrays: TypeAlias = PyTree[Shaped[Array, "batch ..."]]
    Mask = Bool[Array, "batch steps"]

Kind = Literal["param", "state"]  # of a weight: trained by the optimizer, or updated by `call`
KINDS = ("param", "state")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class WeightSpec:
    """What `add_weight` was given: the shape, the initializer, and whether it is trained."""

    def __init__(self, shape: Shape, initializer: str | Initializer, kind: Kind) -> None:
        self.shape, self.initializer, self.kind = shape, initializer, kind


class Scope:
    """What the layers of one fresh copy of a network share during a call.

    Args:
        key: the JAX key from which `Layer.random` draws, or None.
        training: whether layers behave as in training.
        building: whether to build unbuilt layers from the shapes of their inputs.
        recording: whether to keep the inputs and outputs of layers, by path.
    """

    def __init__(
        self,
        key: Key[Array, ""] | DerivedKey | None = None,
        training: bool = False,
        building: bool = False,
        recording: bool = False,
    ) -> None:
        self.key, self.training = key, training
        self.building, self.recording = building, recording
        self.outputs: dict[str, Arrays] = {}
        self.inputs: dict[str, tuple[Arrays, ...]] = {}
        self.losses: list[Float[Array, "..."]] = []
        self.draws: dict[str, int] = {}

    def derive_key(self, path: str) -> DerivedKey:
        """Return a new key for the next draw of the layer at `path`."""
        if self.key is None:
            raise GradusError(
                f"Layer {path!r} draws random numbers, but outside a training there is no key: "
                "draw `if training` alone, in call(self, x, training). For a network "
                "that you call yourself, write fresh(net, jax.random.key(seed))."
            )
        count = self.draws.get(path, 0)
        self.draws[path] = count + 1
        key = self.key if isinstance(self.key, DerivedKey) else DerivedKey(self.key)
        return key.fold_in((zlib.crc32(path.encode()) + count) & 0x7FFFFFFF)


class Layer:
    """A part of a network, and a JAX pytree of its weights and swept settings.

    A subclass stores its arguments in `__init__` under their own names, creates its weights and
    sublayers in `build(shape)`, and computes in `call(x)` or `call(x, training)`; `call` may also
    take `mask`, for sequences of different lengths. Its attributes are of these kinds:

    - weights, created by `add_weight`, are leaves: "param" (trained) or "state" (carried along);
    - attributes named in the class's `hypers` are leaves too, so a new value never recompiles; one
      that `__init__` declares a `float` must not be a list;
    - layers, and lists, tuples, and dicts of layers, are subtrees;
    - attributes named in `build_only` are dropped after `build`;
    - attributes named after a weight, `kernel_initializer`, `kernel_regularizer`, and
      `kernel_constraint`, act on it;
    - all others are static and must be hashable, or lists or dicts of hashable values.

    `x` is an array or, for several inputs, the tuple or dict that was passed to the network.

    Examples:
        >>> class Scale(gr.Layer):
        ...     def build(self, shape):
        ...         self.factor = self.add_weight("factor", shape[-1:], "ones")
        ...
        ...     def call(self, x):
        ...         return x * self.factor
        >>> net = gr.init(Scale(), 0, jnp.zeros((1, 2)))
        >>> net(jnp.array([[3.0, 4.0]])).tolist()
        [[3.0, 4.0]]
    """

    hypers: ClassVar[tuple[str, ...]] = ()
    build_only: ClassVar[tuple[str, ...]] = ()
    trainable: bool = True
    has_leaves: ClassVar[bool] = True
    takes_several: ClassVar[bool] = False  # of gradus's layers: whether x may be a tuple or dict

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = explain_arguments(cls.__init__)  # type: ignore[method-assign]
        for name in ("hypers", "build_only"):
            names = getattr(cls, name)
            if not isinstance(names, tuple):
                raise GradusError(
                    f"{cls.__name__}.{name} = {names!r} is no tuple of names: write "
                    f"{(names,) if isinstance(names, str) else tuple(names)!r}."
                )
        jax.tree_util.register_pytree_with_keys(
            cls, flatten_with_keys, functools.partial(unflatten, cls), flatten
        )

    if not TYPE_CHECKING:  # for mypy an unknown attribute stays a fault
        __getattr__ = refuse_attribute

    @explain_arguments
    def __init__(self) -> None:
        pass

    def build(self, *shapes: PyTree[Shape]) -> None:
        """Create weights and sublayers for inputs of `shapes`, the batch axis first."""

    def call(self, *inputs: Arrays) -> Arrays:
        """Compute the layer's output; subclasses override it."""
        raise GradusError(f"{type(self).__name__} has no call(self, x): write one.")

    def __call__(
        self, *inputs: Arrays, training: bool | None = None, mask: Mask | None = None
    ) -> Arrays:
        """Apply the layer.

        Args:
            inputs: the arguments of its `call`.
            training: whether to behave as in training; by default as the network does.
            mask: which steps are real, `(batch, steps)`; by default the mask of the inputs.

        Raises:
            GradusError: if the layer is not built, or for `training=True` on a network that is
                not a fresh copy (its running statistics would be lost, or leak out of a trace).
            ShapeError: if the inputs do not fit the layer; it names the layer and both shapes.
        """
        scope: Scope | None = self.__dict__.get("_scope")
        with mask_tracking.tracking():
            if mask is None:
                mask = mask_tracking.get_mask(*inputs)
            else:
                mask_tracking.set_mask(inputs[0], mask)  # for the layers within
            if scope is None:
                outputs = self._call_unscoped(inputs, training, mask)
            else:
                outputs = self._call_scoped(scope, inputs, training, mask)
            mask_tracking.propagate(mask, outputs)
        return outputs

    def _call_scoped(
        self, scope: Scope, inputs: tuple[Arrays, ...], training: bool | None, mask: Mask | None
    ) -> Arrays:
        before, scope.training = scope.training, scope.training if training is None else training
        self._check_one_array(inputs)
        try:
            if not self.built:
                self._require_built(scope.building)
                self._build(scope, inputs)
            outputs = self._call_with_shape_errors(scope, inputs, mask)
        finally:
            scope.training = before
        if scope.recording:
            scope.inputs.setdefault(self.path, inputs)
            scope.outputs[self.path] = outputs
        return outputs

    @explain_arguments
    def add_weight(
        self,
        name: str,
        shape: Shape,
        initializer: str | Initializer = "glorot_uniform",
        kind: Kind = "param",
    ) -> Float[Array, "..."]:
        """Declare a weight, in `build`; assign the result to the attribute of the same name.

        Args:
            name: the attribute that holds the weight.
            shape: its shape.
            initializer: a name, or `f(generator, shape)` on a NumPy generator.
            kind: "param" for a trained weight, "state" for one that `call` updates in training.

        Raises:
            GradusError: outside `build`, for a name in use, or for an unknown kind.
        """
        specs = self.__dict__.get("_specs")
        if specs is None:
            raise GradusError(
                f"{type(self).__name__}.add_weight({name!r}) belongs in build(self, shape), "
                "which runs when the input's shape is known."
            )
        if kind not in KINDS:
            raise GradusError(f"Weight {name!r} has kind {kind!r}: write 'param' or 'state'.")
        if name in specs:
            raise GradusError(f"{type(self).__name__} adds the weight {name!r} twice.")
        shape = tuple(int(size) for size in shape)
        specs[name] = WeightSpec(shape, initializer, kind)
        value = jnp.zeros(shape, jnp.float32)
        setattr(self, name, value)
        return value

    def random(self) -> Key[Array, ""]:
        """Return a new JAX key, made from the network's key, the layer's path and the call.

        Raises:
            GradusError: if the network has no key.
        """
        return self._derive_key().folded()

    def _keep_mask(self, rate: Any, shape: Shape) -> Bool[Array, "..."]:
        """Return a new array that is False with probability `rate`, and True elsewhere."""
        return self._derive_key().keep_mask(rate, shape)

    def _derive_key(self) -> DerivedKey:
        scope: Scope | None = self.__dict__.get("_scope")
        if scope is None:
            raise GradusError(
                f"{type(self).__name__}.random() needs a fresh copy of the network: "
                "write fresh(net, key) and call that."
            )
        return scope.derive_key(self.path)

    def add_loss(self, value: Float[Array, ""] | Float[Array, "batch"]) -> None:
        """Add a term to the training loss, in `call`, such as a penalty on the layer's outputs.

        It is a scalar, or a number for each sample, `(batch,)`, which are averaged.

        Raises:
            ShapeError: for an array of several axes.
        """
        if len(shape := jnp.shape(value)) > 1:
            raise ShapeError(
                f"{self._label()} adds a loss of shape {shape}: write a scalar, such as its mean, "
                "jnp.mean(value), or a number for each sample."
            )
        scope = self.__dict__.get("_scope")
        if scope is not None:
            scope.losses.append(value)

    def named(self, name: str) -> Layer:
        """Name the layer; its weights are saved, loaded, and frozen under that name.

        Raises:
            GradusError: for a name that is empty or contains a slash, the separator of paths.
        """
        if not isinstance(name, str) or not name or "/" in name:
            raise GradusError(f"named({name!r}): a layer's name is a word without a slash.")
        self._name = name
        return self

    def freeze(self) -> Layer:
        """Stop training the weights of this layer and of its sublayers."""
        self.trainable = False
        return self

    def unfreeze(self) -> Layer:
        """Train the weights of this layer again."""
        self.trainable = True
        return self

    @property
    def built(self) -> bool:
        """Whether `build` has run."""
        return "_weights" in self.__dict__

    @property
    def frozen(self) -> bool:
        """Whether the layer or, in a fresh copy, a parent of it is frozen."""
        return not self.trainable or bool(self.__dict__.get("_frozen"))

    @property
    def path(self) -> str:
        """The layer's path in its network, such as "dense_1"; "" for the network itself."""
        return str(self.__dict__.get("_path", ""))

    def __repr__(self) -> str:
        return short_repr(self)

    def _repr_html_(self) -> str:
        """Return a table of the layers for a notebook."""
        parts = [(path, part) for path, part in named_layers(self) if not has_sublayers(part)]
        return html_table(["name", "layer"], [(path, repr(part)) for path, part in parts])

    def _call_unscoped(
        self, inputs: tuple[Arrays, ...], training: bool | None, mask: Mask | None
    ) -> Arrays:
        if training:
            raise GradusError(
                "training=True updates statistics and draws random numbers, so it works only on a "
                "fresh copy: write net = fresh(net, key), then net(x, training=True)."
            )
        self._require_built(self.built)
        return self.call(*inputs, **self._call_options(False, mask))

    def _call_options(self, training: bool, mask: Mask | None) -> dict[str, Any]:
        """Return those of the two options that the layer's `call` accepts."""
        accepted = _parameter_names(type(self).call)
        options = {"training": training, "mask": mask}
        return {name: value for name, value in options.items() if name in accepted}

    def _missing_arguments(self, inputs: tuple[Arrays, ...]) -> str:
        """Return the names of what the layer's `call` needs, but is never given."""
        parameters = list(inspect.signature(self.call).parameters.values())[len(inputs) :]
        needed = [p.name for p in parameters if p.default is p.empty and p.kind in _POSITIONAL]
        return " and ".join(repr(p) for p in needed if p not in ("training", "mask"))

    def _require_built(self, built: bool) -> None:
        if not built:
            raise GradusError(
                f"{type(self).__name__} is not built yet: list layers, as in gr.Sequential([…]), "
                "and gr.Model builds them from the data; or write net = init(net, seed, x). One "
                "that another layer calls is made in __init__ or build of that one, and kept."
            )

    def _call_with_shape_errors(
        self, scope: Scope, inputs: tuple[Arrays, ...], mask: Mask | None
    ) -> Arrays:
        """Call the layer; while building, an error names the layer that cannot take its input."""
        try:
            outputs = self.call(*inputs, **self._call_options(scope.training, mask))
        except GradusError:
            raise
        except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
            explained = tracing_errors.explain(error, self._label())
            if explained is None:
                raise
            raise explained from error
        except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
            if isinstance(error, AttributeError):
                explained = tracing_errors.explain(error, self._label())
                if explained is not None:
                    raise explained from error
            if missing := self._missing_arguments(inputs):
                raise GradusError(
                    f"{self._label()}: its call needs {missing}, but is given inputs alone, and "
                    "those of `training` and `mask` that it takes."
                ) from error
            several = any(isinstance(x, dict | list | tuple) for x in inputs)
            if not scope.building or not (several or isinstance(error, TypeError | ValueError)):
                raise
            raise ShapeError(f"{self._label()} cannot take its input: {error}") from error
        leaves = jax.tree.leaves(outputs)
        if scope.building and not (leaves and all(hasattr(leaf, "shape") for leaf in leaves)):
            raise ShapeError(
                f"{self._label()} returned {as_result(outputs)}: its call, and an activation, "
                "return an array, or a tuple or dict of arrays."
            )
        return outputs

    def _check_one_array(self, inputs: tuple[Arrays, ...]) -> None:
        """Refuse a tuple or a dict for a layer of gradus that takes one array."""
        cls = type(self)
        if cls.takes_several or not cls.__module__.startswith("gradus.nn.layers."):
            return
        for x in inputs:
            if isinstance(x, dict | list | tuple):
                keys = list(x) if isinstance(x, dict) else range(len(x))
                several = ", ".join(f"x[{key!r}]" for key in keys)
                raise ShapeError(
                    f"{self._label()} takes one array but was given a {type(x).__name__} of "
                    f"{several or 'nothing'}: begin the network with a layer that takes several, "
                    'such as gr.Parallel({...}, merge="concatenate"), or pass one of them.'
                )

    def _label(self) -> str:
        kind = type(self).__name__
        if "_path" not in self.__dict__:  # it is in no network
            return kind
        return f"Layer {self.path!r} ({kind})" if self.path else f"The network ({kind})"

    def _build(self, scope: Scope, inputs: tuple[Arrays, ...]) -> None:
        cls: Any = type(self)
        for name in _scalar_hypers(cls):
            value = getattr(self, name, None)
            check_scalar(self, name, value)
            own = cls.__module__.startswith("gradus.")  # a user's may be an array
            if own and getattr(value, "shape", ()) != ():
                raise GradusError(
                    f"{as_written(name, value, cls.__name__)}: write one number; to try several "
                    "write gr.choice(…)."
                )
        self._specs: dict[str, WeightSpec] = {}
        self.build(*(jax.tree.map(lambda a: tuple(a.shape), x) for x in inputs))
        for attribute, value in self.__dict__.items():
            for name in self._specs:
                if attribute != name and value is self.__dict__[name]:
                    raise GradusError(
                        f"{self._label()} keeps the weight {name!r} as self.{attribute}: give "
                        f"add_weight the attribute's own name, {attribute!r}."
                    )
        self._weights = FrozenDict({name: spec.kind for name, spec in self._specs.items()})
        assign_paths(self, self.path, scope)


def named_children(layer: Layer) -> Iterator[tuple[str, Layer]]:
    """Yield the sublayers of `layer` with their names, in order.

    A sublayer has the name given by `named`, else its attribute's; in a list its class's and a
    count ("dense", "dense_1"), prefixed with the attribute's name unless that is `layers`.
    """
    for attribute, value in vars(layer).items():
        if type(value) in PLAIN:
            continue
        if isinstance(value, Layer):
            yield value.__dict__.get("_name", attribute), value
        elif isinstance(value, list | tuple | dict):
            prefix = "" if attribute == "layers" else f"{attribute}/"
            for name, child in _named_items(value):
                yield prefix + name, child


def has_sublayers(layer: Layer) -> bool:
    """Return whether a layer holds other layers."""
    return any(named_children(layer))


def named_layers(layer: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """Yield `layer` and every layer inside it with its path, parents first."""
    yield path, layer
    for name, child in named_children(layer):
        yield from named_layers(child, f"{path}/{name}" if path else name)


def named_layers_trained(
    layer: Layer, path: str = "", trained: bool = True
) -> Iterator[tuple[str, Layer, bool]]:
    """Yield what `named_layers` does, and whether neither the layer nor a parent is frozen."""
    trained = trained and layer.trainable
    yield path, layer, trained
    for name, child in named_children(layer):
        yield from named_layers_trained(child, f"{path}/{name}" if path else name, trained)


def assign_paths(layer: Layer, path: str, scope: Scope | None) -> None:
    """Set the path, and the scope if given, of `layer` and of every layer inside it.

    Raises:
        GradusError: if one layer object has two paths, or two layers have one path.
    """
    seen: dict[int, str] = {}
    paths: set[str] = set()
    for path_, part, trained in named_layers_trained(layer, path, not path or not layer.frozen):
        if id(part) in seen:
            raise GradusError(
                f"The same {type(part).__name__} object is at {seen[id(part)]!r} and at "
                f"{path_!r}. To share its weights, call it twice in the `call` of one layer that "
                "holds it; for two layers, create two objects."
            )
        if path_ in paths:
            raise GradusError(
                f"Two layers have the path {path_!r}: name one of them with .named(...), or "
                "rename its attribute."
            )
        seen[id(part)] = path_
        paths.add(path_)
        part.__dict__["_path"], part.__dict__["_frozen"] = path_, not trained
        if scope is not None:
            part.__dict__["_scope"] = scope


def _named_items(value: Any) -> Iterator[tuple[str, Layer]]:
    """Yield the layers in a list, tuple, or dict, with their names in it."""
    counts: dict[str, int] = {}
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for key, item in items:
        if isinstance(item, Layer):
            name = item.__dict__.get("_name") or key or snake_case(type(item).__name__)
            count = counts[name] = counts.get(name, -1) + 1
            yield (f"{name}_{count}" if count else name), item


@functools.cache
def _parameter_names(call: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(call).parameters)


@functools.cache
def _scalar_hypers(cls: Any) -> tuple[str, ...]:
    """Return the swept settings that `__init__` declares as one number, or None."""
    parameters = inspect.signature(cls).parameters
    types = {n: inspect.formatannotation(p.annotation).strip("'") for n, p in parameters.items()}
    return tuple(name for name in cls.hypers if types.get(name) in ("float", "float | None"))
