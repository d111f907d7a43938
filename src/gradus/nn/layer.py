"""What a layer is: a pytree that users write with `__init__`, `build` and `call`."""

from __future__ import annotations

import functools
import inspect
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from gradus.errors import GradusError, ShapeError
from gradus.nn import mask_tracking
from gradus.nn.layer_pytree import flatten, flatten_with_keys, unflatten
from gradus.nn.pytree import check_scalar

KINDS = ("param", "state")


class WeightSpec:
    """What `add_weight` was told: the shape, how to draw it, and whether it is trained."""

    def __init__(self, shape: tuple[int, ...], initializer: Any, kind: str) -> None:
        self.shape, self.initializer, self.kind = shape, initializer, kind


class Scope:
    """What the layers of one fresh copy of a network share while it is called.

    Args:
        key: JAX key from which `Layer.random` draws, or None.
        training: whether layers behave as in training.
        building: whether layers that are not built yet are to be built from their inputs' shapes.
        recording: whether the outputs of layers are kept in `outputs`, by path.
    """

    def __init__(
        self,
        key: Any = None,
        training: bool = False,
        building: bool = False,
        recording: bool = False,
    ) -> None:
        self.key, self.training = key, training
        self.building, self.recording = building, recording
        self.outputs: dict[str, Any] = {}
        self.inputs: dict[str, Any] = {}
        self.losses: list[Any] = []
        self.draws: dict[str, int] = {}

    def random(self, path: str) -> Any:
        """Return a key of its own for the next draw of the layer at `path`."""
        if self.key is None:
            raise GradusError(
                f"Layer {path!r} needs randomness but the network was made fresh without a key: "
                "write fresh(net, jax.random.key(seed))."
            )
        count = self.draws.get(path, 0)
        self.draws[path] = count + 1
        return jax.random.fold_in(self.key, (zlib.crc32(path.encode()) + count) & 0x7FFFFFFF)


