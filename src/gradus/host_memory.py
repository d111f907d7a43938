"""How much memory this process may still allocate on its machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

UNKNOWN = 1 << 62  # the free bytes if the system does not report them
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


def host_free_bytes() -> int:
    """Return the bytes this process may still allocate; `UNKNOWN` if the system is not Linux.

    That is the memory the kernel calls available, or what a control group leaves of it.
    """
    groups = (_cgroup_free_bytes(folder, names) for folder, names in _cgroups())
    return min([_available_bytes(), *groups])


def readable(count: int) -> str:
    """Return a number of bytes in a readable unit, such as "51 GB"."""
    unit, name = next((pair for pair in UNITS if count >= pair[0]), UNITS[-1])
    return f"{count / unit:,.{0 if count >= 10 * unit else 1}f} {name}"


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
