"""Compiled programs kept between processes, so that the second start of a training is fast."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import jax


def folder() -> Path:
    """Return where compiled programs are kept: `gradus/xla` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "gradus" / "xla"


def enable() -> bool:
    """Turn on JAX's persistent compilation cache, unless someone has decided about it already.

    `GRADUS_CACHE=off` leaves it off. A folder that the user gave to JAX, by its configuration or
    by `JAX_COMPILATION_CACHE_DIR`, stays. Where the user's cache folder cannot be written,
    nothing is cached and nothing is said: it costs some seconds, not a result.

    Returns:
        Whether gradus turned it on.
    """
    if os.environ.get("GRADUS_CACHE", "").lower() in ("off", "0", "no", "false"):
        return False
    if jax.config.values["jax_compilation_cache_dir"] is not None:
        return False
    try:
        where = folder()
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
