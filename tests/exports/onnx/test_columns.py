"""Raw columns in onnxruntime become what the preprocessor makes of them."""

import datetime as dt
import unicodedata

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradus as gr
from gradus.exports.onnx.columns import column_notes, table_inputs
from gradus.exports.onnx.graph import Graph

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
DAY = 86_400e6  # microseconds


def encoded_by_onnx(preprocessor, feeds):
    """The inputs of a network, by name, that the graph of a preprocessor makes of raw columns."""
    graph = Graph()
    x = table_inputs(graph, preprocessor)
    parts = x if isinstance(x, dict) else {"numbers": x}
    for name, part in parts.items():
        if part.name:
            graph.output(part, name, "float" if name == "numbers" else "int64", part.shape)
    session = ort.InferenceSession(graph.model({}, "0").SerializeToString())
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))


def raw(values, like):
    """A column as the graph takes it: text, or float64 with NaN where it is missing."""
    if like == "text":
        return np.array(["" if v is None else str(v) for v in values], object)
    if like == "date":
        since = [None if v is None else v - dt.datetime(1970, 1, 1) for v in values]
        return np.array([np.nan if v is None else v / dt.timedelta(days=1) for v in since])
    return np.array([np.nan if v is None else float(v) for v in values])


def check(training, later, kinds, **options):
    """Compare the encoding of later rows, whose columns are of these kinds."""
    preprocessor = gr.data.TablePreprocessor.fit(training, **options)
    expected = preprocessor.transform(pl.DataFrame(later, strict=False))
    expected = expected if isinstance(expected, dict) else {"numbers": expected}
    used = {column.name for column in preprocessor.columns}
    feeds = {name: raw(later[name], kind) for name, kind in kinds.items() if name in used}
    found = encoded_by_onnx(preprocessor, feeds)
    for name, value in expected.items():
        if value.shape[1]:
            np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-6)
    return preprocessor


def test_numbers_keep_what_float64_has_of_them():
    rng = np.random.default_rng(0)
    training = {
        "plain": [*rng.normal(size=99), None],
        "serial": 1e10 + rng.integers(0, 50, 100),  # float32 has nine digits less
        "skewed": [*np.exp(rng.normal(0, 3, 99)), None],  # mapped by rank, between knots
        "flag": rng.integers(0, 2, 100),
    }
    later = {
        "plain": [None, 1e300, -1e300, 0.5],
        "serial": [1e10 + 7, 1e10 + 7.25, 0, 2e10],
        "skewed": [None, -5.0, 1e9, float(training["skewed"][0])],
        "flag": [0, 1, 0.5, 7],
    }
    kinds = dict.fromkeys(later, "number")
    fitted = check(training, later, kinds)
    assert [bool(c.knots) for c in fitted.columns[:3]] == [False, False, True]
    for scaling in ("minmax", "none"):
        settings = gr.data.Preprocessing(scaling=scaling, missing="mean", indicator=False)
        check(training, later, kinds, preprocessing=settings)


def test_numbers_that_mean_a_missing_value():
    training = {"age": [20.0, -1.0, 30.0, 45.0], "job": ["a", "none given", "b", "a"]}
    options = gr.data.TableOptions(missing=["-1", "None Given"])
    later = {"age": [-1.0, 25.0, None], "job": ["NONE GIVEN", "b", "?"]}
    check(training, later, {"age": "number", "job": "text"}, options=options)


def test_categories_as_they_are_spelled():
    training = {
        "job": ["cook", "judge", None, "true", "false", "3", "Zoë"] * 3,
        "odd": ["a.b", "(c|d)*", "a.b", "", "x\\", "(c|d)*", "é"] * 3,
    }
    later = {
        "job": ["judge", "Judge", None, "baker", "TRUE", "3.0", "Zoe\u0308", "nan", "  ", "?"],
        "odd": ["a.b", "axb", "(c|d)*", "c", "x\\", "", None, "N/A", "NULL", "e\u0301"],
    }
    kinds = {"job": "text", "odd": "text"}
    check(training, later, kinds)
    codes = gr.data.Preprocessing(one_hot_limit=0)
    check(training, later, kinds, preprocessing=codes)


def test_booleans_are_one_and_zero():
    training = {"alive": [True, False, None, True], "size": [1.0, 2.0, 3.0, 4.0]}
    later = {"alive": [None, True, False], "size": [1.0, None, 2.0]}
    fitted = check(training, later, {"alive": "number", "size": "number"})
    assert column_notes(fitted) == ["the input 'alive' takes 1 for true, 0 for false"]


