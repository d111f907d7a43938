import contextlib
import gzip
import os
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from gradus.data import Scaling, TableOptions, TablePreprocessor, Target, load, read_table
from gradus.data.tables import as_table
from gradus.errors import DataError

REAL = Path(os.environ.get("GRADUS_DATA", Path(__file__).parents[3] / "shared" / "data"))

CSV = (
    "age, job ,income,when,ok,note\n"
    " 39, clerk , <=50K,2024-03-01,true,x\n"
    '?,"a, b",>50K, 2024-03-02 ,False,\n'
    '50.5,NA,null,n/a,TRUE,"say ""hi"""\n'
)


def write(tmp_path, text, name="t.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def test_a_csv_is_typed_stripped_and_its_null_words_are_missing(tmp_path):
    frame = read_table(write(tmp_path, CSV))
    assert frame.to_dict(as_series=False) == {
        "age": [39.0, None, 50.5],
        "job": ["clerk", "a, b", "NA"],
        "income": ["<=50K", ">50K", None],
        "when": [date(2024, 3, 1), date(2024, 3, 2), None],
        "ok": [True, False, True],
        "note": ["x", None, 'say "hi"'],
    }


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("t.csv", CSV.replace("\n", "\r\n").encode("utf-8-sig")),
        ("t.csv", CSV.replace("\n", "\r").encode()),
        ("t.csv", CSV.rstrip("\n").encode()),
        ("t.csv", ("\n\n" + CSV.replace("\n?", "\n\n\n?") + "\n\n").encode()),
    ],
)
def test_compression_line_ends_marks_and_blank_lines_do_not_matter(tmp_path, name, content):
    expected = read_table(write(tmp_path, CSV, "plain.csv"))
    assert read_table(write(tmp_path, content, name)).equals(expected)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_are_found(tmp_path, separator):
    text = separator.join("abc") + "\n" + separator.join(["1", "x,y", "2.5"]) + "\n"
    name = "t.tsv" if separator == "\t" else "t.csv"
    assert read_table(write(tmp_path, text, name)).rows() == [(1, "x,y", 2.5)]


def test_one_column_keeps_its_rows(tmp_path):
    assert read_table(write(tmp_path, "a\n1\n\n2\n"))["a"].to_list() == [1, 2]


def test_parquet_is_read_with_its_own_types(tmp_path):
    frame = pl.DataFrame({"a": [1, None], "b": ["x ", "?"], "c": [1.5, float("nan")]})
    frame.write_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").rows() == [(1, "x ", 1.5), (None, None, None)]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"a,b\n", "header but no rows"),
        (b"a,b\n\n\n", "header but no rows"),
        (b"a,b\n1,2\n3\n", "1 values in line 3, but its header has 2"),
        (b"a,b\n1,2,3\n", "3 values in line 2"),
        (b"a,a\n1,2\n", "more than one column named 'a'"),
        (bytes(range(256)), "binary"),
        (b"\x89PNG\r\n\x1a\n\x00\x01", "is not a text file: it is an image"),
        (b"PAR1\x15\x00\x15\xff", "it is a Parquet file: name it so, .parquet"),
        (b'a,b\n1,"2\n3,4\n', "header|quotation|line"),
        (gzip.compress(CSV.encode(), mtime=0)[:-9], "cut short"),
        (gzip.compress(b"", mtime=0), "empty"),
    ],
)
def test_broken_text_files_raise(tmp_path, content, word):
    with pytest.raises(DataError, match=word):
        read_table(write(tmp_path, content))


def test_a_separator_that_the_header_lacks_is_told(tmp_path):
    path = write(tmp_path, b"a;b\n1,5;2\n")
    with pytest.raises(DataError, match=r"has 1 column.*not separated by ','"):
        read_table(path, TableOptions(separator=","))


def test_files_and_values_that_are_not_tables_raise(tmp_path):
    with pytest.raises(DataError, match=r"Did you mean .*train.csv"):
        read_table(write(tmp_path, CSV, "train.csv").with_name("trian.csv"))
    with pytest.raises(DataError, match="not a Parquet file"):
        read_table(write(tmp_path, b"rubbish", "t.parquet"))
    with pytest.raises(DataError, match="is not a spreadsheet"):
        read_table(write(tmp_path, CSV, "t.xlsx"))
    with pytest.raises(DataError, match=r"named \.gz but is not gzip"):
        read_table(write(tmp_path, CSV, "t.csv.gz"))
    with pytest.raises(DataError, match="folder"):
        read_table(Path(tmp_path / "t.csv").mkdir() or tmp_path / "t.csv")
    with pytest.raises(DataError, match="is given as list"):
        as_table([[1, 2]])
    with pytest.raises(DataError, match="differ in length"):
        as_table({"a": [1, 2], "b": [1]})
    with pytest.raises(DataError, match="single value"):
        as_table({"a": "text"})


