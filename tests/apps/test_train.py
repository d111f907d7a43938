"""`gradus train`: what it prints, writes and repeats."""

import json
import re
import signal
import tomllib

import numpy as np
import polars as pl
import pytest
from sklearn import metrics

import gradus as gr
from gradus.train.progress import TrainingProgress

QUICK = ("--epochs", 8, "--layers", "16")
ONCE = ("--refit", "no")  # a refit compiles another program


@pytest.mark.slow
def test_json_is_the_only_thing_on_standard_output(gradus):
    status, out, err = gradus("train", "iris", *QUICK, "--json")
    assert status == 0
    record = json.loads(out)
    assert out == out.strip() + "\n"
    assert record["run"] == "runs/iris-1"
    assert record["metrics"] == record["parts"]["validation"]
    assert "150 rows, 4 features" in err
    assert "3 classes (setosa, versicolor, virginica)" in err


@pytest.mark.slow
@pytest.mark.usefixtures("pages")
def test_a_run_folder_has_all_files(gradus_json, work):
    record = gradus_json("train", "iris", *QUICK)
    run = work / record["run"]
    history = pl.read_parquet(run / "history.parquet")
    assert history["epoch"].to_list() == list(range(1, 9))
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(history.columns)
    assert (run / "weights.safetensors").stat().st_size > 4 * (4 * 16 + 16 + 16 * 3 + 3)
    (note,) = json.loads((run / "notes.json").read_text())["notes"]
    assert "still falling" in note  # in eight epochs of three steps
    page = (run / "report.html").read_text()
    assert "iris-1" in page
    assert "virginica" in page
    written = (run / "experiment.toml").read_text()
    assert "layers = [16]\n" in written
    experiment = tomllib.loads(written)
    assert experiment["network"]["layers"] == [16]
    assert experiment["training"]["epochs"] == 8


@pytest.mark.slow
def test_text_output_describes_the_data_and_the_next_command(gradus, flowers):
    status, out, err = gradus("train", flowers, "--target", "kind", *QUICK, *ONCE)
    assert status == 0, err
    assert "80 rows, 3 columns as 4 features" in out
    assert "kind: binary, 2 classes (lily, rose)" in out
    assert "Dense 16 relu" in out
    assert "Dense 1 sigmoid" in out
    assert "72 training, 8 validation" in out
    assert "gradus predict runs/flowers-1" in out


@pytest.mark.slow
def test_the_metrics_are_those_of_the_weights_that_are_saved(gradus_json, work):
    record = gradus_json("train", "digits", *QUICK, *ONCE)
    model = gr.load(work / record["run"]).model
    from gradus.data import load, split

    data = load("digits")
    _, held = split(data.y, 0.1, 0)
    agree = model.predict_classes(data.x[held]) == data.y[held]
    assert record["metrics"]["accuracy"] == pytest.approx(agree.mean(), abs=1e-6)
    assert record["rows"] == {"training": 1797 - len(held), "validation": len(held)}


@pytest.mark.slow
def test_digits_are_learned_with_defaults(gradus_json):
    record = gradus_json("train", "digits", "--epochs", 12, *ONCE)
    assert record["metrics"]["accuracy"] > 0.93
    assert record["split"] == "validation"


@pytest.mark.slow
def test_the_experiment_repeats_the_run_exactly(gradus_json, flowers, work):
    options = ("--target", "kind", *QUICK, *ONCE, "--dropout", 0.3, "--seed", 5)
    first = gradus_json("train", flowers, *options)
    again = gradus_json("train", f"{first['run']}/experiment.toml")
    other = gradus_json("train", f"{first['run']}/experiment.toml", "--seed", 6)
    assert again["run"] == "runs/flowers-2"
    assert again["parts"] == first["parts"]
    assert other["parts"] != first["parts"]
    one, two = ((work / r["run"] / "weights.safetensors").read_bytes() for r in (first, again))
    assert one == two
    texts = [(work / r["run"] / "experiment.toml").read_text() for r in (first, again)]
    assert texts[0] == texts[1]


