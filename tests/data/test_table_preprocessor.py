import json
import os
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import norm, rankdata
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from gradus.data import Preprocessing, TablePreprocessor, load, preprocessor_from_dict, split
from gradus.errors import DataError, GradusError, SavedError

REAL = Path(os.environ.get("GRADUS_DATA", Path(__file__).parents[3] / "shared" / "data"))
RNG = np.random.default_rng(0)
NORMAL = RNG.normal(5, 3, 400)
HEAVY = RNG.lognormal(0, 2, 400)
BIMODAL = np.sign(NORMAL - 5) + NORMAL / 99


def saved(preprocessor):
    again = preprocessor_from_dict(json.loads(json.dumps(preprocessor.to_dict())))
    assert again == preprocessor
    return again


def test_numbers_are_standardized_as_scikit_learn_does():
    preprocessor = TablePreprocessor.fit({"a": NORMAL, "b": 2 * NORMAL[::-1]})
    expected = StandardScaler().fit_transform(np.stack([NORMAL, 2 * NORMAL[::-1]], axis=1))
    x = preprocessor.transform({"b": 2 * NORMAL[::-1], "a": NORMAL, "more": NORMAL})
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, expected, rtol=1e-4, atol=1e-6)
    assert preprocessor.transform({"a": [1e9], "b": [-1e300]}).tolist() == [[5, -5]]


@pytest.mark.parametrize(
    "values",
    [HEAVY[:200], np.where(RNG.random(200) < 0.2, 0, HEAVY[:200]), BIMODAL[:200]],
    ids=["heavy", "some zero", "two modes"],
)
def test_heavy_tails_and_two_modes_get_the_normal_scores_of_their_ranks(values):
    preprocessor = TablePreprocessor.fit({"a": values})
    assert preprocessor.columns[0].knots
    scores = norm.ppf((rankdata(values) - 0.5) / len(values))
    expected = np.clip((scores - scores.mean()) / scores.std(), -5, 5)
    x = saved(preprocessor).transform({"a": values})[:, 0]  # a knot for each of the 200 values
    np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-6)
    ends = preprocessor.transform({"a": [-1e300, 1e300]})[:, 0]
    np.testing.assert_allclose(ends, [expected.min(), expected.max()], rtol=1e-5)


@pytest.mark.parametrize(
    "values",
    [
        np.where(RNG.random(400) < 0.4, 0, HEAVY),
        np.where(RNG.random(400) < 0.2, 0, BIMODAL),
        np.where(RNG.random(400) < 0.4, 0, NORMAL + 9),
    ],
    ids=["heavy", "two modes", "normal"],
)
def test_where_one_value_is_common_numbers_are_standardized(values):
    preprocessor = TablePreprocessor.fit({"a": values})
    assert not preprocessor.columns[0].knots
    expected = np.clip((values - values.mean()) / values.std(), -5, 5)
    np.testing.assert_allclose(preprocessor.transform({"a": values})[:, 0], expected, atol=1e-5)


def test_missing_numbers_become_the_median_with_an_indicator():
    values = [1.0, 2.0, None, 10.0] * 10
    preprocessor = TablePreprocessor.fit({"a": values})
    assert preprocessor.feature_names == ("a", "a=missing")
    x = preprocessor.transform({"a": [2.0, None]})
    assert x[:, 1].tolist() == [0, 1]
    assert x[0, 0] == x[1, 0]
    without = TablePreprocessor.fit({"a": NORMAL})
    assert without.feature_names == ("a",)
    median = without.transform({"a": [float(np.median(NORMAL))]})
    assert without.transform({"a": [None]}) == pytest.approx(median)


