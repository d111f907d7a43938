"""What `trackers` takes, and how trainings go on when a tracker fails."""

import threading
import time

import numpy as np
import pytest

import gradus as gr
from gradus import optional
from gradus.tracking import tracking as tracking_module
from gradus.tracking.tracker import TRACKERS, get_trackers

X = np.linspace(-1, 1, 16, dtype=np.float32)[:, None]


def model(rate=0.1):
    return gr.Model(
        gr.Sequential([gr.Dense(1)]), "mse", gr.SGD(rate, momentum=0.5), ["mae"], seed=3
    )


class Remembering:
    """A tracker that keeps what it is told, and fails where it is told to."""

    def __init__(self, fails_at=None):
        self.runs, self.fails_at = [], fails_at

    def check(self):
        pass

    def start(self, name, settings):
        self.runs.append({"name": name, "settings": dict(settings), "epochs": {}})
        return self

    def log(self, epoch, numbers):
        if epoch == self.fails_at:
            raise ConnectionError("the server is gone\nand more")
        self.runs[-1]["epochs"][epoch] = numbers

    def end(self, status, findings):
        self.runs[-1] |= {"status": status, "findings": list(findings)}


@pytest.fixture(scope="module")
def tracked():
    tracker, trained = Remembering(), model()
    trained.fit(X, 2 * X, epochs=6, batch_size=4, validation_split=0.25, trackers=tracker)
    return tracker, trained


def test_each_epoch_is_logged_with_the_numbers_of_the_history(tracked):
    tracker, trained = tracked
    (run,) = tracker.runs
    assert list(run["epochs"]) == [1, 2, 3, 4, 5, 6]
    frame = trained.history.frame().drop("epoch")
    assert list(run["epochs"].values()) == frame.to_dicts()
    assert {"loss", "val_loss", "mae", "val_mae", "learning_rate"} <= set(run["epochs"][1])


def test_settings_are_plain_values_by_dotted_names(tracked):
    (run,) = tracked[0].runs
    assert run["name"] == ""
    assert run["settings"] == {
        "net.0": "Dense(units=1)",
        "loss": "mse",
        "optimizer": "SGD",
        "optimizer.learning_rate": 0.1,
        "optimizer.momentum": 0.5,
        "optimizer.nesterov": False,
        "metrics": "mae",
        "seed": 3,
        "batch_size": 4,
        "epochs": 6,
        "monitor": "val_loss",
        "shuffle_seed": 0,
    }


def test_a_run_ends_with_its_status_and_findings(tracked):
    tracker, trained = tracked
    assert tracker.runs[0]["status"] == "finished"
    assert tracker.runs[0]["findings"] == [each.note for each in trained.history.findings]


def test_tracking_does_not_shorten_the_calls_of_the_program(tracked):
    assert len(tracked[1].history.seconds) < 6


def test_a_second_fit_is_a_run_with_its_own_epochs():
    tracker, trained = Remembering(), model()
    for _ in range(2):
        trained.fit(X, X, epochs=2, trackers=tracker, verbose=False)
    assert [list(run["epochs"]) for run in tracker.runs] == [[1, 2], [3, 4]]


@pytest.mark.parametrize("epochs", [2, 4])
def test_a_resumed_training_is_logged_from_its_first_epoch(epochs, tmp_path):
    folder, tracker = tmp_path / "run", Remembering()
    before = model().fit(X, X, epochs=epochs, checkpoint=folder, verbose=False)
    model().fit(X, X, epochs=epochs, resume=folder, trackers=tracker, verbose=False)
    assert list(tracker.runs[0]["epochs"].values()) == before.frame().drop("epoch").to_dicts()


def test_a_training_that_diverges_is_called_so():
    tracker = Remembering()
    model(1e30).fit(X, X, epochs=20, trackers=[tracker], verbose=False)
    assert tracker.runs[0]["status"] == "diverged"
    assert not np.isfinite(list(tracker.runs[0]["epochs"].values())[-1]["loss"])


def test_a_training_that_ctrl_c_or_an_error_ends_is_called_so():
    for error, status, said in (
        (KeyboardInterrupt, "interrupted", []),
        (RuntimeError("no"), "failed", ["no"]),
    ):
        tracker = Remembering()

        def callback(model, epoch, logs, error=error):
            raise error

        with pytest.raises((KeyboardInterrupt, RuntimeError)):
            model().fit(X, X, epochs=3, trackers=tracker, callbacks=callback, verbose=False)
        assert tracker.runs[0]["status"] == status
        assert tracker.runs[0]["findings"] == said


