"""Atomic writes: the new files of a folder replace the old ones all at once.

New files are written to a folder inside the folder. When they are complete and synced to the disk,
one rename marks them as valid; then each is moved into place. Readers look for a file among those
marked as valid first. So at any time, even after `kill -9` or a power failure, a reader sees either
all of the old content or all of the new one, and other files in the folder stay untouched. A folder
may be in the user's home: "~/runs".
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from msgspec import Struct

from gradus.errors import SavedError
from gradus.records import as_record, checksum, read_json

FORMAT = 1  # of saved files; a reader rejects a higher one

_WRITING, _VALID = ".writing", ".valid"


class Checksum(Struct):
    """The checksum of a file.

    Attributes:
        bytes: its size.
        sha256: of its content, in hexadecimal.
    """

    bytes: int
    sha256: str


class Manifest(Struct, tag_field="kind", kw_only=True):
    """The JSON file that describes a folder; a subclass adds entries, and its tag is the kind.

    Attributes:
        format: the version of the format of saved files.
        gradus: the version that wrote it.
        files: the checksums of the files that belong to it, by name.
    """

    format: int
    gradus: str
    files: dict[str, Checksum]


M = TypeVar("M", bound=Manifest)


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


def valid(folder: Path, name: str) -> Path:
    """Return the path of the valid file `name` of a folder, whether it exists or not."""
    folder = user_path(folder)
    moving = folder / _VALID / name
    return moving if moving.exists() else folder / name


def write_manifest(
    folder: Path,
    name: str,
    cls: type[Manifest],
    content: Mapping[str, Any],
    others: Sequence[Path] = (),
) -> None:
    """Write the JSON file `name`, which describes the folder.

    It includes checksums of its own content, of all files in the folder so far, and of `others`.
    """
    paths = [*others, *sorted(folder.iterdir())]
    head = {"kind": _kind(cls), "format": FORMAT, "gradus": version("gradus")}
    whole = {**head, "files": {path.name: _checksum(path) for path in paths}, **content}
    as_record(whole, cls, repr(name))
    whole["sha256"] = checksum(whole)
    text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / name).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path, name: str, cls: type[M]) -> M:
    """Return the manifest `name`.

    Raises:
        SavedError: if the folder is not of this kind, was written by a newer version, or the
            manifest was altered.
    """
    folder, kind = user_path(folder), _kind(cls)
    if not folder.is_dir():
        reason = "is a file, not a folder" if folder.exists() else "does not exist"
        raise SavedError(f"There is no {kind} at {str(folder)!r}: it {reason}.")
    path = valid(folder, name)
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise SavedError(
            f"{str(folder)!r} contains no {kind} of gradus: it has no file {name!r}."
        ) from None
    except OSError as error:
        raise SavedError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    written = content.get("format")
    if not isinstance(written, int) or content.get("kind") != kind:
        raise SavedError(f"{str(path)!r} is not the description of a {kind} of gradus.")
    if written > FORMAT:
        raise SavedError(
            f"{str(folder)!r} was written by a newer gradus ({content.get('gradus')}, format "
            f"{written}); this one ({version('gradus')}) reads up to format {FORMAT}. Write: pip "
            "install --upgrade gradus."
        )
    if content.pop("sha256", None) != checksum(content):
        raise SavedError(
            f"{str(path)!r} was altered since it was saved: its checksum differs. Use an intact "
            "copy, or train again."
        )
    return as_record(content, cls, repr(str(path)))


def _kind(cls: type[Manifest]) -> str:
    return str(cls.__struct_config__.tag)


def verified_path(folder: Path, name: str, manifest: Manifest) -> Path:
    """Return the path of the file `name` after verifying its checksum.

    Raises:
        SavedError: if the file is missing, was cut short, or altered.
    """
    path = valid(folder, name)
    expected = manifest.files.get(name)
    if expected is None or not path.exists():
        raise SavedError(f"The file {name!r} is missing from {str(folder)!r}.")
    try:
        actual = _checksum(path)
    except OSError as error:
        raise SavedError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    if actual["bytes"] < expected.bytes:
        raise SavedError(
            f"{str(path)!r} was cut short: it has {actual['bytes']} of {expected.bytes} bytes."
        )
    if actual["sha256"] != expected.sha256:
        raise SavedError(
            f"{str(path)!r} was altered since it was saved: its checksum differs. Use an intact "
            "copy, or train again."
        )
    return path


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name to a safetensors file."""
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


def _checksum(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}


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