def test_categories_are_one_hot_as_in_scikit_learn_and_unseen_ones_are_zeros():
    values = ["red", "green", "blue", "red"] * 10
    preprocessor = TablePreprocessor.fit({"a": values})
    encoder = OneHotEncoder(handle_unknown="ignore").fit(np.array(values)[:, None])
    new = ["green", "violet", "blue"]
    expected = encoder.transform(np.array(new)[:, None]).toarray()
    assert preprocessor.feature_names == ("a=blue", "a=green", "a=red")
    np.testing.assert_array_equal(preprocessor.transform({"a": new}), expected)
    assert preprocessor.transform({"a": [None]}).sum() == 0

    with_missing = TablePreprocessor.fit({"a": [*values, None]})
    assert with_missing.feature_names[-1] == "a=missing"
    assert with_missing.transform({"a": [None, "?", "violet"]})[:, -1].tolist() == [1, 1, 0]


def test_many_categories_become_codes_with_zero_for_the_unseen():
    names = [f"town {index:02}" for index in range(40)]
    values = names * 3 + ["seen once", None]
    preprocessor = TablePreprocessor.fit({"town": values, "a": NORMAL[: len(values)]})
    x = saved(preprocessor).transform({"town": ["town 00", "town 39", None, "x"], "a": [0] * 4})
    assert x["categories"].dtype == np.int32
    assert x["categories"][:, 0].tolist() == [1, 40, 41, 0]
    assert x["numbers"].shape == (4, 1)
    assert preprocessor.cardinalities == (42,)
    assert preprocessor.category_names == ("town",)
    alone = TablePreprocessor.fit({"town": values}, preprocessing=Preprocessing(one_hot_limit=2))
    (codes,) = alone.transform({"town": values}).values()
    assert codes.shape == (122, 1)


def test_a_category_is_the_same_whatever_its_type_in_a_file():
    preprocessor = TablePreprocessor.fit({"a": ["1", "2.0", "true", "b"] * 10})
    assert preprocessor.feature_names == ("a=1", "a=2.0", "a=b", "a=true")
    for values, column in (([1], 0), ([2.0], 1), ([2], 1), (["1.0"], 0), ([True], 3)):
        assert preprocessor.transform({"a": values}).argmax() == column


def test_categories_that_look_like_numbers_stay_apart():
    names = [
        "beta",
        "1.1",
        "1.10",
        "007",
        "7",
        "1e3",
        "1000",
        "9007199254740993",
        "9007199254740992",
    ]
    preprocessor = TablePreprocessor.fit({"a": names * 5})
    assert preprocessor.columns[0].levels == tuple(sorted(names))
    ranks = [sorted(names).index(name) for name in names]
    assert preprocessor.transform({"a": names}).argmax(axis=1).tolist() == ranks
    assert not preprocessor.transform({"a": ["1.100", "0007", "1E3"]}).any()  # never seen
    ids = TablePreprocessor.fit({"id": ["9007199254740993", "9007199254740992"] * 20})
    assert ids.transform({"id": ["9007199254740993", 9007199254740993 - 1]}).tolist() == [
        [0, 1],
        [1, 0],
    ]


def test_classes_are_what_the_file_spells():
    for names in (
        ["1.0", "0.0"],
        ["007", "008"],
        ["1.10", "1.1", "beta"],
        ["yes", "none"],
        ["b", "NA"],
    ):
        y = names * 20
        fitted = TablePreprocessor.fit({"a": NORMAL[: len(y)], "y": y}, "y")
        assert set(fitted.target.class_names) == set(names)
        labels = fitted.transform_target({"y": names})
        assert fitted.inverse_target(labels).tolist() == names
    both = TablePreprocessor.fit({"a": NORMAL[:40], "y": ["1", "1.0", "0", "0"] * 10}, "y")
    assert both.target.class_names == ("0", "1")


def test_booleans_and_zero_one_numbers_are_signs():
    preprocessor = TablePreprocessor.fit({"a": [True, False, None] * 10, "b": [0, 1, 1] * 10})
    assert [column.kind for column in preprocessor.columns] == ["boolean", "boolean"]
    x = preprocessor.transform({"a": [True, None, "false"], "b": [0.0, 1.0, None]})
    assert x.tolist() == [[1, 0, -1], [0, 1, 1], [-1, 0, 0]]


