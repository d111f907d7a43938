"""The contents of a `.keras` file: its description as JSON, and its arrays. No code is run.

The file is a zip archive of `config.json` (the model), `metadata.json` (versions), and
`model.weights.h5` (weights and optimizer state, arrays by path). Only these are read, into memory.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from gradus import files
from gradus.errors import SavedError
from gradus.host_memory import host_free_bytes, readable
from gradus.optional import import_optional

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
LARGEST_TEXT = 64_000_000  # bytes of a description


class KerasArchive(NamedTuple):
    """What a `.keras` file holds.

    Attributes:
        config: the description of the model.
        arrays: weights and optimizer state by path, such as "layers/dense/vars/0".
    """

    config: dict[str, Any]
    arrays: dict[str, np.ndarray]


def read_keras_archive(path: str | Path) -> KerasArchive:
    """Return the contents of a `.keras` file.

    Raises:
        SavedError: if there is no such file, it is of another format or damaged, or it is made to
            write elsewhere, to read other files, or to fill the memory.
    """
    path = files.user_path(path)
    if not path.is_file():
        raise SavedError(f"There is no file {str(path)!r}.")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            config = json.loads(_read_member(path, archive, CONFIG, LARGEST_TEXT))
            weights = _read_member(path, archive, WEIGHTS, host_free_bytes())
    except zipfile.BadZipFile as error:
        raise SavedError(f"{_not_keras(path)} ({error}).{_hint(path)}") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, SavedError):
            raise
        raise SavedError(f"{str(path)!r}: {CONFIG} is no JSON ({error}).") from None
    if not isinstance(config, dict):
        raise SavedError(f"{str(path)!r}: {CONFIG} describes no model.")
    return KerasArchive(config, _read_arrays(path, weights))


def _not_keras(path: Path) -> str:
    return f"{str(path)!r} is not a .keras file, or it is damaged"


def _hint(path: Path) -> str:
    if path.name.endswith(".weights.h5"):
        return " It holds weights alone: save the whole model, model.save('model.keras')."
    if path.suffix not in (".h5", ".hdf5"):
        return ""
    return " A .h5 file is Keras's old format: load it in Keras 3 and save it as .keras."


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive that lacks a member, or names files outside of a folder of its own."""
    for name in archive.namelist():
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in name:
            raise SavedError(f"{str(path)!r} names a file outside of it, {name!r}: refused.")
    for name in (CONFIG, WEIGHTS):
        if name not in archive.namelist():
            raise SavedError(f"{_not_keras(path)}: it holds no {name}.")


def _read_member(path: Path, archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return the bytes of a member, of which there may be so many."""
    size = archive.getinfo(name).file_size
    if size > most:
        raise SavedError(
            f"{str(path)!r}: {name} takes {readable(size)}, more than the {readable(most)} that "
            "there is room for."
        )
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise SavedError(f"{_not_keras(path)}: {name} cannot be read ({error}).") from None


def _read_arrays(path: Path, content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of an HDF5 file by path; links to other files are not followed."""
    h5py = import_optional("h5py", f"reading {path.name}", "keras")
    arrays: dict[str, np.ndarray] = {}

    def visit(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        if item.is_virtual or item.external:
            raise SavedError(f"{str(path)!r}: {name} is kept in another file: refused.")
        if item.attrs.get("dtype") == "bfloat16" or item.dtype.kind not in "fiub":
            raise SavedError(
                f"{str(path)!r}: {name} is no array of float32: set the dtype policy to 'float32' "
                "in Keras and save the model again."
            )
        if item.nbytes > len(content):  # Keras does not compress
            raise SavedError(
                f"{str(path)!r}: {name} says that it has {readable(item.nbytes)}, more than the "
                "file: refused."
            )
        arrays[name] = item[()]

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            file.visititems(visit)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, SavedError):
            raise
        raise SavedError(f"{_not_keras(path)}: {WEIGHTS} cannot be read ({error}).") from None
    return arrays


def arrays_of_layer(arrays: dict[str, np.ndarray], path: str) -> list[np.ndarray]:
    """Return the weights below a path, in the order of a Keras layer's `get_weights`."""
    found: list[np.ndarray] = []
    while (name := f"{path}/vars/{len(found)}") in arrays:
        found.append(arrays[name])
    for part in _PARTS:
        if any(name.startswith(f"{path}/{part}/") for name in arrays):
            found += arrays_of_layer(arrays, f"{path}/{part}")
    return found


# The layers within a layer that have weights, in the order in which Keras creates them.
_PARTS = (
    *("layer", "forward_layer", "backward_layer", "cell"),
    *("query_dense", "key_dense", "value_dense", "output_dense"),
)
