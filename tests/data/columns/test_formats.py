"""What columns become, and what is told."""

from datetime import date

import polars as pl
import pytest

from gradus.data import TableOptions, TablePreprocessor, load
from gradus.errors import DataError

MEASURED = [f"{index * 1.25 + 0.5:.2f}" for index in range(40)]


def read(cells, given=None):
    options = TableOptions(columns={} if given is None else {"a": given})
    data = load({"a": cells}, options=options)
    return data.formats["a"].kind, data.x["a"], data.notes


@pytest.mark.parametrize(
    ("write", "word"),
    [
        (lambda index, cell: f"{cell} kg", "the unit 'kg' of its numbers is left out"),
        (lambda index, cell: f"EUR {cell}", "the unit 'EUR' of its numbers is left out"),
        (lambda index, cell: cell + "%" * (index % 2), "some of its numbers have a percent sign"),
        (lambda index, cell: f"{cell}-" if index % 2 else cell, None),
    ],
)
def test_numbers_with_a_unit_or_sign_are_numbers_and_it_is_told(write, word):
    cells = [write(index, cell) for index, cell in enumerate(MEASURED)]
    kind, values, notes = read(cells)
    assert (kind, values.abs().to_list()) == ("number", [float(cell) for cell in MEASURED])
    assert [word in note for note in notes] == ([True] if word else [])
    fitted = TablePreprocessor.fit({"a": cells})
    assert fitted.transform({"a": cells[5:6]})[0, 0] == fitted.transform({"a": cells})[5, 0]


@pytest.mark.parametrize("cells", [["36 months", "60 months"] * 20, ["4G", "5G"] * 20])
def test_a_few_whole_numbers_with_a_unit_are_categories(cells):
    assert read(cells)[0] == "category"


def test_a_column_of_mostly_numbers_is_told():
    kind, _, (note,) = read(["<0.01"] * 8 + MEASURED[8:])
    assert kind == "category"
    assert "8 of 40 cells are not numbers, such as '<0.01'" in note
    assert read(["<0.01"] * 8 + MEASURED[8:], "number")[1].null_count() == 8
    assert read(["3+", "0", "1", "2"] * 10)[2] == ()


@pytest.mark.parametrize("column", [["-999.0", "1.5", "2.5"], [-999, 1, 2], [-999.0, 1.5, 2.5]])
def test_numbers_that_mean_missing_are_compared_by_value(column):
    options = TableOptions(missing=["-999"])
    data = load({"a": column * 9}, options=options)
    assert data.x["a"].null_count() == 9
    fitted = TablePreprocessor.fit({"a": column * 9}, options=options)
    assert fitted.transform({"a": column[:1]}).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("cells", "given"),
    [
        ([f"202401{day:02}" for day in range(1, 29)], None),
        ([int(f"202401{day:02}") for day in range(1, 29)], "date"),
        ([1704067200 + 86400 * day for day in range(28)], "date"),
        ([str(1704067200 + 86400 * day) for day in range(28)], "date"),
    ],
)
def test_numbers_are_dates_where_they_can_be_nothing_else_or_the_user_says_so(cells, given):
    kind, values, _ = read(cells, given)
    assert (kind, values.cast(pl.Date)[0]) == ("date", date(2024, 1, 1))
    options = TableOptions(columns={} if given is None else {"a": given})
    fitted = TablePreprocessor.fit({"a": cells}, options=options)
    x = fitted.transform({"a": cells})
    assert (fitted.transform({"a": cells[3:4]}) == x[3]).all()


@pytest.mark.parametrize("kind", ["number", "date", "boolean", {"kind": "date", "date": "%Y"}])
def test_a_kind_that_no_cell_is_of_is_an_error(kind):
    with pytest.raises(DataError, match=r"'a' is not of the kind '(number|date|boolean)'.*'x'"):
        read(["x", "y"] * 20, kind)
