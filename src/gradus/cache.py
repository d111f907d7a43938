"""The cache on disk: compiled programs, so that the next process starts fast.

JAX never replaces a damaged file: every process compiles its program again. And to bound its files,
JAX needs another package and looks at all of them whenever it writes one. So in gradus's folder
`ProgramFiles` keeps them.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import tempfile
import warnings
import zlib
from pathlib import Path
from typing import Any

import jax

MAX_BYTES = 2**30  # of all compiled programs, unless JAX's setting says otherwise
PRUNE_SHARE = 1 / 16  # of the bound: how much is written on average until files are removed


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
    `JAX_COMPILATION_CACHE_DIR` stays, and JAX keeps its files. `JAX_COMPILATION_CACHE_MAX_SIZE` is
    the bound in bytes. If the user's cache folder is not writable, nothing is cached and no warning
    is given, since that costs only seconds.

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
    _use_program_files(str(folder))
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Small networks have many small programs; by default JAX caches none of them.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return True


def write(path: Path, content: bytes) -> None:
    """Write a file that other processes may be reading or writing.

    Raises:
        OSError: if it cannot be written.
    """
    handle, written = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(written, path)
    except OSError:
        os.unlink(written)
        raise


class ProgramFiles:
    """The files of compiled programs, each with a checksum at its end, in a folder.

    It has the methods that JAX calls. One that is damaged is removed, and JAX, which then compiles
    the program, writes it again.

    Args:
        path: the folder.
        max_bytes: a size above which those that were used least recently are removed, now and then.
    """

    def __init__(self, path: str, max_bytes: int):
        self._path = Path(path)  # JAX logs it
        self._max_bytes = max_bytes
        self._random = random.Random()  # noqa: S311 - not the user's, whose numbers would change
        self._has_warned = False

    def get(self, key: str) -> bytes | None:
        """Return a program; None if there is none or it is damaged."""
        path = self._file(key)
        with contextlib.suppress(OSError):
            content = path.read_bytes()
            program = content[:-4]
            if content[-4:] == _checksum(program):
                _note_use(path)
                return program
        if os.path.lexists(path):
            _remove(path)
            self._warn()
        return None

    def put(self, key: str, program: bytes) -> None:
        """Write a program; on a full disk do nothing, since that costs only seconds."""
        with contextlib.suppress(OSError):
            write(self._file(key), program + _checksum(program))
        # Finding out their size takes a while if there are many, and many processes may be writing.
        if self._random.random() * PRUNE_SHARE * self._max_bytes <= len(program):
            prune(self._path, self._max_bytes)

    def _file(self, key: str) -> Path:
        return self._path / f"{key}.program"

    def _warn(self) -> None:
        """Say once that programs were damaged."""
        if self._has_warned:
            return
        self._has_warned = True
        warnings.warn(
            f"The compilation cache {str(self._path)!r} had damaged files: their programs are "
            "compiled and written again, which takes longer this once.",
            RuntimeWarning,
            stacklevel=2,
        )


def prune(folder: Path, max_bytes: int) -> None:
    """Remove the files that were used least recently, so that the others fit in `max_bytes`."""
    files = []
    for parent, _, names in os.walk(folder):
        for path in (os.path.join(parent, name) for name in names):
            with contextlib.suppress(OSError):  # another process removed it
                status = os.lstat(path)
                files.append((status.st_mtime_ns, status.st_size, path))
    total = 0
    for _, size, path in sorted(files, reverse=True):
        if total + size <= max_bytes:
            total += size
        else:
            _remove(Path(path))


def _use_program_files(folder: str) -> None:
    """Have JAX keep its files in `folder` by `ProgramFiles`, elsewhere as it does.

    JAX has no public way to replace them; if these modules change, its own way remains.
    """
    with contextlib.suppress(ImportError):
        from jax._src import compilation_cache
        from jax._src.lru_cache import LRUCache

        def files(path: str, *, max_size: int, **options: Any) -> Any:
            if path != folder:
                return LRUCache(path, max_size=max_size, **options)
            return ProgramFiles(path, max_size if max_size >= 0 else MAX_BYTES)

        compilation_cache.LRUCache = files  # type: ignore[assignment,attr-defined]


def _checksum(program: bytes) -> bytes:
    return zlib.crc32(program).to_bytes(4, "big")


def _note_use(path: Path) -> None:
    with contextlib.suppress(OSError):  # another user's
        os.utime(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
