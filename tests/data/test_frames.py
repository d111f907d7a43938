"""Tables in memory, of whatever library."""

from decimal import Decimal

import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pytest

from gradus.data import TablePreprocessor, as_array, load
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


class OfXarray:
    """As an array of xarray, whose Arrow stream is a table with an index."""

    dims, shape = ("row",), (40,)

    def __len__(self):
        return 40

    def __array__(self, dtype=None, copy=None):
        return np.arange(40.0)

    def __arrow_c_stream__(self, requested_schema=None):
        raise AssertionError


def test_arrays_of_xarray_are_columns():
    data = load({"a": OfXarray(), "y": [0, 1] * 20}, "y")
    assert data.x["a"].to_list() == list(range(40))


def test_an_empty_table_and_arrays_are_refused_as_what_they_are():
    with pytest.raises(DataError, match="no rows"):
        load(FRAME.iloc[:0], "name")
    with pytest.raises(DataError, match="no rows"):
        load(FRAME.iloc[:0], "age", task="regression").preprocessor()
    with pytest.raises(DataError, match="ArrayPreprocessor"):
        load(np.zeros((4, 2)), 1)


@pytest.mark.parametrize(
    "names", [[" Private", " Gov"], ["yes", "n/a"], ["?", "a "], ["null", "b"]]
)
def test_declared_categories_are_spelled_as_declared(names):
    codes = np.arange(40) % 2
    column = pd.Categorical.from_codes(codes, names)
    frame = pd.DataFrame({"a": np.arange(40.0) ** 2, "w": column})
    for table in (frame, dict(frame), {"a": frame["a"], "w": column}):
        fitted = TablePreprocessor.fit(table)
        assert fitted.feature_names == ("a", *(f"w={name}" for name in names))
        assert fitted.transform(table)[:, 1:].argmax(axis=1).tolist() == codes.tolist()
        data = load(table, "w")
        assert (data.class_names, data.y.tolist()) == (tuple(names), codes.tolist())


def test_white_space_and_accents_match_where_no_category_is_spelled_so():
    words = [" Private", "Caf\u00e9", "a", "a "]
    fitted = TablePreprocessor.fit({"w": words * 10})
    column = [fitted.feature_names.index(f"w={word}") for word in words]
    for given, found in zip(["Private", "Cafe\u0301", "a", "a "], column, strict=True):
        assert fitted.transform({"w": [given]}).argmax() == found


def test_arrays_of_pandas_and_arrow_in_a_dict_mean_what_they_declare():
    times = pd.date_range("2024-01-01", periods=4, tz="Asia/Tokyo")
    table = {
        "level": pd.Categorical([1, 2, 2, 1]),
        "count": pd.array([1, None, 3, 4], dtype="Int64"),
        "time": times,
        "arrow": pl.Series(["x", "y", "x", None]).to_arrow(),
        "list": [1, pd.NA, 3, 4],
    }
    data = load(table)
    assert data.x["level"].to_list() == ["1", "2", "2", "1"]
    assert data.x["count"].to_list() == data.x["list"].to_list() == [1, None, 3, 4]
    assert data.x["time"].dt.hour().to_list() == [0] * 4
    assert data.x["arrow"].to_list() == ["x", "y", "x", None]
    same = pd.Categorical([1, "1", 2] * 10)
    assert load({"level": same}).x["level"].to_list() == ["1", "1", "2"] * 10


def test_booleans_are_the_numbers_0_and_1():
    for names, given in (([0, 1], [True, False]), ([True, False], [1, 0])):
        fitted = TablePreprocessor.fit({"a": AGES, "y": names * 10}, "y")
        assert fitted.transform_target(given).tolist() == [1, 0]


@pytest.mark.parametrize(
    "column",
    [
        pd.date_range("2024-01-01", periods=20).to_series(index=range(20)),
        pd.Series(pd.timedelta_range("1h", periods=20)),
        pd.Series(pd.Categorical([1, 2] * 10)),
        pd.Series(pd.period_range("2024-01", periods=20, freq="M")),
    ],
)
def test_a_frame_with_dates_or_categories_is_no_array_of_numbers(column):
    frame = pd.DataFrame({"age": AGES, "w": column})
    is_period = isinstance(column.dtype, pd.PeriodDtype)
    codes = pl.Series("w", column.astype(str).to_list(), pl.Categorical)
    by_polars = {"age": AGES, "w": codes if column.dtype == "category" else column}
    for table in (frame,) if is_period else (frame, pl.DataFrame(by_polars)):
        with pytest.raises(DataError, match="has the column 'w' of the type"):
            as_array(table)


def test_decimals_are_numbers_and_names_of_columns_may_be_anything():
    assert as_array([[Decimal("1.5"), 2]]).tolist() == [[1.5, 2.0]]
    numbers = np.random.default_rng(0).normal(size=(20, 2))
    frame = pd.DataFrame(numbers, columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]))
    assert TablePreprocessor.fit(frame, ("a", "y")).target.name == "('a', 'y')"
    assert TablePreprocessor.fit(pd.DataFrame(numbers), 1).feature_names == ("0",)


def test_a_frame_means_the_same_in_a_parquet_file(tmp_path):
    frame = pd.DataFrame(
        {
            "age": AGES,
            "code": pd.Categorical([30, 10, 20, 10] * 5),
            "when": pd.date_range("2024-01-01", periods=20, tz="Asia/Tokyo"),
            "level": pd.Categorical(["b", None, "c", "b"] * 5),
        }
    ).sample(frac=1, random_state=0)  # with an index that is saved
    frame.to_parquet(tmp_path / "t.parquet")
    fitted = TablePreprocessor.fit(frame)
    for source in (tmp_path / "t.parquet", frame.to_dict("records")):
        assert (fitted.transform(source) == fitted.transform(frame)).all()
    again = TablePreprocessor.fit(tmp_path / "t.parquet")
    assert again.feature_names == fitted.feature_names
    told = "the index that pandas saved is not used; to use it, save frame.reset_index()"
    assert again.notes == (told,)


@pytest.mark.parametrize("name", ["Unnamed: 0", "", "row_id", "RowNames", "index", "id"])
def test_a_column_of_row_numbers_is_no_feature(name, tmp_path):
    numbers = np.random.default_rng(0).permutation(500)[:40]
    path = tmp_path / "t.csv"
    pd.DataFrame({name: numbers, "b": np.arange(40) % 7}).to_csv(path, index=False)
    fitted = TablePreprocessor.fit(path)
    assert fitted.feature_names == ("b",)
    assert "numbers the rows" in fitted.notes[0]


@pytest.mark.parametrize("value", [10**400, -(10**400)])
def test_a_whole_number_beyond_floats_is_infinite(value):
    fitted = TablePreprocessor.fit({"a": [1.0, 2.0, 4.0]})
    with pytest.raises(DataError, match="'a' is infinite in row 1"):
        fitted.transform({"a": [1, value]})
