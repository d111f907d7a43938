"""How much memory is free, and how much a training takes: found out before it is taken."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax

from gradus.errors import TooLargeError
from gradus.nn.network import AbstractNetwork, weights
from gradus.optim.base import Optimizer

UNKNOWN = 1 << 62  # bytes that are free where nobody says how many
PLENTY = 64  # times the weights: with as much no rule's memory needs to be counted
UNITS = (1e9, "GB"), (1e6, "MB"), (1e3, "kB")
ROOT = Path("/")


class CgroupFiles(NamedTuple):
    """Where a version of Linux's control groups says how much memory a process may have."""

    base: str
    limit: str
    used: str
    cached: str  # of what is used, files that are dropped when memory is short


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
    """Return how many bytes are free where programs run: on the device, or `host_free()`."""
    if jax.default_backend() == "cpu":
        return host_free_bytes()
    stats: dict[str, int] | None = None
    with contextlib.suppress(jax.errors.JaxRuntimeError):  # some devices keep no count
        stats = jax.local_devices()[0].memory_stats()
    if not stats or "bytes_limit" not in stats:
        return UNKNOWN
    return stats["bytes_limit"] - stats["bytes_in_use"]


def host_free_bytes() -> int:
    """Return how many bytes this process may still take; `UNKNOWN` where the system is not Linux.

    That is what the kernel calls available, or what the limit of a control group leaves of it.
    """
    return min([_available(), *(_left(folder, names) for folder, names in _groups())])


def tree_bytes(tree: Any) -> int:
    """Return the bytes of a tree's arrays."""
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def program_bytes(compiled: Any) -> int:
    """Return the bytes that a compiled program takes beside its arguments, as it says itself."""
    stats = compiled.memory_analysis()
    if stats is None:
        return 0
    return int(stats.output_size_in_bytes + stats.temp_size_in_bytes - stats.alias_size_in_bytes)


def check_weights(made: AbstractNetwork, room: int) -> None:
    """Refuse a network whose weights are too large, before they are drawn.

    Args:
        made: the network.
        room: the bytes that are free.

    Raises:
        TooLargeError: if its weights take more; it names the largest.
    """
    total = sum(_weights(made).values())
    if total > room:
        raise TooLargeError(f"This network is too large: {_sizes(made)}. {_smaller(room)}")


def check_training(made: AbstractNetwork, optimizer: Optimizer, room: int) -> None:
    """Refuse a network that is too large to be trained, before its weights are drawn.

    Counted is what every training takes: weights and the optimiser's memory twice, before and
    after a call of the program, and the gradients.

    Args:
        made: the network.
        optimizer: the optimiser.
        room: the bytes that are free.

    Raises:
        TooLargeError: if it takes more; it names the largest weight.
    """
    total = sum(_weights(made).values())
    if PLENTY * total <= room:
        return
    params = {
        path: jax.ShapeDtypeStruct(weight.shape, weight.dtype)
        for path, weight in weights(made.net, "param").items()
    }
    need = 2 * (total + tree_bytes(optimizer.shapes(params))) + tree_bytes(params)
    if need > room:
        raise TooLargeError(
            f"This network takes at least {readable(need)} to train: {_sizes(made)}. "
            f"{_smaller(room)}"
        )


def check_program(need: int, room: int) -> None:
    """Refuse a compiled program that takes more memory than there is, before it runs.

    Args:
        need: the bytes that it takes.
        room: the bytes that are free.

    Raises:
        TooLargeError: if it takes more.
    """
    if need > room:
        raise TooLargeError(
            f"This training takes about {readable(need)}, with what the layers put out for a "
            f"batch. {_smaller(room, 'a smaller batch_size or ')}"
        )


def readable(count: int) -> str:
    """Return a number of bytes for people to read, such as "51 GB"."""
    unit, name = next((one for one in UNITS if count >= one[0]), UNITS[-1])
    return f"{count / unit:,.{0 if count >= 10 * unit else 1}f} {name}"


def _weights(made: AbstractNetwork) -> dict[str, int]:
    """Return the bytes of each weight, by path; all are float32."""
    return {path: 4 * math.prod(spec.shape) for path, spec in made.specs.items()}


def _sizes(made: AbstractNetwork) -> str:
    """Return in words how large a network's weights are, and which is the largest."""
    found = _weights(made)
    path = max(found, key=found.__getitem__)
    shape = " × ".join(f"{length:,}" for length in made.specs[path].shape)
    return f"its weights are {readable(sum(found.values()))}, {path} alone is {shape}"


def _smaller(room: int, or_else: str = "") -> str:
    return f"{readable(room)} are free here: write {or_else}a smaller network."


def _available() -> int:
    """Return what the kernel calls available: free, or soon free as it holds files alone."""
    try:
        lines = (ROOT / "proc/meminfo").read_text().splitlines()
        fields = dict(line.split(":") for line in lines)
        return 1024 * int(fields["MemAvailable"].removesuffix("kB"))
    except (OSError, ValueError, KeyError):
        return UNKNOWN


def _groups() -> Iterator[tuple[Path, CgroupFiles]]:
    """Yield the folders of the control groups that this process is in, the outermost last."""
    try:
        lines = (ROOT / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for names in (GROUPS[one] for one in controllers.split(",") if one in GROUPS):
            base = ROOT / names.base
            folder = base / path.strip("/")  # in a container it may lie outside of what is seen
            yield from ((one, names) for one in [folder, *folder.parents] if base in one.parents)
            yield base, names


def _left(folder: Path, names: CgroupFiles) -> int:
    """Return the bytes that a control group leaves; `UNKNOWN` if it has no limit."""
    try:
        limit, used = (int((folder / name).read_text()) for name in (names.limit, names.used))
        lines = (folder / "memory.stat").read_text().splitlines()
        cached = int(dict(line.split() for line in lines).get(names.cached, 0))
    except (OSError, ValueError):  # no limit is the word "max"
        return UNKNOWN
    return max(0, limit - used + cached)
