"""The base of every optimizer: its state, one update, clipping, and decoupled weight decay."""

from __future__ import annotations

import abc
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gradus.checks import as_items, is_number, whole_number
from gradus.errors import GradusError
from gradus.kernels import updates
from gradus.kernels.library import in_use
from gradus.kernels.updates import Leaf, Rule
from gradus.nn.pytree import (
    AT_LEAST_ZERO,
    FRACTION,
    POSITIVE,
    Limit,
    check_fields,
    check_given,
    check_limits,
    check_scalar,
    pytree,
    static,
)
from gradus.optim.schedules import FromFunction, Number, Schedule, is_plain_function
from gradus.space import Space, given_values

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int, PyTree

    Params: TypeAlias = PyTree[Float[Array, "..."]]  # weights, gradients, or updates
    OptState: TypeAlias = PyTree[Array]  # {"step": a number, "inner": Optax's state}

LearningRate = Number | Schedule

# The valid values of each setting, in every optimizer that has it.
_LIMITS: dict[str, Limit] = {
    **dict.fromkeys(("momentum", "rho", "beta_1", "beta_2"), FRACTION),
    **dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm"), POSITIVE),
    **dict.fromkeys(
        ("learning_rate", "epsilon", "weight_decay", "initial_accumulator_value", "rms_rate"),
        AT_LEAST_ZERO,
    ),
}


