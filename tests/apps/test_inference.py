"""`gradus evaluate`, `predict`, `report` and `runs`."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gradus import manifests
from gradus.apps.output import format_value
from gradus.records import checksum

ONCE = ("--refit", "no")  # a refit compiles another program, and test_refit.py predicts with one
QUICK = ("--epochs", 8, "--layers", "16", *ONCE)


@pytest.fixture
def run(gradus_json, flowers):
    return gradus_json("train", flowers, "--target", "kind", *QUICK)["run"]


@pytest.mark.slow
def test_evaluate_agrees_with_predictions_counted_by_hand(gradus_json, run, flowers):
    found = gradus_json("evaluate", run, flowers)
    gradus_json("predict", run, flowers, "--out", "p.csv")
    true = pl.read_csv(flowers)["kind"]
    guess = pl.read_csv("p.csv")["prediction"]
    assert found["metrics"]["accuracy"] == pytest.approx((true == guess).mean(), abs=1e-6)
    assert found["rows"] == 80
    assert "trained on" in found["notes"][0]


@pytest.mark.slow
def test_predictions_need_no_target_and_come_with_probabilities(gradus_json, run, flowers):
    pl.read_csv(flowers).drop("kind").write_csv("new.csv")
    made = gradus_json("predict", run, "new.csv", "--out", "p.parquet")
    assert made["rows"] == 80
    frame = pl.read_parquet("p.parquet")
    assert frame.columns == ["prediction", "probability_lily", "probability_rose"]
    total = frame["probability_lily"] + frame["probability_rose"]
    assert np.allclose(total.to_numpy(), 1)
    likely = np.where(frame["probability_rose"] > 0.5, "rose", "lily")
    assert (frame["prediction"].to_numpy() == likely).all()


@pytest.mark.slow
def test_predictions_go_to_standard_output_or_into_the_json(gradus, gradus_json, run, flowers):
    status, out, err = gradus("predict", run, flowers)
    assert (status, err) == (0, "")
    frame = pl.read_csv(io.StringIO(out))
    assert frame.height == 80
    inside = gradus_json("predict", run, flowers)
    assert inside["predictions"]["prediction"] == frame["prediction"].to_list()


@pytest.mark.slow
def test_a_table_on_standard_input(gradus, run, flowers, monkeypatch):
    class Stdin:
        buffer = io.BytesIO(flowers.read_bytes())

    expected = gradus("predict", run, flowers)
    monkeypatch.setattr("sys.stdin", Stdin)
    assert gradus("predict", run, "-") == expected


@pytest.mark.slow
def test_a_regression_is_predicted_in_its_own_units(gradus_json):
    record = gradus_json("train", "diabetes", "--epochs", 30, "--layers", "none",
                         "--optimizer", "adam", "--learning-rate", 0.03)  # fmt: skip
    made = gradus_json("predict", record["run"], "diabetes")
    values = np.asarray(made["predictions"]["prediction"])
    from gradus.data import load

    y = load("diabetes").y
    assert abs(values.mean() - y.mean()) < 15  # y has mean 152 and deviation 77
    found = gradus_json("evaluate", record["run"], "diabetes")["metrics"]
    assert found["mae"] == pytest.approx(np.abs(values - y).mean(), rel=1e-4)
    assert found["rmse"] == pytest.approx(np.sqrt(np.square(values - y).mean()), rel=1e-4)
    by_hand = 1 - np.square(values - y).sum() / np.square(y - y.mean()).sum()
    assert found["r2"] == pytest.approx(by_hand, abs=1e-4)


@pytest.mark.slow
def test_runs_are_listed_with_their_results(gradus, gradus_json, run, work):
    shutil.copytree(work / run, work / "runs" / "cut")
    (work / "runs" / "cut" / "run.json").unlink()
    listed = gradus_json("runs")["runs"]
    by_name = {entry["run"]: entry for entry in listed}
    assert by_name[run]["metrics"] == json.loads((work / run / "run.json").read_text())["metrics"]
    assert by_name["runs/cut"]["status"] == "unfinished"
    status, out, _ = gradus("runs")
    assert status == 0
    assert f"accuracy {format_value(by_name[run]['metrics']['accuracy'])}" in out


RECORD = {
    "status": "finished", "data": "iris", "task": "multiclass", "split": "validation", "epochs": 2,
    "metrics": {"accuracy": 0.5, "loss": None}, "parts": {"validation": {"accuracy": 0.5}},
    "parameters": 9, "seconds": 1, "date": "2026-11-29T12:30:00+00:00", "rows": {"validation": 9},
}  # fmt: skip


@pytest.mark.parametrize(
    ("record", "change", "words"),
    [
        (RECORD, lambda text: "[]", "no entries"),
        (RECORD, lambda text: text[:90], "cut short"),
        (RECORD, lambda text: text.replace("0.5", "0.9"), "altered"),
        (RECORD | {"seconds": None}, str, "$.seconds"),
        (RECORD | {"metrics": "good"}, str, "$.metrics"),
        (RECORD | {"split": [1]}, str, "$.split"),
        ({name: RECORD[name] for name in RECORD if name != "epochs"}, str, "epochs"),
    ],
)
def test_a_damaged_run_is_listed_with_the_reason(gradus, gradus_json, work, record, change, words):
    for name, content in (("bad", record), ("good", RECORD)):
        (work / "runs" / name).mkdir(parents=True)
        (work / "runs" / name / "experiment.toml").write_text('data = "iris"\n')
        whole = {"kind": "run", "format": manifests.FORMAT, "gradus": "0", "files": {}, **content}
        whole["sha256"] = checksum(whole)
        (work / "runs" / name / "run.json").write_text(json.dumps(whole))
    bad = work / "runs" / "bad" / "run.json"
    bad.write_text(change(bad.read_text()))
    status, out, err = gradus("runs")
    assert status == 0, err
    by_name = {entry["run"]: entry for entry in gradus_json("runs")["runs"]}
    assert by_name["runs/good"]["epochs"] == 2
    assert by_name["runs/bad"]["status"] == "damaged"
    assert words in by_name["runs/bad"]["error"]
    assert f"runs/bad: {by_name['runs/bad']['error']}" in out
    assert "accuracy 0.5000" in out
    status, _, err = gradus("report", "bad")
    assert (status, words in err) == (1, True)


def test_no_runs_are_no_error(gradus, gradus_json):
    assert gradus_json("runs") == {"runs": []}
    assert gradus("runs", "nowhere")[0] == 1


@pytest.mark.slow
@pytest.mark.usefixtures("pages")
def test_the_report_is_rewritten_even_without_the_data(gradus_json, gradus, run, flowers, work):
    page = work / run / "report.html"
    page.unlink()
    assert gradus_json("report", run)["report"] == f"{run}/report.html"
    assert "Confusion matrix" in page.read_text()
    before, rows = page.read_bytes(), flowers.read_text().splitlines()
    flowers.write_text("\n".join(rows[:70]) + "\n")
    status, out, _ = gradus("report", run)
    assert status == 0
    assert "The data have changed since the training, so the report stays as it was." in out
    assert f"gradus evaluate {run} {flowers}" in out
    assert page.read_bytes() == before
    flowers.unlink()
    status, out, _ = gradus("report", run)
    assert status == 0
    assert "stays as it was" in out
    assert str(flowers) in gradus_json("report", run)["note"]
    assert page.read_bytes() == before
    page.unlink()
    status, out, _ = gradus("report", run)
    assert status == 0
    assert "left out" in out
    assert "Confusion matrix" not in page.read_text()


@pytest.mark.slow
def test_a_run_may_be_named_without_its_folder(gradus_json, run, flowers):
    assert gradus_json("evaluate", "flowers-1", flowers)["run"] == run


@pytest.mark.slow
def test_new_data_are_read_as_the_training_data_were(gradus_json, gradus, work):
    rng = np.random.default_rng(0)
    drawn = zip(
        rng.uniform(0, 9999, 80), rng.integers(1, 29, 80), rng.integers(1, 13, 80), strict=True
    )
    rows = [
        f'"{a:,.2f}"'.translate(str.maketrans(",.", ".,")) + f";{d}/{m}/2024;{a > 5000}"
        for a, d, m in drawn
    ]
    rows[3] = '"n/k";13/1/2024;True'
    (work / "rents.csv").write_text("\n".join(["rent;when;paid", *rows]))
    gradus_json("train", "rents.csv", "--target", "paid", "--out", "rents", "--epochs", 2, *ONCE)
    saved = json.loads((work / "rents" / "preprocessing.json").read_text())["fitted"]["formats"]
    assert (saved["rent"]["decimal"], saved["when"]["date"]) == (",", "%d/%m/%Y")
    new = ['"1.036"', '"1.036,00"', '"n/k"', '""']
    (work / "all.csv").write_text("\n".join(["rent,when", *(f"{cell},1/2/2024" for cell in new)]))
    assert gradus("predict", "rents", "all.csv", "--out", "all_out.csv")[0] == 0
    together = pl.read_csv(work / "all_out.csv")["probability_True"].to_list()
    assert together[0] == together[1]  # "1.036" is 1036 here
    assert together[2] == together[3]  # what was missing in training
    for cell, expected in zip(new, together, strict=True):
        (work / "one.csv").write_text(f"rent,when\n{cell},1/2/2024\n")
        gradus("predict", "rents", "one.csv", "--out", "one_out.csv")
        assert pl.read_csv(work / "one_out.csv")["probability_True"][0] == pytest.approx(expected)
    (work / "bad.csv").write_text("rent,when\n5,1/2/2024\nmuch,1/2/2024\n")
    status, _, err = gradus("predict", "rents", "bad.csv")
    assert (status, "'much' in row 1" in err) == (1, True)
    (work / "bad.csv").write_text("Rentt,when\n5,1/2/2024\n")
    assert "Did you mean 'Rentt'" in gradus("predict", "rents", "bad.csv")[2]


def test_predictions_keep_the_digits_of_arrays_as_evaluation_does(gradus_json, gradus, work):
    rng = np.random.default_rng(0)
    seconds = rng.uniform(0, 100, (120, 1))  # float32 holds time stamps to 128 seconds
    np.savez(work / "t.npz", x=1.7e9 + seconds, y=(seconds[:, 0] > 50).astype(int))
    gradus_json("train", "t.npz", "--epochs", 30, "--out", "stamps", *ONCE)
    accuracy = gradus_json("evaluate", "stamps", "t.npz")["metrics"]["accuracy"]
    assert gradus("predict", "stamps", "t.npz", "--out", "p.csv")[0] == 0
    predicted = pl.read_csv(work / "p.csv")["prediction"].to_numpy()
    assert np.mean(predicted == (seconds[:, 0] > 50)) == pytest.approx(accuracy)
    assert accuracy > 0.9


def test_an_unknown_category_is_told_beside_the_prediction(gradus, gradus_json, work):
    rows = [f"{'ab'[i % 2]},{i % 7},{i % 2}" for i in range(60)]
    (work / "t.csv").write_text("\n".join(["place,z,y", *rows]))
    gradus_json("train", "t.csv", "--target", "y", "--keep-columns", "place", *QUICK, "--out", "t")
    (work / "new.csv").write_text("place,z\na,1\nAtlantis,2\n")
    status, out, err = gradus("predict", "t", "new.csv")
    assert (status, len(out.splitlines())) == (0, 3), err
    assert "'place': 'Atlantis' in row 1 (counted from 0) is no category" in err
    assert gradus_json("predict", "t", "new.csv")["notes"] == [err.strip().removeprefix("note: ")]


def test_predictions_do_not_replace_the_table_that_is_read(gradus, run, flowers, work):
    before = Path(flowers).read_bytes()
    status, _, err = gradus("predict", run, flowers, "--out", flowers)
    assert (status, "is the file that is read" in err) == (1, True), err
    assert Path(flowers).read_bytes() == before


def test_columns_are_carried_through_and_a_threshold_divides(gradus, gradus_json, cats, cat_run):
    made = gradus_json("predict", cat_run, cats, "--keep", "tag,weight", "--threshold", 0.6)
    found = made["predictions"]
    assert made["columns"] == ["tag", "weight", "prediction", "probability_no", "probability_yes"]
    table = pl.read_csv(cats, schema_overrides={"tag": pl.String})
    assert found["tag"] == table["tag"].to_list()  # "007" stays as it is spelled
    assert found["weight"] == table["weight"].to_list()
    likely = np.where(np.array(found["probability_yes"]) > 0.6, "yes", "no")
    assert found["prediction"] == likely.tolist()
    assert made["notes"] == ["'yes' is predicted where its probability is above 0.6"]
    status, _, err = gradus("predict", cat_run, cats, "--keep", "tag", "--out", "p.parquet")
    assert (status, err) == (0, ""), err
    assert pl.read_parquet("p.parquet")["tag"].to_list() == found["tag"]


def test_columns_and_thresholds_that_do_not_fit(gradus, cats, cat_run, iris_run, work):
    table = pl.read_csv(cats).with_columns(prediction=pl.lit(1))
    table.write_csv(work / "odd.csv")
    for run, data, flags, words in (
        (cat_run, cats, ["--keep", "tagg"], "no column 'tagg'. Did you mean 'tag'"),
        (cat_run, "odd.csv", ["--keep", "prediction"], "--keep prediction: a column of the"),
        (
            cat_run,
            cats,
            ["--threshold", "1"],
            "--threshold 1.0: write a probability between 0 and 1",
        ),
        (
            iris_run,
            "iris",
            ["--threshold", "0.3"],
            "divides the probabilities of two classes, but the target 'y' has 3 classes",
        ),
        (iris_run, "iris", ["--keep", "tag"], "arrays, which have no columns"),
    ):
        status, out, err = gradus("predict", run, data, *flags)
        assert (status, out, words in err) == (1, "", True), err


def test_what_training_had_no_like_of_is_counted_by_column(gradus_json, cats, cat_run, work):
    table = pl.read_csv(cats)
    row = pl.int_range(pl.len())
    table.with_columns(
        weight=pl.when(row < 3).then(99.5).when(row == 8).then(None).otherwise("weight"),
        color=pl.when(row.is_in([4, 5])).then(pl.lit("green")).otherwise("color"),
    ).write_csv(work / "new.csv")
    made = gradus_json("predict", cat_run, "new.csv", "--keep", "tag")
    assert made["unseen"] == [
        {"column": "weight", "kind": "range", "count": 3},
        {"column": "weight", "kind": "missing", "count": 1},
        {"column": "color", "kind": "category", "count": 2},
    ]
    assert "99.5 in row 0 (counted from 0) is outside the range" in made["notes"][0]
