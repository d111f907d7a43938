"""Lets go of compiled programs before they exhaust the memory maps of the process.

Each compiled or loaded program keeps some 200 to 320 memory maps for as long as JAX caches it, and
Linux allows a process 65,530: after some 250 structures, as in a sweep over widths, XLA would abort
the process.
"""

from __future__ import annotations

import dataclasses
import gc
from pathlib import Path
from typing import Any

SHARE = 0.5  # of the maps that the system allows: how many programs may keep
RESERVE = 0.2  # of these: for more programs before maps are counted again, if few could be freed
MAPS = 640  # of a program, and of those that JAX compiles beside it
PROC = Path("/proc")

_programs: list[Any] = []


@dataclasses.dataclass
class Allowance:
    """How many programs may be compiled before the maps are counted again, which takes 20 ms."""

    programs: int = 0


_allowance = Allowance()


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
    if _allowance.programs > 0:
        _allowance.programs -= 1
        return False
    limit = SHARE * max_maps()
    spare = limit - count_maps()
    released = spare < 0
    if released:
        for program in _programs:
            program.clear_cache()
        if count_maps() > limit:  # cycles, such as those of an error's traceback, may hold some
            gc.collect()
        # Where programs of others hold most maps, to collect again each time would free nothing.
        spare = max(limit - count_maps(), RESERVE * limit)
    _allowance.programs = int(min(spare / MAPS, 1000))
    return released


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