def test_dates_become_their_parts():
    days = [date(2023, 12, 30), date(2023, 12, 31), date(2024, 1, 1), None]
    preprocessor = TablePreprocessor.fit({"d": days})
    names = ("d.days", "d.year", "d.month", "d.day", "d.weekday", "d.missing")
    assert preprocessor.feature_names == names
    assert "missing become 2023-12-31 + indicator" in preprocessor.describe()
    x = saved(preprocessor).transform({"d": ["2023-12-31", "n/a"]})  # the median day
    # 30, 31 and 1: mean 20 2/3, deviation sqrt(28.67² ... ) worked out by NumPy.
    day = np.array([30, 31, 1])
    assert x[0, 3] == pytest.approx((31 - day.mean()) / day.std())
    assert x[0, 0] == pytest.approx(0, abs=1e-6)
    assert x[:, 5].tolist() == [0, 1]
    times = [datetime(2024, 1, 1, 6), datetime(2024, 1, 1, 18, 30)]
    assert TablePreprocessor.fit({"t": times}).feature_names == ("t.days", "t.hour")


def test_useless_columns_are_dropped_with_a_note():
    rows = 40
    preprocessor = TablePreprocessor.fit(
        {
            "good": NORMAL[:rows],
            "same": ["x"] * rows,
            "empty": [None] * rows,
            "row": list(range(7, 7 + rows)),
            "user_id": list(RNG.permutation(10**6)[:rows]),
            "ticket": [f"T{index}" for index in range(rows)],
            "review": [f"this film number {index} was rather good" for index in range(rows)],
            "unwanted": NORMAL[:rows],
        },
        drop=["unwanted"],
    )
    assert preprocessor.feature_names == ("good",)
    notes = "\n".join(preprocessor.notes)
    for name, word in (("same", "always 'x'"), ("empty", "empty"), ("row", "numbers the rows"),
                       ("user_id", "numbers the rows"), ("ticket", "identifier"),
                       ("review", "is text, but no word is in several rows")):  # fmt: skip
        assert f"column {name!r} " in notes
        assert word in notes
    assert notes in preprocessor.describe().replace("note: ", "")
    shown = preprocessor._repr_html_()
    assert "<tr><td>good</td><td>number</td><td>" in shown
    assert shown.count("<p>note: ") == len(preprocessor.notes)
    kept = TablePreprocessor.fit({"row": list(range(40)), "good": NORMAL[:40]}, keep=["row"])
    assert kept.feature_names == ("row", "good")
    alone = TablePreprocessor.fit({"row": list(range(40))})  # a curve, y = f(row)
    assert alone.feature_names == ("row",)


@pytest.mark.parametrize(
    ("column", "word"),
    [
        ([[1, 2]] * 30, "List"),
        ([1.0, float("inf")] * 15, "infinite in row 1"),
        ([b"a", b"b"] * 15, "Binary"),
    ],
)
def test_what_the_user_must_decide_raises_with_what_to_do(column, word):
    with pytest.raises(DataError, match=word):
        TablePreprocessor.fit({"good": NORMAL[:30], "bad": column})
    TablePreprocessor.fit({"good": NORMAL[:30], "bad": column}, drop=["bad"])


def test_numbers_of_the_rows_with_gaps_and_dates_in_several_spellings_are_dropped():
    held_out = [row for row in range(1, 101) if row % 10]  # as validation rows leave gaps
    preprocessor = TablePreprocessor.fit({
        "row": held_out,
        "sparse": [7919 * row for row in held_out],
        "since": ["2020-04-06", "21.02.22", "27.08.2020"] * 30,
        "version": ["1.10.2", "2.3.14", "3.0.1"] * 30,
    })  # fmt: skip
    assert {column.name for column in preprocessor.columns} == {"sparse", "version"}
    assert "column 'row' numbers the rows, and was dropped" in preprocessor.notes
    assert any("holds dates in 3 spellings ('2020-04-06', '21.02.22'" in note
               for note in preprocessor.notes)  # fmt: skip


