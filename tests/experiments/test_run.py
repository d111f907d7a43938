"""`gr.load`: a run of the command line in Python."""

import json
import shutil
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score, mean_absolute_error, roc_auc_score

import gradus as gr
from gradus.apps.cli import main
from gradus.errors import GradusError

INPUTS = ["weight", "age", "color", "born"]


@pytest.fixture
def run(cat_run):
    return gr.load(cat_run)


@pytest.fixture
def frame(cats):
    return pd.read_csv(cats)


def test_predictions_are_those_of_the_command_line(run, cats, cat_run, capsys):
    assert main(["predict", str(cat_run), str(cats), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)["predictions"]
    with pytest.warns(RuntimeWarning, match="1 column is not used: tag"):
        assert run.predict(cats).tolist() == made["prediction"]
    probabilities = run.predict_proba(cats)
    assert probabilities.dtype == np.float32
    for column, name in zip(probabilities.T, run.classes, strict=True):
        np.testing.assert_array_equal(column, np.float32(made[f"probability_{name}"]))


def test_a_table_in_memory_is_read_as_the_file(run, frame, cats):
    plain = frame[INPUTS]
    expected = run.predict_proba(plain)
    given = [
        plain[INPUTS[::-1]],  # by name, whatever the order
        pl.from_pandas(plain),
        pl.from_pandas(plain).lazy(),
        plain.to_dict("list"),
        plain.to_dict("records"),
        plain.astype({"color": "category"}),
        plain.assign(born=pd.to_datetime(plain["born"])),
    ]
    for table in given:
        np.testing.assert_array_equal(run.predict_proba(table), expected)
    one = run.predict_proba(plain.iloc[[7]])
    np.testing.assert_allclose(one, expected[7:8], rtol=1e-6)


def test_what_a_run_knows_of_itself(run):
    assert run.classes == ("no", "yes")
    assert (run.target.name, run.target.task) == ("tame", "binary")
    assert run.history.epochs == 3
    assert run.experiment.training.epochs == 3
    assert list(run.findings) == list(run.model.history.findings)
    assert repr(run).startswith(f"Run({str(run.folder)!r}: binary 'tame', validation accuracy 0.")


def test_metrics_are_those_of_scikit_learn(run, frame):
    plain = frame[[*INPUTS, "tame"]]
    metrics = run.evaluate(plain)
    assert metrics["accuracy"] == pytest.approx(accuracy_score(plain["tame"], run.predict(plain)))
    expected = roc_auc_score(plain["tame"], run.predict_proba(plain)[:, 1])
    assert metrics["auc"] == pytest.approx(expected, rel=1e-12)  # not counted in bins
    assert run.evaluate() == pytest.approx(run.record.metrics)


def test_a_threshold_divides_two_classes(run, frame):
    probability = run.predict_proba(frame[INPUTS])[:, 1]
    threshold = float(np.median(probability))
    expected = np.where(probability > threshold, "yes", "no")
    assert run.predict(frame[INPUTS], threshold=threshold).tolist() == expected.tolist()
    assert set(expected) == {"yes", "no"}


def test_unused_columns_are_said_once(run, frame):
    with pytest.warns(RuntimeWarning, match="2 columns are not used: tag, extra"):
        run.predict(frame.assign(extra=1))
    run.predict(frame.assign(extra=1))


def test_cells_that_training_had_no_like_of_are_said(run, frame):
    odd = frame[INPUTS].astype({"color": object})
    odd.loc[[3, 5], "color"] = "green"
    odd.loc[4, "weight"] = 1000
    odd.loc[[6, 7, 8], "weight"] = None
    with pytest.warns(RuntimeWarning) as told:
        run.predict(odd)
    said = "\n".join(str(warning.message) for warning in told)
    assert "'color': 'green' in row 3 (counted from 0) is no category" in said
    assert "; 1 more cell is none" in said
    assert "'weight': 1000 in row 4 (counted from 0) is outside the range" in said
    low, high = frame["weight"].min(), frame["weight"].max()
    assert f"{low:.10g} to {high:.10g}" in said
    assert "'weight': the value in row 6 (counted from 0) is missing" in said
    assert len(told) == 3
    with warnings.catch_warnings():  # a missing age was there in training
        warnings.simplefilter("error")
        run.predict(frame[INPUTS].assign(age=None))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda run, f: run.predict(f.drop(columns="color")), "no column 'color'"),
        (lambda run, f: run.predict(f.rename(columns={"age": "Age"})), "Did you mean 'Age'"),
        (lambda run, f: run.predict(f.to_numpy()), "does not name its columns"),
        (lambda run, f: run.predict([[1, 2], [3, 4]]), "does not name its columns"),
        (lambda run, f: run.predict([]), "no rows"),
        (lambda run, f: run.predict(f[:0]), "no rows"),
        (lambda run, f: run.predict(f.iloc[0].to_dict()), "one row"),
        (lambda run, f: run.predict(f.iloc[0]), "frame.iloc[[0]]"),
        (lambda run, f: run.predict(f.assign(weight="heavy")), "'heavy' in row 0"),
        (lambda run, f: run.predict(7), "given as int"),
        (lambda run, f: run.predict(), "write predict(data=…)"),
        (lambda run, f: run.predict("iris"), "trained on a table, but 'iris' is arrays"),
        (lambda run, f: run.evaluate("iris"), "trained on a table, but 'iris' is arrays"),
        (lambda run, f: run.evaluate("."), "but '.' is a folder without a table"),
        (lambda run, f: run.predict("gone.csv"), "gone.csv"),
        (lambda run, f: run.predict(f, threshold=1.5), "between 0 and 1"),
        (lambda run, f: run.evaluate(f, f["tame"]), "its column 'tame'"),
        (lambda run, f: run.evaluate(f.drop(columns="tame")), "no target column 'tame'"),
        (lambda run, f: run.evaluate(f.assign(tame="maybe")), "'maybe' in row 0"),
    ],
)
def test_mistakes_are_answered(run, frame, call, words):
    with pytest.raises(GradusError) as error:
        call(run, frame[[*INPUTS, "tame"]])
    assert words in str(error.value)


