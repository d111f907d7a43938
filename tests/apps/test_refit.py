"""Training once more on all rows: which model is kept, and which one is scored."""

import dataclasses
import json

import numpy as np
import polars as pl
import pytest
from msgspec import structs

from gradus.experiments import fitting
from gradus.experiments.loading import open_run
from gradus.experiments.preparation.prepare import prepare_data
from gradus.experiments.settings.experiment import (
    Experiment,
    NetworkSection,
    PreprocessingSection,
    TrainingSection,
)

QUICK = ("--layers", "4", "--epochs", "6")


def experiment_on(path, **settings):
    training = TrainingSection(epochs=5, batch_size=16, patience=0, refit=True)
    return Experiment(
        str(path),
        "y",
        network=NetworkSection(layers=[4], dropout=0.0),
        preprocessing=PreprocessingSection(scaling="none"),
        **{"training": training, **settings},
    )


@pytest.fixture
def table(work):
    x = np.random.default_rng(0).normal(size=(60, 3)).round(3)
    path = work / "numbers.csv"
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": x @ [1, -2, 3]}).write_csv(path)
    return path


def trained(prepared):
    model = fitting.new_model(prepared)
    fitting.fit_model(model, prepared)
    return model


def test_a_refit_equals_a_training_on_training_and_validation_rows(table):
    prepared = prepare_data(experiment_on(table))
    model = trained(prepared)
    assert len(prepared.parts["validation"][1]) == 6

    x, y = (
        np.concatenate(both)
        for both in zip(prepared.parts["training"], prepared.parts["validation"], strict=True)
    )
    settings = structs.replace(prepared.experiment.training, monitor="loss")
    whole = dataclasses.replace(
        prepared,
        parts={"training": (x, y)},
        experiment=structs.replace(prepared.experiment, training=settings),
    )
    expected = trained(whole).predict(x)
    np.testing.assert_array_equal(fitting.refit(model, prepared).predict(x), expected)
    assert not np.array_equal(model.predict(x), expected)
    assert "val_loss" in fitting.refit(model, prepared).history


def test_a_refit_needs_validation_rows_and_a_training_that_did_not_fail(table):
    whole = prepare_data(experiment_on(table, validation=0.0))
    model = trained(whole)
    assert fitting.refit(model, whole) is model
    wild = prepare_data(experiment_on(table, optimizer={"name": "sgd", "learning_rate": 1e30}))
    model = trained(wild)
    assert model.history.stopped == "diverged"
    assert fitting.refit(model, wild) is model


def test_a_refit_needs_a_fixed_length(gradus, table):
    status, _, err = gradus("train", table, "--target", "y", "--refit", "yes", "--patience", 3)
    assert (status, "write --patience 0 instead of 3, or --refit no" in err) == (2, True), err
    experiment = prepare_data(experiment_on(table, training=TrainingSection(patience=3))).experiment
    assert experiment.training.refit is False
    assert prepare_data(experiment_on(table, training=TrainingSection())).experiment.training.refit


@pytest.mark.slow
@pytest.mark.usefixtures("pages")
def test_the_run_keeps_the_second_model_and_the_scores_of_the_first(gradus, gradus_json, flowers):
    record = gradus_json("train", flowers, "--target", "kind", *QUICK, "--test", flowers)
    run = open_run(record["run"])
    assert run.is_refitted
    prepared = prepare_data(run.experiment, run.preprocessor)
    losses = {
        part: (run.model.evaluate(x, y)["loss"], run.scored_model.evaluate(x, y)["loss"])
        for part, (x, y) in prepared.parts.items()
    }
    assert all(kept != scored for kept, scored in losses.values())
    assert record["parts"]["training"]["loss"] == pytest.approx(losses["training"][1])
    assert record["parts"]["validation"]["loss"] == pytest.approx(losses["validation"][1])
    assert record["parts"]["test"]["loss"] == pytest.approx(losses["test"][0])

    evaluated = gradus_json("evaluate", record["run"], flowers)
    assert evaluated["metrics"]["loss"] == pytest.approx(losses["test"][0])
    assert "trained once more" in (run.folder / "report.html").read_text()
    first = (run.folder / "report.html").read_text()
    assert gradus("report", record["run"])[0] == 0
    scores = [
        text[text.index("<table") : text.index("</table")]
        for text in (first, (run.folder / "report.html").read_text())
    ]
    assert scores[0] == scores[1]


@pytest.mark.slow
def test_without_a_refit_there_is_one_model(gradus_json, flowers):
    record = gradus_json("train", flowers, "--target", "kind", *QUICK, "--refit", "no")
    run = open_run(record["run"])
    assert not run.is_refitted
    assert run.scored_model is run.model
    experiment = (run.folder / "experiment.toml").read_text()
    assert "refit = false" in experiment
    again = gradus_json("train", run.folder / "experiment.toml", "--refit", "yes")
    assert again["parts"] == record["parts"]
    assert open_run(again["run"]).is_refitted


@pytest.mark.slow
def test_a_sweep_keeps_its_best_settings_trained_on_all_rows(gradus_json, flowers):
    record = gradus_json("sweep", flowers, "--target", "kind", *QUICK, "--trials", 2)
    run = open_run(record["run"])
    assert run.is_refitted
    assert json.loads((run.folder / "run.json").read_text())["parts"] == record["parts"]
