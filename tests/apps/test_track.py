"""`--track` of `gradus train` and `gradus sweep`: where it writes, and what it refuses."""

import signal
import tomllib

import pytest

from gradus import optional
from gradus.diagnosis.logs import read_log
from gradus.train.progress import TrainingProgress

pytest.importorskip("tensorboardX")
pytest.importorskip("tensorboard", reason="needs tensorboard to read")
QUICK = ("--epochs", 4, "--layers", "4")


def test_a_run_has_event_files_which_gradus_diagnoses(gradus_json, work):
    record = gradus_json("train", "iris", *QUICK, "--track", "tensorboard")
    folder = work / record["run"]
    assert read_log(folder / "tensorboard").epochs == 4
    experiment = tomllib.loads((folder / "experiment.toml").read_text())
    assert experiment["track"] == ["tensorboard"]
    again = gradus_json("train", folder / "experiment.toml", "--epochs", 2)
    assert read_log(work / again["run"] / "tensorboard").epochs == 2


def test_a_resumed_run_goes_on_in_its_event_files(gradus, gradus_json, work, monkeypatch):
    show = TrainingProgress.__call__

    def interrupt(self, train_state, history):
        signal.raise_signal(signal.SIGINT)
        return show(self, train_state, history)

    monkeypatch.setattr(TrainingProgress, "__call__", interrupt)
    options = ("--track", "tensorboard", "--schedule", "none", "--out", "runs/mine")
    status, *_ = gradus("train", "iris", *QUICK, *options)
    assert status == 130
    monkeypatch.undo()
    monkeypatch.chdir(work)
    gradus_json("train", "--resume", "runs/mine")
    assert read_log(work / "runs" / "mine" / "tensorboard").epochs == 4


def test_each_trial_of_a_sweep_has_event_files(gradus_json, work):
    record = gradus_json("sweep", "iris", *QUICK, "--trials", 3, "--track", "tensorboard")
    folder = work / record["run"]
    trials = sorted((folder / "tensorboard").iterdir())
    assert [path.name for path in trials] == ["trial-0", "trial-1", "trial-2"]
    assert all(read_log(path).epochs == 4 for path in trials)
    more = gradus_json("sweep", "--resume", folder, "--trials", 4)
    assert more["trials"] == 4
    assert len(list((folder / "tensorboard").iterdir())) == 4
    assert all(len(list(path.iterdir())) == 1 for path in trials)


@pytest.mark.parametrize("command", ["train", "sweep"])
@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("tensorbord", "Did you mean 'tensorboard'"),
        ("tensorboard,mlfow", "Known: tensorboard, mlflow, wandb, trackio"),
    ],
)
def test_an_unknown_name_is_refused_before_data_are_read(command, flag, words, gradus, work):
    status, _, err = gradus(command, "nowhere.csv", "--track", flag)
    assert (status, words in err) == (2, True), err
    assert not (work / "runs").exists()


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_a_missing_package_is_told_before_data_are_read(command, gradus, work, monkeypatch):
    def missing(package):
        raise ImportError(package)

    monkeypatch.setattr(optional.importlib, "import_module", missing)
    status, _, err = gradus(command, "iris", "--track", "wandb")
    assert status == 1
    assert "pip install 'gradus-nn[wandb]'" in err
    assert not (work / "runs").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of SQLAlchemy about MLflow
def test_mlflow_calls_the_run_as_its_folder(gradus_json, work, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="needs mlflow-skinny, of the extra mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{work}/m.db")
    record = gradus_json("train", "iris", *QUICK, "--track", "mlflow")
    client = mlflow.MlflowClient(f"sqlite:///{work}/m.db")
    (run,) = client.search_runs(["0"])
    assert run.info.run_name == record["run"].rpartition("/")[2]
    assert run.data.params["epochs"] == "4"


def test_a_tracker_that_is_misspelled_is_told_with_the_nearest(gradus):
    status, _, err = gradus("train", "iris", "--track", "mlflow,tensorbord")
    assert status == 2
    assert "--track tensorbord is unknown. Did you mean 'tensorboard'?" in err