def test_arrays_are_taken_as_those_of_training(iris_run):
    run, (x, y) = gr.load(iris_run), load_iris(return_X_y=True)
    names = np.array(run.classes)
    predicted = run.predict(x)
    assert predicted.tolist() == names[run.predict_proba(x).argmax(1)].tolist()
    assert predicted.tolist() == run.predict("iris").tolist() == run.predict(x.tolist()).tolist()
    accuracy = accuracy_score(names[y], predicted)
    assert run.evaluate(x, names[y])["accuracy"] == pytest.approx(accuracy)
    for call, words in (
        (lambda: run.predict(x[:, :3]), "(150, 3), but the scaling was learned from 4"),
        (lambda: run.predict({"a": [1, 2]}), "not on a table"),
        (lambda: run.predict(x, threshold=0.5), "has 3 classes"),
        (lambda: run.evaluate(x), "evaluate(x, y)"),
        (lambda: run.evaluate(x, y), "write evaluate(x, np.array(run.classes)[y])"),
        (lambda: run.evaluate("iris", y), "leave out y"),
    ):
        with pytest.raises(GradusError) as error:
            call()
        assert words in str(error.value)


@pytest.mark.slow
def test_a_regression_is_in_its_own_units(cats, make_run, frame):
    run = gr.load(make_run(cats, "--target", "weight", "--drop-columns", "tag"))
    rows = frame.drop(columns="tag")
    predicted = run.predict(rows)
    assert predicted.shape == (len(rows),)
    mae = mean_absolute_error(rows["weight"], predicted)
    assert run.evaluate(rows)["mae"] == pytest.approx(mae, rel=1e-5)
    with pytest.raises(GradusError, match="numbers, which have no probabilities: call predict"):
        run.predict_proba(rows)
    with pytest.raises(GradusError, match="'weight' is numbers: leave it out"):
        run.predict(rows, threshold=0.3)


