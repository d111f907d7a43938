"""Faults around `gradus sweep`: each gives a clear message, and no trial is lost."""

import errno
import os

import numpy as np
import polars as pl
import pytest

import gradus as gr
from gradus.sweep.execution.local import Local
from gradus.sweep.progress import SweepProgress
from gradus.sweep.results.storage_lock import hold_lock

SPACES = """
data = "iris"
validation = 0.3
[network]
layers = [6]
dropout = {linspace = [0, 0.4, 5]}
[training]
epochs = 3
refit = false
[sweep]
trials = 4
"""
NO_ROOM = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def file(work):
    path = work / "mine.toml"
    path.write_text(SPACES)
    return path


@pytest.fixture
def trained(monkeypatch):
    """The numbers of the trials that are trained."""
    numbers, run = [], Local.run

    def counting(self, members, until=None):
        for done in run(self, members, until):
            numbers.extend(member.trial for member in done)
            yield done

    monkeypatch.setattr(Local, "run", counting)
    return numbers


def table(run):
    return pl.read_parquet(f"{run}/trials.parquet")


# --- the best run ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("pages")
def test_the_best_run_has_layer_statistics_and_the_weights_of_its_trial(
    gradus, file, work, trained
):
    status, out, _ = gradus("sweep", file, "--out", "mine")
    assert status == 0
    assert out.count("once more") == 1
    assert len(trained) == 5  # four trials, and the best of them again
    assert trained[-1] == table("mine").sort("score")["trial"][0]
    best = gr.load("mine").model
    assert np.isfinite(best.history.probes["gradient"][0]).all()  # short epochs are not all probed
    assert ">Activations<" in (work / "mine" / "report.html").read_text()
    # The trial's score is of weights without layer statistics.
    score = table("mine")["score"].min()
    assert best.history["val_loss"].min() == pytest.approx(score, rel=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("pages")
def test_an_interrupted_sweep_says_why_there_are_no_layer_statistics(
    gradus, file, work, monkeypatch
):
    original = SweepProgress.__call__

    def interrupt(self, trial):
        original(self, trial)
        if self._ended == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SweepProgress, "__call__", interrupt)
        _, out, _ = gradus("sweep", file, "--out", "mine", "--quiet")
    assert "once more" not in out
    assert "layer statistics were not recorded" in (work / "mine" / "report.html").read_text()
    _, out, _ = gradus("sweep", "--resume", "mine", "--quiet")
    assert "once more" in out
    assert "not recorded" not in (work / "mine" / "report.html").read_text()


# --- a full disk -------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_full_disk_at_the_end_loses_no_trial(gradus, file, trained, monkeypatch):
    gradus("sweep", file, "--out", "whole", "--quiet")
    replace = os.replace
    for last in ("trials.parquet", "weights.safetensors", "sweep.html"):
        run = f"without-{last}"

        def full(source, target, last=last, **options):
            if os.path.basename(target) == last:
                raise NO_ROOM
            return replace(source, target, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", full)
            status, _, err = gradus("sweep", file, "--out", run, "--quiet")
        assert status == 1
        assert "No space left on device" in err
        assert f"gradus sweep --resume {run}" in err
        trained.clear()
        status, _, err = gradus("sweep", "--resume", run, "--quiet")
        assert status == 0, err
        assert len(trained) == 1  # the best, for its layer statistics
        assert table(run).equals(table("whole"))


def test_a_full_disk_at_the_beginning_leaves_nothing(gradus, file, work, monkeypatch):
    def full(*_, **__):
        raise NO_ROOM

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_text", full)
        status, _, err = gradus("sweep", file, "--quiet")
    assert (status, "No space left" in err) == (1, True)
    assert not list((work / "runs").iterdir())


# --- storages ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_second_process_learns_that_the_sweep_is_in_use(gradus, file, work):
    gradus("sweep", file, "--out", "mine", "--quiet")
    with hold_lock(f"sqlite:///{work}/mine/trials.db", "sweep"):
        status, _, err = gradus("sweep", "--resume", "mine", "--quiet")
        assert (status, "trials.db' is in use: another process" in err) == (1, True)
        assert (work / "mine" / "sweep.html").exists()
    assert gradus("sweep", "--resume", "mine", "--quiet")[0] == 0


def test_an_unreachable_storage_is_reported_before_training(gradus, file, work, trained):
    for storage, words in (
        ("absent/sweep.db", "there is no folder"),
        ("mine.toml", "not a database"),
        ("nosuch://me:secret@host/base", "nosuch"),
    ):
        status, _, err = gradus("sweep", file, "--storage", storage)
        assert status == 1
        assert words in err
        assert "secret" not in err
    assert not trained
    assert not list((work / "runs").iterdir())


# --- the score of trials -----------------------------------------------------------------------


@pytest.mark.slow
def test_trials_with_several_losses_are_scored_by_a_metric(gradus_json, gradus, file):
    file.write_text(SPACES + '[loss]\nname = {choice = ["mse", "mae"]}\n')
    record = gradus_json("sweep", file, "--search", "grid", "--dropout", 0, "--quiet")
    assert record["monitor"] == "val_accuracy"
    again = gradus_json("train", "runs/iris-1/experiment.toml", "--quiet")
    assert again["metrics"]["accuracy"] == table("runs/iris-1")["score"].max()
    status, _, err = gradus("sweep", file, "--monitor", "val_loss")
    assert status == 2
    assert "cannot be compared" in err
    assert "--monitor val_accuracy" in err
    status, _, err = gradus("sweep", file, "--monitor", "val_loss", "--loss", "mse", "--quiet")
    assert status == 0, err


# --- spaces ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("network.dropout = {uniform = [0.5, 0]}", "write (0, 0.5)"),
        ("penalty.l2 = {log_uniform = [0, 1]}", "numbers above 0"),
        ("penalty.l2 = {logspace = [-4, -1, 4]}", "logspace(-4, -1, 4): a logarithm needs"),
        ("network.activation = {choice = []}", "at least one value"),
        ("network.dropout = {uniform = [0, 1], choice = [1]}", "{uniform = …} and nothing beside"),
        ("optimiser.learning_rate = {uniform = [0, 1]}", "Did you mean 'optimizer'"),
        (
            "penalty.l2 = {linspace = [0, 1, 999]}\nnetwork.dropout = {linspace = [0, 0.5, 999]}",
            "998,001 combinations",
        ),
    ],
)
def test_an_invalid_space_is_bad_usage(gradus, file, work, line, words):
    file.write_text(f'data = "iris"\n{line}\n')
    status, _, err = gradus("sweep", file, "--search", "grid")
    assert status == 2
    assert words in err
    assert not (work / "runs").exists()


@pytest.mark.slow
def test_points_of_a_sobol_sequence_are_settings(gradus_json, file):
    file.write_text(SPACES.replace("{linspace = [0, 0.4, 5]}", "{uniform = [0, 0.4]}"))
    record = gradus_json("sweep", file, "--search", "sobol", "--quiet")
    assert record["statuses"] == {"finished": 4}
