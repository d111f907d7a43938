"""`gradus export`: runs of tables and arrays in onnxruntime, and as scripts that train the same."""

import contextlib
import io
import json
import runpy
import shutil

import numpy as np
import polars as pl
import pytest

import gradus as gr
from gradus.apps.cli import main
from gradus.experiments.loading import open_run

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
onnx = pytest.importorskip("onnx", reason="onnx is not installed")


def predicted(path, feeds):
    session = ort.InferenceSession(path)
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))


def columns_of(path, frame):
    """The columns of a frame as the inputs of a file take them."""
    feeds = {}
    for each in ort.InferenceSession(path).get_inputs():
        column = frame[each.name]
        feeds[each.name] = (
            column.fill_null("").to_numpy().astype(object)
            if each.type == "tensor(string)"
            else column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        )
    return feeds


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run on a small table."""
    folder = tmp_path_factory.mktemp("flowers")
    rng = np.random.default_rng(0)
    size, width = rng.normal(0, 1, (2, 80))
    kind, color = np.where(size > 0, "rose", "lily"), rng.choice(["red", "white"], 80)
    frame = pl.DataFrame({"size": size, "width": width, "color": color, "kind": kind})
    frame.write_csv(folder / "flowers.csv")
    flags = ("--target", "kind", "--out", str(folder / "run"), "--epochs", "2", "--quiet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gradus.report.page.write_report", lambda path, report: path)
        assert main(["train", str(folder / "flowers.csv"), *flags]) == 0
    return folder / "run"


@pytest.fixture
def run(trained, work):
    """A copy of that run in the working folder."""
    shutil.copytree(trained, work / "run")


def test_a_run_of_a_table(gradus, gradus_json, run):
    written = gradus_json("export", "run")
    assert written == {"run": "run", "format": "onnx", "out": "run/model.onnx", "notes": []}
    frame = pl.DataFrame({"size": [None, 1e12, -0.3], "color": [None, "blue", "red"]})
    frame = frame.with_columns(width=pl.Series([0.1, None, -1e300]))
    frame.write_csv("later.csv")
    ours = gradus_json("predict", "run", "later.csv")["predictions"]
    theirs = predicted(written["out"], columns_of(written["out"], frame))
    assert theirs["prediction"].tolist() == ours["prediction"]
    both = [ours[f"probability_{name}"] for name in ("lily", "rose")]
    np.testing.assert_allclose(theirs["probabilities"], np.transpose(both), atol=1e-6)
    facts = {each.key: each.value for each in onnx.load(written["out"]).metadata_props}
    assert facts["date"][:2] == "20"
    assert facts["data"] == "flowers.csv"
    assert json.loads(facts["classes"]) == ["lily", "rose"]
    assert json.loads(facts["columns"])["color"] == "category: 2 levels, one-hot"
    status, out, _ = gradus("export", "run", "--out", "here.onnx", "--format", "onnx")
    assert (status, out) == (0, "run is exported to here.onnx\n")
    assert gr.export(open_run("run"), "again.onnx").stat().st_size > 1000
    with pytest.raises(gr.GradusError, match="its own preprocessor"):
        gr.export("run", "again.onnx", preprocessor=open_run("run").preprocessor)


def test_what_is_said_of_the_inputs(gradus, work):
    rows = [f"{k % 28 + 1:02}.{k % 12 + 1:02}.2020;{k % 7},5 kg;{k % 2 == 0}" for k in range(60)]
    (work / "t.csv").write_text("\n".join(["when;weight;old", *rows]))
    flags = ("--target", "weight", "--out", "run", "--epochs", "1", "--refit", "no", "--quiet")
    assert gradus("train", "t.csv", *flags)[0] == 0
    status, _, err = gradus("export", "run")
    assert status == 0
    assert "the input 'when' takes days since 1970-01-01" in err
    assert "the input 'old' takes 1 for true, 0 for false" in err
    facts = {each.key: each.value for each in onnx.load("run/model.onnx").metadata_props}
    assert (facts["task"], facts["unit"]) == ("regression", "kg")
    status, _, err = gradus("export", "run", "--format", "stablehlo", "--platforms", "cpu, tpu")
    assert status == 0
    assert "standardized values" in err


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_run_as_a_file_of_keras(gradus_json, run):
    keras = pytest.importorskip("keras", reason="keras is not installed")
    written = gradus_json("export", "run", "--format", "keras")
    assert written["out"] == "run/model.keras"
    assert "not the columns of a table" in written["notes"][0]
    opened = open_run("run")
    loaded = keras.saving.load_model("run/model.keras")
    x = np.ones((2, *opened.model.example.shape[1:]), np.float32)
    np.testing.assert_allclose(loaded(x), opened.model.predict(x), atol=1e-5)


def test_mistakes(gradus, run):
    def message(*arguments):
        status, _, err = gradus("export", *arguments)
        assert status == 1
        return err

    assert "Did you mean 'onnx'" in message("run", "--format", "onx")
    assert "whose extension is .onnx" in message("run", "--format", "onnx", "--out", "m.py")
    assert "There is no run 'rum'" in message("rum")
    assert "is for StableHLO" in message("run", "--platforms", "cpu")
    assert "neither a run nor a saved model" in message(".")


def trained_by(script):
    """The names that a script has made when it has run, without what it printed."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return runpy.run_path(str(script))


