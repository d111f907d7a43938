"""`gradus sweep`: spaces in a file, the best trial as a run, and bad usage."""

import json
import re
import tomllib

import polars as pl
import pytest

import gradus as gr
from gradus.experiments.settings.experiment import ExperimentError
from gradus.experiments.settings.spaces import flatten_spaces, parse_spaces, to_toml
from gradus.hyperparameters import find_hyperparameters, resolve
from gradus.sweep.progress import SweepProgress
from gradus.sweep.search.values import values_at

SPACES = """
data = "iris"
validation = 0.3
[network]
layers = [6]
activation = {choice = ["relu", "tanh"]}
[optimizer]
name = {choice = ["sgd", "adam"]}
learning_rate = {log_uniform = [1e-3, 1e-1]}
[optimizer.sgd]
momentum = {uniform = [0, 0.9]}
[training]
epochs = 3
refit = false
[sweep]
trials = 6
seed = 1
"""
QUICK = ("--trials", 3, "--epochs", 2, "--layers", "4", "--refit", "no")


@pytest.fixture
def file(work):
    path = work / "mine.toml"
    path.write_text(SPACES)
    return path


# --- spaces in a file --------------------------------------------------------------------------


def test_spaces_replace_values():
    raw = tomllib.loads(
        "seed = {int_uniform = [0, 9]}\n"
        "network.layers = {choice = [[64], [128, 64], []]}\n"
        "network.dropout = {uniform = [0, 0.5]}\n"
        "penalty.l2 = {logspace = [1e-6, 1e-2, 3]}\n"
        'schedule = {name = "cosine", warmup_epochs = {linspace = [0, 2, 3]}}\n'
        "training.batch_size = {choice = [8, 16]}\n"
    )
    settings = parse_spaces(raw, "x.toml")
    hypers = find_hyperparameters(settings)
    assert list(hypers) == [
        "seed", "layers", "dropout", "l2", "schedule.warmup_epochs", "batch_size",
    ]  # fmt: skip
    made = resolve(settings, hypers, values_at(hypers, dict.fromkeys(hypers, 0.5)))
    assert made["seed"] == 5
    assert made["network"] == {"layers": [128, 64], "dropout": 0.25}
    assert made["penalty"]["l2"] == pytest.approx(1e-4)
    assert made["schedule"] == {"name": "cosine", "warmup_epochs": 1}
    assert made["training"]["batch_size"] == 16
    assert hypers["layers"].space.labels == ["[64]", "[128, 64]", "[]"]
    assert tomllib.loads(to_toml(raw)) == raw


def test_the_settings_of_a_name_apply_only_to_it():
    raw = tomllib.loads(SPACES)
    assert tomllib.loads(to_toml(raw)) == raw
    del raw["sweep"]
    settings = parse_spaces(raw, "x.toml")
    hypers = find_hyperparameters(settings)
    assert list(hypers) == ["activation", "optimizer", "sgd.momentum", "learning_rate"]
    half = dict.fromkeys(hypers, 0.5)
    first = values_at(hypers, {**half, "optimizer": 0.0})
    optimizer = flatten_spaces(resolve(settings, hypers, first))["optimizer"]
    assert optimizer == {"name": "sgd", "momentum": 0.45, "learning_rate": pytest.approx(0.01)}
    second = values_at(hypers, {**half, "optimizer": 0.9})
    assert "sgd.momentum" not in second
    assert flatten_spaces(resolve(settings, hypers, second))["optimizer"] == {
        "name": "adam", "learning_rate": pytest.approx(0.01),
    }  # fmt: skip
    assert hypers["optimizer"].space.labels == ["sgd", "adam"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("network.dropout = {unifrm = [0, 1]}", "Did you mean 'uniform'"),
        ("network.dropout = {uniform = [0.5, 0]}", r"write \(0, 0.5\)"),
        ("network.dropout = {uniform = [0.5]}", "the lowest, the highest"),
        ("network.dropout = {uniform = 0.5}", r"write a list, \{uniform = \[0.5, …\]\}"),
        ("penalty.l2 = {log_uniform = [0, 1]}", "above 0"),
        ("network.activation = {choice = []}", "at least one value"),
        ("validation = {uniform = [0, 1]}", "same for all trials"),
        ('training.monitor = {choice = ["loss", "val_loss"]}', "same for all trials"),
        ('data = {choice = ["iris", "wine"]}', "data is the same for all trials"),
        ('target = {choice = ["a", "b"]}', "target is the same for all trials"),
        ('task = {choice = ["binary", "regression"]}', "task is the same for all trials"),
        ("validation_seed = {int_uniform = [0, 3]}", "validation_seed is the same for all"),
        ("epochs = {choice = [1, 2]}", "epochs is the same for all trials"),
        ('preprocessing.scaling = {chioce = ["minmax"]}', "Did you mean 'choice'"),
        ('training.batch_size = {choice = [8, "all"]}', "number of rows"),
        (
            'optimizer = {name = {choice = ["sgd", "adam"]}, sgdd = {momentum = 0.5}}',
            r"Did you mean \[optimizer.sgd\]",
        ),
        (
            'optimizer = {name = {choice = ["sgd"]}, momentum = {uniform = [0, 0.5]}, '
            "sgd = {momentum = 0.5}}",
            "another in",
        ),
    ],
)
def test_invalid_spaces(line, words):
    with pytest.raises(ExperimentError, match=words):
        parse_spaces(tomllib.loads(line), "x.toml")


