"""Paths with any characters, and paths in the home folder, wherever gradus takes one."""

import shlex

import numpy as np
import pytest

import gradus as gr
from gradus.files import user_path
from gradus.lessons import catalog
from gradus.report.page import Report, write_report

ODD = "a b?%20#'\"é日{}"
QUICK = ("--epochs", 1, "--layers", "4", "--refit", "no", "--quiet")


@pytest.fixture
def home(work, monkeypatch):
    """The home folder; the working folder is another one."""
    folder = work / "home"
    (work / "elsewhere").mkdir()
    folder.mkdir()
    monkeypatch.chdir(work / "elsewhere")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    return folder


def write_table(path):
    path.write_text("\n".join(["x,k", *(f"{n},{n % 2}" for n in range(40))]))
    return path


# --- odd characters ----------------------------------------------------------------------------


@pytest.mark.slow
def test_any_path_works_and_what_is_shown_can_be_pasted(gradus, work):
    data = write_table(work / f"{ODD}.csv")
    _, out, err = gradus("train", data.name, "--target", "k", *QUICK)
    command = shlex.split(out.rpartition("Next: ")[2])
    assert command[:3] == ["gradus", "predict", f"runs/{ODD}-1"], err
    predict = ["predict", command[2], data.name, "--out", f"{ODD}.tsv"]
    for arguments in (
        predict,
        ["evaluate", f"{ODD}-1", data.name],
        ["report", f"runs/{ODD}-1"],
        ["runs"],
        ["train", "--resume", f"{ODD}-1", "--quiet"],
        ["train", f"runs/{ODD}-1/experiment.toml", "--out", f"{ODD}/{ODD}", "--quiet"],
    ):
        status, _, err = gradus(*arguments)
        assert status == 0, err
    assert (work / f"{ODD}.tsv").exists()
    _, _, err = gradus("train", data.name, "--target", "k", "--out", f"{ODD}/{ODD}")
    shown = err.partition("resume the run in it: ")[2]
    assert shlex.split(shown) == ["gradus", "train", "--resume", f"{ODD}/{ODD}"]


@pytest.mark.slow
def test_a_sweep_is_stored_at_any_path(gradus, work):
    data = write_table(work / f"{ODD}.csv")
    for name, storage in ((ODD, []), ("two", ["--storage", f"{ODD}.db"])):
        options = ("--target", "k", "--trials", 2, *QUICK, "--out", name, *storage)
        status, _, err = gradus("sweep", data.name, *options)
        assert status == 0, err
        status, out, err = gradus("sweep", "--resume", name, "--trials", 3, "--quiet")
        assert status == 0, err
        assert "3 trials" in out
    assert (work / f"{ODD}.db").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("pages")
def test_the_page_of_a_sweep_at_any_path_shows_commands(gradus, work, read):
    data = write_table(work / f"{ODD}.csv")
    options = ("--target", "k", "--trials", 2, *QUICK, "--out", ODD)
    status, _, err = gradus("sweep", data.name, *options)
    assert status == 0, err
    page = read((work / ODD / "sweep.html").read_text())
    assert shlex.join(["gradus", "predict", ODD, "DATA"]) in page.text


# --- the home folder ---------------------------------------------------------------------------


def test_a_tilde_is_the_home_folder_in_python(home):
    x = np.arange(8, dtype=np.float32)[:, None]
    model = gr.Model(gr.Dense(1), "mse", gr.SGD(gr.log_uniform(1e-3, 1e-2)))
    gr.Sweep(model, 1, storage="~/sweep.db").fit(x, x, epochs=1, verbose=False)
    model = gr.Model(gr.Dense(1), "mse")
    model.fit(x, x, epochs=1, checkpoint="~/checkpoint", verbose=False)
    model.fit(x, x, epochs=2, resume="~/checkpoint", verbose=False)
    assert model.save("~/model") == home / "model"
    gr.Model.load("~/model").load_weights("~/model")
    assert model.load_weights("~/model/weights.safetensors")
    assert write_report("~/report.html", Report("a run")) == home / "report.html"
    assert gr.data.load(str(write_table(home / "d.csv"))).x.height == 40
    found = {path.name for path in home.iterdir()}
    assert found == {"sweep.db", "checkpoint", "model", "report.html", "d.csv"}
    assert not list(home.with_name("elsewhere").iterdir())


@pytest.mark.slow
def test_a_tilde_is_the_home_folder_on_the_command_line(gradus, home, monkeypatch):
    lesson = catalog.find_lesson("perceptron")._replace(run=lambda page: {})
    monkeypatch.setattr(catalog, "find_lesson", lambda name: lesson)
    write_table(home / "d.csv")
    for arguments in (
        ["train", "~/d.csv", "--target", "k", *QUICK, "--out=~/run"],
        ["train", "--resume=~/run", "--quiet"],
        ["train", "~/run/experiment.toml", "--out=~/again", "--quiet"],
        ["predict", "~/run", "~/d.csv", "--out=~/p.csv"],
        ["report", "~/run"],
        ["runs", "~/"],
        [
            "sweep",
            "~/d.csv",
            "--target",
            "k",
            "--trials",
            1,
            *QUICK,
            "--out=~/s",
            "--storage=~/s.db",
        ],
        ["lesson", "perceptron", "--out=~/lesson"],
    ):
        status, _, err = gradus(*arguments)
        assert status == 0, err
    found = {path.name for path in home.iterdir()}
    assert found == {"d.csv", "run", "again", "p.csv", "s", "s.db", "lesson"}
    assert not list(home.with_name("elsewhere").iterdir())


def test_a_name_that_begins_with_a_tilde_is_a_name(home):
    assert str(user_path("~$a.csv")) == "~$a.csv"
    assert user_path("~") == home
