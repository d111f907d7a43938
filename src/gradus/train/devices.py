"""Over which devices one training is spread: each computes its share of every batch.

The weights and the samples lie whole on every device; a batch is cut along its first axis. The
program is the same, and what it computes too, but for the order in which it adds: XLA puts in the
sums over devices (in the gradients, in batch statistics, in losses) wherever a batch is summed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from gradus.errors import GradusError

T = TypeVar("T")

AXIS = "batch"


def make_mesh(devices: Any) -> Mesh | None:
    """Return the devices that `fit(devices=…)` names, or None for the one that JAX takes itself.

    Args:
        devices: None, the number of them, or "all": those of all processes.

    Raises:
        GradusError: for anything else, or more devices than there are.
    """
    if devices is None:
        return None
    found = jax.devices()
    count = len(found) if devices == "all" else devices
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise GradusError(f"devices={devices!r}: write how many, 'all', or None for one.")
    check_devices(int(count), found, ", or 'all'")
    if jax.process_count() > 1 and count < len(found):
        raise GradusError(
            f"devices={count}: {jax.process_count()} processes have {len(found)} devices, and "
            "train together on all of them ('all') or each on one of its own (None)."
        )
    if count == 1:
        return None
    chosen = found[: int(count)]
    return jax.make_mesh((len(chosen),), (AXIS,), (AxisType.Auto,), devices=chosen)


def check_devices(count: int, found: Sequence[jax.Device], or_else: str = "") -> None:
    """Refuse more devices than were found.

    Args:
        count: how many are wanted.
        found: those that there are.
        or_else: what may be written besides a lower number.

    Raises:
        GradusError: if there are fewer.
    """
    if count > len(found):
        raise GradusError(
            f"devices={count}: there are {len(found)} ({found[0].platform}); write at most that"
            f"{or_else}. A CPU is one device unless JAX is told otherwise before its first "
            f'computation: jax.config.update("jax_num_cpu_devices", {count}).'
        )


def replicate(tree: T, mesh: Mesh | None) -> T:
    """Return a tree of arrays with each of them whole on every device; as it is without a mesh.

    Every process gives arrays of the same values.
    """
    if mesh is None:
        return tree
    whole = NamedSharding(mesh, PartitionSpec())

    def put(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array) and leaf.sharding == whole:
            return leaf
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            words = put(jax.random.key_data(leaf))
            return jax.random.wrap_key_data(words, impl=jax.random.key_impl(leaf))
        array = np.asarray(leaf)
        return jax.make_array_from_callback(array.shape, whole, lambda _: array)

    placed: T = jax.tree.map(put, tree)
    return placed


def unreplicate(tree: T, mesh: Mesh | None) -> T:
    """Return what `replicate` made on this process's first device alone, without copying it."""
    if mesh is None:
        return tree
    taken: T = jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)
    return taken


def shard_batch(tree: T, mesh: Mesh | None) -> T:
    """Have a program compute the rows of some arrays in parts, one on each device.

    Their number need not be a multiple of that of the devices.
    """
    return _constrained(tree, mesh, PartitionSpec(AXIS))


def gather_shards(tree: T, mesh: Mesh | None) -> T:
    """Have a program return some arrays whole on every device."""
    return _constrained(tree, mesh, PartitionSpec())


def _constrained(tree: T, mesh: Mesh | None, spec: PartitionSpec) -> T:
    if mesh is None:
        return tree
    sharded: T = jax.tree.map(
        lambda leaf: lax.with_sharding_constraint(leaf, NamedSharding(mesh, spec)), tree
    )
    return sharded
