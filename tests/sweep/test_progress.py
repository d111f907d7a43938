"""The progress of a sweep: plain lines, a live table, and Ctrl-C."""

import io
import sys

import numpy as np
import pytest
from rich.console import Console

import gradus as gr
from gradus.errors import GradusError
from gradus.sweep.progress import SweepProgress, _Page

X = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)


def model():
    return gr.Model(gr.Dense(1), "mse", gr.SGD(gr.log_uniform(1e-3, 1e-1, name="[rate]")))


def test_plain_lines_show_the_progress_and_the_best_trial(capsys):
    sweep = gr.Sweep(model(), 4).fit(X, X[:, :1], epochs=2)
    *_, last = capsys.readouterr().err.splitlines()
    best = sweep.ranking[0]
    rate = best.settings(sweep.hypers)["[rate]"]
    assert last.startswith("4/4 trials")
    assert f"best val_loss {best.score:.4g} ([rate] {rate:.4g})" in last
    sweep.fit(X, X[:, :1], epochs=2, verbose=False)
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_the_leaders():
    sweep = gr.Sweep(model(), 8).fit(X, X[:, :1], epochs=2, verbose=False)
    shown = SweepProgress(sweep, 16, True)
    screen = io.StringIO()
    Console(file=screen, width=100).print(shown._page())
    _, header, _, *rows = (line.split() for line in screen.getvalue().splitlines())
    assert header == ["trial", "val_loss", "[rate]"]
    assert [int(row[0]) for row in rows[:5]] == [trial.number for trial in sweep.ranking[:5]]
    assert rows[-1][:2] == ["8/16", "trials"]


def test_a_narrow_terminal_has_whole_numbers_of_fewer_columns():
    names = ["trial", "val_sparse_categorical_crossentropy", "learning_rate", "l2", "dropout"]
    cells = ["12", "0.1379", "0.003909", "6.522e-05", "0.3201"]
    for width, fitting in ((60, 5), (40, 3), (28, 2)):
        screen = io.StringIO()
        Console(file=screen, width=width).print(_Page(names, [cells], "12/16 trials"))
        lines = screen.getvalue().splitlines()
        assert max(map(len, lines)) <= width
        (shown,) = (line.split() for line in lines if "0.1379" in line)
        assert shown == cells[:fitting]


def test_ctrl_c_keeps_finished_trials(monkeypatch, capsys):
    heard = SweepProgress.__call__

    def interrupt(self, trial):
        heard(self, trial)
        if self._ended == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SweepProgress, "__call__", interrupt)
        sweep = gr.Sweep(model(), 64).fit(X, X[:, :1], epochs=2)
    ended = [trial for trial in sweep.trials if trial.status == "finished"]
    assert sweep.interrupted
    assert 1 <= len(ended) < 64
    assert f"Interrupted after {len(ended)} of 64 trials." in capsys.readouterr().err
    assert sweep.best.history["val_loss"][-1] == pytest.approx(min(t.score for t in ended))


def test_a_live_table_is_drawn_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    gr.Sweep(model(), 3).fit(X, X[:, :1], epochs=2)
    assert "3/3 trials" in screen.getvalue()


def test_failed_trials_are_reported_with_the_reason(capsys):
    net = gr.Sequential([gr.Dense(gr.choice(3, 0)), gr.Dense(1)])
    sweep = gr.Sweep(gr.Model(net, "mse"), search="grid").fit(X, X[:, :1], epochs=1)
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("1 of 2 trials failed: trial 1, ")
    assert "units=0" in last
    assert sweep.table()["error"].to_list()[0] == ""
    assert "units=0" in sweep.table()["error"].to_list()[1]
    assert "error" not in gr.Sweep(model(), 1).fit(X, X[:, :1], epochs=1).table().columns


def test_a_sweep_whose_trials_all_diverged_has_no_best(capsys):
    diverging = gr.Model(gr.Dense(1), "mse", gr.SGD(gr.choice(1e20, 1e25)))
    sweep = gr.Sweep(diverging, 2).fit(X, X[:, :1], epochs=3)
    assert "2 of 2 trials diverged." in capsys.readouterr().err
    with pytest.raises(GradusError, match=r"diverged.*Lower the learning rates"):
        assert sweep.best