def test_pandas_polars_and_dicts_give_the_same_frame():
    columns = {
        "whole": [1, 2, 3],
        "real": [1.5, None, 2.5],
        "name": ["x", None, "y"],
        "flag": [True, False, True],
        "time": [datetime(2024, 1, 1, 12), None, datetime(2024, 1, 2)],
    }
    expected = as_table(columns)
    assert expected.frame.dtypes == [pl.Int64, pl.Float64, pl.String, pl.Boolean, pl.Datetime("us")]
    frame = pd.DataFrame(columns)
    categories = frame.assign(name=frame["name"].astype("category"))
    zoned = frame.assign(time=frame["time"].dt.tz_localize("UTC"))
    frames = (pl.DataFrame(columns).lazy(), frame, frame.convert_dtypes(), categories, zoned)
    for other in frames:
        assert as_table(other).frame.equals(expected.frame)
    mixed = as_table({"a": [1, "x", None, 2.5]}).frame
    assert mixed["a"].to_list() == ["1", "x", None, "2.5"]


def test_arrow_columns_of_pandas_mean_what_they_declare():
    times = pd.Series(pd.date_range("2024", periods=3, freq="D"))
    arrow = {
        "whole": pd.Series([1, None, 3], dtype="int64[pyarrow]"),
        "flag": pd.Series([True, None, False], dtype="bool[pyarrow]"),
        "zoned": times.astype(pd.ArrowDtype(pa.timestamp("us", tz="Europe/Paris"))),
        "level": pd.Series(["x", "y", "x"]).astype(
            pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))
        ),
        "price": pd.Series([Decimal("1.25"), Decimal(2), None]).astype(
            pd.ArrowDtype(pa.decimal128(6, 2))
        ),
    }
    plain = {
        "whole": [1, None, 3],
        "flag": [True, None, False],
        "zoned": times.dt.tz_localize("UTC").dt.tz_convert("Europe/Paris"),
        "level": ["x", "y", "x"],
        "price": [1.25, 2.0, None],
    }
    assert as_table(pd.DataFrame(arrow)).frame.equals(as_table(plain).frame)


@pytest.mark.parametrize("cell", [1 + 2j, np.complex64(1j), [1, 2], {"a"}, np.zeros(2)])
def test_what_is_no_cell_is_refused(cell):
    for table in ({"a": ["x", cell, 1.0]}, pd.DataFrame({"a": pd.Series(["x", cell, 1.0])})):
        with pytest.raises(DataError, match=r"Column 'a' has .* in row 1 .*a cell is a number"):
            as_table(table)


@pytest.mark.parametrize(
    ("name", "missing"),
    [("titanic", ()), ("penguins", ()), ("diamonds", ()), ("california_housing", ()),
     ("adult_test", ("?",))],
)  # fmt: skip
def test_real_tables_equal_what_pandas_reads(name, missing):
    path = REAL / "tabular" / f"{name}.csv"
    if not path.exists():
        pytest.skip("the real tables are not in GRADUS_DATA")
    ours, theirs = read_table(path), pd.read_csv(path, na_values=list(missing))
    assert ours.columns == list(theirs.columns)
    for column in ours.columns:
        nulls = theirs[column].isna().to_numpy()
        assert (ours[column].is_null().to_numpy() == nulls).all()
        present = theirs[column][~nulls].tolist()
        assert ours[column].drop_nulls().to_list() == present


def test_load_names_what_it_does_not_find(tmp_path, monkeypatch):
    path = write(tmp_path, "age,survived\n1,0\n2,1\n3,\n", "titanic.csv")
    data = load(path, "survived")
    assert (len(data), data.task, data.target) == (2, "binary", "survived")
    assert data.y.tolist() == [0, 1]
    assert data.feature_names == ("age",)
    assert data.notes == ("1 row has no target 'survived' and is not used",)
    assert load(path).y is None
    with pytest.raises(DataError, match=r"no target column 'surived'. Did you mean 'survived'"):
        load(path, "surived")
    monkeypatch.chdir(tmp_path)
    for given, meant in (("irsi", "iris"), ("titanic", "titanic.csv"), ("titanik.csv", "titanic")):
        with pytest.raises(DataError, match=f"Did you mean '{meant}"):
            load(given)
    with pytest.raises(DataError, match="is for tables"):
        load("iris", "species")
    monkeypatch.setenv("GRADUS_DATA", str(tmp_path))
    with pytest.raises(DataError, match="four IDX files"):
        load("mnist")
    with pytest.raises(DataError, match="has an unknown format"):
        load(write(tmp_path, "x", "x.docx"))