def test_a_tracker_that_fails_is_named_once_and_training_goes_on():
    failing, sound = Remembering(fails_at=2), Remembering()
    history = model().fit(X, X, epochs=5, trackers=[failing, sound], verbose=False)
    assert history.epochs == 5
    assert [note for note in history.notes if "tracker" in note] == [
        "the tracker Remembering failed and logs no more: the server is gone"
    ]
    assert list(failing.runs[0]["epochs"]) == [1]
    assert list(sound.runs[0]["epochs"]) == [1, 2, 3, 4, 5]


def test_a_tracker_that_hangs_does_not_hold_up_the_training(monkeypatch):
    monkeypatch.setattr(tracking_module, "WAIT", 0.2)
    free = threading.Event()

    class Hanging(Remembering):
        def log(self, epoch, numbers):
            free.wait()

    started = time.perf_counter()
    history = model().fit(X, X, epochs=3, trackers=Hanging(), verbose=False)
    free.set()
    assert time.perf_counter() - started < 30
    (note,) = [note for note in history.notes if "tracker" in note]
    assert "Hanging has not taken everything" in note


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("tensorbord", "Did you mean 'tensorboard'"),
        ("weights and biases", "Known: mlflow, tensorboard, trackio, wandb"),
        (gr.trackers.MLflow, r"write gr.trackers.MLflow\(…\)"),
        (Remembering, r"write Remembering\(…\)"),
        (3, "write a name"),
        ([print], "methods check"),
        (["mlflow", "mlfow"], "'mlflow'"),
        (lambda model, epoch, logs: None, "write a name"),
        (True, "write a name"),
        ({"tensorboard": "logs"}, "write a name"),
        ([None], "methods check"),
    ],
)
def test_what_is_no_tracker_is_refused_before_the_first_step(given, words):
    untrained = model()
    with pytest.raises(gr.GradusError, match=words):
        untrained.fit(X, X, trackers=given, verbose=False)
    assert not untrained.history.epochs


@pytest.mark.parametrize("given", [None, (), []])
def test_nothing_is_no_tracker(given):
    assert get_trackers(given) == []


def test_names_and_trackers_stand_alone_or_in_a_list():
    own = gr.trackers.TensorBoard("here")
    assert [type(each).__name__ for each in get_trackers("TensorBoard")] == ["TensorBoard"]
    assert get_trackers(own) == [own]
    kinds = [type(each) for each in get_trackers(["mlflow", own])]
    assert kinds == [gr.trackers.MLflow, gr.trackers.TensorBoard]


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_package_is_named_with_its_command(name, monkeypatch):
    def missing(package):
        raise ImportError(package)

    monkeypatch.setattr(optional.importlib, "import_module", missing)
    extra = {"tensorboard": "track"}.get(name, name)
    with pytest.raises(gr.GradusError, match=rf"pip install 'gradus-nn\[{extra}\]'"):
        TRACKERS[name]().check()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gr.trackers.TensorBoard(3), "write a folder"),
        (lambda: gr.trackers.TensorBoard(""), "write a folder"),
        (lambda: gr.trackers.TensorBoard(logdir="logs"), "Did you mean 'log_dir'"),
        (lambda: gr.trackers.MLflow(tracking_uri="x"), "arguments: uri, experiment, name"),
        (lambda: gr.trackers.MLflow(experiment=""), "write a string"),
        (lambda: gr.trackers.WandB(mode="ofline"), "Did you mean 'offline'"),
        (lambda: gr.trackers.Trackio(project=None), "write a name"),
        (lambda: gr.trackers.Trackio("a", name=3), "write a string"),
    ],
)
def test_a_wrong_setting_is_refused(make, words):
    with pytest.raises(gr.GradusError, match=words):
        make()


@pytest.mark.parametrize("given", [gr.trackers.TensorBoard(), [gr.trackers.TensorBoard()]])
def test_a_tracker_among_callbacks_is_told(given):
    with pytest.raises(gr.GradusError, match="a tracker, TensorBoard: write it as trackers="):
        model().fit(X, X, callbacks=given, verbose=False)


def test_only_the_main_process_tracks(monkeypatch):
    monkeypatch.setattr("gradus.train.distributed.is_main_process", lambda mesh: False)
    tracker = Remembering()
    model().fit(X, X, epochs=1, trackers=tracker, verbose=False)
    assert tracker.runs == []
