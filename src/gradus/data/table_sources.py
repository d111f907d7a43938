"""From a source to the cells of its table: a file, several of them, an address, standard input."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gradus.data.files import existing_file, file_suffix, read_bytes
from gradus.data.reading.addresses import address_path, download, is_address
from gradus.data.reading.compression import unpacked, zip_member
from gradus.data.table_files import (
    ARCHIVE,
    KNOWN_FORMATS,
    TABLE_SUFFIXES,
    TableCells,
    read_cells,
    suffix_of_content,
)
from gradus.data.table_options import AUTOMATIC_TABLE, TableOptions
from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl

STANDARD_INPUT = "-"
_WILDCARDS = re.compile(r"[*?\[\]]+")
_PARTITION = re.compile(r"[^=]+=[^=]+")  # of a folder of a partitioned table
_PARTS = ("train", "test")  # of a data set, rather than of a table


def read_source(
    source: str | Path, options: TableOptions = AUTOMATIC_TABLE, learned: bool = False
) -> TableCells:
    """Return the cells of the table that a source names.

    Args:
        source: the path of a file, also of one in a zip archive ("all.zip/people.csv"); a pattern
            of paths ("part-*.csv") or a folder, whose files are one table; an address; or "-" for
            standard input.
        options: how to read it.
        learned: whether the options are those of a training.

    Raises:
        DataError: if there is no such source, it cannot be read, or its files differ in columns.
    """
    if str(source) == STANDARD_INPUT:
        return read_cells(*_from_standard_input(), options, learned)
    if is_address(source):
        return read_cells(*_at_address(str(source)), options, learned)
    paths = several_files(source)
    if paths is None:
        return _read_file(Path(source), options, learned)
    return _one_table(paths, lambda path, given: _read_file(path, given, learned), options)


def is_no_path(source: str | Path) -> bool:
    """Return whether a source is an address or standard input."""
    return str(source) == STANDARD_INPUT or is_address(source)


def is_pattern(source: str | Path) -> bool:
    """Return whether a source has wildcards, and is not the path of a file that has them, too."""
    is_wild = not is_no_path(source) and _WILDCARDS.search(str(source)) is not None
    return is_wild and not Path(source).expanduser().exists()


def is_in_archive(source: str | Path) -> bool:
    """Return whether a source is the path of a file in a zip archive."""
    return _archive_of(Path(source)) is not None


def source_name(source: str | Path) -> str:
    """Return a short name for a source, such as that of its file without the endings.

    Examples:
        >>> from gradus.data.table_sources import source_name
        >>> source_name("data/people.csv.gz"), source_name("-"), source_name("data/part-*.csv")
        ('people', 'standard-input', 'part')
        >>> source_name("https://example.com/files/wine.csv?raw=1")
        'wine'
    """
    if str(source) == STANDARD_INPUT:
        return "standard-input"
    if is_address(source):
        path = PurePosixPath(address_path(str(source)))
        return path.name.split(".")[0] or str(source).split("/")[2].partition(":")[0]
    if not is_pattern(source):
        return Path(source).name.split(".")[0]
    fixed = [_WILDCARDS.sub("", part).split(".")[0] for part in Path(source).parts]
    names = [part.strip("-_ /\\") for part in fixed]
    return next((part for part in reversed(names) if part), "tables")


def several_files(source: str | Path) -> list[Path] | None:
    """Return the files of a pattern or a folder, sorted by name; None for any other source.

    Raises:
        DataError: if there are none, or a folder holds files of several kinds or parts.
    """
    if is_pattern(source):
        found = glob.glob(str(Path(source).expanduser()), recursive=True)
        paths = sorted(Path(path) for path in found if not os.path.isdir(path))
        if not paths:
            raise DataError(f"No file is named like {str(source)!r}.{_names_nearby(Path(source))}")
        return paths
    folder = Path(source).expanduser()
    return _files_of_folder(folder) if folder.is_dir() else None


def tables_in_folder(folder: Path) -> list[Path]:
    """Return the tables that lie in a folder, sorted by name; none if it has folders, too."""
    entries = [path for path in folder.iterdir() if not path.name.startswith((".", "_"))]
    if any(path.is_dir() for path in entries):
        return []
    return sorted(path for path in entries if file_suffix(path) in TABLE_SUFFIXES)


def _files_of_folder(folder: Path) -> list[Path]:
    paths = tables_in_folder(folder)
    if not paths:
        raise DataError(f"{str(folder)!r} is a folder without tables.")
    suffixes = sorted({file_suffix(path) for path in paths})
    if len(suffixes) > 1:
        pattern = folder / f"*{suffixes[0]}"
        raise DataError(
            f"{str(folder)!r} is a folder of {' and '.join(suffixes)} files: name one of them, or "
            f"those of one kind, '{pattern}'."
        )
    parts = [path for part in _PARTS for path in paths if path.name.split(".")[0].lower() == part]
    if len(parts) > 1:
        raise DataError(
            f"{str(folder)!r} holds {parts[0].name} and {parts[1].name}, which are parts of a data "
            f"set rather than of a table: name the first, '{parts[0]}'; gradus train takes the "
            "other as --test."
        )
    return paths


def _names_nearby(pattern: Path) -> str:
    folder = pattern.expanduser().parent
    while _WILDCARDS.search(str(folder)):
        folder = folder.parent
    if not folder.is_dir():
        return f" There is no folder {str(folder)!r}."
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return f" The folder {str(folder)!r} has {shown or 'no files'}."


# --- the bytes of one file -----------------------------------------------------------------------


def _read_file(path: Path, options: TableOptions, learned: bool) -> TableCells:
    archive = _archive_of(path)
    if archive is not None:
        member = path.expanduser().relative_to(archive).as_posix()
        cells = _from_archive(read_bytes(archive), repr(str(archive)), member)
        return read_cells(*cells, options, learned)
    path = existing_file(path)
    suffix = file_suffix(path)
    if suffix not in TABLE_SUFFIXES:
        raise unknown_format(path)
    name = repr(str(path))
    content = read_bytes(path)
    if suffix == ARCHIVE:
        return read_cells(*_from_archive(content, name), options, learned)
    return read_cells(content, name, suffix, options, learned)


def unknown_format(path: Path) -> DataError:
    """Return the error for a file whose ending is of no format that gradus reads."""
    return DataError(
        f"{str(path)!r} has an unknown format; known are {KNOWN_FORMATS}; .npz; a folder of IDX "
        "files; and a folder of images."
    )


def _archive_of(path: Path) -> Path | None:
    """Return the zip archive in which a path is, or None."""
    path = path.expanduser()
    if path.exists():
        return None
    return next((p for p in path.parents if p.suffix.lower() == ARCHIVE and p.is_file()), None)


def _from_archive(content: bytes, name: str, member: str = "") -> tuple[bytes, str, str]:
    """Return the bytes of a file in an archive, what errors call it, and its ending."""
    inner, content = zip_member(content, name, member, _is_table_in_archive)
    path, called = Path(inner), f"'{name.strip(chr(39))}/{inner}'"
    if not _is_table_in_archive(inner):
        raise DataError(f"{called} is not a table that is read from a zip archive: unpack it.")
    return unpacked(content, called, path.suffix.lower()), called, file_suffix(path)


def _is_table_in_archive(name: str) -> bool:
    suffix = file_suffix(Path(name))
    return suffix in TABLE_SUFFIXES and suffix != ARCHIVE


def _at_address(address: str) -> tuple[bytes, str, str]:
    """Return the bytes at an address, what errors call them, and their ending, if it is known."""
    path, name = Path(address_path(address)), repr(address)
    return _of_any_format(unpacked(download(address), name), name, file_suffix(path))


def _from_standard_input() -> tuple[bytes, str, str]:
    """Return the bytes of standard input.

    Raises:
        DataError: if there is none, or it is a terminal.
    """
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None or stream.closed:
        raise DataError('There is no standard input to read: name a file instead of "-".')
    if stream.isatty():
        raise DataError(
            'Nothing is piped into standard input, which "-" reads: write cat data.csv | gradus '
            "…, or name a file."
        )
    content = unpacked(stream.read(), "standard input")
    return _of_any_format(content, "standard input", "")


def _of_any_format(content: bytes, name: str, suffix: str) -> tuple[bytes, str, str]:
    if not content:
        raise DataError(f"{name} is empty.")
    suffix = suffix if suffix in TABLE_SUFFIXES else suffix_of_content(content)
    return _from_archive(content, name) if suffix == ARCHIVE else (content, name, suffix)


# --- several files -------------------------------------------------------------------------------

_Reader = Callable[[Path, TableOptions], TableCells]


def _one_table(paths: Sequence[Path], read: _Reader, options: TableOptions) -> TableCells:
    """Return the cells of files, one after another, as one table.

    Raises:
        DataError: naming a file whose columns are not those of the first.
    """
    import polars as pl

    first = read(paths[0], options)
    if len(paths) == 1:
        return first
    cells = [first, *(_like(first, path, paths[0], read) for path in paths[1:])]
    frames = [first.frame]
    for path, part in zip(paths[1:], cells[1:], strict=True):
        frames.append(_same_types(part.frame, first.frame, path, paths[0]))
    try:
        frame = pl.concat(frames, how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataError(f"The files from {str(paths[0])!r} on are not one table: {error}") from None
    notes = [f"{len(paths)} files are one table, in this order: {_listed(paths)}"]
    values = [part for path in paths for part in path.parts[:-1] if _PARTITION.fullmatch(part)]
    if values:
        notes.append(f"what folders such as {values[0]!r} name is no column of the table")
    return replace(first, frame=frame, notes=(*notes, *_notes(paths, cells)))


def _like(first: TableCells, path: Path, first_path: Path, read: _Reader) -> TableCells:
    """Return the cells of a file with the columns of the first one, in their order.

    The later parts of a file that was split have no header.

    Raises:
        DataError: if it has other columns.
    """
    names = first.frame.columns
    cells = read(path, first.options)
    if first.options.header and set(cells.frame.columns) != set(names):
        inferred = read(path, replace(first.options, header=None))
        if inferred.options.header is False and inferred.frame.width == len(names):
            frame = inferred.frame.rename(dict(zip(inferred.frame.columns, names, strict=True)))
            note = f"it has no header, and its columns are named as those of {first_path.name}"
            return replace(inferred, frame=frame, notes=(note,))
    missing = [name for name in names if name not in cells.frame.columns]
    extra = [name for name in cells.frame.columns if name not in names]
    if missing or extra:
        told = [f"lacks {', '.join(map(repr, missing[:5]))}"] if missing else []
        told += [f"has {', '.join(map(repr, extra[:5]))}, too"] if extra else []
        raise DataError(
            f"{str(path)!r} {' and '.join(told)}, so it is no part of one table with "
            f"{str(first_path)!r}: name files with the same columns."
        )
    return replace(cells, frame=cells.frame.select(names))


def _same_types(
    frame: pl.DataFrame, first: pl.DataFrame, path: Path, first_path: Path
) -> pl.DataFrame:
    """Return a frame if its columns may be joined to those of the first.

    Raises:
        DataError: naming a column that is text in one, and something else in the other.
    """
    import polars as pl

    text = (pl.String, pl.Categorical, pl.Enum)
    for name, dtype in frame.schema.items():
        other = first.schema[name]
        if (dtype in text) != (other in text) and not (_is_empty(frame[name], first[name])):
            raise DataError(
                f"The column {name!r} is {_kind(dtype)} in {str(path)!r}, but {_kind(other)} in "
                f"{str(first_path)!r}: write it alike in all files."
            )
    return frame


def _is_empty(*columns: pl.Series) -> bool:
    return any(column.null_count() == len(column) for column in columns)


def _kind(dtype: pl.DataType) -> str:
    return "numbers" if dtype.is_numeric() else str(dtype).split("(")[0].lower()


def _notes(paths: Sequence[Path], cells: Sequence[TableCells]) -> Iterator[str]:
    """Yield what is said of all files once, and what is said of one with its name."""
    for note in dict.fromkeys(note for part in cells for note in part.notes):
        of = [path for path, part in zip(paths, cells, strict=True) if note in part.notes]
        yield note if len(of) == len(paths) else f"{_listed(of)}: {note}"


def _listed(paths: Sequence[Path]) -> str:
    names = [path.name for path in paths]
    return ", ".join(names) if len(names) < 4 else f"{names[0]}, {names[1]}, … {names[-1]}"