@pytree
class Optimizer(abc.ABC):
    """A rule that turns gradients into new weights; its hyperparameters are leaves of a pytree.

    An optimizer is stateless: `init` creates the optimizer state, `update` returns the next one.

        state = optimizer.init(params)
        params, state = optimizer.update(gradients, state, params)

    Both can be jitted with the optimizer as an argument: then a new learning rate does not
    recompile, and a vector of rates under `vmap` is a sweep. All optimizers have the options below.
    None turns an option off and is part of the program's structure; a number is a value.

    Args:
        learning_rate: η, a number, a schedule, or a function of the step.
        clipnorm: the largest Euclidean norm of the gradient of one weight array, as in Keras.
        clipvalue: the largest magnitude of one element of a gradient.
        global_clipnorm: the largest Euclidean norm of all gradients together. If several of the
            three are given, they are applied in the order value, norm, global norm.
        weight_decay: λ of decoupled decay, which adds w ← w - η λ w to the update, as in AdamW. It
            applies to every weight, including biases, as in Keras, unless excluded.
        exclude_from_weight_decay: names of weights that do not decay, the last part of their
            path: ("bias", "gamma", "beta").
        layer_rates: factors of the learning rate in some layers, such as
            `{"encoder": 0.1, "encoder/dense_2": 1.0}`: each name means all weights under that
            path, the longest match counts, and 0 leaves weights unchanged.

    Raises:
        GradusError: for a setting outside its range, or several numbers for a single one.
    """

    full_batch: ClassVar[bool] = False  # whether the rule evaluates the loss, on all data
    # Whether every array of a new state is zero, so `init` can skip the arithmetic. Not inherited.
    starts_at_zero: ClassVar[bool] = False

    learning_rate: LearningRate = 0.001
    _: KW_ONLY
    clipnorm: Number | None = None
    clipvalue: Number | None = None
    global_clipnorm: Number | None = None
    weight_decay: Number | None = None
    layer_rates: Mapping[str, Number] | None = None
    exclude_from_weight_decay: tuple[str, ...] = static(default=())

    def __post_init__(self) -> None:
        """Check concrete numbers only: in a program they are tracers, in a sweep spaces."""
        rate = self.learning_rate
        is_number = isinstance(rate, int | float | np.number) and not isinstance(rate, bool)
        known = is_number or isinstance(rate, Schedule | Space) or is_plain_function(rate)
        if not known and not hasattr(rate, "shape"):
            raise GradusError(
                f"{type(self).__name__}(learning_rate={rate!r}): a learning rate is a number such"
                " as 0.001 or a schedule such as gr.schedules.CosineDecay(0.1, 1000);"
                " to try several write gr.choice(0.01, 0.1)."
            )
        if hasattr(rate, "shape"):
            check_scalar(self, "learning_rate", rate)
        if is_plain_function(rate):
            object.__setattr__(self, "learning_rate", FromFunction(rate))
        names = self.exclude_from_weight_decay
        if not isinstance(names, tuple):
            several = [names] if isinstance(names, str) else as_items(names)
            if several is None:
                raise GradusError(
                    f"{type(self).__name__}(exclude_from_weight_decay={names!r}): write the names "
                    'of weights, such as ("bias", "gamma").'
                )
            object.__setattr__(self, "exclude_from_weight_decay", tuple(several))
        self._check_layer_rates()
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "int":
                for count in given_values(value):
                    whole_number(field.name, count, 1, type(self).__name__)
            if field.name in _LIMITS and field.name != "learning_rate":
                check_scalar(self, field.name, value)
                check_given(self, field.name)
        check_fields(self)
        check_limits(self, _LIMITS)

    def _check_layer_rates(self) -> None:
        """Refuse anything but a dict of factors by the paths of layers."""
        rates = {} if self.layer_rates is None else self.layer_rates
        known = isinstance(rates, Mapping) and all(isinstance(name, str) for name in rates)
        if not known or not all(map(_is_factor, rates.values())):
            raise GradusError(
                f"{type(self).__name__}(layer_rates={self.layer_rates!r}): write a dict from a "
                "layer's path to a factor of the learning rate, 0 or more, such as "
                "{'encoder': 0.1}."
            )

    @abc.abstractmethod
    def transformation(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return the Optax transformation from gradients to updates, which are added to weights.

        `learning_rate` is that of this step: what `self.learning_rate`, which may be a schedule,
        gives at the step, times a plateau's factor.

        Its `update` also receives `step`, the number of this update, counted from 1; if the rule is
        `full_batch`, it receives `value`, `grad`, and `value_fn` instead.
        """

    def rate(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """Return the learning rate at `step`, counted from 0, as a float32 scalar."""
        rate = self.learning_rate
        return jnp.asarray(rate(step) if isinstance(rate, Schedule) else rate, jnp.float32)

    def init(self, params: Params) -> OptState:
        """Return the optimizer state before the first step, with the same types as `update`'s."""
        if not vars(type(self)).get("starts_at_zero"):  # a subclass may start elsewhere
            return self._initial_state(params)
        return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), self.shapes(params))

    def shapes(self, params: Params) -> PyTree[jax.ShapeDtypeStruct]:
        """Return the shapes and dtypes of the optimizer state, without computing it."""
        leaves, structure = jax.tree.flatten((self, params))
        avals = tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
        return _state_shapes(structure, avals)

    def _initial_state(self, params: Params) -> OptState:
        step = jnp.zeros((), jnp.int32)
        inner = self.transformation(self.rate(step)).init(params)
        return {"step": step, "inner": jax.tree.map(lambda x: jnp.asarray(x, x.dtype), inner)}

    def update(
        self,
        gradients: Params,
        state: OptState,
        params: Params,
        *,
        learning_rate_scale: Number = 1.0,
        value: Float[Array, ""] | None = None,
        value_fn: Callable[[Params], Float[Array, ""]] | None = None,
    ) -> tuple[Params, OptState]:
        """Return the new params and the new optimizer state.

        Args:
            gradients: the gradients of the loss, a tree like `params`.
            state: the optimizer state from `init` or the last `update`.
            params: the weights.
            learning_rate_scale: a factor of the learning rate, such as a plateau's.
            value: the loss at `params`; only full-batch rules need it.
            value_fn: the loss as a function of params; only full-batch rules need it.

        Raises:
            GradusError: if `value` or `value_fn` is missing for a full-batch rule.
        """
        step = state["step"] + 1
        extra: dict[str, Any] = {"step": step}
        if self.full_batch:
            if value is None or value_fn is None:
                raise GradusError(
                    f"{type(self).__name__} has a line search, which evaluates the loss:"
                    " write update(gradients, state, params, value=…, value_fn=…)."
                )
            extra = {"value": value, "grad": gradients, "value_fn": value_fn}
        rate = self.rate(state["step"]) * learning_rate_scale
        gradients = self._clip(gradients)
        updated = self._native_update(gradients, state, params, rate, value)
        if updated is not None:
            return updated
        transformation = optax.with_extra_args_support(self.transformation(rate))
        updates, inner = transformation.update(gradients, state["inner"], params, **extra)
        updates = self._decay(updates, params, rate)
        if self.layer_rates is not None:
            updates = jax.tree_util.tree_map_with_path(self._scale_by_layer, updates)
        params = jax.tree.map(lambda w, u: (w + u).astype(w.dtype), params, updates)
        # A float32 hyperparameter would widen the state of a half-precision weight.
        inner = jax.tree.map(lambda new, old: new.astype(old.dtype), inner, state["inner"])
        return params, {"step": step, "inner": inner}

    def _native_rule(self, rate: Float[Array, ""], step: Int[Array, ""]) -> Rule | None:
        """Return the rule of a native kernel that does what `transformation` does, or None.

        Args:
            rate: the learning rate of this step.
            step: its number, counted from 1.
        """
        return None

    def _native_update(
        self,
        gradients: Params,
        state: OptState,
        params: Params,
        rate: Float[Array, ""],
        loss: Float[Array, ""] | None,
    ) -> tuple[Params, OptState] | None:
        """Return what `update` does of clipped gradients, by a native kernel; None without one."""
        is_own = _definer(self, "transformation") is _definer(self, "_native_rule")
        if not (in_use() and is_own and params and self.layer_rates is None):
            return None
        step = state["step"] + 1
        rule = self._native_rule(rate, step)
        if rule is None:
            return None
        weights, structure = jax.tree_util.tree_flatten_with_path(params)
        states, inner = jax.tree.flatten(state["inner"])  # one tree like `params` after the other
        count = len(weights)
        leaves = [
            Leaf(gradient, weight, tuple(states[i::count]))
            for i, (gradient, (_, weight)) in enumerate(
                zip(jax.tree.leaves(gradients), weights, strict=True)
            )
        ]
        if not updates.takes_leaves(leaves):
            return None
        factors = [self._decay_factor(path, rate) for path, _ in weights]
        decay = next((factor for factor in factors if factor is not None), 0.0)
        decaying = [factor is not None for factor in factors]
        rule = rule._replace(decay=decay)
        new = updates.update(rule, decaying, leaves, 0.0 if loss is None else loss)
        new_states = [own[k] for k in range(1, len(new[0])) for own in new]
        return jax.tree.unflatten(structure, [own[0] for own in new]), {
            "step": step,
            "inner": jax.tree.unflatten(inner, new_states),
        }

    def _clip(self, gradients: Params) -> Params:
        """Clip the gradients by value, by the norm of each, and by the norm of all."""
        if self.clipvalue is not None:
            limit = self.clipvalue
            gradients = jax.tree.map(lambda g: jnp.clip(g, -limit, limit), gradients)
        if self.clipnorm is not None:
            gradients = jax.tree.map(
                lambda g: _limit_norm(g, jnp.sqrt(jnp.sum(g * g)), self.clipnorm), gradients
            )
        if self.global_clipnorm is not None:
            norm = optax.tree.norm(gradients)
            gradients = jax.tree.map(
                lambda g: _limit_norm(g, norm, self.global_clipnorm), gradients
            )
        return gradients

    def _decay(self, updates: Params, params: Params, rate: Float[Array, ""]) -> Params:
        """Add decoupled weight decay, -η λ w, to the updates."""
        if self.weight_decay is None:
            return updates

        def decay(path: tuple[Any, ...], update: jax.Array, weight: jax.Array) -> jax.Array:
            factor = self._decay_factor(path, rate)
            return update if factor is None else update - factor * weight

        return jax.tree_util.tree_map_with_path(decay, updates, params)

    def _decay_factor(self, path: tuple[Any, ...], rate: Float[Array, ""]) -> Any:
        """Return η λ for a weight, or None if it does not decay."""
        if self.weight_decay is None or _last_name(path) in self.exclude_from_weight_decay:
            return None
        return rate * self.weight_decay

    def _scale_by_layer(self, path: tuple[Any, ...], update: jax.Array) -> jax.Array:
        """Multiply the update of a weight by the factor of its layer."""
        weight_path, rates = _format_path(path), self.layer_rates or {}
        matches = [name for name in rates if weight_path.startswith(f"{name}/")]
        return update * rates[max(matches, key=len)] if matches else update