# --- a sweep -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_best_trial_is_a_run_like_any_other(gradus, gradus_json, file, work):
    record = gradus_json("sweep", file)
    run = work / record["run"]
    table = pl.read_parquet(run / "trials.parquet")
    assert table["trial"].to_list() == list(range(6))
    assert record["trials"] == 6
    assert record["statuses"] == {"finished": 6}
    best = table.sort("score").row(0, named=True)
    assert record["monitor"] == "val_loss"
    assert record["score"] == pytest.approx(best["score"])
    assert record["metrics"]["loss"] == pytest.approx(best["score"], rel=1e-4)
    assert all(best[name] == value for name, value in record["best"].items())
    under_adam = table.filter(table["optimizer"] == "adam")
    assert under_adam["sgd.momentum"].null_count() == len(under_adam) > 0
    experiment = tomllib.loads((run / "experiment.toml").read_text())
    assert experiment["network"]["activation"] == record["best"]["activation"]
    assert experiment["optimizer"]["learning_rate"] == record["best"]["learning_rate"]
    again = gradus_json("train", run / "experiment.toml")
    assert again["metrics"] == pytest.approx(record["metrics"], rel=1e-3)
    assert gr.load(run).model.predict([[5.0, 3, 2, 1]]).shape == (1, 3)
    assert gradus("evaluate", run, "iris")[0] == 0
    page = run / "sweep.html"
    before = page.read_text()
    page.unlink()
    reports = gradus_json("report", run)
    assert reports["sweep"].endswith("sweep.html")
    pace = '<span class="word">[^<]* per trial</span>'  # which only the sweep itself knows
    assert "".join(page.read_text().split()) == "".join(re.sub(pace, "", before).split())
    (run / "curves.parquet").unlink()
    assert "learning curves of the trials are left out" in gradus("report", run)[1]
    (run / "trials.db").unlink()
    _, out, _ = gradus("report", run)
    assert "sweep.html, stays as it was. " in out
    assert "trials.db', which has the trials, is missing" in out
    assert [one["run"] for one in gradus_json("runs")["runs"]] == ["runs/iris-1", "runs/iris-2"]


@pytest.mark.slow
def test_a_sweep_is_repeated_by_its_file(gradus_json, file, work):
    first = gradus_json("sweep", file, "--quiet")
    again = gradus_json("sweep", f"{first['run']}/sweep.toml", "--quiet")
    tables = [pl.read_parquet(work / one["run"] / "trials.parquet") for one in (first, again)]
    assert tables[0].equals(tables[1])
    assert again["best"] == first["best"]


@pytest.mark.slow
def test_words_for_a_person_and_default_spaces(gradus, work):
    # Of one trial: each number of units is another program.
    status, out, err = gradus("sweep", "iris", "--trials", 1, "--epochs", 2, "--refit", "no")
    assert status == 0, err
    for words in ("choice([50], [100], [200])", "log_uniform(0.0002, 0.02)", "uniform(0.0, 0.5)",
                  "random, 1 trial", "1 finished", "runs/iris-1/sweep.html"):  # fmt: skip
        assert words in out
    assert "1/1 trials" in err
    assert "best val_sparse_categorical_crossentropy" in err
    written = tomllib.loads((work / "runs" / "iris-1" / "sweep.toml").read_text())
    assert written["sweep"]["trials"] == 1
    assert written["network"]["layers"] == {"choice": [[50], [100], [200]]}


@pytest.mark.slow
def test_a_flag_is_one_value_for_all_trials_and_quiet_shows_none(gradus):
    status, out, err = gradus("sweep", "iris", *QUICK, "--dropout", 0.1, "--quiet", "--json")
    assert status == 0
    assert "trials/s" not in err
    assert list(json.loads(out)["best"]) == ["learning_rate", "l2"]
    assert json.loads(out)["trials"] == 3


