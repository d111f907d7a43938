"""Packed bytes: gzip, bzip2, xz, Zstandard, and zip archives, whatever the name of their file."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import importlib
import io
import lzma
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from gradus.errors import DataError, nearest
from gradus.host_memory import host_free_bytes, readable
from gradus.optional import import_optional

PACKED = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "Zstandard"}
"""The endings of packed files, and what they are packed with."""

ZIP_MAGIC = b"PK\x03\x04"
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}
_PART = 1 << 24  # bytes that are unpacked at once
_SYSTEM_FILES = ("__MACOSX/", ".")  # how the names begin that a system adds to an archive


def unpacked(content: bytes, name: str, suffix: str = "") -> bytes:
    """Return the content of a packed file, or the same bytes if they are not packed.

    Args:
        content: of the file.
        name: what errors call it.
        suffix: the ending of its name, such as ".gz".

    Raises:
        DataError: if it is cut short, damaged, not what its ending says, or larger than the memory.
        GradusError: if unpacking needs a package that is not installed.

    Examples:
        >>> import gzip
        >>> from gradus.data.reading.compression import unpacked
        >>> unpacked(gzip.compress(b"a,b"), "'t.csv.gz'"), unpacked(b"a,b", "'t.csv'")
        (b'a,b', b'a,b')
    """
    method = packing_of(content, name, suffix)
    if not method:
        return content
    with _told(method, name), _opener(method)(io.BytesIO(content)) as file:
        return _read_within_memory(file, name)


def unpack_file(packed: Path, method: str, name: str, target: Path, most: int) -> int:
    """Write the content of a packed file to another file, part by part; return its bytes.

    Args:
        packed: the packed file.
        method: what it is packed with, as `packing_of` returns it.
        name: what errors call it.
        target: the file to write.
        most: bytes that there is room for.

    Raises:
        DataError: if it is cut short, damaged, or larger than that.
        GradusError: if unpacking needs a package that is not installed.
    """
    size, opener = 0, _opener(method)
    try:
        with (
            packed.open("rb") as source,
            target.open("wb") as out,
            _told(method, name),
            opener(source) as file,
        ):
            while part := file.read(_PART):
                size += len(part)
                if size > most:
                    raise DataError(
                        f"{name} unpacks to more than {readable(most)}, for which there is no room "
                        f"in {target.parent.parent}: set TMPDIR to a folder on a larger disk."
                    )
                out.write(part)
    except OSError as error:
        raise DataError(f"{name} cannot be unpacked: {error.strerror}.") from None
    return size


def packing_of(start: bytes, name: str, suffix: str = "") -> str:
    """Return what a file is packed with, by its first bytes: "gzip", …; "" if it is not.

    Args:
        start: its first bytes.
        name: what errors call it.
        suffix: the ending of its name, such as ".gz".

    Raises:
        DataError: if it is not what its ending says.
    """
    method = next((how for magic, how in _MAGIC.items() if start.startswith(magic)), "")
    if not method and suffix in PACKED and start:
        raise DataError(
            f"{name} is named {suffix} but is not {PACKED[suffix]} (its first bytes say so)."
        )
    return method


@contextlib.contextmanager
def _told(method: str, name: str) -> Iterator[None]:
    """Have the errors of unpacking name the file, and say what is wrong with it."""
    try:
        yield
    except DataError:
        raise
    except EOFError:
        raise DataError(
            f"{name} is cut short: its {method} stream has no end. Download it again."
        ) from None
    except (OSError, zlib.error, lzma.LZMAError, ValueError) as error:
        if getattr(error, "errno", None) is not None:  # of the disk
            raise
        raise DataError(
            f"{name} is damaged, or not {method}: {error}. Download it again."
        ) from None
    except Exception as error:  # that of Zstandard is a class of the optional package
        if type(error).__name__ != "ZstdError":
            raise
        raise DataError(
            f"{name} is damaged, or not {method}: {error}. Download it again."
        ) from None


def check_unpacked_size(size: int, free: int, name: str, takes: str = "unpacks to") -> None:
    """Check that what a file unpacks to fits into memory.

    Args:
        size: its bytes.
        free: those that are free.
        name: of the file.
        takes: what the error says that it does: "unpacks to", "has".

    Raises:
        DataError: if it does not.
    """
    if 2 * size > free:  # it is joined, and converted
        raise DataError(
            f"{name} {takes} {readable(size)} or more, but {readable(free)} are free here: "
            "split it, or use a machine with more memory."
        )


def zip_member(
    content: bytes, name: str, member: str = "", is_table: Callable[[str], bool] = bool
) -> tuple[str, bytes]:
    """Return the name and the bytes of a file in a zip archive.

    Args:
        content: of the archive.
        name: what errors call it.
        member: the file in it; by default the only table.
        is_table: whether a name is that of a table.

    Raises:
        DataError: if the archive is damaged, encrypted, or larger than the memory, has no such
            file, or several without one being named.

    Examples:
        >>> import io, zipfile
        >>> from gradus.data.reading.compression import zip_member
        >>> with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        ...     archive.writestr("people.csv", "name,age")
        >>> zip_member(buffer.getvalue(), "'people.zip'")
        ('people.csv', b'name,age')
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [i.filename for i in archive.infolist() if not i.is_dir() and not _is_system(i)]
            info = archive.getinfo(_chosen(names, name, member, is_table))
            if info.flag_bits & 1:
                raise DataError(f"{name} is encrypted: unpack it with its password.")
            with archive.open(info) as file:
                return info.filename, _read_within_memory(file, name)
    except DataError:
        raise
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise DataError(f"{name} is not a zip archive, or is damaged: {error}.") from None
    except (NotImplementedError, RuntimeError, ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{name} cannot be unpacked here: {error}.") from None


def _is_system(info: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(info.filename)
    return info.filename.startswith(_SYSTEM_FILES) or parts.name.startswith(".")


def _chosen(names: list[str], name: str, member: str, is_table: Callable[[str], bool]) -> str:
    """Return the one of the names in an archive that is meant."""
    if member in names:
        return member
    shown = ", ".join(sorted(names)[:6]) + (", …" if len(names) > 6 else "")
    if member:
        close = nearest(member, names)
        hint = f" Did you mean {close!r}?" if close else ""
        raise DataError(f"{name} has no file {member!r}.{hint} It has {shown or 'no files'}.")
    if not names:
        raise DataError(f"{name} is an empty zip archive.")
    tables = sorted(filter(is_table, names))
    if not tables:
        raise DataError(f"{name} has no table, but {shown}: unpack it.")
    if len(tables) > 1:
        path = name.strip("'\"")
        raise DataError(
            f"{name} has {len(tables)} tables ({', '.join(tables[:6])}"
            f"{', …' if len(tables) > 6 else ''}): name one of them, '{path}/{tables[0]}'."
        )
    return tables[0]


def _read_within_memory(file: Any, name: str) -> bytes:
    """Return all bytes of an open packed file, refused once they are larger than the memory.

    Raises:
        DataError: if they are.
    """
    parts, size, free = [], 0, host_free_bytes()
    while part := file.read(_PART):
        size += len(part)
        check_unpacked_size(size, free, name)
        parts.append(part)
    return b"".join(parts)


def _opener(method: str) -> Callable[[Any], Any]:
    """Return what opens a packed file for reading.

    Raises:
        GradusError: for Zstandard, if neither Python nor a package has it.
    """
    if method == "Zstandard":
        if sys.version_info >= (3, 14):
            return importlib.import_module("compression.zstd").ZstdFile
        return import_optional("backports.zstd", "A .zst file", "zstd").ZstdFile
    openers: dict[str, Callable[[Any], Any]] = {
        "gzip": lambda file: gzip.GzipFile(fileobj=file),
        "bzip2": bz2.BZ2File,
        "xz": lzma.LZMAFile,
    }
    return openers[method]
