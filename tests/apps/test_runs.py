"""Folders of runs: stopped at any moment, resumed, and used by several processes at once."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import gradus as gr
from gradus.errors import SavedError
from gradus.experiments import runs, train_run
from gradus.folder_lock import LOCK, hold_folder
from gradus.train.progress import TrainingProgress

QUICK = ("--epochs", "2", "--layers", "4", "--quiet")


def fail(*_, **__):
    raise KeyboardInterrupt


@pytest.fixture
def killed(gradus, monkeypatch, work):
    """The folder of a training that was killed before its first checkpoint."""
    with monkeypatch.context() as patch:
        patch.setattr(train_run, "fit_model", fail)
        patch.setattr(runs, "discard_run", lambda folder: None)
        gradus("train", "iris", *QUICK, "--out", "mine")
    return work / "mine"


# --- stopped and resumed -----------------------------------------------------------------------


def test_a_run_killed_before_its_first_checkpoint_begins_again(gradus, gradus_json, killed):
    whole = gradus_json("train", "iris", *QUICK)
    status, _, err = gradus("predict", "mine", "iris")
    assert (status, "gradus train --resume mine" in err) == (1, True)
    status, out, err = gradus("train", "--resume", "mine", "--quiet")
    assert status == 0, err
    assert "begins again" in out
    record = json.loads((killed / "run.json").read_text())
    assert (record["status"], record["parts"]) == ("finished", whole["parts"])


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_in_the_first_epochs(gradus, gradus_json, monkeypatch, work, times):
    def interrupt(self, state, history):
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        return self.interrupted

    with monkeypatch.context() as patch:
        patch.setattr(TrainingProgress, "__call__", interrupt)
        status, out, err = gradus("train", "iris", "--epochs", 9, "--out", "mine")
    assert status == 130
    if times == 2:  # the second Ctrl-C ends it at once
        assert "Nothing was saved" in err
        assert not (work / "mine").exists()
        return
    assert "gradus train --resume mine" in out
    assert gradus_json("train", "--resume", "mine", "--quiet")["status"] == "finished"


def test_ctrl_c_while_the_run_is_written_says_how_to_go_on(gradus, gradus_json, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(train_run, "write_run", fail)
        status, _, err = gradus("train", "iris", *QUICK, "--out", "my run")
    assert status == 130
    command = err.partition("To resume: ")[2].strip()
    assert shlex.split(command) == ["gradus", "train", "--resume", "my run"]
    assert gradus_json(*shlex.split(command)[1:])["epochs"] == 2


def test_what_cannot_be_resumed(gradus, gradus_json, work):
    (work / "empty").mkdir()
    (work / "other").mkdir()
    (work / "other" / "sweep.toml").write_text('data = "iris"\n')
    gradus_json("train", "iris", *QUICK, "--out", "mine")
    (work / "mine" / "checkpoint" / "checkpoint.json").unlink()
    for folder, command, words in (
        ("empty", "train", "gradus train DATA --out empty"),
        ("empty", "sweep", "gradus sweep DATA --out empty"),
        ("other", "train", "gradus sweep --resume other"),
        ("mine", "sweep", "gradus train --resume mine"),
        ("mine", "train", "gradus train mine/experiment.toml"),
    ):
        status, _, err = gradus(command, "--resume", folder)
        assert (status, words in err) == (1, True), err


def test_a_run_is_not_resumed_with_other_settings(gradus, gradus_json):
    gradus_json("train", "iris", *QUICK, "--out", "mine")
    before = {path.name: path.read_bytes() for path in Path("mine").iterdir() if path.is_file()}
    status, _, err = gradus("train", "--resume", "mine", "--seed", 7)
    assert (status, "seed = 0, not 7" in err, "with --out" in err) == (1, True, True)
    assert "resume to start" not in err
    assert before == {name: Path("mine", name).read_bytes() for name in before}
    status, _, err = gradus("train", "--resume", "mine")
    assert status == 0, err


def test_a_refused_resume_leaves_preprocessing_and_predictions_as_they_were(gradus, work):
    rows = [f"{i % 7},{i % 2}" for i in range(60)]
    Path("t.csv").write_text("\n".join(["a,y", *rows]))
    options = ("--target", "y", *QUICK, "--refit", "no", "--out", "mine")
    assert gradus("train", "t.csv", *options)[0] == 0
    expected = gradus("predict", "mine", "t.csv")[1]
    Path("t.csv").write_text("\n".join(["a,y", "1000,0", *rows[1:]]))
    status, _, err = gradus("train", "--resume", "mine")
    assert (status, "other data (x)" in err) == (1, True), err
    Path("t.csv").write_text("\n".join(["a,y", *rows]))
    assert gradus("predict", "mine", "t.csv")[1] == expected


@pytest.mark.parametrize("name", ["preprocessing.json", "experiment.toml", "model.json"])
def test_a_file_of_another_run_is_refused(gradus, gradus_json, name):
    gradus_json("train", "iris", *QUICK, "--out", "one")
    gradus_json("train", "iris", *QUICK, "--scaling", "minmax", "--layers", "3", "--out", "two")
    Path("one", name).write_bytes(Path("two", name).read_bytes())
    status, _, err = gradus("evaluate", "one", "iris")
    assert (status, f"one/{name}' was" in err) == (1, True), err


# --- several at once ---------------------------------------------------------------------------


@pytest.fixture
def start():
    """Start a command in a process of its own; those that still run at the end are killed."""
    processes = []

    def run(*arguments):
        command = [sys.executable, "-m", "gradus", *map(str, arguments)]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.parametrize("out", [None, "mine"])
def test_runs_that_begin_at_once(work, out):
    """Without a name each has a folder of its own; of those into one folder, one wins."""
    barrier, folders, refused = threading.Barrier(8), [], []

    def run():
        barrier.wait()
        try:
            with runs.hold_run(out, "iris", None) as folder:
                (folder / "file").touch()
                folders.append(folder.name)
                barrier.wait()
        except SavedError as error:
            refused.append(str(error))
            barrier.wait()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if out is None:
        assert sorted(folders) == [f"iris-{number}" for number in range(1, 9)]
    else:
        assert folders == ["mine"]
        assert len(refused) == 7
        assert all("in use" in error for error in refused)
        assert not (work / "mine" / LOCK).exists()


@pytest.mark.slow
def test_a_killed_process_leaves_no_lock(gradus, start, work):
    killed = start("train", "iris", "--epochs", 10**6, "--patience", 0, "--out", "mine")
    while not (work / "mine" / "experiment.toml").exists():
        time.sleep(0.02)
        assert killed.poll() is None
    for arguments in (("iris", "--out", "mine"), ("--resume", "mine")):
        status, _, err = gradus("train", *arguments, *QUICK)
        assert (status, "in use" in err) == (1, True)
    killed.kill()
    killed.communicate()
    assert (work / "mine" / LOCK).exists()
    status, _, err = gradus("train", "iris", *QUICK, "--out", "mine")
    assert (status, "gradus train --resume mine" in err) == (1, True)
    (work / "mine" / "experiment.toml").rename(work / "experiment.toml")
    with hold_folder(work / "mine"):
        pass
    assert not (work / "mine" / LOCK).exists()


def test_a_folder_is_held_by_one_thread_at_a_time(work):
    inside, most = [], []

    def hold():
        for _ in range(200):
            try:
                with hold_folder(work / "one"):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except SavedError:
                pass

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert os.listdir(work) == []


def test_what_is_no_folder_cannot_be_held(gradus, work):
    (work / "file").touch()
    (work / "link").symlink_to("nowhere")
    for name in ("file", "link", "file/run"):
        status, _, err = gradus("train", "iris", *QUICK, "--out", name)
        assert (status, "cannot be created" in err) == (1, True)


def test_a_sweep_and_a_training_hold_their_folder(gradus, gradus_json, work):
    gradus_json("train", "iris", *QUICK, "--out", "mine")
    for name in ("mine", "new"):
        with hold_folder(work / name):
            for command in ("train", "sweep"):
                flag = "--resume" if (name, command) == ("mine", "train") else "--out"
                data = [] if flag == "--resume" else ["iris"]
                status, _, err = gradus(command, *data, "--epochs", 1, flag, name)
                assert (status, f"'{name}' is in use" in err) == (1, True), err
    assert not (work / "new").exists()
    assert (work / "mine" / "run.json").exists()


def test_nothing_else_is_saved_in_the_folder_of_a_run(gradus, work):
    """Its files belong together: with those of another model it could not be read."""
    assert gradus("train", "iris", *QUICK, "--out", "mine")[0] == 0
    x = np.zeros((8, 4), np.float32)
    other = gr.Model(gr.Dense(1), "mse").build(x)
    with pytest.raises(SavedError, match="'mine' is a run"):
        other.save("mine")
    with pytest.raises(SavedError, match="'mine' is a run"):
        other.fit(x, x[:, 0], epochs=1, checkpoint="mine", verbose=False)
    assert gradus("predict", "mine", "iris")[0] == 0
    other.save(work / "mine" / "other")  # a folder of its own
