"""Members side by side: their trees stacked, and the program mapped over them and over devices.

Nothing here knows what a member is: trees of one structure come in, and one comes out.
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
from gradus.train.program import ProgramShape, run_epochs

AXIS = "members"

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Parallelism:
    """How one call of a program trains members of a population.

    Attributes:
        width: how many are trained side by side on a device, by mapping the program.
        devices: how many devices they are spread over.
    """

    width: int = 1
    devices: int = 1

    @property
    def members(self) -> int:
        """How many members there are in all."""
        return self.width * self.devices


def stack_trees(trees: Sequence[T]) -> T:
    """Return trees of one structure as one, whose leaves have a population axis in front.

    Raises:
        GradusError: if their structures differ.
    """
    structures = {jax.tree.structure(tree) for tree in trees}
    shapes = {tuple(jnp.shape(leaf) for leaf in jax.tree.leaves(tree)) for tree in trees}
    if len(structures) != 1 or len(shapes) != 1:
        raise structure_error()
    made: T = jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
    return made


def take_member(tree: T, index: int) -> T:
    """Return one member of a stacked tree."""
    made: T = jax.tree.map(lambda leaf: leaf[index], tree)
    return made


def structure_error() -> GradusError:
    """Return the error for models that are not one program."""
    return GradusError(
        "These models differ in structure (layers, widths, activations, the kind of optimiser "
        "or loss), so that they are not one program: train each with fit."
    )


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def leaves_differ(leaves: Sequence[Any]) -> bool:
    """Return whether a leaf of several members is not the same in all."""
    first, *others = map(jax.random.key_data, leaves) if _is_key(leaves[0]) else leaves
    return not all(
        other is first or np.array_equal(first, other, equal_nan=True) for other in others
    )


def stack_leaves(leaves: Sequence[Any]) -> Any:
    """Return a leaf of several members as one, with a population axis in front."""
    return jnp.stack(leaves) if _is_key(leaves[0]) else np.stack(leaves)


@functools.lru_cache(8)
def population_mesh(devices: int) -> Mesh:
    """Return the first devices of this process, over which members are spread."""
    chosen = jax.local_devices()[:devices]
    return jax.make_mesh((devices,), (AXIS,), (AxisType.Auto,), devices=chosen)


@functools.lru_cache(256)
def vectorized_program(parallelism: Parallelism, varying: tuple[bool, ...]) -> Any:
    """Return the program of several members, compiled where it is first called.

    Args:
        parallelism: how they are trained.
        varying: which leaves of settings and key have a population axis; those of the train
            state all have.
    """

    def program(train_state: Any, *arguments: Any, shape: ProgramShape) -> Any:
        *settings, train, validation, epochs, first, key = arguments
        leaves, tree = jax.tree.flatten((settings, key))

        def one(train_state: Any, leaves: Any, shared: Any) -> Any:
            settings, key = jax.tree.unflatten(tree, leaves)
            return run_epochs(train_state, *settings, *shared, key, shape=shape)

        def alone(train_state: Any, leaves: Any, shared: Any) -> Any:
            own = [leaf[0] if vary else leaf for leaf, vary in zip(leaves, varying, strict=True)]
            return jax.tree.map(
                lambda leaf: leaf[None], one(take_member(train_state, 0), own, shared)
            )

        # A single member is not mapped, by which all of its conditions would take both branches.
        axes = 0, [0 if vary else None for vary in varying], None
        mapped = jax.vmap(one, axes) if parallelism.width > 1 else alone
        if parallelism.devices > 1:
            cut, whole = PartitionSpec(AXIS), PartitionSpec()
            mapped = jax.shard_map(
                mapped,
                mesh=population_mesh(parallelism.devices),
                in_specs=(cut, [cut if vary else whole for vary in varying], whole),
                out_specs=cut,
                check_vma=False,
            )
        return mapped(train_state, leaves, (train, validation, epochs, first))

    return jax.jit(program, static_argnames="shape")
