"""Delimited text files, with Python's `csv` as the oracle."""

import csv
import io
import re

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gradus.data import load
from gradus.data.reading.delimited_text import REPEATS_NOTE, has_header, read_delimited
from gradus.data.reading.text_layout import is_units
from gradus.errors import DataError

CELLS = st.text(st.sampled_from("ab1 .,;|\t\"'\n-é"), max_size=6)


def tables(cells):
    sizes = st.tuples(st.integers(1, 4), st.integers(1, 6))
    return sizes.flatmap(
        lambda size: st.lists(
            st.lists(cells, min_size=size[0], max_size=size[0]), min_size=size[1], max_size=size[1]
        )
    )


@given(tables(CELLS), st.sampled_from(",;\t|"))
def test_what_csv_writes_is_read_again(rows, separator):
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([[f"c{index}" for index in range(len(rows[0]))], *rows])
    frame = read_delimited(
        written.getvalue().encode(), "it", separator=separator, header=True
    ).frame
    cells = [tuple(cell.strip() for cell in row) for row in rows]
    assume(not is_units(cells))
    assert frame.rows() == cells


@pytest.mark.parametrize("content", ["", "\n\n", '""', "''\n", '""\n""\n'])
def test_a_file_of_nothing_is_refused(content):
    with pytest.raises(DataError, match=r"is empty|has no rows|header but no rows"):
        read_delimited(content.encode(), "it", header=True)


def test_a_row_is_left_out_as_units_only_where_it_can_be_one():
    numbers = [["1", "2"], ["3", "4"], ["5", "6"]]
    for above in (["cm", "kg"], ["%", "°"], ["(m)", ""]):
        assert is_units([above, *numbers])
    for above in ([";", "|"], ["-", "."], ["cm", "7"], ["", ""], ["?", "NA"], ["m", ""]):
        assert not is_units([above, *numbers])
    assert not is_units([["cm", "kg"], *numbers[:2]])  # too few numbers to tell


@given(
    tables(st.text(st.sampled_from("ab1.-é'"), min_size=1, max_size=4)), st.sampled_from(",;\t|")
)
def test_with_and_without_quotes_the_cells_are_the_same(rows, separator):
    assume(not all(re.fullmatch("'[^']+'", cell) for cell in rows[0]))  # quotes of another kind
    plain = "\n".join(separator.join(row) for row in rows).encode()
    quoted = "\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows).encode()
    first, second = (
        read_delimited(text, "it", separator=separator, header=False) for text in (plain, quoted)
    )
    assert first.frame.equals(second.frame)


@pytest.mark.parametrize(
    ("text", "tabs", "separator", "columns"),
    [
        ("income, USD\tage, years\n1000\t30\n", True, "\t", ["income, USD", "age, years"]),
        ("income, USD\tage, years\n1000\t30\n", False, "\t", ["income, USD", "age, years"]),
        ("a,b\n1,2\n", True, ",", ["a", "b"]),
        ('"size (m, ft, in)";price\n1;2\n', False, ";", ["size (m, ft, in)", "price"]),
        ("a;b;c\n1,5;2,5;x\n2,5;3,5;y\n", False, ";", ["a", "b", "c"]),
        ("a|b\n1|2\n", False, "|", ["a", "b"]),
        ("sep=;\na;b\n1;2\n", False, ";", ["a", "b"]),
        ("  a  b\n 1   2\n10 20 \n", False, " ", ["a", "b"]),
        ("a\n1\n2\n", False, ",", ["a"]),
        ("review\nthe film was good\nthe film was bad\n", False, ",", ["review"]),
    ],
)
def test_the_separator_is_found(text, tabs, separator, columns):
    read = read_delimited(text.encode(), "it", tabs=tabs)
    assert (read.separator, read.frame.columns) == (separator, columns)


