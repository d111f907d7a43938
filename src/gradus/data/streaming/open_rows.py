"""From a path to rows that are read in parts: Parquet as it is, text as a copy in Parquet."""

from __future__ import annotations

import contextlib
import csv
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradus.data.datasets import Dataset
from gradus.data.files import existing_file, file_suffix
from gradus.data.reading.compression import packing_of, unpack_file
from gradus.data.reading.delimited_text import (
    LONGEST_CELL,
    REPEATS_NOTE,
    DelimitedText,
    read_delimited,
    repeats_names,
)
from gradus.data.streaming.mapped_table import MappedTable
from gradus.data.streaming.parquet_rows import ParquetRows, parquet_files
from gradus.data.streaming.row_source import FileState, RowSource
from gradus.data.table_files import NPY
from gradus.data.table_options import TableOptions
from gradus.data.tables import as_table
from gradus.errors import DataError, GradusError
from gradus.host_memory import readable

if TYPE_CHECKING:
    import polars as pl

STREAMED_TEXT = (".csv", ".tsv", ".tab", ".txt", ".data", ".dat")
HEAD_BYTES = 1 << 20  # of a text file, from which separator and header are inferred
COMPARED_ROWS = 100  # of these, which must be the same in both ways of reading them
COPY_ROWS = 100_000  # of a file of the copy
GROUP_BYTES = 1 << 29  # of the largest row group that is decoded in memory
COPIES = 2  # text as it is spelled, and typed, are on the disk at once


@dataclass(frozen=True)
class OpenedRows:
    """The rows of a path.

    Attributes:
        rows: the rows; of a text file each cell is text, as it is spelled.
        options: how the table is read, with what its file says.
        typed: whether cells have the types of their file.
    """

    rows: RowSource
    options: TableOptions
    typed: bool


def open_rows(source: Any, options: TableOptions) -> OpenedRows:
    """Open a .parquet or .csv file, or a folder of .parquet files.

    Args:
        source: the path.
        options: how a text file is read.

    Raises:
        DataError: if there is none, or it cannot be read in parts.
    """
    path = existing_file(source)
    if path.is_dir() or path.suffix.lower() == ".parquet":
        rows = ParquetRows(parquet_files(path), repr(str(path)))
        if rows.largest_group > GROUP_BYTES:
            rows = _in_small_groups(rows)
        return OpenedRows(rows, options, typed=True)
    if path.suffix.lower() == NPY:
        return OpenedRows(MappedTable(path), options, typed=True)
    if not is_streamed(path):
        unpack = " Unpack it first." if path.suffix.lower() == ".zip" else ""
        raise DataError(
            f"{str(path)!r} cannot be read in parts: these are .parquet files, folders of them, "
            f".npy files, and .csv files, also packed as .gz, .bz2, .xz, or .zst.{unpack}"
        )
    state, name = FileState.of(path), repr(str(path))
    with path.open("rb") as file:
        method = packing_of(file.read(8), name, path.suffix.lower())
    if not method:
        return _open_text(path, state, name, options)
    with _new_folder() as folder:
        most = shutil.disk_usage(folder).free // COPIES
        unpacked = folder / path.with_suffix("").name
        unpack_file(path, method, name, unpacked, most)
        try:
            return _open_text(unpacked, state, name, options)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def is_streamed(path: Path) -> bool:
    """Return whether a file is of a format that is read in parts, by its name."""
    return path.suffix.lower() in (".parquet", NPY) or file_suffix(path) in STREAMED_TEXT


