"""The update of all weights by an optimizer's rule in one pass."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import core, lax
from jax.extend.core import Primitive
from jax.extend.mlir.dialects import stablehlo as hlo

from gradus.kernels.library import in_use
from gradus.kernels.matmul import factors_of_product, find_operation
from gradus.kernels.primitive import define_kernel


class Leaf(NamedTuple):
    """A weight: its gradient, itself, and its states in the order of the rule, all of one shape."""

    gradient: jax.Array
    weight: jax.Array
    states: tuple[jax.Array, ...]


class Rule(NamedTuple):
    """A rule that the kernel knows, w ← w - (s u + d w), where u follows from the gradient g.

    Attributes:
        name: a key of `RULES`, where u is defined.
        step_size: s.
        beta_1: β₁, the decay of the first state.
        beta_2: β₂, the decay of the second state.
        epsilon: ε.
        decay: d, for the weights that decay.
    """

    name: str
    step_size: Any
    beta_1: Any = 0.0
    beta_2: Any = 0.0
    epsilon: Any = 0.0
    decay: Any = 0.0


Updated = list[tuple[jax.Array, ...]]  # of each leaf, the weight and its states


def takes_leaves(leaves: Sequence[Leaf]) -> bool:
    """Return whether the native kernel is in use and takes these arrays."""
    arrays = [array for leaf in leaves for array in (leaf.gradient, leaf.weight, *leaf.states)]
    return in_use() and all(array.dtype == jnp.float32 for array in arrays)


def update(
    rule: Rule, decaying: Sequence[bool], leaves: Sequence[Leaf], loss: Any = 0.0
) -> Updated:
    """Return the new weights and states.

    A gradient that is a product of two matrices, as a dense layer's is, is computed here, part by
    part, and never stored; so is the sum of one and the gradient of an L2 penalty.

    Args:
        rule: the rule and its numbers.
        decaying: which weights decay.
        leaves: the weights, for which `takes_leaves` is true.
        loss: the loss at the weights. Its penalties read them, and are computed first if they are
            its argument; else XLA would copy the weights for them.
    """
    numbers = jnp.stack([jnp.asarray(number, jnp.float32) for number in rule[1:]])
    arrays = [array for leaf in leaves for array in (leaf.gradient, leaf.weight, *leaf.states)]
    decays = "".join("d" if each else "-" for each in decaying)
    loss = jnp.asarray(loss, jnp.float32)
    flat = _update.bind(numbers, loss, *arrays, rule=rule.name, decays=decays)
    return list(zip(*[iter(flat)] * (len(flat) // len(leaves)), strict=True))


def plain_update(rule: Rule, decaying: Sequence[bool], leaves: Sequence[Leaf]) -> Updated:
    """Return what `update` does."""
    updated = []
    for decays, leaf in zip(decaying, leaves, strict=True):
        change, *states = RULES[rule.name](rule, leaf.gradient, *leaf.states)
        decay = rule.decay * leaf.weight if decays else 0
        updated.append((leaf.weight - (rule.step_size * change + decay), *states))
    return updated


def _adam(rule: Rule, g: Any, m: Any, v: Any) -> tuple[Any, ...]:
    m = rule.beta_1 * m + (1 - rule.beta_1) * g
    v = rule.beta_2 * v + (1 - rule.beta_2) * (g * g)
    return m / (jnp.sqrt(v) + rule.epsilon), m, v


def _momentum(rule: Rule, g: Any, v: Any) -> tuple[Any, ...]:
    v = g + rule.beta_1 * v
    return v, v


def _nesterov(rule: Rule, g: Any, v: Any) -> tuple[Any, ...]:
    v = g + rule.beta_1 * v
    return g + rule.beta_1 * v, v


def _rmsprop(rule: Rule, g: Any, v: Any) -> tuple[Any, ...]:
    v = rule.beta_1 * v + (1 - rule.beta_1) * (g * g)
    return g * lax.rsqrt(v + rule.epsilon), v


# Maps each rule to a function (rule, g, *states) -> (u, *new_states).
RULES: dict[str, Callable[..., tuple[Any, ...]]] = {
    "adam": _adam,
    "sgd": lambda _, g: (g,),
    "momentum": _momentum,
    "nesterov": _nesterov,
    "rmsprop": _rmsprop,
}


def _plain(numbers: Any, _: Any, *arrays: Any, rule: str, decays: str) -> list[Any]:
    groups = zip(*[iter(arrays)] * (len(arrays) // len(decays)), strict=True)
    leaves = [Leaf(g, w, tuple(states)) for g, w, *states in groups]
    decaying = [each == "d" for each in decays]
    updated = plain_update(Rule(rule, *numbers), decaying, leaves)
    return [array for arrays in updated for array in arrays]


def _lower(context: Any, numbers: Any, loss: Any, *arrays: Any, rule: str, decays: str) -> Any:
    """Call the kernel, with the two factors of each gradient that is a product."""
    operands, kinds = [numbers], ""
    aliases: dict[int, int] = {}
    width = len(arrays) // len(decays)
    for leaf in range(len(decays)):
        gradient, *own = arrays[width * leaf : width * (leaf + 1)]
        factors, kind = factors_of_product(gradient), "p"
        if not factors:
            factors, kind = _penalized_product(gradient, own[0]), "q"
        kinds += kind if factors else "g"
        operands += factors or [gradient]
        # The results take the place of the weight and its states.
        aliases |= {len(operands) + i: (width - 1) * leaf + i for i in range(width - 1)}
        operands += own
    operands += [loss] if "q" in kinds else []
    shapes = [core.ShapedArray(operand.type.shape, jnp.float32) for operand in operands]
    lower = jax.ffi.ffi_lowering("gradus_update", operand_output_aliases=aliases)
    context = context.replace(avals_in=shapes)
    return lower(context, *operands, rule=rule, decays=decays, gradients=kinds)


def _penalized_product(gradient: Any, weight: Any) -> list[Any]:
    """Return a, b, and p if a gradient is aᵀ b + p w, as an L2 penalty makes it, or nothing."""
    for product, other in permutations(_operands(gradient, "add"), 2):
        factors, scales = factors_of_product(product), _scales(other, weight)
        if factors and scales:
            return [*factors, functools.reduce(hlo.multiply, scales)]
    return []


def _scales(value: Any, weight: Any) -> list[Any]:
    """Return the scalars whose product with a weight is a value being lowered, or nothing."""
    for one, other in permutations(_operands(value, "multiply"), 2):
        scalar = _operands(one, "broadcast_in_dim")
        if scalar and not scalar[0].type.shape:
            rest = [] if other == weight else _scales(other, weight)
            if rest or other == weight:
                return [scalar[0], *rest]
    return []


def _operands(value: Any, name: str) -> list[Any]:
    """Return the operands of the operation of a name whose result a value is, or nothing."""
    operation = find_operation(value, name)
    return [] if operation is None else list(operation.operands)


def _shapes(_: Any, loss: Any, *arrays: Any, rule: str, decays: str) -> list[Any]:
    width = len(arrays) // len(decays)
    return [array for i, array in enumerate(arrays) if i % width]


_update = Primitive("gradus_update")
_update.multiple_results = True
_update.def_abstract_eval(_shapes)
define_kernel(_update, _plain, _lower)
