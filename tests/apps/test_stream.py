"""`gradus train --stream yes`: tables that are read in parts, and their runs."""

import json
import tomllib

import numpy as np
import polars as pl
import pytest

import gradus as gr
from gradus.apps import summaries
from gradus.apps.cli import main
from gradus.apps.output import Output
from gradus.data.streaming import table_stream
from gradus.experiments.preparation import prepare_streamed

QUICK = ("--epochs", "2", "--layers", "8", "--batch-size", "64", "--quiet")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A table of 1,500 rows with a rare class, as Parquet."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "cells.parquet"
    x, kind = rng.normal(size=(1500, 2)), rng.choice(["a", "b"], 1500)
    grown = np.where(x[:, 0] > -1, "yes", "no").astype(object)
    grown[1400] = "maybe"
    table = {"x": x[:, 0], "z": x[:, 1], "kind": kind, "grown": grown.tolist()}
    pl.DataFrame(table).write_parquet(path)
    return path


@pytest.fixture(scope="module", autouse=True)
def small_parts():
    """A sample of 300 rows, of which 200 are scored, and 50 rows held out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_stream, "SAMPLE_ROWS", 300)
        patch.setattr(prepare_streamed, "MOST_HELD_OUT", 50)
        patch.setattr(prepare_streamed, "SHOWN_ROWS", 200)
        yield


@pytest.fixture(scope="module")
def run(rows):
    """The folder of a run on it."""
    folder, balanced = rows.parent / "run", ("--class-weight", "balanced")
    given = ("--target", "grown", "--stream", "yes", *balanced, *QUICK, "--out", str(folder))
    assert main(["train", str(rows), *given]) == 0
    return folder


def test_a_run_on_parts_is_one_as_any(run, rows, gradus):
    loaded = gr.load(run)
    table = pl.read_parquet(rows)
    assert loaded.classes == ("maybe", "no", "yes")
    rows_of = json.loads((run / "run.json").read_text())["rows"]
    assert rows_of["training"] + rows_of["validation"] == 1500
    assert rows_of["validation"] < 100
    assert loaded.predict(table).shape == (1500,)
    notes = "\n".join(loaded.notes)
    assert "validation = 0.1 would be 150 rows, but they stay in memory" in notes
    assert "the rows are read in parts in each epoch" in notes
    assert "medians, quantiles, and which columns are dropped are those of" in notes
    written = tomllib.loads((run / "experiment.toml").read_text())
    assert written["stream"] is True
    x = loaded.preprocessor.columns[0]
    assert x.mean == pytest.approx(table["x"].mean(), abs=0.02)
    status, out, err = gradus("evaluate", run, rows)
    assert (status, err) == (0, "")
    assert "accuracy" in out


def test_what_is_read_whole_or_cannot_be_resumed_is_told(run, rows, gradus, monkeypatch, capsys):
    loaded = gr.load(run)
    parts = gr.data.stream(rows, preprocessor=loaded.preprocessor)  # as the note says
    assert loaded.model.predict(parts).shape == (1500, 3)
    monkeypatch.setattr(prepare_streamed, "host_free_bytes", lambda: 1)
    status, _, err = gradus("predict", run, rows)
    assert status == 0
    assert f"{rows} is read whole, which may take more than the free memory" in err
    record = json.loads((run / "run.json").read_text()) | {"status": "interrupted"}
    summaries.print_training_summary(record | {"run": str(rows.parent / "none")}, Output(False))
    assert "cannot be resumed. To train it again: gradus train" in capsys.readouterr().out


@pytest.mark.usefixtures("pages")
def test_the_report_is_written_again_from_the_parts(run, gradus):
    (run / "report.html").unlink()
    status, _, err = gradus("report", run)
    assert (status, err) == (0, "")
    page = (run / "report.html").read_text()
    assert "read in parts" in page
    assert "Importance of columns" in page


def test_a_run_that_ended_is_resumed_to_nothing(run, gradus):
    before = json.loads((run / "run.json").read_text())["metrics"]
    status, out, err = gradus("train", "--resume", run, "--quiet")
    assert (status, err) == (0, "")
    assert "has ended after 2 epochs" in out
    assert json.loads((run / "run.json").read_text())["metrics"] == before


def test_large_files_are_read_in_parts_by_themselves(rows, monkeypatch):
    experiment = prepare_streamed.Experiment(data=str(rows))
    assert not prepare_streamed.reads_in_parts(experiment)
    monkeypatch.setattr(prepare_streamed, "host_free_bytes", lambda: rows.stat().st_size)
    assert prepare_streamed.reads_in_parts(experiment)
    assert not prepare_streamed.reads_in_parts(prepare_streamed.Experiment(data="iris"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--batch-size", "all"), 'batch_size = "all" needs all rows in memory'),
        (("--refit", "yes"), "refit = true needs all rows in memory"),
        (("--target", "growm"), "Did you mean 'grown'?"),
        ((), "name the column to predict, with --target COLUMN"),
    ],
)
def test_settings_that_parts_lack_are_named(rows, gradus, flags, message):
    target = () if not flags or "--target" in flags else ("--target", "grown")
    status, _, err = gradus("train", rows, "--stream", "yes", *target, *flags)
    assert status != 0
    assert message in err


def test_data_without_parts_are_named(gradus):
    status, _, err = gradus("train", "iris", "--stream", "yes")
    assert status == 1
    assert "stream = true reads .parquet files" in err
    status, _, err = gradus("sweep", "iris", "--stream", "yes")
    assert status == 2
    assert "a sweep needs all rows in memory" in err