def test_a_quotation_mark_inside_a_field_is_part_of_it():
    text = 'pipe,price\n5" steel,1\n6 steel,2\nO"Brian,3\n'
    assert read_delimited(text.encode(), "it").frame["pipe"].to_list() == [
        '5" steel',
        "6 steel",
        'O"Brian',
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["a", "b"], ["1", "x"]], True),
        ([["6", "148", "1"], ["1", "85", "0"]], False),
        ([["0", "1", "2"], ["5.1", "3.5", "x"]], True),  # as pandas counts columns
        ([["2019", "2020"], ["5", "6"]], True),
        ([["p", "x"], ["e", "x"], ["p", "b"], ["e", "b"]], False),
        ([["name", "color"], ["ann", "red"], ["bob", "red"]], True),
        ([["", "a"], ["0", "5"]], True),
        ([["5.1", "setosa"], ["4.9", "setosa"], ["7.0", "virginica"]], False),
        ([["31.01.2010", "yes"], ["01.02.2010", "no"]], False),
        ([["1,5", "yes"], ["2,5", "no"]], False),
    ],
)
def test_a_header_is_recognized(rows, expected):
    assert has_header(rows) is expected


def test_a_file_without_a_header_is_told_and_can_be_said():
    read = read_delimited(b"6,148,1\n1,85,0\n", "it")
    assert read.frame.rows() == [("6", "148", "1"), ("1", "85", "0")]
    assert read.frame.columns == ["column_1", "column_2", "column_3"]
    assert "no header" in read.notes[0]
    assert read_delimited(b"6,148\n1,85\n", "it", header=True).frame.columns == ["6", "148"]
    assert read_delimited(b"column_1,column_2\n1,x\n", "it", header=False).frame.height == 1


@pytest.mark.parametrize(
    ("encoding", "note"),
    [("utf-8", ""), ("utf-8-sig", ""), ("utf-16", ""), ("utf-32", ""), ("utf-16-le", "UTF-16-LE"),
     ("utf-16-be", "UTF-16-BE"), ("cp1252", "Windows-1252"), ("latin-1", "Windows-1252")],
)  # fmt: skip
def test_encodings_are_read(encoding, note):
    read = read_delimited("café,n\nthé,1\nlait,2\n".encode(encoding), "it")
    assert read.frame.columns == ["café", "n"]
    assert read.frame.rows() == [("thé", "1"), ("lait", "2")]
    assert note in "".join(read.notes)
    assert bool(note) == bool(read.notes)


def test_an_encoding_can_be_given_and_must_fit():
    content = "имя,n\nАня,1\n".encode("cp1251")
    assert read_delimited(content, "it", encoding="cp1251").frame.columns == ["имя", "n"]
    with pytest.raises(DataError, match="is unknown: write one such as 'utf-8'"):
        read_delimited(content, "it", encoding="utf-9")
    with pytest.raises(DataError, match=r"is not utf-8 text .*line 1.*give its encoding"):
        read_delimited(content, "it", encoding="utf-8")


ROWS = [
    f"{20 + index % 9},{index * 1.5:.2f},{'red' if index % 3 else 'blue'}" for index in range(12)
]
PLAIN = "\n".join(["age,income,color", *ROWS]) + "\n"
EXPECTED = {"age": "20", "income": "0.00", "color": "blue"}


def first_row(text, **options):
    read = read_delimited(text.encode(), "the file", **options)
    return read.frame.row(0, named=True), read


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        (f"# made by x\n# on Monday, 2020\n{PLAIN}", 1),
        (f"# made by x\n# {PLAIN}", 1),
        (f"// made by x\n{PLAIN}", 1),
        (PLAIN.replace("\n21,", "\n# a comment\n21,", 1), 1),
        (f"Report 2020\n\n{PLAIN}", 1),
        (f"Report 2020,,\n,,\n{PLAIN}", 1),
        (f"Report\nby Ada\n{PLAIN}", 1),
        (PLAIN.replace("\n", "\nyears,EUR,-\n", 1), 1),
        (PLAIN.replace("\n", "\n(years),[EUR],\n", 1), 1),
        (PLAIN.replace("\n", ",\n", 1), 0),  # the header ends in a separator
        ("sep=;\n" + PLAIN.replace(",", ";"), 0),
        ('"SEP=;"\r\n' + PLAIN.replace(",", ";"), 0),
        ("sep=\t\n" + PLAIN.replace(",", "\t"), 0),
        (PLAIN.replace(",", "   "), 0),
        (PLAIN.replace("color", '"color"').replace(",", ", ").replace("blue", '"blue"'), 0),
        (PLAIN.replace("blue", '"blue" '), 0),
        (PLAIN + "   \n\t\n\x1a", 0),
    ],
)
def test_what_stands_around_a_table_is_no_part_of_it(text, notes):
    row, read = first_row(text)
    assert (row, len(read.frame), len(read.notes)) == (EXPECTED, len(ROWS), notes)


