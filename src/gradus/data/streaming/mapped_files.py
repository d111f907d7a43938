"""Arrays of .npy and .npz files as memory maps, of which only what is used is read."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gradus.errors import DataError

_LOCAL_HEADER = struct.Struct("<26xHH")  # of a file in an archive: the lengths of what follows


def is_packed(path: Path) -> bool:
    """Return whether an .npz file is compressed, so that it cannot be mapped."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist())
    except (OSError, zipfile.BadZipFile):
        return False


def map_npz(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file as memory maps, by name.

    Args:
        path: of the file.

    Raises:
        DataError: if it is compressed, damaged, or holds Python objects.
    """
    if is_packed(path):
        raise DataError(
            f"{str(path)!r} is compressed, so it cannot be read in parts: save it with np.savez "
            "instead of np.savez_compressed."
        )
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            found = {}
            for info in archive.infolist():
                file.seek(info.header_offset)
                name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
                file.seek(name + extra, 1)
                found[info.filename.removesuffix(".npy")] = _mapped(file, path)
            return found
    except (OSError, EOFError, ValueError, struct.error, zipfile.BadZipFile) as error:
        raise DataError(f"{str(path)!r} is not an .npz file, or is damaged: {error}.") from None


def map_npy(path: Path) -> np.ndarray:
    """Return the array of an .npy file as a memory map.

    Raises:
        DataError: if it is damaged, or holds Python objects.
    """
    try:
        with path.open("rb") as file:
            return _mapped(file, path)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{str(path)!r} is not an .npy file, or is damaged: {error}.") from None


def _mapped(file: BinaryIO, path: Path) -> np.ndarray:
    """Return the array whose header is next in a file."""
    major, _ = np.lib.format.read_magic(file)
    read: Any = getattr(np.lib.format, f"read_array_header_{min(major, 2)}_0")
    shape, by_column, dtype = read(file)
    if dtype.hasobject:
        raise DataError(
            f"{str(path)!r} holds Python objects, which are pickles that gradus never loads: save "
            "numbers, or text of fixed width."
        )
    if not all(shape):
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", file.tell(), shape, "F" if by_column else "C")