def _open_text(path: Path, state: FileState, name: str, options: TableOptions) -> OpenedRows:
    """Return the rows of a text file, copied to Parquet as they are spelled.

    Args:
        path: of the text, unpacked.
        state: of the file that the user named.
        name: what errors call it.
        options: how it is read.

    Raises:
        DataError: if it cannot be read in parts.
    """
    import polars as pl

    size = path.stat().st_size
    head = _head(path, name, options)
    columns = head.frame.columns
    scan = pl.scan_csv(
        path,
        separator=head.separator,
        has_header=head.header,
        new_columns=columns,
        infer_schema=False,
    )
    scan = scan.select(pl.all().str.strip_chars().fill_null(""))
    with _new_folder() as folder:
        _check_disk(folder, COPIES * size, name)
        copy = folder / "text.parquet"
        try:
            if not _reads_alike(scan, head):
                raise DataError(
                    f"{name} cannot be read in parts, as its first rows are no plain rows below "
                    "one header: remove what stands around the table, or stray quotation marks, or "
                    "save it as .parquet."
                )
            if _check_lines(path, head, name):  # some are blank
                scan = scan.filter(~_is_void())
            scan.sink_parquet(copy, row_group_size=COPY_ROWS, compression="lz4")
            copy, notes = _without_repeats(copy, head)
        except (pl.exceptions.PolarsError, OSError) as error:
            reason = str(error).split("\n", maxsplit=1)[0].rstrip(".")
            raise DataError(
                f"{name} cannot be read in parts: {reason}. It must be UTF-8, with as many values "
                "in each row as there are columns."
            ) from None
        state.check()
        told = (*notes, f"a copy in Parquet is kept in {folder.parent} until the end")
        rows = ParquetRows([copy], name, folder, [state], told)
    return OpenedRows(rows, replace(options, header=head.header), typed=False)


def _reads_alike(scan: pl.LazyFrame, head: DelimitedText) -> bool:
    """Whether Polars reads the first rows of a text file as they are read in memory.

    Raises:
        PolarsError: if the file is not UTF-8.
    """
    import polars as pl

    expected = head.frame.head(COMPARED_ROWS).filter(~_is_void())
    rows = scan.filter(~_is_void())
    rows = rows.filter(~repeats_names(expected.columns)) if head.header else rows
    try:
        return rows.head(expected.height).collect().equals(expected)
    except pl.exceptions.PolarsError as error:
        if "utf-8" in str(error):
            raise
        return False  # such as rows of several widths


def _is_void() -> pl.Expr:
    """Return which rows have no value in any cell, as a blank line has none."""
    import polars as pl

    return pl.all_horizontal(pl.all() == "")


def _without_repeats(copy: Path, head: DelimitedText) -> tuple[Path, tuple[str, ...]]:
    """Return a copy of a text file without rows that repeat its header, and all notes."""
    import polars as pl

    rows, repeats = pl.scan_parquet(copy), repeats_names(head.frame.columns)
    if not head.header or rows.filter(repeats).head(1).collect().is_empty():
        return copy, head.notes
    kept = copy.with_name("rows.parquet")
    rows.filter(~repeats).sink_parquet(kept, row_group_size=COPY_ROWS, compression="lz4")
    copy.unlink()
    return kept, tuple(dict.fromkeys((*head.notes, REPEATS_NOTE)))


def typed_copy(rows: RowSource, example: Dataset) -> ParquetRows:
    """Return a copy of rows of text in which each cell has the type of its column.

    Args:
        rows: of a text file, in a copy.
        example: a sample of them, whose formats are imposed.

    Raises:
        DataError: for a cell that does not fit the format of its column, with its row.
    """
    files = []
    with _new_folder() as folder:
        for block in rows.blocks(COPY_ROWS):
            frame = rows.read(block)
            try:
                typed = as_table(frame, example.options, example.formats).frame
            except GradusError as error:
                raise located(error, block.row, block.size, rows.name) from None
            files.append(folder / f"{block.row:015d}.parquet")
            typed.write_parquet(files[-1], compression="lz4")
        return ParquetRows(files, rows.name, folder, rows.states, rows.notes)


def _in_small_groups(rows: ParquetRows) -> ParquetRows:
    """Return a copy of rows whose row groups are too large for memory, in small ones.

    A group is decoded a few columns at a time. These are written to a file each, from which the
    rows are put together again.

    Raises:
        DataError: if the copy does not fit on the disk.
    """
    import polars as pl

    size = sum(state.size for state in rows.states)
    with _new_folder() as folder:
        _check_disk(folder, size + rows.largest_group, rows.name)
        files = list[Path]()
        for group in dict.fromkeys(block.whole for block in rows.blocks(COPY_ROWS)):
            parts = list[Path]()
            for columns in rows.columns_at_once(group, rows.names):
                parts.append(folder / f"columns-{len(parts)}.parquet")
                frame = rows.read(group, columns)
                frame.write_parquet(parts[-1], compression="lz4", row_group_size=COPY_ROWS)
            for start in range(0, group.size, COPY_ROWS):
                files.append(folder / f"{group.row + start:015d}.parquet")
                scans = [pl.scan_parquet(part).slice(start, COPY_ROWS) for part in parts]
                frame = pl.concat([scan.collect() for scan in scans], how="horizontal")
                frame.write_parquet(files[-1], compression="lz4")
            for part in parts:
                part.unlink()
        told = (
            f"a row group takes {readable(rows.largest_group)} in memory, so a copy with smaller "
            f"ones is kept in {folder.parent} until the end"
        )
        return ParquetRows(files, rows.name, folder, rows.states, (*rows.notes, told))


