"""Sheets of spreadsheets: Excel's .xlsx, .xlsm, .xlsb, and .xls, and OpenDocument's .ods."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradus.data.reading.compression import ZIP_MAGIC, check_unpacked_size
from gradus.data.reading.own_process import read_in_own_process
from gradus.errors import DataError, nearest
from gradus.host_memory import host_free_bytes
from gradus.optional import import_optional

if TYPE_CHECKING:
    import polars as pl

_KIND = "a spreadsheet"
# The first row of the table is the first with two cells, as a title has one. Its columns are read
# twice, as the types of their cells: with that row, and without it, should it be a header.
_READ = """
import fastexcel
import logging
import polars
logging.disable()
reader = fastexcel.read_excel(content)
names = reader.sheet_names
wanted = arguments[0] if arguments else names[0] if names else ""
if wanted not in names and not (len(names) == 1 and arguments[1:]):
    (folder / "sheets").write_text(json.dumps({"names": names}))
    sys.exit(0)
sheet = wanted if wanted in names else names[0]
def load(**options):
    return reader.load_sheet(
        sheet, header_row=None, schema_sample_rows=None, **options
    ).to_polars()
text = load(dtypes="string")
blank = [column.name for column in text if (column.is_null() | (column == "")).all()]
text = text.drop(blank)
filled = text.select(
    polars.sum_horizontal(c.is_not_null() & (c != "") for c in text)
).to_series() if text.width else polars.Series([], dtype=polars.UInt32)
first = (filled >= min(2, text.width)).arg_max() if text.height and text.width else 0
above = load(dtypes="string", skip_rows=1).height - text.height + 1 if text.height else 0
def typed(start):
    frame = load(skip_rows=above + start).drop(blank, strict=False)
    whole = []
    for c in frame:
        if c.dtype == polars.Float64 and ((c == c.floor()) & (c.abs() < 2**53)).all():
            c = c.cast(polars.Int64)
        if isinstance(c.dtype, polars.Datetime) and (c.dt.truncate("1d") == c).all():
            c = c.cast(polars.Date)
        whole.append(c)
    return polars.DataFrame(whole)
titles = [cell for row in text[:first].rows() for cell in row if cell]
head = [[cell or "" for cell in row] for row in text[first : first + 200].rows()]
found = {"names": names, "sheet": sheet, "titles": titles, "head": head}
(folder / "sheets").write_text(json.dumps(found))
if head:
    typed(first).write_ipc(folder / "with_first_row")
if len(head) > 1:
    typed(first + 1).write_ipc(folder / "without_first_row")
"""


@dataclass(frozen=True)
class Sheet:
    """A sheet of a spreadsheet.

    Attributes:
        head: the first rows as text, the row of names included if there is one.
        with_first_row: the columns of all rows; of a sheet with names they are text.
        without_first_row: the columns of all rows but the first, with the types of their cells.
        notes: which sheet was read if there are several, and what stands above the table.
    """

    head: Sequence[Sequence[str]]
    with_first_row: pl.DataFrame
    without_first_row: pl.DataFrame
    notes: tuple[str, ...]


def read_sheet(content: bytes, name: str, sheet: str | None = None, learned: bool = False) -> Sheet:
    """Return a sheet of a spreadsheet.

    Args:
        content: of the file.
        name: what errors call it.
        sheet: its name; by default the first.
        learned: whether the name is that of a training, which a file with a single sheet need not
            have.

    Raises:
        DataError: if it is no spreadsheet, is damaged or too large, has no such sheet, or the sheet
            is empty.
        GradusError: if the package that reads spreadsheets is not installed.
    """
    import polars as pl

    import_optional("fastexcel", f"{name}, a spreadsheet,", "excel")
    _check_size(content, name)
    arguments = () if sheet is None else (sheet, *["learned"] * learned)
    with read_in_own_process(_READ, content, name, _KIND, *arguments) as folder:
        found = json.loads((folder / "sheets").read_text("utf-8"))
        names = found["names"]
        if "sheet" not in found:
            raise _no_sheet(sheet, names, name)
        head, chosen = found["head"], found["sheet"]
        if not head:
            others = [other for other in names if other != chosen]
            advice = f" Name another: sheet={others[0]!r}." if others else ""
            raise DataError(f"The sheet {chosen!r} of {name} is empty.{advice}")
        frames = [
            pl.read_ipc(io.BytesIO(path.read_bytes())) if path.exists() else pl.DataFrame()
            for path in (folder / "with_first_row", folder / "without_first_row")
        ]
    notes = []
    if sheet is None and len(names) > 1:
        notes.append(
            f"the sheet {chosen!r} is read, the first of {len(names)}; to read another: "
            f"{' or '.join(f'sheet={other!r}' for other in names[1:6])}"
            f"{', …' if len(names) > 6 else ''}"
        )
    if found["titles"]:
        shown = "; ".join(found["titles"])
        notes.append(f"what stands above the table is left out: {shown[:60]!r}")
    return Sheet(head, frames[0], frames[1], tuple(notes))


def _check_size(content: bytes, name: str) -> None:
    """Check that a spreadsheet, if it is a zip archive, unpacks to what fits into memory."""
    if not content.startswith(ZIP_MAGIC):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise DataError(f"{name} is not {_KIND}, or is damaged: {error}.") from None
    check_unpacked_size(size, host_free_bytes(), name)


def _no_sheet(sheet: str | None, names: Sequence[str], name: str) -> DataError:
    if not names:
        return DataError(f"{name} has no sheets of cells.")
    close = nearest(str(sheet), names)
    hint = f" Did you mean {close!r}?" if close else ""
    return DataError(f"{name} has no sheet {sheet!r}.{hint} It has {', '.join(map(repr, names))}.")
