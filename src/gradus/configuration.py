"""What gradus runs on here: versions, devices, and the paths that it chose."""

from __future__ import annotations

import platform
from importlib.metadata import version

import jax

from gradus import cache
from gradus.kernels.library import library
from gradus.optional import installed_version


def show_config() -> None:
    """Print the versions, the devices, where compiled programs are kept, and the native kernels.

    Examples:
        >>> gr.show_config()
        gradus ..., Python 3..., JAX ..., jaxlib ...
        devices: ...
        compiled programs: ...
        native kernels: ...
    """
    devices = ", ".join(str(device) for device in jax.devices())
    folder = jax.config.values["jax_compilation_cache_dir"] or cache.cache_dir()
    lines = [
        f"gradus {installed_version()}, Python {platform.python_version()}, "
        f"JAX {jax.__version__}, jaxlib {version('jaxlib')}",
        f"devices: {devices}",
        f"compiled programs: {folder if cache.is_enabled() else 'not kept (GRADUS_CACHE=off)'}",
        f"native kernels: {library()}",
    ]
    print("\n".join(lines))  # noqa: T201 - it is what was asked for
