"""Trials in trackers: which are logged, with what, and what happens when a tracker fails."""

import numpy as np
import pytest

import gradus as gr

X = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]


class Remembering:
    """A tracker that keeps what it is told, or fails at once."""

    def __init__(self, fails=False):
        self.runs, self.fails = {}, fails

    def check(self):
        pass

    def start(self, name, settings):
        if self.fails:
            raise OSError("the disk is full")
        self.run = self.runs[name] = {"settings": dict(settings), "epochs": {}}
        return self

    def log(self, epoch, numbers):
        self.run["epochs"][epoch] = numbers

    def end(self, status, findings):
        self.run |= {"status": status, "findings": findings}


def model(**spaces):
    rate = spaces.get("rate", gr.choice(0.01, 0.1, 1e30))
    return gr.Model(gr.Sequential([gr.Dense(1)]), "mse", gr.SGD(rate), ["mae"])


@pytest.mark.slow
def test_each_trial_is_a_run_with_the_mean_of_its_seeds():
    tracker = Remembering()
    sweep = gr.Sweep(model(), search="grid", seeds=2)
    sweep.fit(X, X, epochs=8, patience=2, trackers=tracker, verbose=False)
    assert sorted(tracker.runs) == ["trial-0", "trial-1", "trial-2"]
    for trial in sweep.trials:
        run = tracker.runs[f"trial-{trial.number}"]
        rate = trial.settings(sweep.hypers)["optimizer.learning_rate"]
        assert run["settings"] == {"optimizer.learning_rate": rate}
        assert run["status"] == ("diverged" if rate > 1 else "finished")
        first = [history["val_loss"][0] for history in trial.histories]
        assert run["epochs"][1]["val_loss"] == pytest.approx(np.mean(first), nan_ok=True)
        assert list(run["epochs"]) == list(range(1, trial.epochs + 1))


def test_a_trial_that_cannot_be_built_has_failed():
    tracker = Remembering()
    net = gr.Sequential([gr.Dense(gr.choice(2, 10**9)), gr.Dense(1)])
    sweep = gr.Sweep(gr.Model(net, "mse", "sgd"), search="grid")
    sweep.fit(X, X, epochs=1, trackers=tracker, verbose=False)
    statuses = {run["settings"]["dense.units"]: run["status"] for run in tracker.runs.values()}
    assert statuses == {2: "finished", 10**9: "failed"}
    (failed,) = [run for run in tracker.runs.values() if run["status"] == "failed"]
    assert "write a smaller network" in failed["findings"][0]


@pytest.mark.slow
def test_trials_of_a_storage_are_not_logged_again(tmp_path):
    tracker = Remembering()
    for trials in (2, 3):
        sweep = gr.Sweep(model(rate=gr.uniform(0, 0.1)), trials, storage=tmp_path / "trials.db")
        tracker.runs.clear()
        sweep.fit(X, X, epochs=1, trackers=tracker, verbose=False)
    assert list(tracker.runs) == ["trial-2"]


def test_a_tracker_that_fails_is_a_warning_and_the_sweep_goes_on():
    sweep = gr.Sweep(model(), search="grid")
    with pytest.warns(
        RuntimeWarning, match="Remembering failed and logs no more: the disk is full"
    ):
        sweep.fit(X, X, epochs=2, trackers=Remembering(fails=True), verbose=False)
    assert len(sweep.trials) == 3
