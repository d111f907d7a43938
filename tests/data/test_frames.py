"""Tables in memory, of whatever library."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pytest

from gradus.data import TablePreprocessor, load
from gradus.errors import DataError

AGES, NAMES = [31, 45, 20, 62] * 5, ["a", "b", "b", "a"] * 5
FRAME = pd.DataFrame({"age": AGES, "name": NAMES})
STRUCTURED = np.array(list(zip(AGES, NAMES, strict=True)), dtype=[("age", "i4"), ("name", "U1")])


@pytest.mark.parametrize(
    "table",
    [
        STRUCTURED,
        STRUCTURED.view(np.recarray),
        FRAME.to_dict("records"),
        pl.DataFrame(FRAME).to_arrow(),
        {"age": np.c_[AGES], "name": NAMES},
        {"age": jnp.asarray(AGES), "name": np.array(NAMES)},
        FRAME.set_axis(pd.MultiIndex.from_tuples([("age", ""), ("name", "")]), axis=1),
    ],
)
def test_tables_of_other_kinds(table):
    data = load(table, "name")
    assert (data.x.columns, data.class_names) == (["age", "name"], ("a", "b"))
    assert data.x["age"].to_list() == AGES
    fitted = TablePreprocessor.fit(table, "name")
    assert (fitted.transform(FRAME) == fitted.transform(table)).all()


@pytest.mark.parametrize(
    ("column", "word"),
    [
        ((age for age in AGES), "a generator: write a list"),
        (set(AGES), "a set: write a list"),
        (dict(enumerate(AGES)), r"list\(column.values\(\)\)"),
        ([object()] * 20, "object"),
        (np.zeros(20, [("x", "f4")]), "void"),
    ],
)
def test_what_is_no_column_is_refused(column, word):
    with pytest.raises(DataError, match=word):
        load({"age": column, "name": NAMES}, "name")


def test_time_spans_are_seconds_and_booleans_stay_booleans():
    spans = np.arange(20).astype("timedelta64[h]")
    booleans = np.array([True, None, False, True] * 5, dtype=object)
    data = load({"span": spans, "flag": booleans, "name": NAMES}, "name")
    assert data.x["span"][1] == 3600
    assert data.x["flag"].to_list()[:3] == [True, None, False]


def test_an_index_that_holds_data_is_told():
    named = FRAME.set_index("age")
    (note,) = load(named.assign(x=AGES), "name").notes
    assert note.startswith("the index 'age' is not used")
    with pytest.raises(DataError, match=r"no target column 'name'.*reset_index\(\)"):
        load(FRAME.set_index("name"), "name")
    assert load(FRAME[FRAME.age > 40], "name").notes == ()


def test_an_empty_table_and_arrays_are_refused_as_what_they_are():
    with pytest.raises(DataError, match="no rows"):
        load(FRAME.iloc[:0], "name")
    with pytest.raises(DataError, match="ArrayPreprocessor"):
        load(np.zeros((4, 2)), 1)