def test_bytes_are_images_by_their_shape_and_range(tmp_path):
    path, rng = tmp_path / "set.npz", np.random.default_rng(0)
    labels = np.arange(20) % 2
    np.savez(path, x=rng.integers(0, 2, (20, 40)).astype(np.uint8), y=labels)
    data = load(path)
    assert (data.x.dtype, data.scaling) == (np.float32, None)
    assert "read as numbers" in data.notes[0]
    x, _ = data.xy(data.preprocessor())
    np.testing.assert_allclose(x.std(axis=0), 1, rtol=1e-5)
    np.savez(path, x=rng.integers(0, 2, (20, 5, 5)).astype(np.uint8), y=labels)
    data = load(path)
    assert (data.x.dtype, data.scaling) == (np.uint8, Scaling((0.0,), (1.0,)))
    assert "is 1, not 255" in data.notes[1]
    np.savez(path, x=rng.integers(0, 256, (20, 5, 5, 3)).astype(np.uint8), y=labels)
    data = load(path)
    assert (data.scaling, data.notes) == (Scaling((0.0,), (255.0,)), ())


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_images_of_arrays_have_channels_last_and_bytes(tmp_path, channels, dtype):
    x = np.random.default_rng(0).integers(0, 256, (6, 8, 9, channels)).astype(dtype)
    for given in (x, x.transpose(0, 3, 1, 2)):
        np.savez(tmp_path / "t.npz", x=given, y=[0, 1] * 3)
        data = load(tmp_path / "t.npz")
        np.testing.assert_array_equal(data.x, x)
        assert data.x.dtype == ("float32" if dtype == "float32" else "uint8")
        assert ("channels first" in str(data.notes)) == (given is not x)
    sequences = np.arange(6 * 7 * 5 * 5).reshape(6, 7, 5, 5) % 200
    np.savez(tmp_path / "t.npz", x=sequences, y=[0, 1] * 3)
    assert load(tmp_path / "t.npz").notes == ()


def test_numbers_keep_their_digits_until_they_are_scaled(tmp_path):
    times = 1.7e9 + np.arange(400) / 7  # float32 knows one number each 128 seconds
    np.savez(tmp_path / "a.npz", x=times[:, None], y=times)
    np.savez(tmp_path / "b.npz", x=(times[:, None] * 1000).astype(np.int64), y=times > times.mean())
    for name in "ab":
        data = load(tmp_path / f"{name}.npz")
        if name == "b":  # whole numbers may be codes; the command line scales them
            data = replace(data, x=data.x.astype(np.float64))
        x, y = data.xy(data.preprocessor())
        expected = (times - times.mean()) / times.std()
        np.testing.assert_allclose(x[:, 0], expected, atol=1e-4)
        if name == "a":
            np.testing.assert_allclose(y[:, 0], expected, atol=1e-4)
            predicted = data.preprocessor().inverse_target(y)[:, 0]
            np.testing.assert_allclose(predicted, times, atol=1e-4)


@pytest.mark.parametrize("constant", [100.0, 14.62, 3.3, 1.7e9])
def test_a_constant_is_one_whatever_rounding_makes_of_it(constant):
    with pytest.raises(DataError, match="always"):
        Target.fit(np.full(1000, constant), "regression")
    frame = {"c": [constant] * 999 + [None], "n": np.arange(1000.0) ** 2 % 97}
    fitted = TablePreprocessor.fit(frame)
    x = fitted.transform({"c": [constant, constant + 0.5], "n": [0.0, 0.0]})[:, 0]
    np.testing.assert_allclose(x, [0, 0.5], atol=1e-6)
    scaling = Scaling.fit(np.full((1000, 1), constant))
    assert scaling.transform(np.array([[constant]])).item() == pytest.approx(0, abs=1e-6)


