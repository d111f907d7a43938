"""Penalties on weights, added to the loss, and constraints, applied to weights after an update."""

# ruff: noqa: D102 (an overriding method is documented where it is declared)

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array

from gradus.checks import as_index, as_result, as_written
from gradus.errors import GradusError
from gradus.nn.layer import Layer
from gradus.nn.pytree import check_function, check_setting, pytree, static
from gradus.registry import Registry
from gradus.space import given_values

EPSILON = 1e-7  # avoids a division by a norm of zero

penalties = Registry("penalty")
constraints = Registry("constraint")


class Penalty(abc.ABC):
    """A penalty on a weight, added to the loss; subclasses are decorated with `pytree`.

    Examples:
        >>> from gradus.nn.pytree import pytree
        >>> @pytree
        ... class LargestWeight(gr.penalties.Penalty):
        ...     def __call__(self, weight):
        ...         return jnp.abs(weight).max()
        >>> float(LargestWeight()(jnp.array([1.0, -3.0])))
        3.0
    """

    @abc.abstractmethod
    def __call__(self, weight: Array) -> Array:
        """Return the penalty of `weight`, a scalar."""


@penalties.add("l1", "L1")
@pytree
class L1(Penalty):
    """L1 penalty: strength · Σ|w|; it makes weights exactly zero (Tibshirani 1996).

    Args:
        strength: the factor, at least 0.

    Examples:
        >>> print(gr.L1(0.5)(jnp.array([1.0, -3.0])))
        2.0
    """

    strength: float = 0.01

    def __post_init__(self) -> None:
        check_setting(self, "strength", 0.0)

    def __call__(self, weight: Array) -> Array:
        return self.strength * jnp.sum(absolute(weight))


@penalties.add("l2", "L2")
@pytree
class L2(Penalty):
    """L2 penalty: strength · Σw², without the factor ½ of textbooks, as in Keras.

    Args:
        strength: the factor, at least 0; its gradient is 2 · strength · w.

    Examples:
        >>> print(gr.L2(0.5)(jnp.array([1.0, -3.0])))
        5.0
    """

    strength: float = 0.01

    def __post_init__(self) -> None:
        check_setting(self, "strength", 0.0)

    def __call__(self, weight: Array) -> Array:
        return self.strength * jnp.sum(jnp.square(weight))


@penalties.add("l1_l2", "l1l2", "L1L2")
@pytree
class L1L2(Penalty):
    """Elastic net: l1 · Σ|w| + l2 · Σw² (Zou & Hastie 2005); no factor ½, as in Keras.

    Args:
        l1: the factor of the absolute values, at least 0.
        l2: the factor of the squares, at least 0.

    Examples:
        >>> print(gr.L1L2(l1=0.5, l2=0.1)(jnp.array([1.0, -3.0])))
        3.0
    """

    l1: float = 0.01
    l2: float = 0.01

    def __post_init__(self) -> None:
        check_setting(self, "l1", 0.0)
        check_setting(self, "l2", 0.0)

    def __call__(self, weight: Array) -> Array:
        return self.l1 * jnp.sum(absolute(weight)) + self.l2 * jnp.sum(jnp.square(weight))


@pytree
class FunctionPenalty(Penalty):
    """A user's function as a penalty.

    Args:
        function: `f(weight)`, which returns a scalar.

    Examples:
        >>> penalty = gr.penalties.FunctionPenalty(lambda w: jnp.abs(w).max())
        >>> print(penalty(jnp.array([1.0, -3.0])))
        3.0
    """

    function: Callable[[Array], Any] = static()

    def __post_init__(self) -> None:
        check_function(self, "f(weight)")

    def __call__(self, weight: Array) -> Array:
        return _result(self, weight, (), "one number, such as jnp.sum(jnp.abs(weight))")


class Constraint(abc.ABC):
    """A set that weights may not leave; subclasses are decorated with `pytree`.

    Examples:
        >>> from gradus.nn.pytree import pytree
        >>> @pytree
        ... class AtLeast(gr.penalties.Constraint):
        ...     low: float = 0.0
        ...
        ...     def project(self, weight):
        ...         return jnp.maximum(weight, self.low)
        >>> AtLeast(0.5).project(jnp.array([1.0, -3.0])).tolist()
        [1.0, 0.5]
    """

    @abc.abstractmethod
    def project(self, weight: Array) -> Array:
        """Return the weight projected onto the set, of the same shape."""


@constraints.add("max_norm", "MaxNorm")
@pytree
class MaxNorm(Constraint):
    """Max norm: w · min(1, max_value / ‖w‖), with norms over `axis` (Srivastava et al. 2014).

    Args:
        max_value: the largest norm, at least 0.
        axis: the axis or axes of one norm. For a Dense kernel 0, its inputs, gives each unit its
            own norm; for a Conv2D kernel write (0, 1, 2).

    Examples:
        >>> w = gr.MaxNorm(1.0).project(jnp.array([[3.0, 0.3], [4.0, 0.4]]))
        >>> print(np.asarray(w).round(2))
        [[0.6 0.3]
         [0.8 0.4]]
    """

    max_value: float = 2.0
    axis: int | tuple[int, ...] = static(default=0)

    def __post_init__(self) -> None:
        check_setting(self, "max_value", 0.0)
        _check_axis(self)

    def project(self, weight: Array) -> Array:
        norm = _norms(weight, self.axis)
        return weight * jnp.minimum(1, self.max_value / jnp.maximum(norm, EPSILON))


