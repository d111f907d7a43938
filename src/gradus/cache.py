"""What is kept between processes: compiled programs, so that a second start is fast."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import jax


def cache_dir(kind: str = "xla") -> Path:
    """Return where something is kept: in the user's cache folder `gradus/xla`, for programs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "gradus" / kind


def is_enabled() -> bool:
    """Return whether anything is to be kept: unless `GRADUS_CACHE=off`."""
    return os.environ.get("GRADUS_CACHE", "").lower() not in ("off", "0", "no", "false")


def enable() -> bool:
    """Turn on JAX's persistent compilation cache, unless someone has decided about it already.

    `GRADUS_CACHE=off` leaves it off. A folder that the user gave to JAX, by its configuration or
    by `JAX_COMPILATION_CACHE_DIR`, stays. Where the user's cache folder cannot be written,
    nothing is cached and nothing is said: it costs some seconds, not a result.

    Returns:
        Whether gradus turned it on.
    """
    if not is_enabled():
        return False
    if jax.config.values["jax_compilation_cache_dir"] is not None:
        return False
    try:
        where = cache_dir()
        where.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home folder is a RuntimeError
        return False
    if not os.access(where, os.W_OK | os.X_OK):
        return False
    jax.config.update("jax_compilation_cache_dir", str(where))
    # The programs of small networks are small and many; by default JAX keeps none of them.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # A disk that fills up later is no reason to alarm who trains.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation")
    return True