def same_weights(one, other):
    return one.weights.keys() == other.weights.keys() and all(
        (other.weights[name] == value).all() for name, value in one.weights.items()
    )


def test_a_script_trains_the_same_weights(gradus, run):
    assert gradus("export", "run", "--out", "train.py")[0] == 0
    made, opened = trained_by("train.py"), open_run("run")
    assert made["preprocessor"] == opened.preprocessor
    assert same_weights(made["model"], opened.scored_model)
    assert same_weights(made["final"], opened.model)


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        ("digits", "--flip", "horizontal", "--conv", "4", "--layers", "8", "--validation", "0.5"),
        (
            *("flowers.csv", "--target", "size", "--column", "color=category", "--batch-norm"),
            *("--drop-columns", "width", "--scaling", "minmax", "--seed", "3", "--refit", "no"),
            *("--shuffle-seed", "2", "--patience", "5", "--monitor", "val_r2", "--l2", "0.1"),
        ),
        (
            *("parts.npz", "--loss", "categorical_crossentropy", "--class-weight", "balanced"),
            *("--validation", "0", "--batch-size", "all", "--optimizer", "sgd"),
            *("--test", "parts.npz"),
        ),
    ],
    ids=["images", "table", "arrays"],
)
def test_a_script_of_other_settings_trains_the_same_weights(gradus, work, flowers, flags):
    rng = np.random.default_rng(0)
    np.savez(work / "parts.npz", x=rng.integers(0, 900, (60, 4)), y=rng.integers(0, 3, 60))
    status, _, err = gradus("train", *flags, "--out", "run", "--epochs", "2", "--quiet")
    assert status == 0, err
    gr.export("run", "train.py")
    made, opened = trained_by("train.py"), open_run("run")
    assert same_weights(made["model"], opened.scored_model)
    if opened.is_refitted:
        assert same_weights(made["final"], opened.model)
    scores = made["model"].evaluate(*(made[name] for name in ("x", "y")))
    assert scores["loss"] == pytest.approx(opened.record.parts["training"]["loss"])


@pytest.mark.slow
@pytest.mark.parametrize(("table", "target"), [("titanic", "survived"), ("mpg", "mpg")])
def test_real_tables_with_rows_as_they_come(gradus, gradus_json, tabular, table, target):
    source = tabular / f"{table}.csv"
    flags = ("--target", target, "--out", "run", "--epochs", "1", "--refit", "no", "--quiet")
    assert gradus("train", source, *flags)[0] == 0
    gr.export("run", "m.onnx")
    frame = pl.read_csv(source, infer_schema_length=None, null_values="").head(300)
    odd = frame.tail(3).with_columns(
        pl.when(pl.int_range(pl.len()) == 0).then(None)
        .otherwise(pl.lit(1e9) if dtype.is_numeric() else pl.lit("never seen"))
        .alias(name)
        for name, dtype in frame.schema.items() if dtype != pl.Boolean
    )  # fmt: skip
    rows = pl.concat([frame, odd], how="vertical_relaxed")
    rows.write_csv("rows.csv")
    ours = gradus_json("predict", "run", "rows.csv")["predictions"]
    theirs = predicted("m.onnx", columns_of("m.onnx", rows))
    if "probabilities" not in theirs:
        np.testing.assert_allclose(theirs["prediction"], ours["prediction"], rtol=1e-5)
        return
    assert theirs["prediction"].tolist() == ours["prediction"]
    both = [values for name, values in ours.items() if name.startswith("probability")]
    np.testing.assert_allclose(theirs["probabilities"], np.transpose(both), atol=1e-5)
