"""The files of a table: which ones a source names, and the cells in the bytes of each."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gradus.data.frames import frame_columns, with_plain_type
from gradus.data.reading.array_files import (
    NPY_MAGIC,
    array_columns,
    names_of_columns,
    read_npy,
    unnamed_notes,
)
from gradus.data.reading.arrow_files import ARROW_MAGIC, PARQUET_MAGIC, read_arrow, read_parquet
from gradus.data.reading.compression import ZIP_MAGIC
from gradus.data.reading.delimited_text import (
    check_names,
    has_header,
    no_header_note,
    numbered_names,
    read_delimited,
)
from gradus.data.reading.json_files import read_json_table
from gradus.data.reading.spreadsheets import read_sheet
from gradus.data.table_options import AUTOMATIC_TABLE, TableOptions
from gradus.errors import DataError

if TYPE_CHECKING:
    import polars as pl

TABS = (".tsv", ".tab")
PARQUET, ARROW = (".parquet", ".pq"), (".arrow", ".feather", ".ipc", ".arrows")
JSON = (".json", ".jsonl", ".ndjson")
SPREADSHEET = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
NPY, ARCHIVE = ".npy", ".zip"
TABLE_SUFFIXES = (
    *(".csv", *TABS, ".txt", ".data", ".dat", ".psv"),
    *(*PARQUET, *ARROW, *JSON, *SPREADSHEET, NPY, ARCHIVE),
)
"""The endings of tables; before them, `compression.PACKED`."""

KNOWN_FORMATS = (
    "a table in .csv, .tsv, .parquet, .arrow, .feather, .json, .jsonl, .npy, or .xlsx, also packed "
    "as .gz, .bz2, .xz, .zst, or .zip"
)

_MAGIC = {
    PARQUET_MAGIC: ".parquet",
    NPY_MAGIC: NPY,
    ARROW_MAGIC: ".arrow",
    b"\xff\xff\xff\xff": ".arrow",  # a stream of Arrow
    b"\xd0\xcf\x11\xe0": ".xls",
}


@dataclass(frozen=True)
class TableCells:
    """The cells of a table as a file holds them.

    Attributes:
        frame: a column for each of the table's: text as it is spelled, or values of a type.
        notes: what was inferred and may be wrong, in sentences.
        separator: between the values of a row of text; "" in other formats.
        options: how it was read, and whether its first row names the columns.
    """

    frame: pl.DataFrame
    notes: tuple[str, ...] = ()
    separator: str = ""
    options: TableOptions = AUTOMATIC_TABLE


def read_cells(
    content: bytes, name: str, suffix: str, options: TableOptions, learned: bool = False
) -> TableCells:
    """Return the cells in the bytes of a table's file.

    Args:
        content: of the file, unpacked.
        name: what errors call it.
        suffix: the ending of its name; "" to tell the format from the content.
        options: how to read it.
        learned: whether the options are those of a training.

    Raises:
        DataError: if the content is not of this format, damaged, or empty.
    """
    suffix = suffix or suffix_of_content(content)
    if suffix in SPREADSHEET:
        return _spreadsheet_cells(content, name, options, learned)
    if suffix == NPY:
        array = read_npy(content, name)
        columns = array_columns(array, names_of_columns(array, name))
        cells = cells_in_memory(columns, name, options)
        return replace(cells, notes=(*cells.notes, *unnamed_notes(array)))
    if suffix not in (*PARQUET, *ARROW, *JSON):
        read = read_delimited(
            content,
            name,
            separator=options.separator,
            header=options.header,
            encoding=options.encoding,
            tabs=suffix in TABS,
        )
        options = replace(options, header=read.header)
        return TableCells(read.frame, read.notes, read.separator, options)
    if suffix in JSON:
        return cells_in_memory(read_json_table(content, name), name, options)
    frame = (read_parquet if suffix in PARQUET else read_arrow)(content, name)
    index = [column for column in frame.columns if re.fullmatch(r"__index_level_\d+__", column)]
    cells = cells_in_memory(frame.drop(index), name, options)
    if not index:
        return cells
    note = "the index that pandas saved is not used; to use it, save frame.reset_index()"
    return replace(cells, notes=(*cells.notes, note))


def cells_in_memory(data: object, name: str, options: TableOptions) -> TableCells:
    """Return the cells of a table in memory.

    Args:
        data: what `frames.frame_columns` takes.
        name: what errors call it.
        options: how to read it.

    Raises:
        DataError: if it is no table, or its columns differ in length or share a name.
    """
    import polars as pl

    columns, notes = frame_columns(data, name)
    check_names([column.name for column in columns], name)
    lengths = {column.name: len(column) for column in columns}
    if len(set(lengths.values())) > 1:
        raise DataError(f"The columns of {name} differ in length: {lengths}.")
    frame = pl.DataFrame([with_plain_type(column) for column in columns])
    return TableCells(frame, notes, "", options)


def suffix_of_content(content: bytes) -> str:
    """Return the ending that a file of this content should have; ".csv" for other text.

    Examples:
        >>> from gradus.data.table_files import suffix_of_content
        >>> suffix_of_content(b'{"a": 1}'), suffix_of_content(b"PAR1..."), suffix_of_content(b"a,b")
        ('.json', '.parquet', '.csv')
    """
    if content.startswith(ZIP_MAGIC):
        return ".xlsx" if b"[Content_Types].xml" in content else ARCHIVE
    found = (suffix for magic, suffix in _MAGIC.items() if content.startswith(magic))
    if suffix := next(found, ""):
        return suffix
    text = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    is_json = re.match(rb'\{\s*"|\[\s*\{', text) is not None
    return ".json" if is_json else ".csv"


def _spreadsheet_cells(
    content: bytes, name: str, options: TableOptions, learned: bool
) -> TableCells:
    sheet = read_sheet(content, name, options.sheet, learned)
    head, notes = sheet.head, sheet.notes
    where = f"the sheet of {name}"
    header = options.header if options.header is not None else has_header(head)
    if not header:
        names = numbered_names(len(head[0]))
        notes += (no_header_note(head[0]),)
        frame = sheet.with_first_row
    elif len(head) == 1:
        note = f": {notes[0]}" if notes else ""
        raise DataError(f"{name} has a header but no rows{note}.")
    else:
        names = [cell.strip() or f"unnamed_{index}" for index, cell in enumerate(head[0])]
        frame = sheet.without_first_row
    check_names(names, where)
    cells = cells_in_memory(
        frame.rename(dict(zip(frame.columns, names, strict=True))), name, options
    )
    return replace(cells, notes=notes, options=replace(options, header=header))
