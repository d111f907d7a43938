import datetime
import io
import sys
import zipfile

import pytest
import xlsxwriter

from gradus.data import TableOptions, load, read_table
from gradus.data.tables import as_table
from gradus.errors import DataError, GradusError

DAYS = [datetime.date(1815, 12, 10), datetime.date(1912, 6, 23), None]
PEOPLE = [
    ["name", "age", "born", "code", "member"],
    ["Ada", 36, DAYS[0], "007", True],
    ["Alan", 41.5, DAYS[1], "010", False],
    ["Eve", None, DAYS[2], "011", True],
]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A workbook: people, the same below a title and to the right, numbers alone, and nothing."""
    path = tmp_path_factory.mktemp("books") / "people.xlsx"
    with xlsxwriter.Workbook(path) as made:
        date = made.add_format({"num_format": "yyyy-mm-dd"})

        def add(name, rows, top=0, left=0):
            sheet = made.add_worksheet(name)
            for r, row in enumerate(rows):
                for c, cell in enumerate(row):
                    if isinstance(cell, datetime.date):
                        sheet.write_datetime(top + r, left + c, cell, date)
                    elif cell is not None:
                        sheet.write(top + r, left + c, cell)

        add("People", PEOPLE)
        add("Title", [["People of note"], [], *PEOPLE], 2, 3)
        add("Numbers", [[1.5, 2], [3.5, 4], [4.5, 6]])
        add("Empty", [])
    return path


def test_the_first_sheet_is_read_and_said(book):
    table = as_table(book)
    frame = table.frame
    assert frame["name"].to_list() == ["Ada", "Alan", "Eve"]
    assert frame["age"].to_list() == [36, 41.5, None]
    assert frame["born"].to_list() == DAYS
    assert frame["code"].to_list() == ["007", "010", "011"]
    assert frame["member"].to_list() == [True, False, True]
    assert table.notes[0].startswith("the sheet 'People' is read, the first of 4; to read another")


def test_a_target_that_another_sheet_may_have_names_the_sheets(book):
    with pytest.raises(DataError, match=r"the sheet 'People' is read, the first of 4; .*'Title'"):
        load(book, "salary")


def test_a_first_sheet_without_rows_names_the_others(tmp_path):
    with xlsxwriter.Workbook(tmp_path / "t.xlsx") as made:
        made.add_worksheet("About").write(0, 0, "what this is")
        made.add_worksheet("Data")
    with pytest.raises(DataError, match=r"no rows: the sheet 'About' is read.* sheet='Data'"):
        as_table(tmp_path / "t.xlsx")


def test_a_sheet_by_name_below_a_title(book):
    table = as_table(book, TableOptions(sheet="Title"))
    assert table.frame["born"].to_list() == DAYS
    assert table.frame.columns == PEOPLE[0]
    assert "what stands above the table is left out: 'People of note'" in table.notes


def test_a_sheet_without_a_header(book):
    table = as_table(book, TableOptions(sheet="Numbers"))
    assert table.frame.to_dict(as_series=False) == {
        "column_1": [1.5, 3.5, 4.5], "column_2": [2, 4, 6],
    }  # fmt: skip
    assert (table.options.header, "no header" in table.notes[0]) == (False, True)


@pytest.mark.parametrize(
    ("sheet", "words"),
    [
        ("Peple", r"no sheet 'Peple'. Did you mean 'People'\? It has 'People', 'Title'"),
        ("Empty", r"The sheet 'Empty' of .* is empty. Name another: sheet='People'"),
    ],
)
def test_a_sheet_that_is_no_table_is_refused(book, sheet, words):
    with pytest.raises(DataError, match=words):
        as_table(book, TableOptions(sheet=sheet))


def test_damaged_large_and_unreadable_spreadsheets_are_refused(book, tmp_path, monkeypatch):
    path = tmp_path / "t.xlsx"
    with zipfile.ZipFile(path, "w") as other:
        other.writestr("a.txt", "a")
    with pytest.raises(DataError, match="is not a spreadsheet, or is damaged"):
        read_table(path)
    path.write_bytes(book.read_bytes()[:400])
    with pytest.raises(DataError, match="is not a spreadsheet, or is damaged"):
        read_table(path)
    monkeypatch.setattr("gradus.data.reading.spreadsheets.host_free_bytes", lambda: 2000)
    with pytest.raises(DataError, match="unpacks to"):
        read_table(book)
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(GradusError, match=r"pip install 'gradus-nn\[excel\]'"):
        read_table(book)


def test_a_cell_far_away_does_not_take_all_memory(tmp_path):
    """Cells are read into a rectangle: this one has 17 billion."""
    plain, path = io.BytesIO(), tmp_path / "far.xlsx"
    with xlsxwriter.Workbook(plain) as made:
        sheet = made.add_worksheet()
        sheet.write(0, 0, "a")
        sheet.write(1048575, 16383, 1)
    path.write_bytes(plain.getvalue())
    with pytest.raises(DataError, match=r"far\.xlsx"):
        read_table(path)
