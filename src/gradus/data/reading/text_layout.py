"""What stands around the table in a text file: comments, a title, units, row names, quoting."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from gradus.data.columns.cells import looks_missing, looks_typed

COMMENTS = ("#", "%", "//")
SAMPLE_LINES = 200
TITLE_LINES = 20  # as many lines, or fewer, may stand above the header
MOST = 0.9  # of the cells of a column
FEWEST_ROWS = 3  # of numbers, that tell the line above them from data
UNIT_SIGNS = re.compile(r"[^\W\d_]|[%‰°$€£¥#]")

NOT_TABLES = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive: name it so, .xlsx or .zip"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook: name it so, .xls"),
    (b"version https://git-lfs", "a pointer to a file in Git LFS: run git lfs pull"),
    (b"<!doctype html", "a web page: download the file itself"),
    (b"<html", "a web page: download the file itself"),
)
# How other files begin, of which each has bytes that no text has.
BINARY_FILES = (
    (b"PAR1", "a Parquet file: name it so, .parquet"),
    (b"ARROW1", "an Arrow file: name it so, .arrow"),
    (b"\x93NUMPY", "an array of NumPy: name it so, .npy"),
    (b"SQLite format 3", "a database of SQLite: pandas.read_sql makes frames of its tables"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"%PDF", "a PDF document"),
)


def declared_separator(text: str) -> tuple[str | None, str]:
    """Return the separator that a first line such as "sep=;" declares, and the text without it."""
    first, _, rest = text.partition("\n")
    declared = re.fullmatch(r'"?sep=(.)"?[,;\t]*', first.strip("\ufeff "), re.IGNORECASE)
    return (declared[1], "\n" + rest) if declared else (None, text)


def csv_rows(lines: Sequence[str], separator: str) -> Iterator[list[str]]:
    """Yield the rows of some lines until one cannot be read."""
    spaced = separator == " "
    lines = [line.strip(" ") for line in lines] if spaced else lines
    ended = (line + "\n" for line in lines)
    reader = csv.reader(ended, delimiter=separator, strict=True, skipinitialspace=spaced)
    try:
        yield from reader
    except csv.Error:
        yield []  # so that a separator that makes quoting wrong is not consistent


def tidy_quotes(text: str, separator: str) -> str:
    r"""Return text quoted as `csv` reads it, from quotes in spaces, `\"`, or single quotes."""
    first = text.lstrip("\n").partition("\n")[0].split(separator)
    spaced = _spaced_quotes(separator)
    if '"' not in text:
        is_single = all(re.fullmatch(r"\s*'[^']+'\s*", cell) for cell in first)
        double = text.replace("'", '"') if is_single else text
        return double if is_single and _is_readable(double, separator, spaced) else text
    in_spaces = (' "' in text or '" ' in text) and spaced.search(text)
    if not (in_spaces or '\\"' in text) or _is_readable(text, separator, spaced):
        return text
    for other in (spaced.sub(_unspaced, text), spaced.sub(_unspaced, text.replace('\\"', '""'))):
        if _is_readable(other, separator, spaced):
            return other
    return text


def _spaced_quotes(separator: str) -> re.Pattern[str]:
    """Return the pattern of a quotation mark with spaces between it and the end of its cell."""
    mark = re.escape(separator)
    return re.compile(rf'(^|{mark}) +"|" +({mark}|$)', re.MULTILINE)


def _unspaced(match: re.Match[str]) -> str:
    return match[0].replace(" ", "")


def _is_readable(text: str, separator: str, spaced: re.Pattern[str]) -> bool:
    """Return whether `csv` reads a text into rows of one width, without quotes around cells."""
    width = 0
    try:
        for row in csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True):
            width = width or len(row)
            quoted = any(re.fullmatch(r'\s+".*', cell, re.DOTALL) for cell in row)
            if quoted or (row and len(row) != width):
                return False
    except csv.Error:
        return False
    return True


def without_preamble(text: str, separator: str) -> tuple[str, tuple[str, ...]]:
    """Return text with blank lines for comments and a title above the header, and notes on them."""
    lines = text.split("\n", SAMPLE_LINES)[:SAMPLE_LINES]
    has_long_cells = any(line.count('"') % 2 for line in lines)  # of several lines
    if has_long_cells and _is_readable(text, separator, _spaced_quotes(separator)):
        return text, ()
    rows = [next(csv_rows([line], separator), []) for line in lines]
    widths = Counter(len(row) for line, row in zip(lines, rows, strict=True) if line.strip())
    width = max(widths.most_common(2), key=lambda pair: (pair[1], pair[0]))[0]
    if width < 2:
        return text, ()
    above = 0
    while above < min(TITLE_LINES, len(rows) - 2) and _is_above(rows, above, width):
        above += 1
    left_out = [line.strip().rstrip(separator) for line in lines[:above] if line.strip()]
    text = text.split("\n", above)[above]
    if left_out and left_out[0].startswith(COMMENTS) and text.startswith(COMMENTS[:2]):
        text = text[1:].lstrip(" ")  # a header that is a comment as well
    if '"' not in text and any(f"\n{mark}" in text for mark in COMMENTS):
        body = text.split("\n")
        comments = {line for line in body if _is_comment(line, separator, width)}
        left_out += [line for line in body if line in comments]
        text = "\n".join("" if line in comments else line for line in body)
    text = "\n" * above + text
    if not left_out:
        return text, ()
    count = "a line is" if len(left_out) == 1 else f"{len(left_out)} lines are"
    return text, (f"{count} left out, as no row of the table: {left_out[0][:60]!r}",)


def _is_comment(line: str, separator: str, width: int) -> bool:
    return line.startswith(COMMENTS) and line.count(separator) != width - 1


def _is_above(rows: Sequence[Sequence[str]], index: int, width: int) -> bool:
    """Return whether a row stands above the header: a comment, or one cell above a full row."""
    row = rows[index]
    filled = [cell for cell in row if cell.strip()]
    if len(row) != width and row and row[0].startswith(COMMENTS):
        return True
    if len(filled) > 1 or (len(row) == width and width < 3):
        return False
    if not filled:
        return index > 0
    below = [other for other in rows[index + 1 :] if any(cell.strip() for cell in other)]
    full = next((other for other in below if len([c for c in other if c.strip()]) > 1), None)
    if full is None or len(full) != width or any(map(looks_typed, full)):
        return False
    return not looks_typed(filled[0])


def aligned_header(text: str, separator: str) -> tuple[str, tuple[str, ...]]:
    """Return text whose header has a name for each value of a row, and a note.

    The header of a table with row names, as R writes it, has one name less; rows, or the header
    alone, may end in a separator.
    """
    above = text[: len(text) - len(text.lstrip("\n"))]
    first, _, rest = text[len(above) :].partition("\n")
    names = next(csv_rows([first], separator), [])
    rows = [*csv_rows([line for line in rest.split("\n", 200)[:200] if line.strip()], separator)]
    widths = {len(row) for row in rows}
    if len(widths) != 1 or len(names) < 2:
        return text, ()
    width = widths.pop()
    if len(names) == width + 1 and not names[-1].strip():
        return above + first.rstrip()[:-1] + "\n" + rest, ()
    if len(names) != width - 1:
        return text, ()
    if not any(row[-1].strip() for row in rows):
        return above + first + separator + "\n" + rest, ()
    if len(rows) < 2 or len({row[0] for row in rows}) < len(rows):
        return text, ()
    note = "its header has one name less than its rows have values: the first are row names"
    unnamed = '"" ' if separator == " " else separator  # a space in front divides nothing
    return above + unnamed + first + "\n" + rest, (note,)


def is_units(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row below the header holds units, or explains the columns.

    Its words, which stand above numbers in at least three rows, have letters or signs of units.
    """
    first, data = rows[0], rows[1:]
    if len(data) < FEWEST_ROWS:
        return False
    cells = [cell for index, cell in enumerate(first) if _is_typed(data, index)]
    words = [cell for cell in cells if not looks_missing(cell)]
    bracketed = all(re.fullmatch(r"[(\[].*[)\]]", cell) for cell in words)
    are_units = all(UNIT_SIGNS.search(word) and not looks_typed(word) for word in words)
    return bool(words) and are_units and (len(words) > 1 or bracketed)


def _is_typed(rows: Sequence[Sequence[str]], index: int) -> bool:
    present = [row[index] for row in rows if not looks_missing(row[index])]
    return bool(present) and sum(map(looks_typed, present)) >= MOST * len(present)