class Layer:
    """A part of a network, and a JAX pytree of its weights and swept settings.

    A subclass stores its arguments in `__init__` under their own names, makes its weights and
    sublayers in `build(shape)`, and computes in `call(x)`, or `call(x, training)`, or with an
    argument `mask` for sequences of several lengths:

    - attributes made by `add_weight` are leaves, of kind "param" (trained) or "state" (carried);
    - attributes named in the class's `hypers` are leaves too: a new value never recompiles; one
      that `__init__` declares a `float` may be no list;
    - attributes that are layers, or lists, tuples and dicts of layers, are parts of the tree;
    - attributes named in `build_only` serve `build` alone and leave the structure after it;
    - every other attribute is static and must be hashable, a list or a dict of such included.

    `x` is an array or, for several inputs, whatever tuple or dict was given to the network.

    Example:
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

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        jax.tree_util.register_pytree_with_keys(
            cls, flatten_with_keys, functools.partial(unflatten, cls), flatten
        )

    def build(self, *shapes: Any) -> None:
        """Make weights and sublayers for inputs of `shapes` (the batch axis first)."""

    def call(self, *inputs: Any) -> Any:
        """Compute the layer's output; a subclass writes it."""
        raise GradusError(f"{type(self).__name__} has no call(self, x): write one.")

    def __call__(self, *inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Apply the layer.

        Args:
            inputs: what its `call` takes.
            training: inherited from the network's call unless it is given.
            mask: which steps are real, `(batch, steps)`; inherited from the inputs unless given.

        Raises:
            GradusError: if the layer is not built, or `training=True` on a network that is not
                a fresh copy (its running statistics would be lost, or leak out of a trace).
            ShapeError: if the inputs do not fit the layer; it names the layer and both shapes.
        """
        scope: Scope | None = self.__dict__.get("_scope")
        with mask_tracking.tracking():
            if mask is None:
                mask = mask_tracking.get_mask(*inputs)
            else:
                mask_tracking.set_mask(inputs[0], mask)  # for the layers within
            if scope is None:
                outputs = self._call_alone(inputs, training, mask)
            else:
                outputs = self._call_within(scope, inputs, training, mask)
            mask_tracking.propagate(mask, outputs)
        return outputs

    def _call_within(
        self, scope: Scope, inputs: tuple[Any, ...], training: bool | None, mask: Any
    ) -> Any:
        before, scope.training = scope.training, scope.training if training is None else training
        try:
            if not self.built:
                self._require(scope.building)
                self._build(scope, inputs)
            outputs = self._named_call(scope, inputs, mask)
        finally:
            scope.training = before
        if scope.recording:
            scope.inputs.setdefault(self.path, inputs)
            scope.outputs[self.path] = outputs
        return outputs

    def add_weight(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: Any = "glorot_uniform",
        kind: str = "param",
    ) -> Any:
        """Declare a weight, in `build`; assign the result to the attribute of the same name.

        Args:
            name: the attribute that holds the weight.
            shape: its shape.
            initializer: a name, or `f(generator, shape)` on a NumPy generator.
            kind: "param" for a trained weight, "state" for one that `call` updates in training.

        Raises:
            GradusError: outside `build`, for a name that is taken, or an unknown kind.
        """
        specs = self.__dict__.get("_specs")
        if specs is None:
            raise GradusError(
                f"{type(self).__name__}.add_weight({name!r}) belongs in build(self, shape), "
                "which runs once the input's shape is known."
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

    def random(self) -> Any:
        """Return a fresh JAX key, a function of the network's key, the layer's path and the call.

        Raises:
            GradusError: if the network has no key.
        """
        scope = self.__dict__.get("_scope")
        if scope is None:
            raise GradusError(
                f"{type(self).__name__}.random() needs a fresh copy of the network: "
                "write fresh(net, key) and call that."
            )
        return scope.random(self.path)

    def add_loss(self, value: Any) -> None:
        """Add to what is minimised, in `call`: one number, or one for each sample, `(batch,)`.

        Such as a penalty on the layer's outputs. Numbers of samples are averaged.
        """
        scope = self.__dict__.get("_scope")
        if scope is not None:
            scope.losses.append(value)

    def named(self, name: str) -> Layer:
        """Give the layer a name, which its weights are saved, loaded and frozen under.

        Raises:
            GradusError: for no word, or one with a slash, which separates names in a path.
        """
        if not isinstance(name, str) or not name or "/" in name:
            raise GradusError(f"named({name!r}): a layer's name is a word without a slash.")
        self._name = name
        return self

    def freeze(self) -> Layer:
        """Keep the weights of this layer, and of all in it, as they are in training."""
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
        """Whether the layer, or one that holds it in a fresh copy, is frozen."""
        return not self.trainable or bool(self.__dict__.get("_frozen"))

    @property
    def path(self) -> str:
        """Where the layer stands in its network: "dense_1", or "" for the network itself."""
        return str(self.__dict__.get("_path", ""))

    def __repr__(self) -> str:
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        shown = [f"{n}={getattr(self, n)!r}" for n in names if n in self.__dict__]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _call_alone(self, inputs: tuple[Any, ...], training: bool | None, mask: Any) -> Any:
        if training:
            raise GradusError(
                "training=True updates statistics and needs randomness, so it works only on a "
                "fresh copy: write net = fresh(net, key), then net(x, training=True)."
            )
        self._require(self.built)
        return self.call(*inputs, **self._options(False, mask))

    def _options(self, training: bool, mask: Any) -> dict[str, Any]:
        """Return those of the two arguments that the layer's `call` has."""
        taken = _parameters(type(self).call)
        options = {"training": training, "mask": mask}
        return {name: value for name, value in options.items() if name in taken}

    def _require(self, built: bool) -> None:
        if not built:
            raise GradusError(
                f"{type(self).__name__} is not built yet: gr.Model builds its network from the "
                "data, or write net = init(net, seed, x)."
            )

    def _named_call(self, scope: Scope, inputs: tuple[Any, ...], mask: Any) -> Any:
        try:
            return self.call(*inputs, **self._options(scope.training, mask))
        except GradusError:
            raise
        except (TypeError, ValueError) as error:
            if not scope.building:
                raise
            raise ShapeError(f"{self._where()} cannot take its input: {error}") from error

    def _where(self) -> str:
        kind = type(self).__name__
        return f"Layer {self.path!r} ({kind})" if self.path else f"The network ({kind})"

    def _build(self, scope: Scope, inputs: tuple[Any, ...]) -> None:
        kind: Any = type(self)
        for name in _numbers(kind):
            check_scalar(self, name, getattr(self, name, None))
        self._specs: dict[str, WeightSpec] = {}
        self.build(*(jax.tree.map(lambda a: tuple(a.shape), x) for x in inputs))
        for attribute, value in self.__dict__.items():
            for name in self._specs:
                if attribute != name and value is self.__dict__[name]:
                    raise GradusError(
                        f"{self._where()} keeps the weight {name!r} as self.{attribute}: give "
                        f"add_weight the attribute's own name, {attribute!r}."
                    )
        self._weights = {name: spec.kind for name, spec in self._specs.items()}
        assign_paths(self, self.path, scope)


def named_children(layer: Layer) -> Iterator[tuple[str, Layer]]:
    """Yield the sublayers of `layer` with their names in it, in order.

    A sublayer is called by its own name if it has one, else by its attribute; in a list by its
    class and a count ("dense", "dense_1"), under the attribute's name unless that is `layers`.
    """
    for attribute, value in vars(layer).items():
        if isinstance(value, Layer):
            yield value.__dict__.get("_name", attribute), value
        elif isinstance(value, list | tuple | dict):
            prefix = "" if attribute == "layers" else f"{attribute}/"
            for name, child in _in_container(value):
                yield prefix + name, child


def named_layers(layer: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """Yield `layer` and every layer inside it with their paths, parents first."""
    yield path, layer
    for name, child in named_children(layer):
        yield from named_layers(child, f"{path}/{name}" if path else name)


def named_layers_trained(
    layer: Layer, path: str = "", trained: bool = True
) -> Iterator[tuple[str, Layer, bool]]:
    """Yield as `named_layers` does, and whether neither the layer nor a parent is frozen."""
    trained = trained and layer.trainable
    yield path, layer, trained
    for name, child in named_children(layer):
        yield from named_layers_trained(child, f"{path}/{name}" if path else name, trained)


def assign_paths(layer: Layer, path: str, scope: Scope | None) -> None:
    """Tell `layer` and all in it where they stand and what they share.

    Raises:
        GradusError: if one layer object stands in two places, or two have one path.
    """
    seen: dict[int, str] = {}
    paths: set[str] = set()
    for where, part, trained in named_layers_trained(layer, path, not path or not layer.frozen):
        if id(part) in seen:
            raise GradusError(
                f"The same {type(part).__name__} object stands at {seen[id(part)]!r} and "
                f"{where!r}. To share its weights call it twice in the `call` of one layer that "
                "holds it; for two layers make two objects."
            )
        if where in paths:
            raise GradusError(
                f"Two layers stand at {where!r}: give one of them a name of its own with "
                ".named(...), or its attribute another name."
            )
        seen[id(part)] = where
        paths.add(where)
        part.__dict__["_path"], part.__dict__["_frozen"] = where, not trained
        if scope is not None:
            part.__dict__["_scope"] = scope


def _in_container(value: Any) -> Iterator[tuple[str, Layer]]:
    counts: dict[str, int] = {}
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for key, item in items:
        if isinstance(item, Layer):
            name = item.__dict__.get("_name") or key or snake_case(type(item).__name__)
            count = counts[name] = counts.get(name, -1) + 1
            yield (f"{name}_{count}" if count else name), item


def snake_case(name: str) -> str:
    """Return a class's name as a layer's: "BatchNorm" is "batch_norm", "Conv2D" is "conv2d"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@functools.cache
def _parameters(call: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(call).parameters)


@functools.cache
def _numbers(cls: Any) -> tuple[str, ...]:
    """Return the swept settings that `__init__` declares to be one number, or None."""
    declared = inspect.signature(cls).parameters
    kinds = {n: inspect.formatannotation(p.annotation).strip("'") for n, p in declared.items()}
    return tuple(name for name in cls.hypers if kinds.get(name) in ("float", "float | None"))
