"""The compiled library of kernels: found, loaded, and registered with JAX once, or left out."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax

from gradus.errors import GradusError, warn

SETTING = "GRADUS_KERNELS"
CHOICES = ("on", "avx512", "avx2", "baseline")  # the best instruction set, or one of them
TARGETS = (
    "gradus_matmul",
    "gradus_update",
    "gradus_take_rows",
    "gradus_recurrence",
    "gradus_recurrence_gradient",
    "gradus_statistics",
    "gradus_keep_mask",
    "gradus_cross_entropy",
    "gradus_all_finite",
)

# Part of the key of JAX's caches, so that a function that was traced outside is traced anew.
_in_training = jax.make_user_context(False)


@dataclass(frozen=True)
class Library:
    """Whether the kernels are used.

    Attributes:
        instructions: the instruction set that they use here, such as "avx512"; None without them.
        reason: why there are none; empty if there are.
    """

    instructions: str | None
    reason: str = ""

    def __str__(self) -> str:
        if self.instructions is None:
            return f"off: {self.reason}"
        return f"on, with {self.instructions} instructions"


@functools.cache
def library() -> Library:
    """Load and register the kernels on the first call, and return whether they are used.

    A library that is there but cannot be used is left out with a warning.

    Raises:
        GradusError: if the environment variable has an unknown value.
    """
    setting = os.environ.get(SETTING, "").lower() or "on"
    if setting in ("off", "0", "no", "false"):
        return Library(None, f"{SETTING}={setting}")
    if setting not in CHOICES:
        raise GradusError(f"{SETTING}={setting}: write off, or {' or '.join(CHOICES)}.")
    if jax.default_backend() != "cpu":
        return Library(None, f"they are for the CPU; this process uses {jax.default_backend()}")
    path = _path()
    if path is None:
        return Library(None, "they were not compiled when gradus was installed")
    try:
        instructions = _register(path, setting)
    except (OSError, AttributeError, RuntimeError, ValueError, jax.errors.JaxRuntimeError) as error:
        reason = f"{path.name} cannot be used ({str(error).splitlines()[0]})"
        warn(
            f"The native kernels are off: {reason}. Training runs without them; to compile them "
            "again, install gradus again.",
            RuntimeWarning,
        )
        return Library(None, reason)
    if instructions is None:
        return Library(None, f"this processor has no {setting} instructions")
    return Library(instructions)


@contextlib.contextmanager
def kernels(wanted: bool = True) -> Iterator[None]:
    """Use the kernels in what is traced in this block, if they are there and `wanted`."""
    with _in_training(wanted and library().instructions is not None):
        yield


def in_use() -> bool:
    """Return whether what is traced now uses the kernels."""
    return bool(_in_training.value)


def _path() -> Path | None:
    """Return the file of the compiled library, or None."""
    file = Path(__file__).with_name("libgradus_kernels.so.1")
    return file if file.is_file() else None


def _register(path: Path, setting: str) -> str | None:
    """Load the library, register its functions, and return the instruction set of a setting."""
    loaded = ctypes.CDLL(str(path))
    choose = loaded.gradus_choose
    choose.argtypes, choose.restype = [ctypes.c_char_p], ctypes.c_char_p
    for target in TARGETS:
        handler = jax.ffi.pycapsule(getattr(loaded, target))
        jax.ffi.register_ffi_target(target, handler, platform="cpu")
    name = choose(setting.encode())
    return None if name is None else name.decode()
