"""What every optimizer shares: the state, the step, clipping and decoupled weight decay."""

from __future__ import annotations

import abc
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, fields
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gradus.errors import GradusError
from gradus.nn.pytree import check_scalar, pytree, static
from gradus.optim.schedules import FromFunction, Number, Schedule, is_plain_function

Tree = Any  # a pytree of arrays, such as a network's params
Rate = Number | Schedule

_AT_LEAST_ZERO = "0 or more", lambda value: value >= 0
_POSITIVE = "greater than 0", lambda value: value > 0
_FRACTION = "at least 0 and less than 1", lambda value: 0 <= value < 1
# What a setting of this name may be, in every optimizer that has it.
_LIMITS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("momentum", "rho", "beta_1", "beta_2"), _FRACTION),
    **dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm"), _POSITIVE),
    **dict.fromkeys(
        ("learning_rate", "epsilon", "weight_decay", "initial_accumulator_value", "rms_rate"),
        _AT_LEAST_ZERO,
    ),
}


@pytree
class Optimizer(abc.ABC):
    """A rule that turns gradients into new weights; its hyperparameters are leaves of a pytree.

    An optimizer holds no state of its own: `init` makes it, `update` returns the next one.

        state = optimizer.init(params)
        params, state = optimizer.update(gradients, state, params)

    Both may be jitted with the optimizer as an argument: a new learning rate then compiles
    nothing, and a vector of rates under `vmap` is a sweep. The options below are common to all.
    None means absent, and is part of the program's structure; a number is a value.

    Args:
        learning_rate: η, a number, a schedule, or a function of the step.
        clipnorm: largest Euclidean norm of the gradient of one weight array, as in Keras.
        clipvalue: largest magnitude of one element of a gradient.
        global_clipnorm: largest Euclidean norm of all gradients together. If several of the
            three are given, they are applied in the order value, norm, global norm.
        weight_decay: λ of decoupled decay: w ← w - η λ w beside the update, as in AdamW. It
            applies to every weight, biases too, as in Keras, unless excluded.
        exclude_from_weight_decay: names of weights that do not decay, the last part of their
            path: ("bias", "gamma", "beta").
        layer_rates: what the learning rate is multiplied by in some layers, such as
            `{"encoder": 0.1, "encoder/dense_2": 1.0}`: each name stands for all weights under
            that path, the longest counts, and 0 leaves them as they are.

    Raises:
        GradusError: for a setting outside its range, or several numbers where one belongs.
    """

    full_batch: ClassVar[bool] = False  # whether the rule needs the loss itself, on all data
    # Whether all of a new state is zero, which then costs no arithmetic; each class says its own.
    starts_at_zero: ClassVar[bool] = False

    learning_rate: Rate = 0.001
    _: KW_ONLY
    clipnorm: Number | None = None
    clipvalue: Number | None = None
    global_clipnorm: Number | None = None
    weight_decay: Number | None = None
    layer_rates: Mapping[str, Number] | None = None
    exclude_from_weight_decay: tuple[str, ...] = static(default=())

    def __post_init__(self) -> None:
        """Check what can be checked: within a program numbers are tracers, in a sweep spaces."""
        rate = self.learning_rate
        if isinstance(rate, str | list | tuple):
            raise GradusError(
                f"{type(self).__name__}(learning_rate={rate!r}): a learning rate is a number such"
                " as 0.001 or a schedule such as gr.schedules.CosineDecay(0.1, 1000);"
                " to try several write gr.choice(0.01, 0.1)."
            )
        if is_plain_function(rate):
            object.__setattr__(self, "learning_rate", FromFunction(rate))
        names = self.exclude_from_weight_decay
        if not isinstance(names, tuple):
            names = (names,) if isinstance(names, str) else tuple(names)
            object.__setattr__(self, "exclude_from_weight_decay", names)
        if not isinstance(self.layer_rates, Mapping | None):
            raise GradusError(
                f"{type(self).__name__}(layer_rates={self.layer_rates!r}): write a dict from a "
                "layer's path to what the rate is multiplied by there, such as {'encoder': 0.1}."
            )
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in _LIMITS:
                continue
            check_scalar(self, field.name, value)
            if isinstance(value, int | float | np.number):
                words, holds = _LIMITS[field.name]
                if not holds(value):
                    raise GradusError(
                        f"{type(self).__name__}({field.name}={value!r}): it must be {words}."
                    )

    @abc.abstractmethod
    def transformation(self, learning_rate: jax.Array) -> optax.GradientTransformation:
        """Return the Optax transformation from gradients to what is added to the weights.

        Its `update` is also given `step`, the number of this update counted from 1; or, if the
        rule is `full_batch`, instead `value`, `grad` and `value_fn`.
        """

    def rate(self, step: jax.Array) -> jax.Array:
        """Return the learning rate at `step`, counted from 0, as a float32 scalar."""
        rate = self.learning_rate
        return jnp.asarray(rate(step) if isinstance(rate, Schedule) else rate, jnp.float32)

    def init(self, params: Tree) -> Tree:
        """Return the state before the first step, a tree with the very types of `update`'s."""
        if not vars(type(self)).get("starts_at_zero"):  # a subclass may begin otherwise
            return self._start(params)
        return jax.tree.map(lambda part: np.zeros(part.shape, part.dtype), self.shapes(params))

    def shapes(self, params: Tree) -> Tree:
        """Return the shapes and types of the state before the first step, without making it."""
        leaves, structure = jax.tree.flatten((self, params))
        kinds = tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
        return _shapes(structure, kinds)

    def _start(self, params: Tree) -> Tree:
        step = jnp.zeros((), jnp.int32)
        inner = self.transformation(self.rate(step)).init(params)
        return {"step": step, "inner": jax.tree.map(lambda x: jnp.asarray(x, x.dtype), inner)}

    def update(
        self,
        gradients: Tree,
        state: Tree,
        params: Tree,
        *,
        learning_rate_scale: Number = 1.0,
        value: jax.Array | None = None,
        value_fn: Callable[[Tree], jax.Array] | None = None,
    ) -> tuple[Tree, Tree]:
        """Return the new params and the new state.

        Args:
            gradients: of the loss, a tree like `params`.
            state: from `init` or the last `update`.
            params: the weights.
            learning_rate_scale: multiplies the learning rate, such as a plateau's factor.
            value: the loss at `params`; only full-batch rules need it.
            value_fn: the loss as a function of params; only full-batch rules need it.

        Raises:
            GradusError: if a full-batch rule is not given `value` and `value_fn`.
        """
        step = state["step"] + 1
        extra: dict[str, Any] = {"step": step}
        if self.full_batch:
            if value is None or value_fn is None:
                raise GradusError(
                    f"{type(self).__name__} searches along the loss, so it needs the loss itself:"
                    " write update(gradients, state, params, value=…, value_fn=…)."
                )
            extra = {"value": value, "grad": gradients, "value_fn": value_fn}
        rate = self.rate(state["step"]) * learning_rate_scale
        transformation = optax.with_extra_args_support(self.transformation(rate))
        updates, inner = transformation.update(
            self._clip(gradients), state["inner"], params, **extra
        )
        updates = self._decay(updates, params, rate)
        if self.layer_rates is not None:
            updates = jax.tree_util.tree_map_with_path(self._in_layer, updates)
        params = jax.tree.map(lambda w, u: (w + u).astype(w.dtype), params, updates)
        # A float32 hyperparameter would widen the state of a half-precision weight.
        inner = jax.tree.map(lambda new, old: new.astype(old.dtype), inner, state["inner"])
        return params, {"step": step, "inner": inner}

    def _clip(self, gradients: Tree) -> Tree:
        """Clip the gradients by value, by the norm of each, and by the norm of all."""
        if self.clipvalue is not None:
            limit = self.clipvalue
            gradients = jax.tree.map(lambda g: jnp.clip(g, -limit, limit), gradients)
        if self.clipnorm is not None:
            gradients = jax.tree.map(
                lambda g: _shorten(g, jnp.sqrt(jnp.sum(g * g)), self.clipnorm), gradients
            )
        if self.global_clipnorm is not None:
            norm = optax.tree.norm(gradients)
            gradients = jax.tree.map(lambda g: _shorten(g, norm, self.global_clipnorm), gradients)
        return gradients

    def _decay(self, updates: Tree, params: Tree, rate: jax.Array) -> Tree:
        """Add decoupled weight decay, -η λ w, to the updates."""
        if self.weight_decay is None:
            return updates
        factor = rate * self.weight_decay

        def decay(path: Any, update: jax.Array, weight: jax.Array) -> jax.Array:
            excluded = _last_name(path) in self.exclude_from_weight_decay
            return update if excluded else update - factor * weight

        return jax.tree_util.tree_map_with_path(decay, updates, params)

    def _in_layer(self, path: Any, update: jax.Array) -> jax.Array:
        """Multiply the update of a weight by the rate of its layer."""
        where, rates = _path(path), self.layer_rates or {}
        under = [name for name in rates if where.startswith(f"{name}/")]
        return update * rates[max(under, key=len)] if under else update


@functools.lru_cache(256)
def _shapes(structure: Any, kinds: tuple[tuple[tuple[int, ...], Any], ...]) -> Tree:
    """Return the shapes of a new state for an optimizer and weights of such structure and kinds."""
    given = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(*kind) for kind in kinds])
    return jax.eval_shape(lambda optimizer, params: optimizer._start(params), *given)


def _shorten(gradient: jax.Array, norm: jax.Array, limit: Any) -> jax.Array:
    """Scale `gradient` by limit / norm if the norm is longer; a zero norm divides nothing."""
    return gradient * (limit / jnp.maximum(norm, limit))


def _last_name(path: Any) -> str:
    """Return the last part of a weight's path, whatever separates the parts."""
    return re.split(r"[/.]", _path(path))[-1]


def _path(path: Any) -> str:
    """Return a weight's path in words: "dense_1/kernel"."""
    return jax.tree_util.keystr(path, simple=True, separator="/")
