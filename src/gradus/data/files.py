"""Reading a file's bytes, with clear errors."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path

from gradus.errors import DataError, nearest
from gradus.host_memory import host_free_bytes, readable

_GZIP_MAGIC = b"\x1f\x8b"


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
    close = nearest(path.name, (entry.name for entry in folder.iterdir()))
    hint = f" Did you mean {str(folder / close)!r}?" if close else ""
    raise DataError(f"There is no file {str(path)!r}.{hint}")


def _unpack(content: bytes, name: str) -> bytes:
    """Return the content of gzip, refused once it is larger than the memory.

    Raises:
        DataError: if it is.
    """
    parts, size, free = [], 0, host_free_bytes()
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        while part := file.read(1 << 24):
            size += len(part)
            check_unpacked_size(size, free, name)
            parts.append(part)
    return b"".join(parts)


def check_unpacked_size(size: int, free: int, name: str) -> None:
    """Check that what a file unpacks to fits into memory.

    Args:
        size: its bytes.
        free: those that are free.
        name: of the file.

    Raises:
        DataError: if it does not.
    """
    if 2 * size > free:  # it is joined, and converted
        raise DataError(
            f"{name!r} unpacks to {readable(size)} or more, but {readable(free)} are free here: "
            "split it, or use a machine with more memory."
        )


def file_suffix(path: Path) -> str:
    """Return the ending of a file's name in lower case, without that of gzip: ".csv"."""
    path = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return path.suffix.lower()


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a file, decompressed if it is gzip (whatever its name).

    Raises:
        DataError: if the file is absent, empty, unreadable, or truncated or damaged gzip.
    """
    path = existing_file(path)
    if path.is_dir():
        raise DataError(f"{str(path)!r} is a folder, not a file.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    if content.startswith(_GZIP_MAGIC):
        try:
            content = _unpack(content, str(path))
        except EOFError:
            raise DataError(
                f"{str(path)!r} is cut short: its gzip stream has no end. Download it again."
            ) from None
        except (OSError, zlib.error) as error:
            raise DataError(
                f"{str(path)!r} is damaged, or not gzip: {error}. Download it again."
            ) from None
    elif path.suffix.lower() == ".gz" and content:
        raise DataError(f"{str(path)!r} is named .gz but is not gzip (its first bytes say so).")
    if not content:
        raise DataError(f"{str(path)!r} is empty.")
    return content
