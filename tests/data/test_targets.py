import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.preprocessing import StandardScaler

from gradus.data import TableOptions, TablePreprocessor, load, preprocessor_from_dict
from gradus.data.columns.formats import ColumnFormat
from gradus.data.datasets import labeled_dataset
from gradus.data.targets import Target
from gradus.errors import DataError

NORMAL = np.random.default_rng(0).normal(5, 3, 40)


@pytest.mark.parametrize("task", [None, "multiclass"])
@pytest.mark.parametrize(
    "names",
    [["NA", "None", "nan", "null"], ["007", "7", "b"], ["9007199254740993", "9007199254740992"]],
)
def test_no_class_is_taken_for_another_or_for_a_missing_value(names, task):
    frame = {"a": NORMAL, "y": (names * 20)[:40]}
    fitted = TablePreprocessor.fit(frame, "y", task)
    fitted = preprocessor_from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert set(fitted.target.class_names) == set(names)
    assert fitted.inverse_target(fitted.xy(frame)[1]).tolist() == frame["y"]
    assert load(frame, "y", task=task).class_names == fitted.target.class_names


def test_versions_are_classes_where_the_task_says_so():
    frame = {"a": NORMAL, "y": ["1.1", "1.10", "1.2", "1.20"] * 10}
    assert load(frame, "y", task="multiclass").class_names == ("1.1", "1.10", "1.2", "1.20")
    assert load(frame, "y").task == "regression"
    assert Target.fit(np.array(frame["y"])).class_names == ("1.1", "1.10", "1.2", "1.20")


def test_declared_levels_are_the_order_of_the_classes():
    sizes = ["S", "M", "L", "M"] * 10
    frame = {"a": NORMAL, "y": sizes}
    options = TableOptions(columns={"y": ["S", "M", "L", "XL"]})
    assert load(frame, "y", options=options).class_names == ("S", "M", "L")
    enum = pl.Series("y", sizes, pl.Enum(["S", "M", "L"]))
    assert load({**frame, "y": enum}, "y").class_names == ("S", "M", "L")


def test_few_numbers_of_a_regression_are_told():
    data = load({"a": NORMAL, "y": [1.0, 2.0, 3.0, 4.0] * 10}, "y")
    assert (data.task, len(data.notes)) == ("regression", 1)
    assert "'y' has 4 different numbers" in data.notes[0]
    assert load({"a": NORMAL, "y": NORMAL}, "y").notes == ()


@pytest.mark.parametrize("kind", [int, float, bool])
def test_columns_of_0_and_1_are_labels_of_which_a_row_may_have_any(kind):
    flags = np.tile([[0, 1, 1], [1, 1, 0], [0, 0, 0]], (10, 1)).astype(kind)
    data = labeled_dataset(np.eye(30), flags)
    assert (data.task, data.class_names, data.notes) == ("multilabel", ("0", "1", "2"), ())
    y = data.xy(data.preprocessor())[1]
    assert (y.dtype, y.tolist()) == (np.int32, flags.astype(int).tolist())
    target = Target.fit(pd.DataFrame(flags, columns=["a", "b", "c"]))
    assert target.class_names == ("a", "b", "c")
    assert target.inverse(np.array([[0.2, 0.7, 0.9]])).tolist() == [[0, 1, 1]]
    (one_row,) = labeled_dataset(np.eye(1), flags[:1], "multilabel", ("a", "b", "c")).y.tolist()
    assert one_row == [0, 1, 1]
    for wrong, said in (
        (flags[:, :2], r"has shape \(30, 2\), not one column of 0 and 1 for each of the 3 labels"),
        (flags.astype(int) * 2, r"'b' is 2 in row 0"),
    ):
        with pytest.raises(DataError, match=said):
            target.transform(wrong)
    with pytest.raises(DataError, match="label '1' of the target 'y' is always 0: nothing to"):
        labeled_dataset(np.eye(30), flags * np.array([1, 0, 1]).astype(kind))
    assert labeled_dataset(np.eye(30), flags, "regression").task == "regression"
    one_hot = np.eye(3)[np.arange(12) % 3]
    assert Target.fit(one_hot, "multilabel").task == "multilabel"
    with pytest.raises(DataError, match="task='multilabel' is for several columns"):
        Target.fit(flags[:, 0], "multilabel")


@pytest.mark.parametrize("kind", [int, float, bool])
def test_one_hot_rows_are_classes(kind):
    y = np.eye(3, dtype=kind)[np.arange(12) % 3]
    target = Target.fit(y)
    assert (target.task, target.class_names) == ("multiclass", ("0", "1", "2"))
    assert target.transform(y).tolist() == (np.arange(12) % 3).tolist()
    assert target.transform([["1"], ["2"]]).tolist() == [1, 2]
    for wrong in (y[:, :2], y * 2):
        with pytest.raises(DataError, match="one-hot rows of 3 classes"):
            target.transform(wrong)
    with pytest.raises(DataError, match=r"reshape\(-1\)"):
        Target.fit(np.arange(5.0)[None])
    assert Target.fit(np.arange(10.0).reshape(5, 2)).task == "regression"