def test_row_names_and_trailing_separators():
    named = "\n".join(f"r{index},{row}" for index, row in enumerate(ROWS))
    row, read = first_row("age,income,color\n" + named)
    assert (row, len(read.notes)) == ({"unnamed_0": "r0", **EXPECTED}, 1)
    row, read = first_row("age,income,color\n" + ",\n".join([*ROWS, ""]))
    assert (row, read.notes) == ({**EXPECTED, "unnamed_3": ""}, ())
    with pytest.raises(DataError, match=r"4 values in line 2.* Quote"):
        first_row("age,income,color\n" + "\n".join(f"r,{row}" for row in ROWS))
    with pytest.raises(DataError, match=r"2 values in line 15.* Complete the line"):
        first_row("Report 2020\n" + PLAIN + "30,1.5\n")


@pytest.mark.parametrize("edge", ["", ","])  # with a column that has no name
def test_rows_that_repeat_the_header_are_left_out(edge):
    header, *rows = [line + edge for line in PLAIN.splitlines()]
    read = read_delimited("\n".join([header, *rows]).encode(), "it")
    joined = read_delimited("\n".join([header, *rows, header, *rows, header]).encode(), "it")
    assert joined.frame.equals(pl.concat([read.frame, read.frame]))
    assert joined.notes == (*read.notes, REPEATS_NOTE)
    assert len(read_delimited(b"word\na\nword\n", "it", header=True).frame) == 2


def test_quotes_of_other_kinds():
    row, _ = first_row("'a','b'\n'x, y','1'\n'it''s','2'\n")
    assert row == {"a": "x, y", "b": "1"}
    row, read = first_row('a,b\n"6\\" pipe, red",1\n"x",2\n')
    assert (row["a"], len(read.frame)) == ('6" pipe, red', 2)
    row, _ = first_row('a,b\nx, "y" z\nu,v\n')
    assert row["b"] == '"y" z'
    row, _ = first_row("a,b\n" + "x" * 200_000 + ',"y"\n')
    assert len(row["a"]) == 200_000


def test_one_column_of_decimal_commas():
    for more in ("10,5\n", ""):  # one row alone, too
        row, read = first_row("x\n0,125\n" + more)
        assert (row, read.separator) == ({"x": "0,125"}, ";")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"PK\x03\x04" + bytes(99), "Excel workbook"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
)
def test_files_that_are_something_else_are_named(content, word):
    with pytest.raises(DataError, match=word):
        read_delimited(content, "the file")


def test_a_target_in_the_first_row_makes_it_the_header(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("1,2,4\n" + "\n".join(f"{i}.5,{i},{i % 2}" for i in range(9)))
    assert load(path).x.columns == ["column_1", "column_2", "column_3"]
    assert load(path, "4").x.columns == ["1", "2", "4"]
    path.write_text("a~b\n1~x\n2~y\n")
    with pytest.raises(DataError, match=r"read as one column.*separator="):
        load(path, "b")


@pytest.mark.parametrize("quote", ['"', ""])
@pytest.mark.parametrize("named_rows", [True, False])
def test_tables_divided_by_spaces_as_r_writes_them(quote, named_rows):
    q = quote
    head = f"{q}name{q} {q}size{q}\n"
    word = "a b" if quote else "ab"
    rows = [(f"{q}{i}{q} " if named_rows else "") + f"{q}{word}{q} {i}.5\n" for i in range(1, 9)]
    read = read_delimited((head + "".join(rows)).encode(), "t.txt")
    assert read.frame.columns == ["unnamed_0"] * named_rows + ["name", "size"]
    assert read.frame.rows()[0] == ("1",) * named_rows + (word, "1.5")


def test_a_letter_cut_in_utf8_does_not_change_the_others():
    read = read_delimited("a,b\nZürich,1\nÖl,2\nB".encode() + b"\xc3,3\n", "t.csv")
    assert read.frame["a"].to_list() == ["Zürich", "Öl", "B\ufffd"]
    assert "a letter is not UTF-8 (byte 0xc3 in line 4)" in read.notes[0]