def _is_factor(value: Any) -> bool:
    """Return whether a value is a number of at least 0; arrays and spaces pass."""
    if isinstance(value, Space) or (hasattr(value, "shape") and not isinstance(value, np.number)):
        return True
    return is_number(value) and value >= 0


def _definer(optimizer: Optimizer, name: str) -> type:
    """Return the class that defines a method of an optimizer."""
    return next(each for each in type(optimizer).__mro__ if name in vars(each))


@functools.lru_cache(256)
def _state_shapes(
    structure: jax.tree_util.PyTreeDef, avals: tuple[tuple[tuple[int, ...], Any], ...]
) -> Any:
    """Return the shapes of a new state for an optimizer and weights of that structure and types."""
    arguments = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(*aval) for aval in avals])
    return jax.eval_shape(lambda optimizer, params: optimizer._initial_state(params), *arguments)


def _limit_norm(gradient: jax.Array, norm: jax.Array, limit: Any) -> jax.Array:
    """Scale `gradient` by limit / norm if the norm exceeds the limit, without dividing by zero."""
    return gradient * (limit / jnp.maximum(norm, limit))


def _last_name(path: tuple[Any, ...]) -> str:
    """Return the last part of a weight's path, whatever the separator."""
    return re.split(r"[/.]", _format_path(path))[-1]


def _format_path(path: tuple[Any, ...]) -> str:
    """Return a weight's path as a string: "dense_1/kernel"."""
    return jax.tree_util.keystr(path, simple=True, separator="/")
