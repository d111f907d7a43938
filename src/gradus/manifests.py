"""Manifests: the JSON files that describe a saved folder, with checksums of its files.

A manifest has a checksum of its own content, too, and its entries are read as the types of a
struct (`records.py`). So a file that was altered, cut short, or comes from elsewhere is an error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from gradus.errors import SavedError
from gradus.files import current_path, user_path
from gradus.optional import DISTRIBUTION, installed_version
from gradus.records import as_record, checksum, read_json

FORMAT = 1  # of saved files; a reader rejects a higher one
PREPROCESSING = "preprocessing.json"  # a file that the folder of each run has, and no other


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
_NO_FILES: Mapping[str, Path] = {}


def write_manifest(
    folder: Path,
    name: str,
    cls: type[Manifest],
    content: Mapping[str, Any],
    others: Mapping[str, Path] = _NO_FILES,
) -> None:
    """Write the JSON file `name`, which describes the folder.

    It includes checksums of its own content, of all files in the folder so far, and of `others`,
    by name.
    """
    paths = {**others, **{path.name: path for path in sorted(folder.iterdir())}}
    head = {"kind": _kind(cls), "format": FORMAT, "gradus": installed_version()}
    whole = {**head, "files": {name: _checksum(path) for name, path in paths.items()}, **content}
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
    path = current_path(folder, name)
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
            f"{written}); this one ({installed_version()}) reads up to format {FORMAT}. Write: pip "
            f"install --upgrade {DISTRIBUTION}."
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
    path = current_path(folder, name)
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


def _checksum(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}
