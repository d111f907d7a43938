"""The update of all weights by Adam in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import core
from jax.extend.core import Primitive

from gradus.kernels.library import in_use
from gradus.kernels.matmul import factors_of_product
from gradus.kernels.primitive import define_kernel


class AdamLeaf(NamedTuple):
    """The arrays of a weight, of one shape: its gradient, itself, and its two moments."""

    gradient: jax.Array
    weight: jax.Array
    first_moment: jax.Array
    second_moment: jax.Array


Updated = list[tuple[jax.Array, jax.Array, jax.Array]]  # weight, first, and second moment of each


def takes(leaves: Sequence[AdamLeaf]) -> bool:
    """Return whether the native kernel is in use and takes these arrays."""
    return in_use() and all(array.dtype == jnp.float32 for leaf in leaves for array in leaf)


def adam_step(numbers: jax.Array, decays: jax.Array, leaves: Sequence[AdamLeaf]) -> Updated:
    """Return the new weights and moments.

    m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², w ← w - (s m / (√v + ε) + d w)

    A gradient that is a product of two matrices, as a dense layer's is, is computed here, part by
    part, and never stored.

    Args:
        numbers: β₁, β₂, s, and ε.
        decays: d of each weight.
        leaves: the weights, for which `takes` is true.
    """
    flat = _adam.bind(numbers, decays, *(array for leaf in leaves for array in leaf))
    return list(zip(flat[::3], flat[1::3], flat[2::3], strict=True))


def plain_adam_step(numbers: jax.Array, decays: jax.Array, leaves: Sequence[AdamLeaf]) -> Updated:
    """Return what `adam_step` does."""
    beta_1, beta_2, step_size, epsilon = numbers
    updated = []
    for decay, (g, w, m, v) in zip(decays, leaves, strict=True):
        first = beta_1 * m + (1 - beta_1) * g
        second = beta_2 * v + (1 - beta_2) * (g * g)
        update = step_size * first / (jnp.sqrt(second) + epsilon) + decay * w
        updated.append((w - update, first, second))
    return updated


def _plain(numbers: Any, decays: Any, *arrays: Any) -> list[Any]:
    leaves = [AdamLeaf(*arrays[i : i + 4]) for i in range(0, len(arrays), 4)]
    return [array for updated in plain_adam_step(numbers, decays, leaves) for array in updated]


def _lower(context: Any, numbers: Any, decays: Any, *arrays: Any) -> Any:
    """Call the kernel, with the two factors of each gradient that is a product."""
    operands, kinds = [numbers, decays], ""
    aliases: dict[int, int] = {}
    for leaf in range(len(arrays) // 4):
        gradient, *state = arrays[4 * leaf : 4 * leaf + 4]
        factors = factors_of_product(gradient)
        kinds += "p" if factors else "g"
        operands += factors or [gradient]
        # The results take the place of w, m, and v.
        aliases |= {len(operands) + i: 3 * leaf + i for i in range(3)}
        operands += state
    shapes = [core.ShapedArray(operand.type.shape, jnp.float32) for operand in operands]
    lower = jax.ffi.ffi_lowering("gradus_adam", operand_output_aliases=aliases)
    return lower(context.replace(avals_in=shapes), *operands, products=kinds)


_adam = Primitive("gradus_adam")
_adam.multiple_results = True
_adam.def_abstract_eval(lambda _, __, *arrays: [a for i, a in enumerate(arrays) if i % 4])
define_kernel(_adam, _plain, _lower)