def test_classes_and_levels_that_differ_only_in_case_are_told():
    frame = {"y": ["Yes", "no", "yes", "No"] * 10, "town": ["Ulm", "ULM", "Bonn"] * 13 + ["Ulm"]}
    notes = "; ".join(TablePreprocessor.fit(frame, "y").notes)
    assert (
        "classes of the target 'y' differ only in case or spaces ('No' and 'no', 'Yes' and" in notes
    )
    assert "levels of column 'town' differ only in case or spaces ('ULM' and 'Ulm')" in notes
    assert TablePreprocessor.fit({"y": ["a", "b"] * 20, "x": NORMAL[:40]}, "y").notes == ()


@pytest.mark.parametrize(
    "alive", [["yes", "no", "no", "yes"] * 10, [True, False, False, True] * 10]
)
def test_a_category_that_determines_a_number_of_few_values_is_dropped(alive):
    frame = {"y": [1.0, 0, 0, 1] * 10, "alive": alive, "a": NORMAL[:40]}
    fitted = TablePreprocessor.fit(frame, "y", task="regression")
    assert fitted.feature_names == ("a",)
    frame["y"][0] = 3.0  # now it does not determine it
    assert len(TablePreprocessor.fit(frame, "y", task="regression").columns) == 2


def test_leaks_are_dropped_unless_kept():
    y = ["yes", "no", "no", "yes"] * 10
    frame = {"y": y, "alive": [1, 0, 0, 1] * 10, "a": NORMAL[:40]}
    preprocessor = TablePreprocessor.fit(frame, "y")
    assert preprocessor.feature_names == ("a",)
    assert "'alive' determines the target 'y': a leak?" in preprocessor.notes[0]
    assert TablePreprocessor.fit(frame, "y", keep=["alive"]).feature_names == ("alive", "a")
    almost = {**frame, "alive": [0, 0, 0, 1, *frame["alive"][4:]]}
    assert "alive" in TablePreprocessor.fit(almost, "y").feature_names

    price = {"price": NORMAL, "cents": 100 * NORMAL + 3, "a": NORMAL + HEAVY}
    assert TablePreprocessor.fit(price, "price").feature_names == ("a",)
    with pytest.raises(DataError, match=r"(?s)No column is left.*keep="):
        TablePreprocessor.fit({"y": y, "alive": frame["alive"]}, "y")
    with pytest.raises(DataError, match="the table has only 'y', which is the target or dropped"):
        TablePreprocessor.fit({"y": y}, "y")


@pytest.mark.parametrize(
    ("values", "task", "names"),
    [
        (["b", "a"] * 20, "binary", ("a", "b")),
        ([True, False] * 20, "binary", ("False", "True")),
        ([0.0, 1.0, None, 1.0] * 10, "binary", ("0", "1")),
        ([2, 10, 1, 10] * 10, "multiclass", ("1", "2", "10")),
        (list(range(40)), "regression", ()),
        (NORMAL[:40], "regression", ()),
        ([1.0, 2.0, 3.0, 4.0] * 10, "regression", ()),
    ],
)
def test_the_task_is_inferred_and_shown(values, task, names):
    frame = {"a": HEAVY[:40], "y": values}
    preprocessor = TablePreprocessor.fit(frame, "y")
    assert preprocessor.target.task == task
    assert preprocessor.target.class_names == names
    assert task in preprocessor.describe()
    assert f"<p>target y: {task}" in preprocessor._repr_html_()
    x, y = saved(preprocessor).xy(frame)
    present = [value for value in values if value is not None]
    assert len(x) == len(y) == len(present)
    if task == "regression":
        assert y.shape == (40, 1)
        np.testing.assert_allclose(y, StandardScaler().fit_transform(np.c_[present]), atol=1e-6)
        np.testing.assert_allclose(preprocessor.inverse_target(y)[:, 0], present, atol=1e-5)
    else:
        assert y.dtype == np.int32
        expected = [str(v).removesuffix(".0") for v in present]
        assert preprocessor.inverse_target(y).tolist() == expected