@pytest.mark.slow
def test_a_loss_without_probabilities(cats, make_run, frame):
    run = gr.load(make_run(cats, "--target", "tame", "--drop-columns", "tag", "--loss", "hinge"))
    rows = frame[INPUTS]
    scores = run.model.predict(run.preprocessor.transform(rows))[:, 0]
    assert run.predict(rows).tolist() == np.where(scores > 0, "yes", "no").tolist()
    with pytest.raises(GradusError, match="'hinge' gives scores, not probabilities: call"):
        run.predict_proba(rows)
    with pytest.raises(GradusError, match="'hinge' gives scores: leave it out"):
        run.predict(rows, threshold=0.3)


@pytest.mark.slow
def test_dark_images_are_bytes_where_training_had_bytes(tmp_path, make_run):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 5, 5), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", x=images, y=(images.mean((1, 2)) > 127).astype(int))
    run, dark = gr.load(make_run(tmp_path / "images.npz")), images // 16
    expected = run.predict_proba(dark)
    for same in (dark.astype(int), dark.astype(float), dark[..., None], dark.tolist()):
        np.testing.assert_allclose(run.predict_proba(same), expected, rtol=1e-5)
    with pytest.raises(GradusError, match="multiply them by 255"):
        run.predict(images / 255)


@pytest.mark.slow
def test_images_of_floats(tmp_path, make_run):
    images = np.random.default_rng(0).random((60, 5, 5))
    np.savez(tmp_path / "images.npz", x=images, y=(images.mean((1, 2)) > 0.5).astype(int))
    run = gr.load(make_run(tmp_path / "images.npz"))
    black = np.zeros((2, 5, 5))
    np.testing.assert_array_equal(run.predict_proba(black.astype(int)), run.predict_proba(black))
    for bright in ((images * 255).round(), (images * 255).astype(int)):
        with pytest.raises(GradusError, match=r"whole numbers to 25.*: divide them by 255"):
            run.predict(bright)


# --- what is no run ----------------------------------------------------------------------------


def test_the_network_of_a_run_alone_says_that_it_is(cat_run):
    with pytest.warns(UserWarning, match=r"Model\.load: .* is a run.*gr\.load has both"):
        model = gr.Model.load(cat_run)
    assert model.weights.keys() == gr.load(cat_run).model.weights.keys()


def test_what_is_no_run_is_answered(cat_run, cats, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(cat_run, tmp_path / "runs" / "cats-1")
    shutil.copytree(cat_run, tmp_path / "cut")
    (tmp_path / "cut" / "run.json").unlink()
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.toml").write_text('data = "iris"\n')
    gr.load(cat_run).model.save(tmp_path / "alone")
    (tmp_path / "empty").mkdir()
    assert gr.load("cats-1").folder == gr.load("runs/cats-1").folder
    for path, words in (
        ("alone", "a model that was saved alone, which takes the network's own inputs. In "
         "Python, load it with model = gr.Model.load('alone'), and call model.predict(x), "
         "model.diagnose(x, y), or gr.repair(model, x, y)."),
        ("cut", "gradus train --resume cut"),
        ("sweep", "gradus sweep --resume sweep"),
        ("runs", "name one of them, such as 'runs/cats-1'"),
        ("runs/cats-1/checkpoint", "name 'runs/cats-1'"),
        ("runs/cats-1/run.json", "name its folder, 'runs/cats-1'"),
        ("runs/cats-2", "Did you mean 'runs/cats-1'"),
        ("iris", "gradus train iris"),
        ("empty", "contains no run"),
        (str(cats), f"gradus train {cats}"),
        (pl.DataFrame(), "not DataFrame"),
        (None, "not NoneType"),
    ):  # fmt: skip
        with pytest.raises(GradusError) as error:
            gr.load(path)
        assert words in str(error.value), path


@pytest.mark.parametrize(
    "name", ["run.json", "experiment.toml", "preprocessing.json", "model.json",
             "weights.safetensors"]
)  # fmt: skip
def test_a_damaged_run_is_refused_at_once(cat_run, tmp_path, name):
    folder = shutil.copytree(cat_run, tmp_path / "run")
    path = folder / name
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(GradusError, match=r"damaged|cut short|altered"):
        gr.load(folder)