@pytest.mark.slow
def test_flags_override_the_file_and_its_paths_are_relative_to_it(gradus_json, flowers, work):
    (work / "sub").mkdir()
    (work / "sub" / "mine.toml").write_text(
        'data = "../flowers.csv"\ntarget = "kind"\n'
        "[training]\nepochs = 3\nbatch_size = 7\nrefit = false\n"
        '[optimizer]\nname = "sgd"\nlearning_rate = 0.3\nmomentum = 0.5\n'
    )
    record = gradus_json("train", "sub/mine.toml", "--epochs", 2, "--layers", "none")
    assert record["epochs"] == 2
    assert record["parameters"] == 4 + 1
    written = tomllib.loads((work / record["run"] / "experiment.toml").read_text())
    assert written["data"] == str(flowers)
    assert written["optimizer"] == {"name": "sgd", "learning_rate": 0.3, "momentum": 0.5}
    assert written["training"]["batch_size"] == 7
    other = gradus_json("train", "sub/mine.toml", "--optimizer", "adam", "--epochs", 2)
    written = tomllib.loads((work / other["run"] / "experiment.toml").read_text())
    assert written["optimizer"] == {"name": "adam"}


@pytest.mark.slow
def test_interrupted_training_keeps_its_best_and_resumes_exactly(
    gradus, gradus_json, monkeypatch, work
):
    settings = ("--epochs", 12, "--conv", "none", "--layers", "16", "--patience", 50)
    whole = gradus_json("train", "digits", *settings)
    original = TrainingProgress.__call__

    def interrupt(self, state, history):
        if int(state.epoch) >= 1:
            signal.raise_signal(signal.SIGINT)
        return original(self, state, history)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingProgress, "__call__", interrupt)
        status, out, err = gradus("train", "digits", *settings, "--out", "mine")
    assert status == 130
    assert "gradus train --resume mine" in out
    assert "call fit" not in err
    broken = json.loads((work / "mine" / "run.json").read_text())
    assert broken["status"] == "interrupted"
    assert 1 <= broken["epochs"] < 12
    rest = gradus_json("train", "mine/experiment.toml", "--resume", "mine")
    assert rest["run"] == "mine"
    assert rest["parts"] == whole["parts"]
    assert (rest["epochs"], rest["status"]) == (12, "finished")
    weights = [(work / run / "weights.safetensors").read_bytes() for run in (whole["run"], "mine")]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_a_regression_is_evaluated_in_its_own_units(gradus_json, work):
    rng = np.random.default_rng(1)
    x = rng.normal(size=200)
    y = 1000 + 300 * x + 30 * rng.normal(size=200)
    pl.DataFrame({"x": x, "noise": rng.normal(size=200), "price": y}).write_csv("houses.csv")
    record = gradus_json(
        "train",
        "houses.csv",
        "--target",
        "price",
        "--layers",
        "none",
        "--epochs",
        200,
        "--optimizer",
        "adam",
        "--learning-rate",
        0.05,
        *ONCE,
    )
    assert record["task"] == "regression"
    metrics = record["metrics"]
    # The noise has deviation 30, the target 300: R² is about 1 - 30² / 300² = 0.99.
    assert 15 < metrics["rmse"] < 45
    assert 12 < metrics["mae"] < metrics["rmse"]
    assert 0.97 < metrics["r2"] < 1


@pytest.mark.slow
def test_a_test_file_is_evaluated_separately_and_reported(gradus, gradus_json, flowers, work):
    table = pl.read_csv(flowers)
    table[:60].write_csv("train.csv")
    table[60:].with_columns(pl.col("size", "width") * 1000).write_csv("test.csv")
    files = ("train.csv", "--test", "test.csv", "--target", "kind", "--out", "run")
    status, out, err = gradus("train", *files, *QUICK, *ONCE, "--json")
    assert status == 0, err
    record = json.loads(out)
    assert record["split"] == "test"
    assert record["rows"] == {"training": 54, "validation": 6, "test": 20}
    assert record["metrics"] == record["parts"]["test"]
    # It is of another scale, which is told before the training and among its findings.
    assert re.search(r"^fault +The test inputs x vary [\d,.e+]+ times as much", err, re.M)
    found = gradus_json("diagnose", "run")["findings"]
    assert ("fault", "preprocessing-mismatch") in [(f["severity"], f["code"]) for f in found]


@pytest.mark.slow
def test_no_validation_trains_on_every_row(gradus_json):
    record = gradus_json("train", "iris", "--validation", 0, *QUICK)
    assert record["rows"] == {"training": 150}
    assert record["split"] == "training"


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        ("--loss", "mse", "--batch-norm", "--activation", "tanh", "--l2", 1e-3),
        ("--loss", "categorical_crossentropy", "--optimizer", "lbfgs"),
        ("--loss", "focal", "--schedule", "cosine", "--clipnorm", 1, "--weight-decay", 0.01),
        ("--loss", "hinge", "--class-weight", "balanced", "--metrics", "accuracy,f1"),
        ("--schedule", "plateau", "--optimizer", "sgd", "--momentum", 0.9),
    ],
)
def test_settings_of_every_kind_train(gradus_json, flags):
    record = gradus_json("train", "iris", "--epochs", 40, "--layers", "16", *ONCE, *flags)
    assert record["parts"]["training"]["accuracy"] > 0.6
    assert all(value is not None for value in record["metrics"].values())


