"""Runs of Trackio, read back from its SQLite database."""

import json
import sqlite3

import pytest

import gradus as gr

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of Trackio's databases, which it takes from the environment when imported."""
    folder = tmp_path_factory.mktemp("trackio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKIO_DIR", str(folder))
        patch.setenv("HF_HOME", str(folder))
        patch.setenv("HF_HUB_OFFLINE", "1")
        trackio = pytest.importorskip("trackio", reason="needs trackio, of the extra trackio")
        if folder != trackio.utils.TRACKIO_DIR:
            pytest.skip("trackio was imported before this test")
        yield folder


def read(folder, project, table, column):
    """The rows of a table of a project: the run's name, and a column, which may be JSON."""
    with sqlite3.connect(folder / f"{project}.db") as base:
        return base.execute(f"SELECT run_name, {column} FROM {table} ORDER BY id").fetchall()  # noqa: S608


def test_a_training_is_a_run(train, folder, capsys):
    history = train(gr.trackers.Trackio("training", name="first"))
    rows = read(folder, "training", "metrics", "metrics")
    assert {name for name, _ in rows} == {"first"}
    epochs = [json.loads(numbers) for _, numbers in rows]
    for name in ("loss", "val_loss", "mae", "learning_rate"):
        assert [epoch[name] for epoch in epochs] == pytest.approx(list(history[name]))
    assert [step for _, step in read(folder, "training", "metrics", "step")] == [1, 2, 3]
    ((_, settings),) = read(folder, "training", "configs", "config")
    assert json.loads(settings)["optimizer.learning_rate"] == 0.1
    texts = [text for _, text in read(folder, "training", "alerts", "text")]
    assert texts == [*(each.note for each in history.findings), "finished"]
    assert capsys.readouterr().out == ""


def test_a_trial_is_a_run(sweep, folder):
    done = sweep(gr.trackers.Trackio("trials"))
    settings = dict(read(folder, "trials", "configs", "config"))
    assert len(read(folder, "trials", "metrics", "metrics")) == 9
    for trial in done.trials:
        rate = trial.settings(done.hypers)["optimizer.learning_rate"]
        found = json.loads(settings[f"trial-{trial.number}"])["optimizer.learning_rate"]
        assert found == rate
