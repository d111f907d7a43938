"""The update of all weights by Adam in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gradus.kernels.library import in_use


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


@jax.custom_jvp
def adam_step(numbers: jax.Array, decays: jax.Array, leaves: Sequence[AdamLeaf]) -> Updated:
    """Return the new weights and moments.

    m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², w ← w - (s m / (√v + ε) + d w)

    Args:
        numbers: β₁, β₂, s, and ε.
        decays: d of each weight.
        leaves: the weights, for which `takes` is true.
    """
    results = [
        jax.ShapeDtypeStruct(leaf.weight.shape, jnp.float32) for leaf in leaves for _ in "wmv"
    ]
    # The results take the place of the arguments: of w, m, and v, which follow the gradient.
    aliases = {2 + 4 * leaf + 1 + i: 3 * leaf + i for leaf in range(len(leaves)) for i in range(3)}
    call = jax.ffi.ffi_call(
        "gradus_adam", results, input_output_aliases=aliases, vmap_method="sequential"
    )
    flat = call(numbers, decays, *(array for leaf in leaves for array in leaf))
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


@adam_step.defjvp
def _jvp(primals: tuple, tangents: tuple) -> tuple[Updated, Updated]:  # type: ignore[type-arg]
    return jax.jvp(plain_adam_step, primals, tangents)
