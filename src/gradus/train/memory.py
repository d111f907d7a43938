"""How much memory is free, and how much a training needs: checked before it is allocated."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax

from gradus.errors import TooLargeError
from gradus.nn.network import AbstractNetwork, weights
from gradus.optim.base import Optimizer

if TYPE_CHECKING:
    from jaxtyping import PyTree, Shaped

UNKNOWN = 1 << 62  # the free bytes if the system does not report them
PLENTY = 64  # times the weights: with as much, no optimizer state needs to be counted
UNITS = (1e9, "GB"), (1e6, "MB"), (1e3, "kB")
ROOT = Path("/")


class CgroupFiles(NamedTuple):
    """The files in which a version of Linux control groups reports a process's memory."""

    base: str
    limit: str
    used: str
    cached: str  # the part of what is used that is dropped when memory is short


GROUPS = {
    "": CgroupFiles("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    "memory": CgroupFiles(
        "sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
}


def free_bytes() -> int:
    """Return the free bytes where programs run: those of the device, or `host_free_bytes()`."""
    if jax.default_backend() == "cpu":
        return host_free_bytes()
    stats: dict[str, int] | None = None
    with contextlib.suppress(jax.errors.JaxRuntimeError):  # some devices keep no count
        stats = jax.local_devices()[0].memory_stats()
    if not stats or "bytes_limit" not in stats:
        return UNKNOWN
    return stats["bytes_limit"] - stats["bytes_in_use"]


def host_free_bytes() -> int:
    """Return the bytes this process may still allocate; `UNKNOWN` if the system is not Linux.

    That is the memory the kernel calls available, or what a control group leaves of it.
    """
    groups = (_cgroup_free_bytes(folder, names) for folder, names in _cgroups())
    return min([_available_bytes(), *groups])


def tree_bytes(tree: PyTree[Shaped[Any, "..."]]) -> int:
    """Return the bytes of a tree's arrays."""
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def program_bytes(compiled: jax.stages.Compiled) -> int:
    """Return the bytes that a compiled program needs besides its arguments, as XLA reports them."""
    stats = compiled.memory_analysis()
    if stats is None:
        return 0
    return int(stats.output_size_in_bytes + stats.temp_size_in_bytes - stats.alias_size_in_bytes)


def check_weights(network: AbstractNetwork, free: int) -> None:
    """Check, before the weights of a network are drawn, that they fit into memory.

    Args:
        network: the network.
        free: the bytes that are free.

    Raises:
        TooLargeError: if its weights need more; it names the largest.
    """
    total = sum(_weight_bytes(network).values())
    if total > free:
        raise TooLargeError(
            f"This network is too large: {_describe_weights(network)}. {_advice(free)}"
        )


def check_training(network: AbstractNetwork, optimizer: Optimizer, free: int) -> None:
    """Check, before the weights of a network are drawn, that it can be trained in memory.

    This counts what every training needs: weights and optimizer state twice, before and after a
    call of the program, and the gradients.

    Args:
        network: the network.
        optimizer: the optimizer.
        free: the bytes that are free.

    Raises:
        TooLargeError: if it needs more; it names the largest weight.
    """
    total = sum(_weight_bytes(network).values())
    if PLENTY * total <= free:
        return
    params = {
        path: jax.ShapeDtypeStruct(weight.shape, weight.dtype)
        for path, weight in weights(network.net, "param").items()
    }
    need = 2 * (total + tree_bytes(optimizer.shapes(params))) + tree_bytes(params)
    if need > free:
        raise TooLargeError(
            f"This network takes at least {readable(need)} to train: {_describe_weights(network)}. "
            f"{_advice(free)}"
        )


def check_program(need: int, free: int) -> None:
    """Check, before a compiled program runs, that it fits into memory.

    Args:
        need: the bytes that it needs.
        free: the bytes that are free.

    Raises:
        TooLargeError: if it needs more.
    """
    if need > free:
        raise TooLargeError(
            f"This training takes about {readable(need)}, including the layers' outputs for a "
            f"batch. {_advice(free, 'a smaller batch_size or ')}"
        )


def readable(count: int) -> str:
    """Return a number of bytes in a readable unit, such as "51 GB"."""
    unit, name = next((pair for pair in UNITS if count >= pair[0]), UNITS[-1])
    return f"{count / unit:,.{0 if count >= 10 * unit else 1}f} {name}"


def _weight_bytes(network: AbstractNetwork) -> dict[str, int]:
    """Return the bytes of each weight, by path; all are float32."""
    return {path: 4 * math.prod(spec.shape) for path, spec in network.specs.items()}


def _describe_weights(network: AbstractNetwork) -> str:
    """Return in words how large a network's weights are, and which is the largest."""
    sizes = _weight_bytes(network)
    path = max(sizes, key=sizes.__getitem__)
    shape = " × ".join(f"{length:,}" for length in network.specs[path].shape)
    return f"its weights are {readable(sum(sizes.values()))}, {path} alone is {shape}"


def _advice(free: int, alternative: str = "") -> str:
    return f"{readable(free)} are free here: write {alternative}a smaller network."


def _available_bytes() -> int:
    """Return the bytes that the kernel calls available: free, or holding only cached files."""
    try:
        lines = (ROOT / "proc/meminfo").read_text().splitlines()
        fields = dict(line.split(":") for line in lines)
        return 1024 * int(fields["MemAvailable"].removesuffix("kB"))
    except (OSError, ValueError, KeyError):
        return UNKNOWN


def _cgroups() -> Iterator[tuple[Path, CgroupFiles]]:
    """Yield the folders of this process's control groups, the outermost last."""
    try:
        lines = (ROOT / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for names in (GROUPS[name] for name in controllers.split(",") if name in GROUPS):
            base = ROOT / names.base
            lowest = base / path.strip("/")  # may not be visible in a container
            for folder in [lowest, *lowest.parents]:
                if base in folder.parents:
                    yield folder, names
            yield base, names


def _cgroup_free_bytes(folder: Path, names: CgroupFiles) -> int:
    """Return the bytes that a control group leaves; `UNKNOWN` if it has no limit."""
    try:
        limit, used = (int((folder / name).read_text()) for name in (names.limit, names.used))
        lines = (folder / "memory.stat").read_text().splitlines()
        cached = int(dict(line.split() for line in lines).get(names.cached, 0))
    except (OSError, ValueError):  # "max" means no limit
        return UNKNOWN
    return max(0, limit - used + cached)
