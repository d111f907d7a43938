"""Numbers in text, against numbers that Python formats."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradus.data.columns.formats import ColumnFormat, parse_column
from gradus.data.columns.inference import infer_format, plain_format
from gradus.data.columns.numbers import (
    NumberStyle,
    are_codes,
    common_unit,
    infer_number_style,
    parse_numbers,
    plain_numbers,
)

MARKS = [(".", ","), (",", "."), (",", " "), (".", "'"), (",", "\u202f")]


@given(
    st.lists(st.integers(-(10**10), 10**10), min_size=1, max_size=20),
    st.sampled_from(MARKS),
    st.sampled_from(["{}", "${}", "{} €", "{}%", "{} %"]),
)
def test_written_numbers_are_read_again(cents, marks, around):
    decimal, thousands = marks
    values = [cent / 100 for cent in cents]
    swap = {",": thousands, ".": decimal}
    cells = ["".join(swap.get(c, c) for c in f"{value:,.2f}") for value in values]
    cells = [around.format(cell) for cell in cells]
    text = pl.Series("a", cells)
    style, _ = infer_number_style(text)
    assert parse_numbers(text, style).to_list() == pytest.approx(values)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["$5", "-$1,200.50", "($3)"], [5, -1200.5, -3]),
        (["\u22125", "+3"], [-5, 3]),
        (["1e5", ".5", "5.", "1E-2"], [100000, 0.5, 5, 0.01]),
        (["1.234", "1.234.567,5"], [1234, 1234567.5]),
        (["1.234", "0.5"], [1.234, 0.5]),
        (["1’234.50", "12.5-", "-3"], [1234.5, -12.5, -3]),
        (["1.5D+03", "-2D-1"], [1500, -0.2]),
        (["1,00,000", "12,34,567.5", "999"], [100000, 1234567.5, 999]),
        (["5", "1_000", "0x10", "1,00,00", "1.2.3", "-", "e5", ""], [5] + [None] * 7),
    ],
)
def test_styles_of_numbers(cells, values):
    text = pl.Series("a", cells)
    style, _ = infer_number_style(text)
    assert parse_numbers(text, style).to_list() == values


def test_a_comma_before_three_digits_divides_thousands_unless_others_are_decimal():
    text = pl.Series("a", ["1,234", "5,678"])
    assert infer_number_style(text) == (NumberStyle(".", ","), True)
    style, _ = infer_number_style(text, decimal=",")
    assert parse_numbers(text, style).to_list() == [1.234, 5.678]
    assert infer_number_style(pl.Series("a", ["1,234", "0,5"]))[0].decimal == ","


def test_digits_that_a_number_would_not_spell_are_codes():
    codes = (["007", "7"], ["01234", "99999"], ["9007199254740993", "1"])
    numbers = (["08", "7"], ["0", "1"], ["0.07", "007"], ["1234", "5"])
    assert [are_codes(pl.Series("a", cells)) for cells in codes] == [True] * 3
    assert [are_codes(pl.Series("a", cells)) for cells in numbers] == [False] * 4


@pytest.mark.parametrize(
    ("cells", "unit"),
    [
        (["1.5 kg", "2,000.5 kg", "-3kg"], "kg"),
        (["USD 1.5", "USD2", "USD -3"], "USD"),
        (["1 kg", "2 g", "3 kg"], ""),
        (["name 1", "name 2"], ""),
        (["1.5", "2.5"], ""),
    ],
)
def test_numbers_have_a_common_unit(cells, unit):
    text = pl.Series("a", cells)
    assert common_unit(text) == unit
    style, _ = infer_number_style(text, unit=unit)
    assert (parse_numbers(text, style).null_count() == 0) == (bool(unit) or cells[0] == "1.5")


WRITTEN = st.sampled_from(
    ["1", "-2", "+3", "0.5", ".5", "7.", "1e3", "1.234", "12.345", "1,5", "007", "0", "", " 4", "x",
     "inf", "nan", "1234567890123456", "-", "5%", "1.234.567", "99.5"]
)  # fmt: skip


@given(st.lists(st.lists(WRITTEN, min_size=9, max_size=9), min_size=1, max_size=4))
def test_plain_numbers_are_what_each_column_alone_is_read_as(columns):
    frame = pl.DataFrame({f"c{i}": cells for i, cells in enumerate(columns)})
    plain = plain_numbers(frame)
    for column in plain:
        alone = infer_format(frame[column.name], ColumnFormat())
        found = plain_format(column)
        assert (found.format, found.notes) == (alone.format, alone.notes)
        assert parse_column(frame[column.name], alone.format).equals(column)


def test_columns_of_plain_numbers_are_found():
    frame = pl.DataFrame({"a": ["1", "", "-20"], "b": ["0.5", "1e3", "1.25"], "c": ["x", "1", "2"]})
    plain = plain_numbers(frame)
    assert plain.schema == {"a": pl.Int64, "b": pl.Float64}
    assert plain.to_dict(as_series=False) == {"a": [1, None, -20], "b": [0.5, 1000.0, 1.25]}
    assert plain_numbers(frame.select("c")).is_empty()
