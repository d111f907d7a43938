"""The help of each command begins with an example that runs, and fits a terminal of 80 columns."""

import inspect
import shlex

import pytest
from rich.console import Console

from gradus.apps.cli import app
from gradus.apps.usage import COMMANDS

NAMES = [name for name in app if not name.startswith("-")]
SLOW = ("sweep", "repair", "serve", "lesson")  # what they do is tested elsewhere


def examples(name):
    """The examples of a command, as its help shows them."""
    lines = inspect.getdoc(app[name].default_command).splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("gradus ")]


@pytest.mark.slow
def test_the_first_example_of_each_command_runs(gradus):
    status, _, err = gradus(*examples("train")[0], "--epochs", 1, "--layers", 8, "--quiet")
    assert status == 0, err
    pytest.importorskip("onnx")
    for name in NAMES:
        if name not in ("train", *SLOW):
            status, out, err = gradus(*examples(name)[0])
            assert status == 0, err
            assert out


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_understood(name):
    assert examples(name)
    for arguments in examples(name):
        command, *_ = app.parse_args(arguments, exit_on_error=False, print_error=False)
        assert command is app[name].default_command


@pytest.mark.parametrize("columns", [60, 80])
def test_the_help_fits_the_terminal(gradus, monkeypatch, columns):
    # Not by COLUMNS, which a console of an earlier test has read.
    monkeypatch.setattr(app, "console", Console(width=columns))
    for name in [None, *NAMES]:
        status, out, _ = gradus(*([name] if name else []), "--help")
        assert status == 0
        assert max(map(len, out.splitlines())) <= columns
        if name:
            assert f"gradus {' '.join(map(shlex.quote, examples(name)[0]))}"[:50] in out


def test_gradus_alone_says_what_to_do_first(gradus):
    status, out, _ = gradus()
    assert status == 0
    assert "To start, with a built-in data set: gradus train digits" in out
    order = ["train  ", "sweep  ", "evaluate ", "diagnose ", "lesson  ", "--version"]
    assert sorted(order, key=out.index) == order


def test_a_command_of_other_tools_is_translated(gradus):
    status, _, err = gradus("fit", "digits")
    assert status == 2
    assert err.startswith("gradus: There is no command 'fit'. Here it is gradus train.\n")
    assert {name for name in COMMANDS.values() if not name.startswith("-")} <= set(NAMES)
    assert not set(COMMANDS) & set(NAMES)
    assert 'Did you mean "evaluate"?' in gradus("evalute", "digits")[2]
