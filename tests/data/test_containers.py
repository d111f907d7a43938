import collections
import io
import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.utils import Bunch

import gradus as gr
from gradus.data import as_array
from gradus.data.containers import in_memory, refuse_no_data
from gradus.data.streaming.batch_stream import SparseRows, as_stream
from gradus.errors import DataError
from gradus.estimators.inputs import checked_data
from gradus.models.inputs.training_data import check_arrays

X = np.arange(6, dtype=np.float32).reshape(3, 2)
COLUMNS = {"a": X[:, 0], "b": X[:, 1]}


@pytest.mark.parametrize(
    "made",
    [
        pl.LazyFrame(COLUMNS),
        pa.table(COLUMNS),
        pa.record_batch(COLUMNS),
        pa.RecordBatchReader.from_batches(pa.table(COLUMNS).schema, pa.table(COLUMNS).to_batches()),
        scipy.sparse.csr_matrix(X),
        scipy.sparse.coo_array(X),
    ],
    ids=lambda made: type(made).__name__,
)
def test_what_other_packages_hold_becomes_an_array(made):
    np.testing.assert_array_equal(as_array(made), X)


def test_frames_keep_their_names():
    for made in (pl.LazyFrame(COLUMNS), pa.table(COLUMNS)):
        assert in_memory({"x": made})["x"].columns == ["a", "b"]
    with pytest.raises(DataError, match=r"x is a lazy frame that cannot be collected: .*absent"):
        in_memory(pl.LazyFrame(COLUMNS).select("absent"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            "cats.csv",
            r"the path 'cats.csv', not data: write data = gr.data.load\('cats.csv', target\)",
        ),
        (Path("cats"), "the path 'cats', not data"),
        ("cats", "the text 'cats', not data"),
        (math, "the module 'math', not data"),
        (np.ndarray, r"the class ndarray, not data: make an object of it, ndarray\(…\)"),
        (io.StringIO("a"), "an open file, not data: gr.data.load reads a path"),
        ({1, 2}, "a set, which is no array"),
        ({"a": 1}.keys(), "a dict_keys, which is no array"),
        (gr.data.load("xor"), r"write x, y = data.xy\(data.preprocessor\(\)\)"),
        (gr.Classifier(), r"a model \(a Classifier\), not data"),
        (Bunch(data=[1], target=[2], feature_names=["a"]), "pass its .data as x, its .target as y"),
        (itertools.cycle([1]), r"x \(a cycle\) never ends: pass steps_per_epoch="),
        (itertools.repeat(1), r"x \(a repeat\) never ends"),
        (lambda: itertools.cycle([1]), r"x \(a function\) never ends"),
        (object(), "is an object; pass an array"),
        (3.5, "is a single value; pass an array"),
        (None, "is None"),
    ],
    ids=lambda given: type(given).__name__,
)
def test_what_is_no_data_is_refused_by_what_it_is(given, words):
    with pytest.raises(DataError, match=words):
        as_stream(given) or as_array(given)


def test_rows_of_pandas_in_another_order_are_told():
    x, y = pd.DataFrame(COLUMNS), pd.Series([0, 1, 2])
    with pytest.warns(RuntimeWarning, match=r"paired by their place: .* write y\.loc\[x\.index\]"):
        check_arrays(x[::-1], y, None)
    with pytest.warns(RuntimeWarning, match=r"write y\.loc\[X\.index\]"):
        checked_data(gr.Classifier(), x, y[::-1])
    for index in ([0, 1, 2], [3, 4, 5], [0, 0, 1]):  # as after reset_index, or with rows twice
        check_arrays(x.set_axis(index), y, None)
    check_arrays(x, y.to_numpy()[::-1], None)


def test_a_function_is_called_without_arguments():
    with pytest.raises(DataError, match=r"x is a function that needs a, b.*lambda: function\(a=…"):
        as_stream(lambda a, b, c=1: iter([a, b, c]))
    with pytest.raises(DataError, match=r"x is the function max, which is called without"):
        as_stream(max)  # whose signature is known to itself alone


class Split(collections.UserDict):
    """As a data set of Hugging Face: it has features, and columns by name."""

    features, column_names = {}, ("a",)


def test_a_dict_of_data_sets_is_refused():
    refuse_no_data(scipy.sparse.dok_array(X), "x")  # a dict as well
    with pytest.raises(DataError, match=r"a dict of data sets, 'train', 'test': pass one, x\['tr"):
        refuse_no_data({"train": Split(), "test": Split()}, "x")