def test_the_inferred_task_can_be_overridden():
    frame = {"a": NORMAL[:40], "y": [1, 2, 3, 4] * 10}
    assert TablePreprocessor.fit(frame, "y", "regression").target.task == "regression"
    two = {**frame, "y": [1, 2] * 20}
    assert TablePreprocessor.fit(two, "y", "multiclass").target.task == "multiclass"
    known = TablePreprocessor.fit(two, "y", classes=["1", "2", "3"])
    assert known.target.class_names == ("1", "2", "3")
    with pytest.raises(DataError, match="write task='multiclass'"):
        TablePreprocessor.fit(frame, "y", "binary")
    with pytest.raises(GradusError, match="Did you mean 'regression'"):
        TablePreprocessor.fit(frame, "y", "regresion")


def test_probabilities_become_names():
    target = TablePreprocessor.fit({"a": NORMAL[:30], "y": ["u", "v", "w"] * 10}, "y").target
    assert target.inverse([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]]).tolist() == ["w", "u"]
    target = TablePreprocessor.fit({"a": NORMAL[:30], "y": ["u", "v"] * 15}, "y").target
    for shape in ((3,), (3, 1)):
        outputs = np.reshape([0.1, 0.5, 0.9], shape)
        assert target.inverse(outputs).tolist() == ["u", "u", "v"]


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (["x"] * 40, "one class"),
        ([2.5] * 40, "always 2.5"),
        ([None] * 40, "is empty"),
        (
            [f"name {index}" for index in range(40)],
            r"too many for classes. Write another target\.$",
        ),
        ([date(2024, 1, 1), date(2024, 1, 2)] * 20, "Date"),
        ([1.0, float("inf")] * 20, "infinite"),
    ],
)
def test_invalid_targets_raise(values, word):
    with pytest.raises(DataError, match=word):
        TablePreprocessor.fit({"a": NORMAL[:40], "y": values}, "y")


def test_tables_that_do_not_fit_raise_with_the_nearest_name():
    frame = {"age": NORMAL[:40], "job": ["x", "y"] * 20, "y": ["u", "v", "v", "u"] * 10}
    preprocessor = TablePreprocessor.fit(frame, "y")
    with pytest.raises(DataError, match=r"no column 'age'. Did you mean 'Age'"):
        preprocessor.transform({"Age": [1.0], "job": ["x"]})
    with pytest.raises(
        DataError, match=r"no column 'age'\. Nor has it 'job': 2 columns are missing"
    ):
        preprocessor.transform({"x": [1.0]})
    with pytest.raises(DataError, match="'old' in row 1"):
        preprocessor.transform({"age": ["3", "old"], "job": ["x", "x"]})
    with pytest.raises(DataError, match="must be numbers"):
        preprocessor.transform({"age": [date(2024, 1, 1)], "job": ["x"]})
    with pytest.raises(DataError, match="no rows"):
        preprocessor.transform({"age": [], "job": []})
    with pytest.raises(DataError, match=r"'t' in row 1.*none of the classes u, v"):
        preprocessor.transform_target(["u", "t"])
    with pytest.raises(DataError, match="missing in row 0"):
        preprocessor.transform_target([None, "u"])
    with pytest.raises(DataError, match="no target column 'y'"):
        preprocessor.xy({"age": [1.0], "job": ["x"]})
    for wrong in ({"target": "why"}, {"keep": ["joob"]}, {"drop": ["joob"]}):
        with pytest.raises(DataError, match="no column"):
            TablePreprocessor.fit(frame, **wrong)
    with pytest.raises(DataError, match="is dates, written %Y-%m-%d, but 'x' in row 0"):
        TablePreprocessor.fit({"d": [date(2024, 1, 1), date(2024, 2, 1)]}).transform({"d": ["x"]})
    assert preprocessor.transform_target(frame).tolist() == [0, 1, 1, 0] * 10


