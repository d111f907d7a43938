import json

import pandas as pd
import polars as pl
import pytest

from gradus.data import read_table
from gradus.errors import DataError

COLUMNS = {"a": [1, 2, 3], "b": ["x", None, "y"], "c": [0.5, 1.5, 2.5]}
FRAME = pd.DataFrame(COLUMNS)
FORMS = {
    "records": lambda: FRAME.to_json(orient="records"),
    "lines": lambda: FRAME.to_json(orient="records", lines=True),
    "columns by row": FRAME.to_json,
    "rows by number": lambda: FRAME.to_json(orient="index"),
    "columns": lambda: json.dumps(COLUMNS),
    "polars": lambda: pl.DataFrame(
        {"a": [1, 2, 3], "b": ["x", None, "y"], "c": FRAME["c"].tolist()}
    ).write_json(),
    "with a mark": lambda: "\ufeff" + FRAME.to_json(orient="records", lines=True),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_json_of_every_form_is_read(tmp_path, form, ending):
    path = tmp_path / f"t.{ending}"
    path.write_text(FORMS[form](), "utf-8")
    frame = read_table(path)
    assert frame.to_dict(as_series=False) == COLUMNS


def test_records_may_lack_keys_and_hold_text_that_is_numbers(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"n": "1,5", "d": "24.12.2024"}\n\n{"n": "2,5"}\n{"d": "25.12.2024", "x": NaN}\n'
    )
    frame = read_table(path)
    assert frame["n"].to_list() == [1.5, 2.5, None]
    assert [str(day) for day in frame["d"]] == ["2024-12-24", "None", "2024-12-25"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1}\n{"a": 2\n', r"not JSON in line 2: Expecting"),
        ('{"a": 1}\n[2]\n', "has a list in line 2: write a record"),
        ("a,b\n1,2\n", "is not JSON: Expecting value.*a list of records"),
        ("[]", "is an empty list"),
        ("[1, 2]", "a list that holds a number"),
        ("[" * 100_000, "is not JSON"),
        ('{"data": [{"a": 1}], "n": 1}', "one object with the parts 'data', 'n'"),
        ('[{"a": {"b": 1}}, {"a": 2}]', "Column 'a' has"),
        ('[{"a": 1}, 2]', "a list that holds a number"),
    ],
)
def test_json_that_is_no_table_is_refused(tmp_path, text, words):
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_table(path)


def test_json_takes_more_memory_than_its_text(tmp_path, monkeypatch):
    path = tmp_path / "t.json"
    path.write_text(FORMS["records"]())
    monkeypatch.setattr("gradus.data.reading.json_files.host_free_bytes", lambda: 500)
    with pytest.raises(DataError, match=r"takes .* or more, but"):
        read_table(path)
