"""Rows of JSON are encoded as the preprocessor of a run encodes a table."""

import numpy as np
import pytest

from gradus.data import Preprocessing, TableOptions, TablePreprocessor
from gradus.errors import DataError
from gradus.serving.rows import RowEncoder

COUNT = 60
RNG = np.random.default_rng(0)
TABLE = {
    "size": RNG.lognormal(0, 2, COUNT).tolist(),  # far from normal: by its quantiles
    "age": [None if i % 7 == 0 else float(i) for i in range(COUNT)],
    "price": [f"{i}.000,50" for i in range(COUNT)],  # text with a decimal comma
    "code": [-1 if i % 5 == 0 else i for i in range(COUNT)],  # -1 is a missing value
    "paid": [bool(i % 2) for i in range(COUNT)],
    "flag": [i % 2 for i in range(COUNT)],
    "color": [["red", "white", "NA"][i % 3] for i in range(COUNT)],
    "room": [[3, 4, 5][i % 3] for i in range(COUNT)],  # numbers that are names
    "town": [None if i % 9 == 0 else f"town {i % 30}" for i in range(COUNT)],  # embedded
    "day": [f"{i % 28 + 1}.{i % 12 + 1}.2020" for i in range(COUNT)],
    "note": [f"a {['big', 'small'][i % 2]} room in house {i} of ours" for i in range(COUNT)],
}
KINDS = {"room": "category", "code": {"kind": "number", "missing": ["-1"]}}
ROW = {"size": 1.5, "age": 30, "price": "7.000,50", "code": 3, "paid": True, "flag": 1,
       "color": "red", "room": "4", "town": "town 3", "day": "3.4.2020",
       "note": "big house"}  # fmt: skip
ODD = {
    "size": [None, 3, 1e300, 2**64, True, " 1.5 "],
    "age": [None, 0, 59.5, 1000, "12", "?"],
    "price": [None, 7000.5, "7.000,50", "-1,5", "90.000,00"],
    "code": [None, -1, -1.0, "-1", 3, 500],
    "paid": [None, False, "yes", "0", 1, 0.0],
    "flag": [None, True, 0.5, 7, "1"],
    "color": [None, "red", " red", "Red", "NA", "?", "green", 3, True],
    "room": [None, 4, 4.0, "4.0", "4", 99, "none", True],
    "town": [None, "town 3", "town 4 ", "Atlantis", "", 5],
    "day": [None, "1.2.2020", "28.12.2021", "", "?"],
    "note": [None, "A BIG room", "世界", "", "?", 5, True],
}


@pytest.fixture(scope="module")
def preprocessor():
    options = TableOptions(columns=KINDS)
    fitted = TablePreprocessor.fit(TABLE, options=options)
    kinds = {"number", "boolean", "category", "date", "text"}
    assert {column.kind for column in fitted.columns} == kinds
    assert fitted.category_names == ("town",)
    return fitted


def same(first, second):
    for name in ("numbers", "categories"):
        np.testing.assert_array_equal(first[name], second[name])


def single(preprocessor, row):
    """What the preprocessor makes of one row, and what it tells."""
    return preprocessor.transform([row]), [u.note for u in preprocessor.unseen_values([row])]


@pytest.mark.parametrize("name", ODD)
def test_each_cell_is_what_it_is_in_a_table_of_one_row(preprocessor, name):
    encoder = RowEncoder(preprocessor)
    rows = [ROW | {name: cell} for cell in ODD[name]]
    for _ in range(2):  # spellings are remembered
        together = encoder.encode(rows)
        for index, row in enumerate(rows):
            expected, told = single(preprocessor, row)
            part = {key: value[index : index + 1] for key, value in together.inputs.items()}
            same(part, expected)
            assert together.notes(index, index + 1) == told
            alone = encoder.encode([row])
            same(alone.inputs, expected)


def test_a_table_is_encoded_as_a_table(preprocessor):
    rows = [dict(zip(TABLE, row, strict=True)) for row in zip(*TABLE.values(), strict=True)]
    encoded = RowEncoder(preprocessor).encode(rows)
    same(encoded.inputs, preprocessor.transform(TABLE))
    told = [unseen.note for unseen in preprocessor.unseen_values(TABLE)]
    assert encoded.notes(0, COUNT) == told
    assert len(told) == 1
    assert "'town 6' in row 6 (counted from 0) is no category of the training data, or" in told[0]


def test_notes_are_those_of_the_rows_of_a_request(preprocessor):
    rows = [ROW, ROW | {"size": -9}, ROW | {"size": None, "id": 7}, ROW | {"size": -8}]
    encoded = RowEncoder(preprocessor).encode(rows)
    assert encoded.notes(0, 1) == []
    told = encoded.notes(1, 4)
    assert "'size': -9 in row 0 (counted from 0) is outside" in told[0]
    assert told[0].endswith("; 1 more cell is")
    assert "'size': the value in row 1 (counted from 0) is missing" in told[1]
    assert told[2] == "1 column is not used: id"
    assert len(encoded.notes(3, 4)) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": [1]}, "Column 'size' is a list in row 1"),
        ({"town": {"name": "Ulm"}}, "Column 'town' is an object in row 1"),
        ({"size": 10**400}, "Column 'size' is infinite in row 1"),
        ({"size": "much"}, "'much' in row 1 (counted from 0)"),
        ({"day": "yesterday"}, "'yesterday' in row 1 (counted from 0)"),
        ({"paid": "maybe"}, "'maybe' in row 1 (counted from 0)"),
    ],
)
def test_a_cell_that_does_not_fit_is_named(preprocessor, change, words):
    with pytest.raises(DataError) as error:
        RowEncoder(preprocessor).encode([ROW, ROW | change])
    assert words in str(error.value)


def test_a_column_that_is_missing_is_named(preprocessor):
    renamed = {("Size" if key == "size" else key): value for key, value in ROW.items()}
    with pytest.raises(DataError, match=r"Row 1 .* no column 'size'. Did you mean 'Size'\? Write"):
        RowEncoder(preprocessor).encode([ROW, renamed])
    first, *others = preprocessor.formats
    absent = rf"no column '{first}'\. Nor has it {', '.join(map(repr, others))}\. Write null"
    with pytest.raises(DataError, match=absent):
        RowEncoder(preprocessor).encode([{}])


def test_one_column_alone():
    fitted = TablePreprocessor.fit({"a": [1.0, 2.0, 4.0]}, preprocessing=Preprocessing())
    encoded = RowEncoder(fitted).encode([{"a": 2}, {"a": 4}])
    np.testing.assert_array_equal(encoded.inputs, fitted.transform({"a": [2, 4]}))
