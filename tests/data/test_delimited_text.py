"""Delimited text files, with Python's `csv` as the oracle."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradus.data.delimited_text import has_header, read_delimited
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
    assert frame.rows() == [tuple(cell.strip() for cell in row) for row in rows]


@given(
    tables(st.text(st.sampled_from("ab1.-é'"), min_size=1, max_size=4)), st.sampled_from(",;\t|")
)
def test_with_and_without_quotes_the_cells_are_the_same(rows, separator):
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
