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


@pytest.mark.parametrize("given", [None, "number"])
def test_numbers_of_which_some_lack_the_unit_are_numbers_and_it_is_told(given):
    cells = ["-999" if index % 10 == 0 else f"{cell} kg" for index, cell in enumerate(MEASURED)]
    kind, values, notes = read(cells, given)
    assert (kind, values.null_count()) == ("number", 0)
    assert values[0] == -999
    assert values[1] == float(MEASURED[1])
    count = sum(cell == "-999" for cell in cells)
    words = f"the unit 'kg' of its numbers, which {count} of {len(cells)} lack, is left out"
    assert [words in note for note in notes] == [True]


@pytest.mark.parametrize("cells", [["36 months", "60 months"] * 20, ["4G", "5G"] * 20])
def test_a_few_whole_numbers_with_a_unit_are_categories(cells):
    assert read(cells)[0] == "category"


def test_a_column_of_mostly_numbers_is_told():
    kind, _, (note,) = read(["<0.01"] * 8 + MEASURED[8:])
    assert kind == "category"
    assert "8 of 40 cells are not numbers, such as '<0.01'" in note
    assert read(["<0.01"] * 8 + MEASURED[8:], "number")[1].null_count() == 8
    assert read(["3+", "0", "1", "2"] * 10)[2] == ()
    kind, _, (note,) = read(["k.A.", "1", "2", "3"] * 10)
    assert (kind, "missing=['k.A.']" in note) == ("category", True)
    assert read(["K", "J", "1", "2"] * 10)[2] == ()


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


@pytest.mark.parametrize("cells", [["yes", "no"], ["1", "0"], ["T", "f"], [1, 0], ["True", "0"]])
def test_a_column_said_to_be_boolean(cells):
    assert read(cells * 20, "boolean")[1].cast(bool).to_list() == [True, False] * 20
    fitted = TablePreprocessor.fit({"a": [True, False] * 20})
    assert fitted.transform({"a": cells}).tolist() == [[1], [-1]]


@pytest.mark.parametrize(
    "given",
    [
        {"unit": "lb"},
        {"unit": 3},
        {"date": "%d.%m.%Y"},
        "boolean",
        {"levels": ["a", "b", "a"]},
    ],
)
def test_settings_that_do_not_fit_the_cells_are_refused(given):
    with pytest.raises(DataError):
        read(["5 kg", "7 kg"] * 20, given)


def test_cells_beyond_the_levels_are_told():
    options = TableOptions(columns={"a": ["S", "M"]})
    fitted = TablePreprocessor.fit({"a": ["S", "M", "L", "L"] * 10}, options=options)
    assert fitted.notes[0].startswith("column 'a': 'L' in row 2 (counted from 0) is no level")


def test_numbers_other_than_0_and_1_stay_numbers():
    fitted = TablePreprocessor.fit({"a": [0, 1] * 20})
    given = [0, 0.5, 1, 2, 9, None]
    assert fitted.transform({"a": given})[:, 0].tolist() == [-1, 0, 1, 3, 5, 0]


def test_a_point_that_may_divide_thousands_is_told(tmp_path):
    rows = "".join(f"{index}.5{index:02};{index % 3}\n" for index in range(10, 40))
    path = tmp_path / "t.csv"
    path.write_text("a;b\n" + rows)
    assert load(path).notes == (
        "column 'a': '10.510' is read as 10510; if its point is decimal, say so: decimal='.'",
    )
    path.write_text("a;b;c\n" + rows.replace("\n", ";0,5\n"))
    assert load(path).notes == ()
    assert load(path, options=TableOptions(columns={"a": {"decimal": "."}})).x["a"][0] == 10.51


def test_a_decimal_mark_that_the_cells_do_not_have_is_told(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a;b\n" + "".join(f"{index},5;{index % 3}\n" for index in range(10, 40)))
    read = load(path, options=TableOptions(decimal="."))
    assert read.x["a"][0] == 10.5
    assert read.notes == ("column 'a': '10,5' is read as 10.5, although decimal='.' is given",)
    assert load(path, options=TableOptions(decimal=",")).notes == ()


@pytest.mark.parametrize("digits", [10, 13, 16, 19])
def test_time_stamps_are_numbers_and_long_codes_are_not(digits):
    unit = 10 ** (digits - 10)
    stamps = [(1_700_000_000 + 977 * index) * unit + index for index in range(40)]
    kind, values, _ = read([str(stamp) for stamp in stamps])
    assert (kind, values.to_list()) == ("number", stamps)
    fitted = TablePreprocessor.fit({"a": [str(stamp) for stamp in stamps]})
    assert [column.kind for column in fitted.columns] == ["number"]
    if digits > 13:
        assert read([str(stamp) for stamp in stamps[:4] * 10])[0] == "category"


def test_versions_that_become_one_number_are_told():
    told = "column 'a': '1.1' and '1.10' are one number; if names, say so: kind='category'"
    versions = [f"1.{index}" for index in range(1, 12)] * 4
    assert read(versions)[2] == (told,)
    assert read(versions, "category")[2] == ()
    assert read([f"{index}.50" for index in range(40)])[2] == ()


@pytest.mark.parametrize("write", ["US$ {}", "R${}", "{} kr", "{} Stück", "{}歳", "kr {}"])
def test_units_of_any_language(write):
    kind, values, notes = read([write.format(cell) for cell in MEASURED])
    assert (kind, values.to_list()) == ("number", list(map(float, MEASURED)))
    assert "the unit" in notes[0]


def test_long_codes_that_are_no_times_stay_codes():
    cards = [str(4_000_000_000_000_000 + 7_919_000_003 * index) for index in range(40)]
    assert read(cards)[0] == "category"


@pytest.mark.parametrize("word", ["day", "year", "lb"])
def test_one_and_many_of_a_unit(word):
    numbers = [1 if index % 3 else index for index in range(80)]
    kind, values, notes = read([f"{n} {word}{'s' * (n != 1)}" for n in numbers])
    assert (kind, values.to_list()) == ("number", numbers)
    assert notes == (f"column 'a': the unit {word!r} of its numbers is left out",)
    times = [f"{index} m{'s' * (index % 2)}" for index in range(80)]
    assert read(times)[0] == "category"
