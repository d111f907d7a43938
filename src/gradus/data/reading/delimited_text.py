"""Delimited text files: from bytes to columns of text, each cell as the file spells it."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradus.data.columns.cells import looks_missing, looks_typed
from gradus.data.reading.text_layout import (
    BINARY_FILES,
    NOT_TABLES,
    aligned_header,
    csv_rows,
    declared_separator,
    is_units,
    tidy_quotes,
    without_preamble,
)
from gradus.errors import DataError, counted

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = (",", ";", "\t", "|")
LONGEST_CELL = 1 << 30  # characters
SAMPLE_ROWS = 200  # which separator and header are inferred from
CHUNK_ROWS = 50_000
REPEATS_NOTE = "rows that repeat the header are left out, as where files were joined"

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class DelimitedText:
    """The content of a delimited text file.

    Attributes:
        frame: a column of text for each column of the file, stripped of white space.
        separator: between the values of a row.
        header: whether the first row holds the names of the columns.
        notes: what was inferred and may be wrong, in sentences.
    """

    frame: pl.DataFrame
    separator: str
    header: bool
    notes: tuple[str, ...]


def read_delimited(
    content: bytes,
    name: str,
    *,
    separator: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    tabs: bool = False,
) -> DelimitedText:
    """Read the bytes of a delimited text file, with the quoting rules of Python's `csv`.

    Args:
        content: of the file.
        name: what errors call it.
        separator: between the values of a row; by default that of `SEPARATORS`, or white space,
            which divides the first rows into the same number of values.
        header: whether the first row names the columns; inferred by default.
        encoding: of the text; by default UTF-8 or what a byte order mark says, else Windows-1252.
        tabs: whether tabs are the likeliest separator.

    Raises:
        DataError: if the content is binary, empty or not in the encoding, has no rows, or rows of
            unequal length, an open quotation mark, or a column name twice.
    """
    import polars as pl

    text, notes = _decode(content, name, encoding)
    declared, text = declared_separator(text)
    separator = separator or declared or _infer_separator(_sample_lines(text), tabs)
    if separator == " ":
        text = "\n".join(line.strip(" ") for line in text.replace("\t", " ").split("\n"))
    text, more = without_preamble(text, separator)
    notes += more
    if header is not False:
        text, more = aligned_header(text, separator)
        notes += more
    original, text = text, tidy_quotes(text, separator)
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    rows = list(itertools.islice(_rows(text, separator, name), SAMPLE_ROWS))
    if not rows:
        raise DataError(f"{name} is empty.")
    numbered = numbered_names(len(rows[0]))
    if header is None:
        header = has_header(rows)
    header = header or rows[0] == numbered  # the names that gradus gave to a file without a header
    if header and len(rows) == 1:
        raise DataError(f"{name} has a header but no rows.")
    frame = _read_frame(text, separator, name, len(rows[0]))
    if '"' in text and '"' not in original:
        frame = frame.select(pl.all().str.replace_all('"', "'", literal=True))
    if header:
        names = [cell.strip() or f"unnamed_{index}" for index, cell in enumerate(rows[0])]
        check_names(names, name)
        frame = frame[1:]
        if is_units(rows[1:]):
            frame = frame[1:]
            notes += (
                f"the line below the header is left out, as units: {', '.join(rows[1])[:60]!r}",
            )
    else:
        names = numbered
        notes += (no_header_note(rows[0]),)
    frame.columns = names
    repeats = frame.select(repeats_names(names)).to_series() if header else pl.Series([False])
    if repeats.any():
        frame = frame.filter(~repeats)
        notes += (REPEATS_NOTE,)
    return DelimitedText(frame, separator, header, notes)


def numbered_names(width: int) -> list[str]:
    """Return the names of the columns of a file without a header: column_1, column_2, …."""
    return [f"column_{index}" for index in range(1, width + 1)]


def no_header_note(first: Sequence[str]) -> str:
    """Return the note on a file whose first row was taken for data."""
    names = "column_1" if len(first) == 1 else f"column_1 to column_{len(first)}"
    shown = ", ".join(first[:3])
    return (
        f"no header: the first row looks like data ({shown}, …), so the columns are named {names}; "
        "if it names them, write header=True"
    )


def repeats_names(names: Sequence[str]) -> pl.Expr:
    """Return which rows are the header once more, as where files were joined: every cell is.

    In a file of one column no row is, as the word may be a value.
    """
    import polars as pl

    cells = (
        pl.col(name) == ("" if name == f"unnamed_{index}" else name)
        for index, name in enumerate(names)
    )
    return pl.all_horizontal(*cells, len(names) > 1)


def check_names(names: Sequence[str], table: str) -> None:
    """Check that no two columns have the same name.

    Raises:
        DataError: naming those that do.
    """
    duplicates = sorted(name for name, count in Counter(names).items() if count > 1)
    if duplicates:
        shown = ", ".join(map(repr, duplicates))
        raise DataError(f"{table} has more than one column named {shown}.")


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first of some rows of text looks like the names of the columns.

    It does if it has a word above a column of numbers or dates. Without such a column, it does
    unless at least half of its cells stand again below. A row of consecutive whole numbers, such as
    years, above other numbers are names too.
    """
    first, data = rows[0], rows[1:]
    if not data:
        return not any(looks_typed(cell) for cell in first)
    typed = []
    for index, cell in enumerate(first):
        present = [row[index] for row in data if not looks_missing(row[index])]
        if not present or sum(map(looks_typed, present)) < 0.9 * len(present):
            continue
        if not looks_typed(cell) and not looks_missing(cell):
            return True
        if looks_typed(cell):
            typed.append(cell)
    if typed:
        return len(typed) > 1 and _is_count(typed)
    again = sum(cell in {row[index] for row in data} for index, cell in enumerate(first))
    return len(set(first)) == len(first) and 2 * again < len(first)