@pytest.mark.slow
def test_bytes_stay_bytes_and_are_scaled_in_the_network(gradus_json, work):
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 120)
    x = (rng.integers(0, 100, (120, 6, 6)) + 100 * y[:, None, None]).astype(np.uint8)
    np.savez(work / "pictures.npz", x=x, y=y)
    record = gradus_json("train", "pictures.npz", "--epochs", 40, *ONCE)
    model = gr.load(work / record["run"]).model
    assert model.example.dtype == np.uint8
    assert record["metrics"]["accuracy"] > 0.9


@pytest.mark.slow
def test_titanic(gradus_json, tabular):
    record = gradus_json("train", tabular / "titanic.csv", "--target", "survived")
    assert 0.7 < record["metrics"]["accuracy"] < 0.95  # its leak, `alive`, would give 1
    assert record["metrics"]["auc"] > 0.75


@pytest.mark.slow
def test_penguins(gradus_json, tabular):
    record = gradus_json("train", tabular / "penguins.csv", "--target", "species")
    assert record["metrics"]["accuracy"] > 0.93
    found = gradus_json("evaluate", record["run"], tabular / "penguins.csv")
    assert found["metrics"]["accuracy"] > 0.95
    assert found["rows"] == 344


@pytest.mark.slow
@pytest.mark.usefixtures("pages")
def test_a_constant_stands_beside_the_score(gradus, gradus_json, work):
    # Of 60 rows 45 are "no", of the validation part 4 or 5 of 6.
    rows = [f"{i % 7},{'yes' if i % 4 == 0 else 'no'}" for i in range(60)]
    (work / "t.csv").write_text("\n".join(["a,y", *rows]))
    options = ("--target", "y", *QUICK, *ONCE, "--out", "mine", "--json")
    status, out, err = gradus("train", "t.csv", *options)
    assert status == 0, err
    record = json.loads(out)
    constant = {"accuracy": pytest.approx(5 / 6, abs=0.18), "balanced_accuracy": 0.5}
    assert record["constant"] == constant
    assert 0 <= record["metrics"]["balanced_accuracy"] <= 1
    assert re.search(r"balanced accuracy .* 0\.5000\n", err)
    page = (work / "mine" / "report.html").read_text()
    assert "constant guess 8" in page
    assert "validation balanced accuracy" in page
    assert "constant guess 50.0%" in page
    found = gradus_json("evaluate", "mine", "t.csv")
    assert 0 <= found["metrics"]["balanced_accuracy"] <= 1


def test_what_a_constant_scores():
    from gradus.data.targets import Target
    from gradus.experiments.evaluation import constant_metrics

    classes = Target("y", "multiclass", ("a", "b", "c"))
    known, held = np.array([0, 1, 1, 1, 2]), np.array([1, 1, 0, 2])
    scores = {"accuracy": 0.5, "balanced_accuracy": 1 / 3}
    assert constant_metrics(known, held, classes) == scores
    assert constant_metrics(np.eye(3)[known], np.eye(3)[held], classes) == scores
    flags = Target("y", "binary", ("a", "b"))
    known, held = np.array([[0.0], [1.0], [1.0]]), np.array([[1.0], [0.0], [1.0], [1.0]])
    assert constant_metrics(known, held, flags) == {"accuracy": 0.75, "balanced_accuracy": 0.5}
    assert constant_metrics(known, held[:2], flags) == {"accuracy": 0.5}  # even classes


def test_the_balanced_accuracy_is_that_of_scikit_learn():
    from gradus.experiments.unit_scores import ClassScores

    def scored(true, predicted):
        scores = ClassScores(4)
        for part in (slice(None, 25), slice(25, None)):
            scores.add(true[part], predicted[part])
        return scores

    rng = np.random.default_rng(0)
    for count, shares in ((60, [0.9, 0.1]), (200, [0.6, 0.3, 0.1, 0.0])):
        true, predicted = (rng.choice(len(shares), count, p=shares) for _ in range(2))
        predicted = np.where(rng.uniform(size=count) < 0.7, true, predicted)
        expected = metrics.balanced_accuracy_score(true, predicted)
        assert scored(true, predicted).balanced_accuracy == pytest.approx(expected)
        assert scored(true, predicted).are_uneven
    survived = (np.arange(100) < 62).astype(int)  # as of the Titanic
    for even in (np.arange(100) % 3, survived, np.zeros(29, int)):
        assert not scored(even, even).are_uneven