@pytest.mark.parametrize("kind", [pd.Series, pd.Categorical, pl.Series])
def test_declared_levels_of_an_array_are_the_order_of_the_classes(kind):
    sizes = pd.Categorical(["L", "S", "M", "M"] * 5, categories=["S", "M", "L"], ordered=True)
    values = pl.Series(list(sizes), dtype=pl.Enum(["S", "M", "L"])) if kind is pl.Series else sizes
    target = Target.fit(kind(values))
    assert target.class_names == ("S", "M", "L")
    assert target.transform(kind(values)).tolist() == sizes.codes.tolist()


def test_one_hot_columns_name_the_classes():
    colors = ["red", "green", "blue", "red"] * 5
    rows = pd.get_dummies(pd.Series(colors))
    target = Target.fit(rows)
    assert target.inverse(target.transform(rows[["red", "green", "blue"]])).tolist() == colors
    assert target.transform(colors).tolist() == target.transform(rows).tolist()
    with pytest.raises(DataError, match="name the columns so"):
        target.transform(rows.set_axis(["x", "y", "z"], axis=1))


@pytest.mark.parametrize(
    ("outputs", "wanted"),
    [
        ([0.0, 2.0, 1.0], ["a", "c", "b"]),
        ([[0], [2], [1]], ["a", "c", "b"]),
        ([[0.2, 0.1, 0.7]], ["c"]),
        ([-1, 0], "is -1, not a label from 0 to 2"),
        ([3], "is 3, not a label"),
        ([0.2, 0.7], r"shape \(2,\); write \(n,\) for labels"),
        ([[0.2, 0.8]], r"shape \(1, 2\)"),
        ([[0.2, np.nan, 0.1]], "NaN in row 0"),
        (["a"], "the numbers of a network"),
    ],
)
def test_outputs_become_classes_or_are_refused(outputs, wanted):
    target = Target.fit(["a", "b", "c"] * 5)
    if isinstance(wanted, list):
        assert target.inverse(outputs).tolist() == wanted
    else:
        with pytest.raises(DataError, match=wanted):
            target.inverse(outputs)


def test_outputs_of_two_classes_and_of_numbers_are_checked():
    with pytest.raises(DataError, match=r"-3\.0, not a probability from 0 to 1"):
        Target.fit(["a", "b"] * 5).inverse([0.2, -3.0])
    numbers = Target.fit(np.array([[1.0, 5.0], [3.0, 9.0]]))
    assert numbers.inverse([[0, 1]]).tolist() == [[2, 9]]
    with pytest.raises(DataError, match=r"write \(n, 2\)"):
        numbers.inverse([[0.5], [1.5]])


@pytest.mark.parametrize("values", [[[1, 2], [3]], np.array([["a", "b"]] * 3)])
def test_targets_that_are_no_numbers_are_refused(values):
    with pytest.raises(DataError):
        Target.fit(values)


@pytest.mark.parametrize("cell", ["12.5", "$1,200.50", "2.5 kg"])
def test_one_row_is_evaluated_as_it_is_among_others(tmp_path, cell):
    cells = [cell.replace("2", str(index)) for index in range(1, 10)] * 4
    text = [f'{x};"{y}"\n' for x, y in zip(NORMAL, cells, strict=False)]
    paths = tmp_path / "all.csv", tmp_path / "one.csv"
    paths[0].write_text("x;y\n" + "".join(text))
    paths[1].write_text("x;y\n" + text[3])
    data = load(paths[0], "y", task="regression")
    fitted = data.preprocessor()
    one = load(paths[1], "y", task="regression", options=fitted.options, formats=fitted.formats)
    assert one.xy(fitted)[1].tolist() == data.xy(fitted)[1][3:4].tolist()
    np.savez(tmp_path / "same.npz", x=NORMAL[:4, None], y=[2.0] * 4)
    same = load(tmp_path / "same.npz", task="regression")
    assert same.y.tolist() == [2.0] * 4
    with pytest.raises(DataError, match="always 2"):
        same.preprocessor()


def test_what_was_told_of_a_column_as_numbers_is_not_said_of_its_classes():
    frame = {"a": NORMAL, "y": ["1.1", "1.10", "1.2", "1.20"] * 10}
    assert load(frame, "y", task="multiclass").notes == ()
    assert TablePreprocessor.fit(frame, "y", "multiclass").notes == ()


# --- several columns -----------------------------------------------------------------------------


def test_several_columns_are_scaled_each_on_its_own_and_back():
    frame = pl.DataFrame({"a,b": [1.0, 2.0, 6.0], "c": [100, 300, None], "x": [1.0, 0.5, 2.0]})
    data = load(frame, ["a,b", "c"])
    assert data.y.tolist() == [[1.0, 100.0], [2.0, 300.0]]
    assert (data.task, data.feature_names, data.target_columns) == (
        "regression", ("x",), ("a,b", "c"),
    )  # fmt: skip
    assert "1 row has no target 'c' and is not used" in data.notes
    fitted = data.preprocessor()
    x, y = data.xy(fitted)
    theirs = StandardScaler().fit(data.y)
    np.testing.assert_allclose(y, theirs.transform(data.y), rtol=1e-6)
    np.testing.assert_allclose(fitted.inverse_target(y), data.y, rtol=1e-6)
    assert TablePreprocessor.from_dict(fitted.to_dict()) == fitted
    np.testing.assert_allclose(fitted.xy(frame)[1], y)
    assert len(x) == 2
    assert load(frame, "a,b").target == "a,b"  # a column of that name
    assert load(frame, "x,c").target == ("x", "c")
    assert load(frame, [1, -1]).target == ("a,b", "x")