def _is_count(cells: Sequence[str]) -> bool:
    """Return whether cells are consecutive whole numbers from 0 or 1, or years in equal steps."""
    if not all(cell.isdecimal() for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    steps = {after - before for before, after in itertools.pairwise(numbers)}
    if len(steps) != 1 or min(steps) < 1:
        return False
    return (steps == {1} and numbers[0] in (0, 1)) or (1900 <= numbers[0] <= numbers[-1] <= 2100)


def _no_text(content: bytes, name: str) -> DataError:
    """Return the error for a file of bytes, by what it is if its beginning says so."""
    known = (what for start, what in BINARY_FILES if content.startswith(start))
    what = next(known, None)
    told = "it holds binary data" if what is None else f"it is {what}"
    return DataError(f"{name} is not a text file: {told}.")


def _decode(content: bytes, name: str, encoding: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file, its lines ended by a newline, and a note on its encoding."""
    notes: tuple[str, ...] = ()
    for start, what in NOT_TABLES:
        if content[: len(start)].lower() == start.lower():
            raise DataError(f"{name} is not a table, but {what}.")
    if encoding is None:
        encoding = next((kind for mark, kind in _BYTE_ORDER_MARKS if content.startswith(mark)), "")
        if not encoding and b"\0" in content[:65536]:
            encoding = _utf16_without_mark(content)
            if not encoding:
                raise _no_text(content, name)
            notes = (f"read as {encoding.upper()}, which its zero bytes suggest",)
    try:
        text = content.decode(encoding or "utf-8")
    except LookupError:
        raise DataError(
            f"encoding={encoding!r} is unknown: write one such as 'utf-8', 'latin-1', 'cp1252' or "
            "'utf-16'."
        ) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        where = f"byte {content[error.start]:#04x} in line {line}"
        if encoding:
            raise DataError(
                f"{name} is not {encoding} text ({where}): give its encoding, such as 'cp1252'."
            ) from None
        if _is_binary(content):
            raise _no_text(content, name) from None
        text, notes = _decode_mostly(content, where)
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\n").removeprefix("\ufeff")
    text = text.rstrip("\x1a")  # the end of a file in DOS
    if not text.strip():
        raise DataError(f"{name} is empty.")
    return text, notes


def _decode_mostly(content: bytes, where: str) -> tuple[str, tuple[str, ...]]:
    """Return text that is not quite UTF-8, and a note: as UTF-8 if most of its letters are."""
    text = content.decode("utf-8", errors="replace")
    damaged = text.count("\ufffd")
    if sum(letter > "\x7f" for letter in text) > 2 * damaged:
        count = "a letter is" if damaged == 1 else f"{damaged} letters are"
        return text, (f"{count} not UTF-8 ({where}), and became \ufffd",)
    text = content.decode("cp1252", errors="replace")
    if "\ufffd" in text:
        text = content.decode("latin-1")
    return text, (
        f"read as Windows-1252 (Latin-1), as it is not UTF-8 ({where}); if letters are wrong, "
        "give its encoding",
    )


def _utf16_without_mark(content: bytes) -> str:
    """Return the encoding if every second byte is zero, as in Western text in UTF-16; else ""."""
    even, odd = content[:4096:2], content[1:4096:2]
    if odd.count(0) > 0.9 * len(odd) and not even.count(0):
        return "utf-16-le"
    return "utf-16-be" if even.count(0) > 0.9 * len(even) and not odd.count(0) else ""


def _is_binary(content: bytes) -> bool:
    """Return whether bytes hold control characters that no text has."""
    return re.search(rb"[\x00-\x08\x0e-\x1f]", content[:65536]) is not None


def _sample_lines(text: str) -> list[str]:
    lines = text[: 1 << 18].split("\n")
    if len(text) > 1 << 18:
        del lines[-1]  # it is cut
    return [line for line in lines if line.strip(" ")][:SAMPLE_ROWS]


def _infer_separator(lines: Sequence[str], tabs: bool) -> str:
    """Return the separator that divides most lines into the same number of values, two or more.

    Among several, it is the one with the largest share of numbers and dates.
    """
    best, choice = (0.0, 0.0), ""
    for separator in ("\t", *SEPARATORS) if tabs else SEPARATORS:
        score = _separation([*csv_rows(lines, separator)])
        if score > best:
            best, choice = score, separator
    if choice in ("", ",") and _is_decimal_column(lines):
        return ";"
    if choice:
        return choice
    return " " if _is_spaced(lines) else "\t" if tabs else ","


def _is_decimal_column(lines: Sequence[str]) -> bool:
    """Return whether lines are one column of numbers with decimal commas below a name."""
    cells = lines[1:]
    is_decimal = all(re.fullmatch(r"\s*[+-]?\d+,\d+([eE][+-]?\d+)?\s*", cell) for cell in cells)
    return bool(cells) and "," not in lines[0] and is_decimal


def _is_spaced(lines: Sequence[str]) -> bool:
    """Return whether white space divides lines into columns, of which one is numbers or dates.

    The first line may lack a name for that of the row names, as R writes it.
    """
    rows = [*csv_rows([line.replace("\t", " ") for line in lines], " ")]
    body = rows[1:] or rows
    width = len(body[0]) if body else 0
    if min(width, len(rows[0])) < 2 or width - len(rows[0]) not in (0, 1):
        return False
    if {*map(len, body)} != {width}:
        return False
    columns = zip(*body, strict=True)
    return any(sum(map(looks_typed, column)) >= 0.9 * len(column) for column in columns)


def _separation(rows: Sequence[Sequence[str]]) -> tuple[float, float]:
    """Return the share of rows with the commonest width, and the share of typed cells in them."""
    width, count = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
    if width < 2:
        return 0.0, 0.0
    cells = [cell for row in rows if len(row) == width for cell in row if not looks_missing(cell)]
    return count / len(rows), sum(map(looks_typed, cells)) / max(len(cells), 1)


def _rows(text: str, separator: str, name: str) -> Iterator[list[str]]:
    """Yield the rows of text, without blank lines; check that they are as long as the first.

    Raises:
        DataError: naming the line of a row that is not, or whose quoting is wrong.
    """
    lines = io.StringIO(text, newline="\n")
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=separator == " ")
    width = 0
    try:
        for row in reader:
            if not row or (len(row) == 1 and width != 1 and not row[0].strip()):
                continue
            width = width or len(row)
            if len(row) != width:
                raise _unequal(name, reader.line_num, len(row), width, separator)
            yield row
    except csv.Error as error:
        raise DataError(
            f"{name} cannot be read at line {reader.line_num}: {error} (is a quotation mark open, "
            f"or is the separator not {separator!r}?)."
        ) from None


def _unequal(name: str, line: int, found: int, width: int, separator: str) -> DataError:
    advice = f"Quote values that contain {separator!r}."
    if width == 1:
        advice = f"If the values are not separated by {separator!r}, write what separates them."
    elif found < width:
        advice = "Complete the line, or remove it."
    return DataError(
        f"{name} has {found} values in line {line}, but its header has {counted(width, 'column')}. "
        f"{advice}"
    )


def _read_frame(text: str, separator: str, name: str, width: int) -> pl.DataFrame:
    """Return all rows as columns of text, stripped."""
    import polars as pl

    names = numbered_names(width)
    if '"' in text or separator == " ":
        rows = _rows(text, separator, name)
        chunks = []
        while chunk := list(itertools.islice(rows, CHUNK_ROWS)):
            columns = zip(names, zip(*chunk, strict=True), strict=True)
            chunks.append(pl.DataFrame([pl.Series(*column, pl.String) for column in columns]))
        frame = pl.concat(chunks)
    else:
        frame = _read_unquoted(text, separator, name, names)
    return frame.select(pl.all().str.strip_chars().fill_null(""))


def _read_unquoted(text: str, separator: str, name: str, names: list[str]) -> pl.DataFrame:
    """Return the rows of text without quotation marks, ten times as fast as `csv` reads them."""
    import polars as pl

    blank = " " if separator == "\t" else None
    lines = [line for line in text.split("\n") if line.strip(blank)]
    for line in lines:
        if line.count(separator) != len(names) - 1:
            number = text.split("\n").index(line) + 1
            raise _unequal(name, number, line.count(separator) + 1, len(names), separator)
    return pl.read_csv(
        "\n".join(lines).encode(),
        separator=separator,
        quote_char=None,
        has_header=False,
        infer_schema=False,
        new_columns=names,
    )