def test_npz_files_are_read_by_their_keys(tmp_path):
    x, y = np.arange(96, dtype=np.uint8).reshape(6, 4, 4), np.array([3, 5, 3, 5, 3, 5])
    path = tmp_path / "set.npz"
    np.savez(path, x_train=x[:4], y_train=y[:4], x_test=x[4:], y_test=y[5:3:-1])
    data = load(path)
    assert data.x.shape == (4, 4, 4, 1)
    assert data.class_names == ("3", "5")
    assert data.test.y.tolist() == [1, 0]
    assert "an axis is added" in data.notes[0]
    assert load(path, classes=("1", "3", "5")).y.tolist() == [1, 2, 1, 2]

    np.savez(path, X=x.reshape(6, 16) / 3, y=np.linspace(0, 1, 6))
    data = load(path)
    assert (data.task, data.x.dtype, data.y.dtype) == ("regression", np.float64, np.float64)
    assert load(path, task="regression").xy(data.preprocessor())[1].shape == (6, 1)

    np.savez(path, pictures=x)
    assert load(path).y is None
    np.savez(path, a=x, b=y)
    with pytest.raises(DataError, match="a, b; name them x and y"):
        load(path)
    np.savez(path, x=np.array([{}], object), y=y)
    with pytest.raises(DataError, match="pickles"):
        load(path)
    np.savez(path, x=x, y=y[:3])
    with pytest.raises(DataError, match="differ"):
        load(path)
    np.savez(path, x=np.full((6, 1), np.nan), y=y)
    with pytest.raises(DataError, match="6 NaN"):
        load(path)
    for rubbish in (b"rubbish", path.read_bytes()[:-30], b""):
        path.write_bytes(rubbish)
        with pytest.raises(DataError):
            load(path)


def test_a_parquet_file_that_ends_its_reader_is_an_error(tmp_path):
    frame = pl.DataFrame({"a": [1.5, 2.5], "when": [date(2024, 1, 1), date(2024, 1, 2)]})
    path = tmp_path / "t.parquet"
    frame.write_parquet(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.choice(len(whole), 6, replace=False):  # each is read by a process
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(DataError):
            read_table(path)
    folder = REAL.parent / "faults" / "inputs"
    if folder.is_dir():
        with pytest.raises(DataError, match="damaged"):
            read_table(folder / "abort.parquet")
        with pytest.raises(DataError, match="'day' has a date beyond the years 1 to 9999"):
            read_table(folder / "date_out_of_range.parquet")


def test_dates_beyond_four_digits_are_an_error():
    days = pl.Series("d", [0, 2_932_897], pl.Int32).cast(pl.Date)
    times = pl.Series("d", [0, 2_932_897 * 86_400_000], pl.Int64).cast(pl.Datetime("ms"))
    for column in (days, times):
        with pytest.raises(DataError, match="'d' has a date beyond the years 1 to 9999 in row 1"):
            as_table(pl.DataFrame([column]))
    ends = pl.Series("d", [-719_162, 2_932_896], pl.Int32).cast(pl.Date)
    assert as_table(pl.DataFrame([ends])).frame["d"].dt.year().to_list() == [1, 9999]


def test_what_unpacks_to_more_than_memory_is_refused_and_other_arrays_stay_packed(
    tmp_path, monkeypatch
):
    path, y = tmp_path / "t.npz", np.arange(20) % 2
    np.savez_compressed(path, x=np.ones((20, 3)), y=y, huge=np.zeros((1000, 1000)))
    monkeypatch.setattr("gradus.data.sources.npz_files.host_free_bytes", lambda: 100_000)
    assert load(path).x.shape == (20, 3)  # `huge` takes 8 MB
    np.savez_compressed(path, x=np.zeros((10_000, 3)), y=np.arange(10_000) % 2)
    with pytest.raises(DataError, match=r"unpacks to 3[0-9]{2} kB or more, but 100 kB are free"):
        load(path)
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 100_000))
    monkeypatch.setattr("gradus.data.reading.compression.host_free_bytes", lambda: 100_000)
    with pytest.raises(DataError, match="unpacks to 400 kB or more"):
        read_table(packed)


@pytest.mark.parametrize(
    ("learned", "cell", "words"),
    [
        (
            ["28.02.2024", "01.03.2024"],
            "2024-02-28",
            r"is dates, written %d\.%m\.%Y, but '2024-02-28'",
        ),
        (["1.5", "2.25"], "38,1", r"is numbers, with the decimal mark '\.', but '38,1' in row 0"),
    ],
)
def test_a_cell_that_does_not_fit_is_told_beside_the_format(learned, cell, words):
    formats = as_table({"a": learned * 10}).formats
    with pytest.raises(DataError, match=words):
        as_table({"a": [cell]}, formats=formats)
