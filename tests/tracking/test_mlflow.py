"""Runs of MLflow in SQLite, read back by its client."""

import logging

import pytest

import gradus as gr

mlflow = pytest.importorskip("mlflow", reason="needs mlflow-skinny, of the extra mlflow")
pytestmark = [  # SQLAlchemy deprecates what MLflow does
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    """An empty store, whose tables take a second to make."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


def runs_of(uri, experiment):
    client = mlflow.MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    return client, client.search_runs([found.experiment_id])


def test_a_training_is_a_run(train, uri):
    history = train(gr.trackers.MLflow(uri, experiment="training", name="first"))
    client, (run,) = runs_of(uri, "training")
    assert (run.info.run_name, run.info.status) == ("first", "FINISHED")
    assert run.data.params["optimizer.learning_rate"] == "0.1"
    assert run.data.params["net.0"] == "Dense(units=1)"
    for name in ("loss", "val_loss", "mae", "learning_rate"):
        points = client.get_metric_history(run.info.run_id, name)
        assert [(p.step, p.value) for p in sorted(points, key=lambda p: p.step)] == [
            (n + 1, pytest.approx(value)) for n, value in enumerate(history[name])
        ]
    assert all(finding.message in run.data.tags["findings"] for finding in history.findings)


def test_a_trial_is_a_run(sweep, uri):
    done = sweep(gr.trackers.MLflow(uri, experiment="sweep"))
    _, runs = runs_of(uri, "sweep")
    assert sorted(run.info.run_name for run in runs) == ["trial-0", "trial-1", "trial-2"]
    rates = {run.info.run_name: run.data.params["optimizer.learning_rate"] for run in runs}
    for trial in done.trials:
        rate = trial.settings(done.hypers)["optimizer.learning_rate"]
        assert rates[f"trial-{trial.number}"] == str(rate)


def test_a_training_that_diverges_has_failed(train, uri):
    train(gr.trackers.MLflow(uri, experiment="diverged"), rate=1e30)
    _, (run,) = runs_of(uri, "diverged")
    assert (run.info.status, run.data.tags["status"]) == ("FAILED", "diverged")


def test_the_store_of_the_environment_is_the_default(train, uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "named")
    train("mlflow")
    assert len(runs_of(uri, "named")[1]) == 1


@pytest.mark.parametrize(
    "wrong", ["http://127.0.0.1:9", "ftp://x", "sqlit:///m.db", "sqlite:////dev/null/m.db"]
)
def test_a_store_that_cannot_be_used_is_refused_before_the_first_step(wrong, train):
    with pytest.raises(gr.GradusError, match="cannot be used"):
        train(gr.trackers.MLflow(wrong))


def test_names_that_mlflow_refuses_are_written_with_underscores(uri):
    tracker = gr.trackers.MLflow(uri, experiment="names")
    tracker.check()
    run = tracker.start("trial-0", {"rate (log)": 0.1})
    run.log(1, {"<lambda>": 2.0})
    run.end("finished", [])
    _, (found,) = runs_of(uri, "names")
    assert found.data.params == {"rate _log_": "0.1"}
    assert found.data.metrics == {"_lambda_": 2.0}
