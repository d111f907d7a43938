"""Reading a file's bytes, with clear errors."""

from __future__ import annotations

from pathlib import Path

from gradus.data.reading.compression import PACKED, unpacked
from gradus.errors import DataError, nearest


def existing_file(path: str | Path) -> Path:
    """Return `path` if it exists.

    Raises:
        DataError: with the nearest name in its folder, if it does not exist; or if it is no path.
    """
    try:
        path = Path(path).expanduser()
    except TypeError:
        raise DataError(f"{path!r} is not a path: write a text, 'folder/file.csv'.") from None
    if path.exists():
        return path
    folder = path.parent
    if not folder.is_dir():
        raise DataError(f"There is no file {str(path)!r}: its folder does not exist either.")
    close = nearest(path.name, (entry.name for entry in folder.iterdir()), cutoff=0.6)
    hint = f" Did you mean {str(folder / close)!r}?" if close else ""
    raise DataError(f"There is no file {str(path)!r}.{hint}")


def file_suffix(path: Path) -> str:
    """Return the ending of a file's name in lower case, without that of its packing: ".csv"."""
    path = path.with_suffix("") if path.suffix.lower() in PACKED else path
    return path.suffix.lower()


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a file, unpacked if it is packed (whatever its name).

    Raises:
        DataError: if the file is absent, empty, unreadable, or packed and truncated or damaged.
    """
    path = existing_file(path)
    if path.is_dir():
        raise DataError(f"{str(path)!r} is a folder, not a file.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    content = unpacked(content, repr(str(path)), path.suffix.lower())
    if not content:
        raise DataError(f"{str(path)!r} is empty.")
    return content