@constraints.add("non_neg", "NonNeg")
@pytree
class NonNeg(Constraint):
    """Non-negative weights: max(w, 0).

    Examples:
        >>> gr.penalties.NonNeg().project(jnp.array([1.0, -3.0])).tolist()
        [1.0, 0.0]
    """

    def project(self, weight: Array) -> Array:
        return jnp.maximum(weight, 0)


@constraints.add("unit_norm", "UnitNorm")
@pytree
class UnitNorm(Constraint):
    """Unit norm: w / ‖w‖, with norms over `axis`; a weight of zero stays zero.

    Args:
        axis: the axis or axes of one norm, as in `MaxNorm`.

    Examples:
        >>> w = gr.penalties.UnitNorm().project(jnp.array([[3.0], [4.0]]))
        >>> print(np.asarray(w).round(2))
        [[0.6]
         [0.8]]
    """

    axis: int | tuple[int, ...] = static(default=0)

    def __post_init__(self) -> None:
        _check_axis(self)

    def project(self, weight: Array) -> Array:
        norm = _norms(weight, self.axis)
        return weight / jnp.maximum(norm, EPSILON)


@pytree
class FunctionConstraint(Constraint):
    """A user's function as a constraint.

    Args:
        function: `f(weight)`, which returns the projected weight.

    Examples:
        >>> constraint = gr.penalties.FunctionConstraint(lambda w: jnp.clip(w, -1, 1))
        >>> constraint.project(jnp.array([0.5, -3.0])).tolist()
        [0.5, -1.0]
    """

    function: Callable[[Array], Any] = static()

    def __post_init__(self) -> None:
        check_function(self, "f(weight)")

    def project(self, weight: Array) -> Array:
        return _result(self, weight, weight.shape, "the new weight, of the same shape")


def absolute(x: Array) -> Array:
    """Return |x| with the derivative sign(x), zero at zero, where `jnp.abs` has 1.

    Examples:
        >>> slope = jax.grad(gr.penalties.absolute)
        >>> [float(slope(x)) for x in (-2.0, 0.0, 2.0)]
        [-1.0, 0.0, 1.0]
    """
    return x * jnp.sign(x)


def _result(
    owner: FunctionPenalty | FunctionConstraint, weight: Array, shape: tuple[int, ...], what: str
) -> Array:
    """Return what a user's function makes of a weight.

    Raises:
        GradusError: if that is not of `shape`, saying `what` it must return.
    """
    value: Any = owner.function(weight)
    known = hasattr(value, "shape") or isinstance(value, int | float)
    if not known or jnp.shape(value) != shape:
        raise GradusError(
            f"{type(owner).__name__}: the function returned {as_result(value)} for a weight of "
            f"shape {weight.shape}; it must return {what}."
        )
    return jnp.asarray(value, weight.dtype)


def _check_axis(constraint: MaxNorm | UnitNorm) -> None:
    """Refuse an axis that is neither a whole number nor several; a list becomes a tuple."""
    for axis in given_values(constraint.axis):
        axes = list(axis) if isinstance(axis, list | tuple) else [axis]
        if not axes or None in map(as_index, axes):
            raise GradusError(
                f"{as_written('axis', axis, type(constraint).__name__)}: write the axis of a "
                "norm, such as 0, or several, (0, 1, 2)."
            )
        if isinstance(axis, list):
            object.__setattr__(constraint, "axis", tuple(axes))


def _norms(weight: Array, axis: int | tuple[int, ...]) -> Array:
    """Return the norms of a weight over `axis`, with that axis kept.

    Raises:
        GradusError: if the weight has no such axis.
    """
    for each in axis if isinstance(axis, tuple) else (axis,):
        if not -weight.ndim <= each < weight.ndim:
            raise GradusError(
                f"The norms of a constraint are over axis={axis!r}, but the weight has shape "
                f"{weight.shape}: write an axis from 0 to {weight.ndim - 1}."
            )
    return jnp.sqrt(jnp.sum(jnp.square(weight), axis=axis, keepdims=True))


def get(penalty: str | Penalty | Callable[[Array], Any]) -> Penalty:
    """Return the penalty of a name, a class, or a function of a weight; a penalty unchanged.

    Raises:
        GradusError: for an unknown name or any other type.

    Examples:
        >>> gr.penalties.get("l2").strength
        0.01
    """
    if isinstance(penalty, Penalty):
        return penalty
    return _get(penalty, penalties, FunctionPenalty, "L2(1e-4)")


def get_constraint(constraint: str | Constraint | Callable[[Array], Any]) -> Constraint:
    """Return the constraint of a name, a class, or a function of a weight; a constraint unchanged.

    Raises:
        GradusError: for an unknown name or any other type.

    Examples:
        >>> gr.penalties.get_constraint("non_neg")
        NonNeg()
    """
    if isinstance(constraint, Constraint):
        return constraint
    return _get(constraint, constraints, FunctionConstraint, "MaxNorm(2.0)")


def _get(value: Any, registry: Registry, wrapper: Callable[..., Any], example: str) -> Any:
    """Return the entry of a name or class, or the wrapped function."""
    if isinstance(value, str):
        return registry.find(value)()
    if isinstance(value, type) and registry.name_of(value):
        return value()
    if callable(value) and not isinstance(value, type | Penalty | Layer):
        return wrapper(value)
    kind = registry.kind
    raise GradusError(
        f"A {kind} is a name, an object such as {example}, or a function, not {value!r}."
    )
