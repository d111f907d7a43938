"""Files that are never half written: a folder's new files replace the former ones all at once.

New files are written to a folder inside the folder. When they are complete and on the disk, one
rename declares them valid; then each is moved to its place. Whoever reads looks for a file among
those declared valid first. So at any instant, also after `kill -9` or a power cut, what is read
is wholly the former content or wholly the new one, and other files in the folder stay untouched.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from gradus.errors import SavedError

FORMAT = 1  # of all that gradus saves; a reader refuses a greater one

_WRITING, _VALID = ".writing", ".valid"


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder for new files, which replace those of `folder` when the block ends.

    If the block fails, or anything is full or forbidden, the former files stay as they are.

    Raises:
        SavedError: if the files cannot be written; it says why.
    """
    writing = folder / _WRITING
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _settle(folder)
        _remove(writing)
        writing.mkdir()
        try:
            yield writing
            for file in writing.iterdir():
                _sync(file)
            _sync(writing)
            writing.rename(folder / _VALID)
            _sync(folder)
            _settle(folder)
        finally:
            _remove(writing)
    except OSError as error:
        raise SavedError(
            f"{str(folder)!r} cannot be written: {error.strerror or error}. What was saved there "
            "before is unchanged; free some space or choose another folder."
        ) from error


def valid(folder: Path, name: str) -> Path:
    """Return where the valid file `name` of a folder lies, whether it exists or not."""
    moving = folder / _VALID / name
    return moving if moving.exists() else folder / name


def write_manifest(folder: Path, name: str, kind: str, content: Mapping[str, Any]) -> None:
    """Write `name`, a JSON file that says what kind of thing the folder holds.

    The checksums of all files that the folder holds by then are part of it.
    """
    files = {file.name: _checksum(file) for file in sorted(folder.iterdir())}
    head = {"kind": kind, "format": FORMAT, "gradus": version("gradus"), "files": files}
    text = json.dumps({**head, **content}, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / name).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path, name: str, kind: str) -> dict[str, Any]:
    """Return the content of the manifest `name`.

    Raises:
        SavedError: if the folder is none of this kind, or was written by a newer version.
    """
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise SavedError(f"There is no {kind} at {str(folder)!r}: it {what}.")
    path = valid(folder, name)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it holds no settings")
    except FileNotFoundError:
        raise SavedError(
            f"{str(folder)!r} holds no {kind} of gradus: it has no file {name!r}."
        ) from None
    except OSError as error:
        raise SavedError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise SavedError(f"{str(path)!r} is damaged, or was cut short: {error}.") from None
    written = content.get("format")
    if not isinstance(written, int) or content.get("kind") != kind:
        raise SavedError(f"{str(path)!r} is not the description of a {kind} of gradus.")
    if written > FORMAT:
        raise SavedError(
            f"{str(folder)!r} was written by a newer gradus ({content.get('gradus')}, format "
            f"{written}); this one ({version('gradus')}) reads up to format {FORMAT}. Write: pip "
            "install --upgrade gradus."
        )
    return content


def verified_path(folder: Path, name: str, manifest: Mapping[str, Any]) -> Path:
    """Return where the file `name` lies, after a look at its checksum.

    Raises:
        SavedError: if the file is absent, was cut short or altered.
    """
    path = valid(folder, name)
    expected = manifest.get("files", {}).get(name)
    if expected is None or not path.exists():
        raise SavedError(f"The file {name!r} is missing from {str(folder)!r}.")
    try:
        actual = _checksum(path)
    except OSError as error:
        raise SavedError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    if actual["bytes"] < expected["bytes"]:
        raise SavedError(
            f"{str(path)!r} was cut short: it has {actual['bytes']} of {expected['bytes']} bytes."
        )
    if actual != expected:
        raise SavedError(
            f"{str(path)!r} was altered since it was saved: its checksum is another. Take a copy "
            "that is whole, or train again."
        )
    return path


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name to a safetensors file."""
    from safetensors.numpy import save

    path.write_bytes(save({name: np.array(value, order="C") for name, value in arrays.items()}))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a safetensors file by name.

    Raises:
        SavedError: if there is no such file, or it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(path.read_bytes())
    except OSError as error:
        raise SavedError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    except SafetensorError as error:
        raise SavedError(f"{str(path)!r} is no whole safetensors file: {error}.") from None


def write_table(path: Path, frame: Any) -> None:
    """Write a Polars data frame as Parquet.

    Raises:
        OSError: if the disk is full, or the folder is forbidden; Polars raises errors of its own.
    """
    content = io.BytesIO()
    frame.write_parquet(content)
    path.write_bytes(content.getvalue())


def _settle(folder: Path) -> None:
    """Move the files that were declared valid to their places, where that was interrupted too."""
    moving = folder / _VALID
    if not moving.is_dir():
        return
    for file in moving.iterdir():
        os.replace(file, folder / file.name)
    _sync(folder)
    moving.rmdir()


def _checksum(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}


def _sync(path: Path) -> None:
    """Have the disk keep what was written, or the names in a folder."""
    if os.name == "nt":  # it syncs no file that is open for reading, and no folder
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    if folder.is_dir():
        shutil.rmtree(folder)