def test_columns_of_0_and_1_are_labels():
    frame = {"wet": [0, 1, 1, 0], "cold": [True, False, True, None], "x": [1.0, 2.0, 3.0, 4.0]}
    data = load(frame, "wet, cold")
    assert (data.task, data.class_names) == ("multilabel", ("wet", "cold"))
    assert data.y.tolist() == [[0, 1], [1, 0], [1, 1]]
    fitted = data.preprocessor()
    assert fitted.target.columns == ("wet", "cold")
    assert fitted.inverse_target([[0.6, 0.4]]).tolist() == [[1, 0]]
    numbers = load(frame, "wet, cold", task="regression")
    assert (numbers.task, numbers.y.dtype) == ("regression", np.float64)


KINDS = {
    "price": [0.5, 1.5, 2.5, 4.0, 5.5, 7.5, 8.5],
    "stars": [1, 2, 3, 3, 2, 1, 1],
    "color": ["red", "green", "NA", "red", None, "green", "red"],
    "x": [1.0, 2.0, 4.0, 3.0, 5.0, 6.0, 8.0],
}


def test_columns_of_several_kinds_are_a_dict_of_targets():
    data = load(KINDS, "price,color,stars")
    assert data.task == "multitask"
    assert data.class_names == {
        "price": (),
        "color": ("NA", "green", "red"),
        "stars": ("1", "2", "3"),
    }
    assert data.y["price"].tolist() == [0.5, 1.5, 2.5, 4.0, 7.5, 8.5]  # where all are known
    assert data.y["color"].tolist() == [2, 1, 0, 2, 1, 2]
    assert "target color: classes, NA (1), green (2), red (3)" in data.describe()
    some = data.take([0, 3])
    assert some.y["stars"].tolist() == [0, 2]
    fitted = some.preprocessor()
    assert fitted == type(fitted).from_dict(fitted.to_dict())
    x, y = data.xy(fitted)  # of all classes, which the two rows lack
    assert y["color"].tolist() == data.y["color"].tolist()
    price = fitted.target.parts[0]
    assert y["price"] == pytest.approx((data.y["price"][:, None] - price.mean) / price.std)
    outputs = {"price": np.zeros((1, 1)), "color": np.array([[0.1, 0.2, 0.7]]), "stars": np.eye(3)}
    assert fitted.inverse_target(outputs)["color"].tolist() == ["red"]
    assert fitted.inverse_target(outputs)["price"].tolist() == [[2.25]]
    assert len(x) == 6


def test_numbers_that_may_be_classes_are_told_beside_numbers():
    told = load(KINDS, "price,stars")
    assert told.task == "regression"
    assert "'stars' has 3 different numbers" in told.notes[-1]
    each = load(KINDS, "price,stars", task="multitask")
    assert each.class_names == {"price": (), "stars": ("1", "2", "3")}
    numbers = TableOptions(columns={"stars": ColumnFormat("number")})
    said = load(KINDS, "color,stars", options=numbers)
    assert said.class_names["stars"] == ()
    with pytest.raises(DataError, match="'price' is one: leave it out"):
        load(KINDS, "price", task="multitask")


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        ({"b": ["x", "y", "x"]}, {"task": "regression"}, "'b' is not numbers.*task of its own"),
        ({"b": ["x", "x", "x"]}, {}, "'b' has one class"),
        ({"b": [0, 1, 1]}, {"task": "multilabel"}, "'a' has other values than 0 and 1"),
        ({"b": [3.0, 3.0, 3.0]}, {}, "'b' is always 3"),
    ],
)
def test_several_columns_that_are_no_target_say_why(columns, settings, message):
    frame = {"a": [0.5, 1.5, 2.5], "x": [1.0, 2.0, 0.0], **columns}
    with pytest.raises(DataError, match=message):
        load(frame, "a,b", **settings).preprocessor()


def test_true_and_false_may_be_predicted_as_numbers():
    data = load({"a": [True, False, True], "x": [1.0, 2.0, 3.0]}, "a", task="regression")
    assert data.y.tolist() == [1.0, 0.0, 1.0]


def test_long_names_of_classes_and_large_numbers_are_described_briefly():
    names = [f"a long name of the class {letter}" for letter in "ABCDEFGH"]
    described = Target.fit(names, name="kind", task="multiclass").describe()
    assert described == f"kind: multiclass, 8 classes ({names[0]}, {names[1]}, …)"
    price = Target.fit([337_281.5, 240_000.0], name="price", task="regression")
    assert "mean 288,600, deviation 48,640" in price.describe()
