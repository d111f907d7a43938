"""Several target columns, and a share of test rows: trained, evaluated, predicted, exported."""

import io
import json
import re

import jsonschema
import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, r2_score

import gradus as gr
from gradus.apps.cli import main
from gradus.data.streaming import table_stream
from gradus.experiments.preparation import reading_in_parts
from gradus.experiments.settings.experiment import ExperimentError
from gradus.experiments.sweep_setup import set_up_sweep
from gradus.serving.description import describe_service
from gradus.serving.endpoints import _row_objects
from gradus.serving.predictor import Predictor

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (200, 3)).round(1)
TABLE = pl.DataFrame(
    {
        **{name: X[:, k] for k, name in enumerate("abc")},
        "price, net": 1000 + 300 * X[:, 0] + 30 * RNG.normal(size=200),
        "weight": X[:, 1] - 2 * X[:, 2],
        "spam": (X[:, 0] > 0).astype(int),
        "color": np.array(["blue", "green", "red"])[np.digitize(X[:, 1], (-0.2, 0.6))],
        "late": np.where(X[:, 1] > 0.7, "true", "false"),
    }
)
LOSS = '[loss."price, net"]\nname = "huber"\ndelta = 2.0\n[loss_weights]\nspam = 0.5\n'
QUICK = (
    "--layers", "none", "--epochs", "3", "--learning-rate", "0.1", "--refit", "no",
    "--test", "0.25", "--quiet",
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A regression of two columns, a multilabel run of two, and one of three tasks."""
    folder = tmp_path_factory.mktemp("several")
    TABLE.write_csv(folder / "table.csv")
    targets = {
        "numbers": ["price, net", "weight"], "labels": "spam, late",
        "mixed": ["price, net", "color", "spam"],
    }  # fmt: skip
    for name, target in targets.items():
        others = [column for column in TABLE.columns[3:] if column not in target]
        settings = f'data = "table.csv"\ntarget = {json.dumps(target)}\ndrop_columns = {others}\n'
        (folder / f"{name}.toml").write_text(settings + LOSS * (name == "mixed"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("gradus.report.page.write_report", lambda path, report: path)
        for name in targets:
            assert main(["train", f"{name}.toml", *QUICK, "--out", name]) == 0
    return folder


@pytest.fixture
def in_folder(trained, monkeypatch):
    monkeypatch.chdir(trained)
    return trained


@pytest.mark.usefixtures("in_folder")
def test_each_target_is_scored_in_its_own_unit(gradus_json):
    frame = pl.read_csv("table.csv")
    predicted = gr.load("numbers").predict(frame.drop("spam", "color", "late"))
    assert predicted.shape == (200, 2)
    found = gradus_json("evaluate", "numbers", "table.csv")["metrics"]
    for k, name in enumerate(("price, net", "weight")):
        assert found[f"mae {name}"] == pytest.approx(
            mean_absolute_error(frame[name], predicted[:, k]), rel=1e-4
        )
        assert found[f"r2 {name}"] == pytest.approx(
            r2_score(frame[name], predicted[:, k]), rel=1e-4
        )
    both = frame.select("price, net", "weight").to_numpy()
    assert found["r2"] == pytest.approx(r2_score(both, predicted), rel=1e-4)
    assert "mae" not in found  # of two units


@pytest.mark.usefixtures("in_folder")
def test_each_label_is_scored(gradus_json):
    frame = pl.read_csv("table.csv")
    run = gr.load("labels")
    assert run.classes == ("spam", "late")
    predicted = run.predict(frame.select("a", "b", "c"))
    probable = run.predict_proba(frame.select("a", "b", "c"))
    assert np.array_equal(predicted, probable > 0.5)
    found = gradus_json("evaluate", "labels", "table.csv")["metrics"]
    for k, flags in enumerate((frame["spam"], frame["late"].cast(pl.Int64))):
        right = accuracy_score(flags, predicted[:, k])
        assert found[f"accuracy {run.classes[k]}"] == pytest.approx(right)
    assert found["accuracy"] == pytest.approx((found["accuracy spam"] + found["accuracy late"]) / 2)
    assert "balanced_accuracy late" in found  # one in six is
    assert "balanced_accuracy spam" not in found


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize(
    ("target", "weights", "status", "message"),
    [
        ("color,spam", "spm=2", 2, "Unknown target in --loss-weights 'spm'. Did you mean 'spam'?"),
        ("color,spam", "spam=0,color=0", 2, "all 0, so nothing would be learned"),
        ("color,spam", "spam", 2, "write TARGET=NUMBER, or several: price=2,spam=0.5"),
        ("spam,late", "late=2", 2, "or give each a loss of its own: --task multitask"),
        ("spam", "spam=2", 2, "the target spam is one, with one loss: leave it out"),
    ],
)
def test_weights_that_fit_no_losses_are_named(gradus, target, weights, status, message):
    given = ("--target", target, "--loss-weights", weights, "--quiet")
    found, _, err = gradus("train", "table.csv", *given)
    assert found == status
    assert message in err


@pytest.mark.usefixtures("in_folder")
def test_targets_of_several_kinds_have_a_task_each(gradus, gradus_json):
    run, frame = gr.load("mixed"), pl.read_csv("table.csv").drop("weight", "late")
    names = ("price, net", "color", "spam")
    assert [part.task for part in run.target.parts] == ["regression", "multiclass", "binary"]
    assert [run.loss[name].name for name in names] == [
        "huber", "sparse_categorical_crossentropy", "binary_crossentropy",
    ]  # fmt: skip
    assert run.loss["price, net"].delta == 2.0
    predicted, probable = run.predict(frame), run.predict_proba(frame)
    assert list(predicted) == list(names)
    assert list(probable) == ["color", "spam"]
    assert run.classes["color"] == ("blue", "green", "red")
    found = gradus_json("evaluate", "mixed", "table.csv")["metrics"]
    assert found["mae price, net"] == pytest.approx(
        mean_absolute_error(frame["price, net"], predicted["price, net"]), rel=1e-4
    )
    assert found["r2 price, net"] == pytest.approx(
        r2_score(frame["price, net"], predicted["price, net"]), rel=1e-4
    )
    for name in ("color", "spam"):
        right = accuracy_score(frame[name].cast(pl.String), predicted[name])
        assert found[f"accuracy {name}"] == pytest.approx(right)
    assert found["loss color"] == pytest.approx(
        log_loss(frame["color"], probable["color"]), rel=1e-4
    )
    weighted = zip(names, (1, 1, 0.5), strict=True)
    assert found["loss"] == pytest.approx(
        sum(weight * found[f"loss {name}"] for name, weight in weighted), abs=0.05
    )  # and the penalty
    assert run.model.task.objectives["spam"].weight == 0.5
    assert "r2 spam" not in found
    _, out, _ = gradus("predict", "mixed", "table.csv")
    columns = pl.read_csv(io.StringIO(out))
    assert columns.columns == [
        "prediction_price, net", "prediction_color", "probability_color_blue",
        "probability_color_green", "probability_color_red", "prediction_spam",
        "probability_spam_0", "probability_spam_1",
    ]  # fmt: skip
    np.testing.assert_allclose(columns["probability_color_red"], probable["color"][:, 2], rtol=1e-5)


@pytest.mark.usefixtures("in_folder")
def test_several_tasks_are_scored_alike_in_parts_and_trained_on(gradus, gradus_json, monkeypatch):
    whole = gradus_json("evaluate", "mixed", "table.csv")["metrics"]
    _, predicted, _ = gradus("predict", "mixed", "table.csv")
    monkeypatch.setattr(table_stream, "BLOCK_ROWS", (64, 64))
    monkeypatch.setattr(reading_in_parts, "host_free_bytes", lambda: 1)
    in_parts = gradus_json("evaluate", "mixed", "table.csv")["metrics"]
    assert list(in_parts) == list(whole)
    assert in_parts == pytest.approx(whole, rel=1e-5)
    _, out, err = gradus("predict", "mixed", "table.csv")
    assert "read in parts" in err
    for name, column in pl.read_csv(io.StringIO(out)).to_dict().items():
        expected = pl.read_csv(io.StringIO(predicted))[name]
        assert column.dtype == expected.dtype
        assert np.array_equal(column, expected) or np.allclose(column, expected, rtol=1e-5)
    held_out = gradus_json("evaluate", "mixed")["metrics"]  # read as in its training
    assert held_out == pytest.approx(gr.load("mixed").record.metrics, rel=1e-5)
    streamed = ("--target", "color,weight", "--drop-columns", "spam,late")
    status, out, err = gradus("train", "table.csv", *streamed, *QUICK, "--out", "streamed")
    assert status == 0, err
    assert gr.load("streamed").record.metrics["loss color"] < np.log(3)


@pytest.mark.usefixtures("in_folder")
def test_trials_with_several_targets_are_compared_by_losses_of_one_penalty():
    raw = {"data": "table.csv", "target": ["color", "weight"], "sweep": {"trials": 2}}
    setup = set_up_sweep(raw, {}, "sweep.toml")
    assert "optimizer" in setup.settings
    assert "penalty" not in setup.settings
    assert setup.prepared.experiment.training.monitor == "val_loss"
    raw["penalty"] = {"l2": {"log_uniform": [1e-5, 1e-2]}}
    with pytest.raises(ExperimentError, match=r"penalty have losses .* 'val_color_accuracy'"):
        set_up_sweep(raw, {}, "sweep.toml")
    raw["training"] = {"monitor": "val_weight_r2"}
    assert set_up_sweep(raw, {}, "sweep.toml").settings["penalty"]


@pytest.mark.usefixtures("in_folder")
def test_one_row_of_several_targets_is_evaluated(gradus_json):
    TABLE[3].write_csv("one.csv")
    found = gradus_json("evaluate", "mixed", "one.csv")
    assert found["rows"] == 1
    assert found["metrics"]["accuracy color"] in (0.0, 1.0)


@pytest.mark.usefixtures("in_folder")
def test_predictions_have_a_column_for_each_target(gradus, gradus_json):
    status, out, _ = gradus("predict", "numbers", "table.csv", "--keep", "a")
    assert status == 0
    frame = pl.read_csv(io.StringIO(out))
    assert frame.columns == ["a", "prediction_price, net", "prediction_weight"]
    likely = gradus_json("predict", "labels", "table.csv", "--threshold", 0.9)["predictions"]
    assert list(likely) == [
        "prediction_spam", "prediction_late", "probability_spam", "probability_late",
    ]  # fmt: skip
    assert likely["prediction_spam"] == [int(p > 0.9) for p in likely["probability_spam"]]


@pytest.mark.usefixtures("in_folder")
def test_the_rows_held_out_are_scored_again_without_data(gradus, gradus_json):
    record = json.loads(gradus("runs", ".", "--json")[1])["runs"]
    for run in record:
        again = gradus_json("evaluate", run["run"])
        assert again["part"] == "its test part"
        assert again["rows"] == gr.load(run["run"]).record.rows["test"]
        assert again["metrics"] == pytest.approx(run["metrics"])
        assert again["notes"] == []


def test_data_that_have_changed_since_are_not_scored(in_folder, gradus):
    table = in_folder / "table.csv"
    whole = table.read_text()
    try:
        TABLE.reverse().write_csv(table)
        assert "have changed since the training" in gradus("evaluate", "numbers")[1]
        TABLE.head(180).write_csv(table)
        status, _, err = gradus("evaluate", "numbers")
    finally:
        table.write_text(whole)
    assert status == 1
    assert "50 test rows then, " in err
    assert "45 test now" in err


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize("name", ["numbers", "labels"])
def test_a_service_and_a_file_of_onnx_give_the_same(name):
    run, rows = gr.load(name), TABLE.head(3).select("a", "b", "c")
    predicted = run.predict(rows)
    (found,) = Predictor(run).predict([rows.to_dicts()])
    answers = _row_objects(found)
    schema = describe_service(run, 2**20, 10, has_token=False)["components"]["schemas"]
    for answer, values in zip(answers, predicted, strict=True):
        jsonschema.validate(answer, schema["Prediction"])
        assert list(answer["prediction"]) == list(run.target.columns)
        assert list(answer["prediction"].values()) == pytest.approx(values.tolist(), rel=1e-5)
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    session = ort.InferenceSession(gr.export(run, f"{name}.onnx"))
    feeds = {column: rows[column].to_numpy() for column in rows.columns}
    theirs = dict(
        zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True)
    )
    np.testing.assert_allclose(theirs["prediction"], predicted, rtol=1e-5)
    if name == "labels":
        np.testing.assert_allclose(theirs["probabilities"], run.predict_proba(rows), rtol=1e-5)


@pytest.mark.usefixtures("in_folder")
def test_each_task_is_served_and_exported():
    run, rows = gr.load("mixed"), TABLE.head(3).select("a", "b", "c")
    predicted, probable = run.predict(rows), run.predict_proba(rows)
    schema = describe_service(run, 2**20, 10, has_token=False)["components"]["schemas"]
    (found,) = Predictor(run).predict([rows.to_dicts()])
    for k, answer in enumerate(_row_objects(found)):
        jsonschema.validate(answer, schema["Prediction"])
        assert answer["prediction"]["color"] == predicted["color"][k]
        assert answer["prediction"]["price, net"] == pytest.approx(predicted["price, net"][k])
        assert list(answer["probabilities"]) == ["color", "spam"]
        assert answer["probabilities"]["color"]["red"] == pytest.approx(probable["color"][k, 2])
    code = gr.export(run, "mixed.py").read_text()
    assert "gr.data.split(data.y, 0.25, seed=0)" in code
    assert '"price, net": gr.losses.Huber(delta=2.0)' in code
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    session = ort.InferenceSession(gr.export(run, "mixed.onnx"))
    feeds = {column: rows[column].to_numpy() for column in rows.columns}
    names = [output.name for output in session.get_outputs()]
    theirs = dict(zip(names, session.run(None, feeds), strict=True))
    assert theirs["prediction_color"].tolist() == predicted["color"].tolist()
    np.testing.assert_allclose(theirs["prediction_price, net"], predicted["price, net"], rtol=1e-5)
    np.testing.assert_allclose(theirs["probabilities_color"], probable["color"], rtol=1e-5)


@pytest.mark.usefixtures("in_folder")
def test_a_run_with_several_targets_is_code_that_splits_as_it_did():
    for name, rows in (("numbers", "len(data)"), ("labels", "data.y")):
        code = gr.export(gr.load(name), f"{name}.py").read_text()
        assert f"rest, test_rows = gr.data.split({rows}, 0.25, seed=0)" in code
    assert 'y = y.astype("float32")' in code


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "spam,spam"), "'spam' is named twice"),
        (("--target", "spam,wieght"), "Did you mean 'weight'"),
        (("--target", "spam,color", "--task", "regression"), "'color' is not numbers.*task of its"),
        (("--target", "spam,color", "--task", "binary"), "'color' has 3 classes"),
        (("--target", "spam,color", "--loss", "huber"), r"loss 'huber' is one, .*\[loss\.spam\]"),
        (("--target", "spam,color", "--metrics", "mae,r2"), "--metrics r2 does not apply to any"),
        (("--target", "spam,color", "--class-weight", "balanced"), "several targets: leave it out"),
        (("--target", "spam,late", "--group", "late"), "--group late is the target"),
        (("--target", "spam,late", "--class-weight", "balanced"), "leave it out"),
        (("--target", "spam,late", "--loss", "sparse_categorical_crossentropy"), "several labels"),
        (("--target", "weight", "--test", "20"), "0.2 for 20 %"),
    ],
)
def test_mistakes_say_what_to_write(gradus, arguments, message):
    status, _, err = gradus("train", "table.csv", *arguments)
    assert status != 0
    assert re.search(message, err), err