@contextlib.contextmanager
def _new_folder() -> Iterator[Path]:
    """Yield a new folder for temporary files, which is removed if the block fails."""
    folder = Path(tempfile.mkdtemp(prefix="gradus-"))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def located(error: GradusError, first: int, count: int, name: str) -> DataError:
    """Return an error of a part of the rows, with where the part is."""
    where = f"Rows {first:,} to {first + count - 1:,} of {name}"
    return DataError(f"{where} (row 0 is the first of these): {error}")


def _head(path: Path, name: str, options: TableOptions) -> DelimitedText:
    """Return the first rows of a text file, with its separator, header, and columns."""
    if (options.encoding or "utf-8").lower() not in ("utf-8", "utf8", "utf-8-sig", "ascii"):
        raise DataError(
            f"{name} is {options.encoding} text, but only UTF-8 is read in parts: convert it first."
        )
    with path.open("rb") as file:
        content = file.read(HEAD_BYTES)
    if not content:
        raise DataError(f"{name} is empty.")
    if len(content) == HEAD_BYTES and b"\n" in content:
        content = content[: content.rindex(b"\n") + 1]
    return read_delimited(
        content,
        name,
        separator=options.separator,
        header=options.header,
        encoding=options.encoding,
        tabs=file_suffix(path) in (".tsv", ".tab"),
    )


def _check_lines(path: Path, head: DelimitedText, name: str) -> bool:
    """Check that each row has a value for each column, and return whether lines are blank.

    Polars would fill in missing values, and reads a blank line as a row of separators alone.

    Raises:
        DataError: with the number of rows that have fewer values, and the line of the first; or
            for blank lines among rows without a value.
    """
    import polars as pl

    line, between = pl.col("line"), len(head.frame.columns) - 1
    outside = line.str.replace_all('"[^"]*"', "")  # of what is quoted, if not over several lines
    filled = line.str.strip_chars(" ").str.len_bytes() > 0
    short = filled & (outside.str.count_matches(head.separator, literal=True) < between)
    lines = pl.scan_csv(
        path,
        separator="\x01",
        has_header=False,
        quote_char=None,
        new_columns=["line"],
        infer_schema=False,
    )
    marks = '"' + " " + head.separator
    void = filled & (line.str.strip_chars(marks).str.len_bytes() == 0)
    is_open = outside.str.contains('"', literal=True)
    facts = lines.select(
        count=short.sum(),
        first=short.arg_max(),
        blank=(~filled | line.is_null()).any(),
        void=void.any(),
        quoted=(short & line.str.contains('"', literal=True)).any() | is_open.any(),
    )
    count, first, blank, void, quoted = facts.collect().row(0)
    if quoted:  # perhaps within a cell, which takes as long again to tell
        count, first = _count_short_rows(path, head.separator, between + 1)
    if count:
        rows = "1 row has" if count == 1 else f"{count:,} rows have"
        raise DataError(
            f"{name}: {rows} fewer values than the {between + 1} columns, the first in line "
            f"{first + 1}: complete or remove them."
        )
    if blank and void:
        raise DataError(
            f"{name} has blank lines, and rows without any value, which cannot be told apart where "
            "it is read in parts: remove the blank lines."
        )
    return bool(blank)


def _count_short_rows(path: Path, separator: str, width: int) -> tuple[int, int]:
    """Return how many rows have too few values, and the line of the first, counted from 0."""
    count, first, line = 0, 0, 0
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        for row in reader:
            is_blank = not row or (len(row) == 1 and not row[0].strip())
            if len(row) < width and not is_blank:
                first = first if count else line
                count += 1
            line = reader.line_num
    return count, first


def _check_disk(folder: Path, needed: int, name: str) -> None:
    """Check that a copy fits on the disk of the folder for temporary files.

    Raises:
        DataError: if it does not.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{name} is copied as Parquet to {folder.parent}, which may take {readable(needed)}, "
            f"but {readable(free)} are free there: set TMPDIR to a folder on a larger disk."
        )