@pytest.mark.slow
def test_a_grid_of_seeds_and_folds(gradus_json, file, work):
    flags = ("--search", "grid", "--learning-rate", 0.01, "--optimizer", "adam", "--seeds", 2)
    record = gradus_json("sweep", file, *flags, "--cv", 2, "--trials", 4)
    assert record["trials"] == 2
    assert record["rows"]["training"] == 105
    # Its model is trained on all training rows, as the experiment would be.
    again = gradus_json("train", f"{record['run']}/experiment.toml")
    assert again["metrics"] == pytest.approx(record["metrics"], rel=1e-3)


@pytest.mark.slow
def test_an_interrupted_sweep_keeps_what_has_finished_and_resumes(
    gradus, gradus_json, file, monkeypatch
):
    pytest.importorskip("optuna")
    whole = gradus_json("sweep", file, "--quiet")
    original = SweepProgress.__call__

    def interrupt(self, trial):
        original(self, trial)
        if self._ended == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SweepProgress, "__call__", interrupt)
        status, out, err = gradus("sweep", file, "--out", "mine")
    assert status == 130, err
    assert "gradus sweep --resume mine" in out
    assert "Interrupted after" in err
    rest = gradus_json("sweep", "--resume", "mine", "--quiet")
    tables = [pl.read_parquet(f"{one['run']}/trials.parquet") for one in (whole, rest)]
    assert tables[0].equals(tables[1])
    assert rest["best"] == whole["best"]
    more = gradus_json("sweep", "--resume", "mine", "--trials", 8, "--quiet")
    assert more["trials"] == 8
    status, _, err = gradus("sweep", "--resume", "mine", "--epochs", 2)
    assert status == 2
    assert "training.epochs = 2 instead of 3" in err


def test_an_interrupted_sweep_without_results_leaves_nothing(gradus, work, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(SweepProgress, "__enter__", stop)
    status, _, err = gradus("sweep", "iris", *QUICK)
    assert (status, "Interrupted before the first trial had finished: nothing" in err) == (
        130,
        True,
    )
    assert not list((work / "runs").glob("*"))


@pytest.mark.slow
def test_trials_that_all_diverge(gradus):
    flags = ("--optimizer", "sgd", "--learning-rate", 1e30, "--loss", "mse")
    status, _, err = gradus("sweep", "diabetes", *flags, *QUICK)
    assert status == 1
    assert "No trial has a score (3 diverged" in err


# --- bad usage ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--trials", "0"], ["trials"]),
        (["--cv", "1"], ["cv"]),
        (["--search", "sobl"], ["'sobol'"]),
        (["--search", "grid"], ["finite set"]),
        (["--strategy", "halvin"], ["'halving'"]),
        (["--validation", "0"], ["--validation 0.2", "--cv"]),
        (["--activation", "rleu"], ["'relu'"]),
        (["--trial", "3"], ["--trials"]),
        (["--resume", ".", "--out", "x"], ["--out"]),
    ],
)
def test_bad_usage_is_2(gradus, work, flags, words):
    status, _, err = gradus("sweep", "iris", "--epochs", "1", *flags)
    assert status == 2, err
    for word in words:
        assert word in err
    assert not (work / "runs").exists()


def test_invalid_settings_are_reported_before_any_training(gradus, file, work):
    file.write_text(SPACES.replace("[0, 0.9]", "[0, 1.5]"))
    status, _, err = gradus("sweep", file)
    assert (status, "momentum" in err) == (2, True)
    file.write_text(SPACES.replace('["relu", "tanh"]', '["relu", "tnah"]'))
    status, _, err = gradus("sweep", file)
    assert (status, "'tanh'" in err) == (2, True)
    for line, words in (
        ('scaling = {choice = ["minmax", "min-max"]}', "min-max"),
        ("one_hot_limit = {uniform = [0, 3]}", "one_hot_limit"),
    ):
        file.write_text(SPACES.replace("[network]", f"[preprocessing]\n{line}\n[network]"))
        status, _, err = gradus("sweep", file)
        assert (status, words in err) == (2, True)
    file.write_text(SPACES + "trial = 3\n")
    status, _, err = gradus("sweep", file)
    assert (status, "'trials'" in err) == (2, True)
    assert not (work / "runs").exists()


def test_train_rejects_a_file_with_spaces_and_names_one(gradus, file):
    status, _, err = gradus("train", file)
    assert status == 2
    assert "network.activation is a space" in err
    assert f"gradus sweep {file}" in err


def test_an_unfinished_sweep_says_how_to_resume(gradus, gradus_json, work):
    folder = work / "runs" / "iris-1"
    folder.mkdir(parents=True)
    (folder / "sweep.toml").write_text(SPACES)
    status, _, err = gradus("evaluate", "iris-1", "iris")
    assert (status, "gradus sweep --resume" in err) == (1, True)
    assert gradus_json("runs")["runs"] == [{"run": "runs/iris-1", "status": "unfinished"}]
