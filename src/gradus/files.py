"""Atomic writes: the new files of a folder replace the old ones all at once.

New files are written to a folder inside the folder. When they are complete and synced to the disk,
one rename marks them as valid; then each is moved into place. Readers look for a file among those
marked as valid first. So at any time, even after `kill -9` or a power failure, a reader sees either
all of the old content or all of the new one, and other files in the folder stay untouched. A folder
may be in the user's home: "~/runs".
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradus.errors import SavedError

if TYPE_CHECKING:
    import numpy as np

_WRITING, _VALID = ".writing", ".valid"


def user_path(path: str | Path) -> Path:
    """Return a path with a leading "~" replaced by the home folder; "~$a.csv" is only a name."""
    return Path(os.path.expanduser(path))


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder for new files, which replace those of `folder` when the block ends.

    If the block fails, or the disk is full or read-only, the old files stay as they are.

    Raises:
        SavedError: if the files cannot be written, with the reason.
    """
    folder = user_path(folder)
    writing = folder / _WRITING
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _move_valid_files(folder)
        _remove(writing)
        writing.mkdir()
        try:
            yield writing
            for file in writing.iterdir():
                _sync(file)
            _sync(writing)
            writing.rename(folder / _VALID)
            _sync(folder)
            _move_valid_files(folder)
        finally:
            _remove(writing)
    except OSError as error:
        raise SavedError(
            f"{str(folder)!r} cannot be written: {error.strerror or error}. What was saved there "
            "before is unchanged; free some space or choose another folder."
        ) from error


def current_path(folder: Path, name: str) -> Path:
    """Return where a folder's current file `name` is, or would be, even after an interruption."""
    folder = user_path(folder)
    moving = folder / _VALID / name
    return moving if moving.exists() else folder / name


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name to a safetensors file."""
    import numpy as np
    from safetensors.numpy import save

    path.write_bytes(save({name: np.array(value, order="C") for name, value in arrays.items()}))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a safetensors file by name.

    Raises:
        SavedError: if the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(path.read_bytes())
    except KeyError as error:  # a type that NumPy lacks, such as BF16
        raise SavedError(
            f"{str(path)!r} has arrays of type {error}, which NumPy lacks: save them as float32."
        ) from None
    except OSError as error:
        raise SavedError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    except SafetensorError as error:
        raise SavedError(f"{str(path)!r} is not a complete safetensors file: {error}.") from None


def write_table(path: Path, frame: Any) -> None:
    """Write a Polars data frame as Parquet.

    Raises:
        OSError: if the disk is full or the folder is not writable, not one of Polars's errors.
    """
    content = io.BytesIO()
    frame.write_parquet(content)
    path.write_bytes(content.getvalue())


def _move_valid_files(folder: Path) -> None:
    """Move the files marked as valid into place, also after an interruption."""
    moving = folder / _VALID
    if not moving.is_dir():
        return
    for file in moving.iterdir():
        os.replace(file, folder / file.name)
    _sync(folder)
    moving.rmdir()


def _sync(path: Path) -> None:
    """Sync a file, or the names in a folder, to the disk."""
    if os.name == "nt":  # it cannot sync folders or files opened for reading
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    if folder.is_dir():
        shutil.rmtree(folder)