def test_whole_numbers_beyond_float64_are_told():
    frame = {"big": [2**62 + i for i in range(30)], "a": [0.5, 1.5, 2.0] * 10, "y": ["u", "v"] * 15}
    preprocessor = TablePreprocessor.fit(frame, target="y")
    assert [column.name for column in preprocessor.columns] == ["a"]
    assert f"near {2**62}" in preprocessor.notes[0]
    assert "subtract a constant" in preprocessor.notes[0]


@pytest.mark.parametrize(
    "rubbish",
    [{}, [], {"preprocessor": "table"}, {"preprocessor": "array"},
     {"preprocessor": "table", "columns": [{"kind": "magic"}], "target": None, "notes": []}],
)  # fmt: skip
def test_an_invalid_saved_preprocessor_raises(rubbish):
    with pytest.raises(SavedError):
        preprocessor_from_dict(rubbish)


cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["?", " NA", "1", "2.5", "2024-01-01", "true", "inf", "a"]),
    st.dates(),
    st.datetimes(),
)


@st.composite
def frames(draw):
    rows = draw(st.integers(1, 30))
    kinds = [
        st.lists(draw(st.sampled_from([cells, st.floats(), st.integers(-9, 9), st.booleans(),
                                       st.floats(allow_nan=False, allow_infinity=False),
                                       st.sampled_from("abc"), st.dates(), st.datetimes(),
                                       st.one_of(st.none(), st.text(max_size=3))])),
                 min_size=rows, max_size=rows)
        for _ in range(draw(st.integers(1, 4)))
    ]  # fmt: skip
    return {f"c{index}": draw(kind) for index, kind in enumerate(kinds)}


@pytest.mark.slow
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(frames(), st.booleans(), st.integers(0, 5))
def test_any_table_is_encoded_finitely_or_raises(frame, supervised, one_hot_limit):
    try:
        preprocessor = TablePreprocessor.fit(
            frame,
            "c0" if supervised else None,
            preprocessing=Preprocessing(one_hot_limit=one_hot_limit),
        )
    except GradusError:
        return
    # A row without a target is not used, and its other values may be invalid.
    restored = saved(preprocessor)
    x, y = restored.xy(frame) if supervised else (restored.transform(frame), frame["c0"])
    numbers = x.get("numbers", np.empty((len(y), 0))) if isinstance(x, dict) else x
    assert numbers.shape == (len(y), len(preprocessor.feature_names))
    assert np.isfinite(numbers).all()
    if isinstance(x, dict):
        assert (x["categories"] >= 0).all()
        assert (x["categories"] < np.array(preprocessor.cardinalities)).all()
    if supervised:
        assert np.isfinite(y).all()
    assert preprocessor.describe()


def real(name):
    path = REAL / "tabular" / f"{name}.csv"
    if not path.exists():
        pytest.skip("the real tables are not in GRADUS_DATA")
    return path


def test_titanic_from_the_file_to_predictions_for_a_file_without_target(tmp_path):
    data = load(real("titanic"), "survived")
    train, validation = split(data.y)
    preprocessor = data.take(train).preprocessor()
    assert any("'alive' determines" in note for note in preprocessor.notes)
    x, y = data.take(train).xy(preprocessor)
    assert x.shape == (len(train), len(preprocessor.feature_names))
    assert np.array_equal(y, data.y[train])
    assert "age=missing" in preprocessor.feature_names
    new = tmp_path / "new.csv"
    data.x[validation].drop("survived", "alive").write_csv(new)
    np.testing.assert_array_equal(
        saved(preprocessor).transform(new), data.take(validation).xy(preprocessor)[0]
    )