def test_rows_of_a_sparse_matrix_are_those_of_the_dense_one():
    sparse = scipy.sparse.random(50, 4, 0.3, random_state=0, format="coo", dtype="float32")
    y = np.arange(50)
    stream = SparseRows(sparse, y, None, "x", 16, shuffle_seed=3)
    assert stream.steps == 4
    batches = list(stream.epoch(1))
    rows = np.concatenate([labels for _, labels in batches])
    assert sorted(rows) == list(range(50))
    assert rows.tolist() != list(range(50))
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), sparse.toarray()[rows])


def test_items_are_fetched_at_once_where_they_can_be():
    class Rows:
        calls = 0

        def __len__(self):
            return 10

        def __getitem__(self, index):
            raise AssertionError

        def __getitems__(self, numbers):
            Rows.calls += 1
            return [{"x": np.full(2, i), "y": i} for i in numbers]

    batches = list(as_stream(Rows(), batch_size=4).epoch(0))
    assert (Rows.calls, [len(batch["x"]) for batch in batches]) == (3, [4, 4, 2])


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([{"t": "a"}, {"t": "b"}], "'t' is text in each item, such as 'a'"),
        ([{"i": np.zeros((2, 3))}, {"i": np.zeros((3, 3))}], r"'i' have the shapes \(2, 3\) and"),
        ([np.zeros(2), np.zeros(3)], r"the items have the shapes \(2,\) and \(3,\)"),
    ],
)
def test_items_that_are_no_rows_are_refused(items, words):
    class Items:
        def __len__(self):
            return len(items)

        def __getitem__(self, index):
            return items[index]

    with pytest.raises(DataError, match=words):
        list(as_stream(Items()).epoch(0))


# --- in training ---------------------------------------------------------------------------------


def fitted(x, y, **settings):
    model = gr.Model(gr.Sequential([gr.Dense(1)]), "mse", "sgd")
    model.fit(x, y, epochs=2, batch_size=16, verbose=False, **settings)
    return model


def test_a_large_sparse_matrix_trains_as_the_dense_one(monkeypatch):
    sparse = scipy.sparse.random(600, 8, 0.3, random_state=0, format="csr", dtype="float32")
    x, y = sparse.toarray(), np.asarray(sparse.sum(axis=1))
    expected, small = fitted(x, y), fitted(sparse, y)
    assert small.history["loss"].tolist() == expected.history["loss"].tolist()
    assert small.history.notes[0] == "x is a sparse matrix, which becomes a dense one of 19 kB"
    monkeypatch.setattr("gradus.data.containers.host_free_bytes", lambda: 20_000)
    large = fitted(sparse, y)
    np.testing.assert_allclose(large.history["loss"], expected.history["loss"], rtol=1e-6)
    assert "whose rows become dense in their batch" in large.history.notes[0]
    np.testing.assert_allclose(large.predict(sparse), expected.predict(x), atol=1e-6)
    assert large.evaluate(sparse, y)["loss"] == pytest.approx(expected.evaluate(x, y)["loss"])
    with pytest.raises(gr.GradusError, match="a sparse matrix too large to be dense"):
        fitted(sparse, y, validation_split=0.2)
    with pytest.raises(DataError, match="x has 600"):
        fitted(sparse, y[:3])


def test_frames_of_other_packages_train_alike_and_keep_their_order():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({name: rng.normal(size=32).astype("float32") for name in "abcdefgh"})
    y = rng.normal(size=32).astype("float32")
    lazy, arrow = fitted(frame.lazy(), pl.Series(y)), fitted(frame.to_arrow(), pa.array(y))
    expected = fitted(frame.to_numpy(), y)
    for model in (lazy, arrow):
        assert model.history["loss"].tolist() == expected.history["loss"].tolist()
    np.testing.assert_array_equal(lazy.predict(frame.lazy()), expected.predict(frame.to_numpy()))
    with pytest.raises(DataError, match="has its columns in another order"):
        arrow.predict(frame.select(reversed(frame.columns)).to_arrow())


def test_a_data_set_of_hugging_face():
    datasets = pytest.importorskip("datasets")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 8)).astype("float32"), rng.integers(0, 2, 32)
    features = {
        "x": datasets.Sequence(datasets.Value("float32")),
        "y": datasets.ClassLabel(names=["no", "yes"]),
    }
    made = datasets.Dataset.from_dict({"x": x, "y": y}, features=datasets.Features(features))
    assert fitted(made, "y").history["loss"].tolist() == fitted(x, y).history["loss"].tolist()
    assert (
        fitted(made["x"], made["y"]).history["loss"].tolist()
        == fitted(x, y).history["loss"].tolist()
    )
    table = gr.data.load(made.remove_columns("x").add_column("size", list(range(32))), "y")
    assert table.class_names == ("no", "yes")
    with pytest.raises(DataError, match=r"'x'.*List"):
        gr.data.load(made, "y").preprocessor()
