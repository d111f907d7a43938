"""The cache on disk: compiled programs, so that the next process starts fast."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import jax


def cache_dir(kind: str = "xla") -> Path:
    """Return a folder in the user's cache: `gradus/xla` holds compiled programs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "gradus" / kind


def is_enabled() -> bool:
    """Return whether caching is allowed: unless `GRADUS_CACHE=off`."""
    return os.environ.get("GRADUS_CACHE", "").lower() not in ("off", "0", "no", "false")


def enable() -> bool:
    """Enable JAX's persistent compilation cache, unless the user has configured it.

    `GRADUS_CACHE=off` leaves it off. A folder set in JAX's configuration or by
    `JAX_COMPILATION_CACHE_DIR` stays. If the user's cache folder is not writable, nothing is cached
    and no warning is given, since that costs only seconds.

    Returns:
        Whether gradus enabled it.
    """
    if not is_enabled():
        return False
    if jax.config.values["jax_compilation_cache_dir"] is not None:
        return False
    try:
        folder = cache_dir()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # a missing home folder is a RuntimeError
        return False
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Small networks have many small programs; by default JAX caches none of them.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # If the disk fills up later, training need not warn.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation")
    return True
