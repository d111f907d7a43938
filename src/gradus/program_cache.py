"""Lets go of compiled programs before they exhaust the memory maps of the process.

Each compiled or loaded program keeps some 200 to 320 memory maps for as long as JAX caches it, and
Linux allows a process 65,530: after some 250 structures, as in a sweep over widths, XLA would abort
the process.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

SHARE = 0.5  # of the maps that the system allows: how many programs may keep
PROC = Path("/proc")

_programs: list[Any] = []


def cached_program(program: Any) -> Any:
    """Register a jitted function as one whose programs may be let go, and return it."""
    _programs.append(program)
    return program


def release_programs() -> bool:
    """Let go of all programs of the registered functions if there are too many maps.

    Call it before compiling: a program that is needed again is read from the compilation cache.

    Returns:
        Whether programs were let go.
    """
    if count_maps() <= SHARE * max_maps():
        return False
    for program in _programs:
        program.clear_cache()
    gc.collect()
    return True


def count_maps() -> int:
    """Return the number of memory maps of this process; 0 if the system does not tell."""
    try:
        return (PROC / "self" / "maps").read_bytes().count(b"\n")
    except OSError:
        return 0


def max_maps() -> float:
    """Return how many memory maps a process may have; infinity if the system does not tell."""
    try:
        return int((PROC / "sys" / "vm" / "max_map_count").read_text())
    except (OSError, ValueError):
        return float("inf")