@pytest.mark.slow
def test_adult_is_evaluated_on_its_own_test_file():
    data = load(real("adult_train"), "income")
    preprocessor = data.preprocessor()
    test = load(real("adult_test"), "income", classes=preprocessor.target.class_names)
    x, y = test.xy(preprocessor)
    assert preprocessor.category_names == ("native_country",)
    assert x["categories"].max() < preprocessor.cardinalities[0]
    theirs = pd.read_csv(real("adult_test"))["income"]
    assert y.tolist() == (theirs == ">50K").astype(int).tolist()


def test_california_prices_are_restored_in_dollars():
    data = load(real("california_housing"), "median_house_value")
    preprocessor = data.preprocessor()
    _, y = data.xy(preprocessor)
    frame = pl.read_csv(real("california_housing"))
    np.testing.assert_allclose(
        preprocessor.inverse_target(y)[:, 0], frame["median_house_value"], rtol=1e-5
    )
    kinds = {column.name: column.kind for column in preprocessor.columns}
    assert kinds.pop("ocean_proximity") == "category"
    assert set(kinds.values()) == {"number"}


def test_the_target_cannot_be_dropped():
    table = {"a": NORMAL[:30], "y": NORMAL[30:60]}
    with pytest.raises(DataError, match="'y' is the target, so it cannot be dropped"):
        TablePreprocessor.fit(table, "y", "regression", drop=["y"])


def test_columns_that_had_no_names_are_to_be_named(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(f"{i % 7},{(i * 5) % 11}" for i in range(60)))
    fitted = TablePreprocessor.fit(path)
    assert fitted.feature_names == ("column_1", "column_2")
    frame = pd.read_csv(path, header=None)
    with pytest.raises(DataError, match="so they are column_1, column_2, …: name yours so"):
        fitted.transform(frame)
    frame.columns = ["column_1", "column_2"]
    assert (fitted.transform(frame) == fitted.transform(path)).all()


def test_cells_that_training_had_no_like_of():
    days = [date(2020, 1, 1 + i) for i in range(27)]
    table = {"age": [20, 30, 60] * 9, "day": days, "job": ["a", "b", None] * 9}
    fitted = TablePreprocessor.fit(table)
    later = {"age": [25, 61.5, None], "day": [date(2020, 1, 2), None, date(2021, 1, 1)],
             "job": ["z", None, "y"]}  # fmt: skip
    found = {(u.column, u.kind): u for u in fitted.unseen_values(later)}
    assert {key: unseen.count for key, unseen in found.items()} == {
        ("age", "range"): 1, ("age", "missing"): 1, ("day", "range"): 1, ("day", "missing"): 1,
        ("job", "category"): 2,
    }  # fmt: skip
    assert "61.5 in row 1 (counted from 0)" in found["age", "range"].note
    assert "20 to 60" in found["age", "range"].note
    assert "2021-01-01 in row 2" in found["day", "range"].note
    assert "2020-01-01 to 2020-01-27" in found["day", "range"].note
    assert "'z' in row 0" in found["job", "category"].note
    assert found["job", "category"].note.endswith("; 1 more cell is none")
    assert fitted.unseen_values(table) == []
    assert preprocessor_from_dict(fitted.to_dict()).ranges == fitted.ranges


def test_all_columns_of_lists_and_the_like_are_named_at_once():
    frame = pl.DataFrame({"tags": [["a"], []], "place": [{"x": 1}, {"x": 2}], "y": [0, 1]})
    told = (
        r"Columns 'tags' has type List\(String\), 'place' has type Struct.*drop=\['tags', 'place'\]"
    )
    with pytest.raises(DataError, match=told):
        TablePreprocessor.fit(frame, target="y")
    with pytest.raises(DataError, match=r"Column 'tags' has type .* or drop it: drop=\['tags'\]"):
        TablePreprocessor.fit(frame, target="y", drop=["place"])
