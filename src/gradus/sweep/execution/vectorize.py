"""Vectorizes a training program over stacked pytrees and shards it over devices.

Nothing here depends on `Member`: pytrees of one structure come in, and one comes out.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, PartitionSpec

from gradus.errors import GradusError
from gradus.program_cache import cached_program
from gradus.train.program import ProgramShape, run_epochs

AXIS = "members"

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Parallelism:
    """How many members one call of a program trains.

    Attributes:
        width: the members vectorized on each device.
        devices: the devices that members are sharded over.
    """

    width: int = 1
    devices: int = 1

    @property
    def members(self) -> int:
        """The number of members in all."""
        return self.width * self.devices


def stack_trees(trees: Sequence[T]) -> T:
    """Return trees of one structure stacked along a leading population axis.

    Raises:
        GradusError: if their structures differ.
    """
    structures = {jax.tree.structure(tree) for tree in trees}
    shapes = {tuple(jnp.shape(leaf) for leaf in jax.tree.leaves(tree)) for tree in trees}
    if len(structures) != 1 or len(shapes) != 1:
        raise structure_error()
    stacked: T = jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
    return stacked


def take_member(tree: T, index: int) -> T:
    """Return one member of a stacked tree."""
    member: T = jax.tree.map(lambda leaf: leaf[index], tree)
    return member


def structure_error() -> GradusError:
    """Return the error for models that cannot share a program."""
    return GradusError(
        "These models differ in structure (layers, widths, activations, optimizer, or loss), so "
        "they cannot share one program: train each with fit."
    )


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def leaves_differ(leaves: Sequence[Any]) -> bool:
    """Return whether a leaf differs between members."""
    first, *others = map(jax.random.key_data, leaves) if _is_key(leaves[0]) else leaves
    return not all(one is first or np.array_equal(first, one, equal_nan=True) for one in others)


def stack_leaves(leaves: Sequence[Any]) -> Any:
    """Return a leaf of several members stacked along a leading population axis."""
    return jnp.stack(leaves) if _is_key(leaves[0]) else np.stack(leaves)


@functools.lru_cache(8)
def population_mesh(devices: int) -> Mesh:
    """Return a mesh of the first devices of this process."""
    chosen = jax.local_devices()[:devices]
    return jax.make_mesh((devices,), (AXIS,), (AxisType.Auto,), devices=chosen)


@functools.lru_cache(256)
def vectorized_program(parallelism: Parallelism, varying: tuple[bool, ...]) -> Any:
    """Return the program of several members, compiled at its first call.

    Args:
        parallelism: how many members are vectorized and over how many devices.
        varying: which leaves of components and key have a population axis; all leaves of the train
            state have one.
    """

    def program(train_state: Any, *arguments: Any, shape: ProgramShape) -> Any:
        *components, train, validation, epochs, first_epoch, key = arguments
        leaves, tree = jax.tree.flatten((components, key))

        def train_member(train_state: Any, leaves: Any, shared: Any) -> Any:
            components, key = jax.tree.unflatten(tree, leaves)
            return run_epochs(train_state, *components, *shared, key, shape=shape)

        def train_unmapped(train_state: Any, leaves: Any, shared: Any) -> Any:
            leaves = [leaf[0] if vary else leaf for leaf, vary in zip(leaves, varying, strict=True)]
            result = train_member(take_member(train_state, 0), leaves, shared)
            return jax.tree.map(lambda leaf: leaf[None], result)

        # A single member is not vectorized: `vmap` would execute both branches of its conditions.
        axes = 0, [0 if vary else None for vary in varying], None
        mapped = jax.vmap(train_member, axes) if parallelism.width > 1 else train_unmapped
        if parallelism.devices > 1:
            sharded, replicated = PartitionSpec(AXIS), PartitionSpec()
            mapped = jax.shard_map(
                mapped,
                mesh=population_mesh(parallelism.devices),
                in_specs=(sharded, [sharded if v else replicated for v in varying], replicated),
                out_specs=sharded,
                check_vma=False,
            )
        return mapped(train_state, leaves, (train, validation, epochs, first_epoch))

    return cached_program(jax.jit(program, static_argnames="shape"))
