"""Data-parallel training: several devices, each of which computes its share of every batch.

Every device holds all weights and samples; a batch is sharded along its first axis. The program and
its results are the same, except for the order of additions: XLA inserts the sums over devices (in
gradients, batch statistics, and losses) wherever a batch is summed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from gradus.checks import is_word
from gradus.data.aligned_arrays import aligned
from gradus.errors import GradusError

if TYPE_CHECKING:
    from jaxtyping import Array, PyTree, Shaped

T = TypeVar("T")

AXIS = "batch"

# Arrays and their copies on the device, by `id`; the array is held, so its `id` stays valid.
DeviceArrays = dict[int, tuple[Any, Any]]


def make_mesh(devices: Any) -> Mesh | None:
    """Return the mesh for `fit(devices=…)`, or None for JAX's default device.

    Args:
        devices: None, the number of devices, or "all": those of all processes.

    Raises:
        GradusError: for anything else, or more devices than there are.
    """
    if devices is None:
        return None
    available = jax.devices()
    count = len(available) if is_word(devices, ("all",)) else devices
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise GradusError(f"devices={devices!r}: write how many, 'all', or None for one.")
    check_devices(int(count), available, ", or 'all'")
    if jax.process_count() > 1 and count < len(available):
        raise GradusError(
            f"devices={count}: {jax.process_count()} processes have {len(available)} devices: "
            "train together on all of them ('all'), or each process on its own (None)."
        )
    if count == 1:
        return None
    chosen = available[: int(count)]
    return jax.make_mesh((len(chosen),), (AXIS,), (AxisType.Auto,), devices=chosen)


def check_devices(count: int, available: Sequence[jax.Device], or_else: str = "") -> None:
    """Check that there are enough devices.

    Args:
        count: how many are wanted.
        available: the devices that there are.
        or_else: what may be written besides a lower number.

    Raises:
        GradusError: if there are fewer.
    """
    if count > len(available):
        raise GradusError(
            f"devices={count}: there are {len(available)} ({available[0].platform}); write at most "
            f"that{or_else}. A CPU is one device unless JAX is configured otherwise before its "
            f'first computation: jax.config.update("jax_num_cpu_devices", {count}).'
        )


def put_on_device(
    tree: PyTree[Shaped[Any, "..."]], mesh: Mesh | None = None, known: DeviceArrays | None = None
) -> PyTree[Shaped[Array, "..."]]:
    """Return the tree with its arrays on the device, or on all devices of a mesh.

    An array that occurs twice is copied once.

    Args:
        tree: of arrays.
        mesh: the devices, or None for one.
        known: the copies of earlier calls for these devices; new ones are added.
    """
    copies: DeviceArrays = {} if known is None else known

    def put(array: Shaped[Any, "..."]) -> Shaped[Array, "..."]:
        if id(array) not in copies:
            # JAX uses an aligned array on a CPU without a copy; aligning it here is twice as fast.
            host = aligned(array) if jax.default_backend() == "cpu" else array
            copies[id(array)] = array, replicate(host, mesh) if mesh else jax.device_put(host)
        return copies[id(array)][1]

    return jax.tree.map(put, tree)


def replicate(tree: T, mesh: Mesh | None) -> T:
    """Return a tree of arrays, each of them whole on every device; without a mesh, unchanged.

    Every process must pass arrays of the same values.
    """
    if mesh is None:
        return tree
    whole = NamedSharding(mesh, PartitionSpec())

    def put(leaf: Any) -> Shaped[Array, "..."]:
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
    """Return a replicated tree on this process's first device alone, without copying it."""
    if mesh is None:
        return tree
    local: T = jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)
    return local


def shard_batch(tree: T, mesh: Mesh | None) -> T:
    """Within a program, shard arrays along their first axis over the devices.

    The number of rows need not be a multiple of the number of devices.
    """
    return _constrain(tree, mesh, PartitionSpec(AXIS))


def gather_shards(tree: T, mesh: Mesh | None) -> T:
    """Within a program, make arrays whole on every device."""
    return _constrain(tree, mesh, PartitionSpec())


def _constrain(tree: T, mesh: Mesh | None, spec: PartitionSpec) -> T:
    if mesh is None:
        return tree
    sharded: T = jax.tree.map(
        lambda leaf: lax.with_sharding_constraint(leaf, NamedSharding(mesh, spec)), tree
    )
    return sharded