def test_dates_are_days_since_1970():
    days = [dt.datetime(1969, 2, 28) + dt.timedelta(days=31 * k, minutes=77 * k) for k in range(99)]
    later = [None, days[5], dt.datetime(1900, 2, 28), dt.datetime(2000, 2, 29, 23, 59, 59)]
    later += [dt.datetime(2100, 3, 1), dt.datetime(1969, 12, 31, 23, 1), dt.datetime(2024, 12, 31)]
    later += [dt.datetime(9999, 12, 31), dt.datetime(1, 1, 1)]
    later += [dt.datetime(9000, 1, 1) + dt.timedelta(days=k, minutes=k) for k in range(1440)]
    fitted = check({"when": [*days, None]}, {"when": later}, {"when": "date"})
    parts = [part.name for part in fitted.columns[0].parts]
    assert parts == ["days", "year", "month", "day", "weekday", "hour"]
    assert column_notes(fitted)[0].startswith("the input 'when' takes days since 1970-01-01")


SENTENCES = """\
The lamp is great, we love it! It's well-made: 3.50 € on 2020-01-01
Straße ß GROSS Äpfel über snake_case _x x² ½ a
ΟΔΟΣ οδός ΣΟΦΟΣ, σοφός ΑΣ1 ΑΣ_ Σ ΣΣ ΑΣΑ Ο.Σ. ΟΔΟΣ'Α ΑΣ:
Привет мир, привет МИР
世界 你好世界。日本語
smile 😀😀 ok👩\u200d👧 \u200f
İstanbul iyi bİr şehir İYİ KIRMIZI
बड़ा \u092c\u095c\u093e लड़का \ufb2c
 \t tab\u00a0and\u3000spaces \u2028 x"""
TRAINING = [*(sentence for sentence in SENTENCES.split("\n") for _ in range(3)), None]


@pytest.fixture(scope="module")
def texts():
    """The preprocessor of a column of texts, and what encodes texts by its graph."""
    options = gr.data.TableOptions(columns={"text": "text"}, missing=["none given"])
    fitted = gr.data.TablePreprocessor.fit({"text": TRAINING}, options=options)
    graph = Graph()
    x = table_inputs(graph, fitted)
    graph.output(x, "x", "float", x.shape)
    model = graph.model({}, "0")
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString())
    return fitted, lambda rows: session.run(None, {"text": raw(rows, "text")})[0]


def check_texts(texts, rows):
    fitted, encoded = texts
    expected, x = fitted.transform({"text": pl.Series(rows, dtype=pl.String)}), encoded(rows)
    wrong = np.flatnonzero(~np.isclose(x, expected, rtol=1e-6, atol=1e-6).all(axis=1))
    assert not wrong.size, [rows[row] for row in wrong[:10]]
    return x


def test_texts_in_any_script(texts):
    fitted, _ = texts
    assert {"text=love", "text=οδος", "text='i̇s'"} <= set(fitted.feature_names)
    rows = [
        *TRAINING,
        *SENTENCES.upper().split("\n"),
        "love " * 5000,
        "None Given",
        "n/a",
        "",
        "  ",
    ]
    x = check_texts(texts, rows)
    assert np.abs(x[:9, :-1]).sum(axis=1).all()
    for row in ["Love it", "x", "", None]:
        check_texts(texts, [row])
    check_texts(texts, ["", None, " \n"])


def test_each_character_beside_a_word(texts):
    """Each ends a word, or goes on with it; marks that join a letter are to be joined before."""
    every = [chr(code) for code in range(0x3100)] + [chr(code) for code in range(0xF900, 0x1F700)]
    kept = [c for c in every if unicodedata.category(c) not in ("Cn", "Cs")]
    rows = [f"love{c}LOVE {c}it" for c in kept]
    check_texts(texts, [row for row in rows if unicodedata.is_normalized("NFC", row.lower())])


pieces = st.sampled_from(
    [*"aeiİIsSΣσςß_-.,'1²😀 \t\u00a0\u200d世ड़Ä", "love", "ΟΔΟΣ", "it", "GREAT "]
)


@settings(max_examples=20)
@given(st.lists(st.lists(pieces, max_size=8).map("".join) | st.none(), min_size=1, max_size=40))
def test_any_texts(texts, rows):
    check_texts(texts, [row and unicodedata.normalize("NFC", row) for row in rows])


# Between numbers 1e-300 apart, NumPy's interpolation is infinite itself.
floats = st.floats(-1e12, 1e12).map(lambda x: round(x, 6)) | st.none()
words = (
    st.sampled_from(["", "a", "b", "B ", "nan", "1", "1.0", "true", "ß", "É", "c\td"]) | st.none()
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    st.lists(st.tuples(floats, words), min_size=4, max_size=12),
    st.lists(st.tuples(floats, words), min_size=1, max_size=6),
    st.sampled_from(["auto", "normal", "minmax", "standard"]),
)
def test_any_small_table(training, later, scaling):
    columns = {"number": [*(n for n, _ in training), 1.5, 0.0], "word": [*(w for _, w in training)]}
    columns["word"] += ["a", "b"]
    rows = {"number": [n for n, _ in later], "word": [w and w.strip() for _, w in later]}
    preprocessing = gr.data.Preprocessing(scaling=scaling)
    kinds = {"number": "number", "word": "text"}
    check(columns, rows, kinds, preprocessing=preprocessing, keep=["number", "word"])
