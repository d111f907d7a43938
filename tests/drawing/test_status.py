"""The status line: at once on a terminal, replaced by other output, and absent elsewhere."""

import io
import sys
import time

import pytest

from gradus.drawing import status
from gradus.drawing.status import doing, status_line


class Terminal(io.StringIO):
    def isatty(self):
        return True


def screen(written):
    """Return the lines that a terminal shows: what is erased is gone."""
    lines = []
    for line in written.replace("\r\n", "\n").split("\n"):
        lines.append(line.split(status.ERASE)[-1])
    return lines


@pytest.fixture
def open_terminal(monkeypatch):
    """Have both standard streams write to a terminal, and return it."""

    def open_one():
        shown = Terminal()
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys, "stderr", shown)
        monkeypatch.setattr(sys, "stdout", shown)
        monkeypatch.setattr(status, "QUIET", 0.01)
        return shown

    return open_one


def wait_for(shown, text):
    deadline = time.monotonic() + 5
    while screen(shown.getvalue())[-1] != text:
        assert time.monotonic() < deadline, shown.getvalue()
        time.sleep(0.01)


def test_it_is_there_at_once_and_gone_at_the_end(open_terminal):
    terminal = open_terminal()
    with status_line("starting"):
        assert screen(terminal.getvalue()) == ["starting …"]
        doing("reading")
        assert screen(terminal.getvalue()) == ["reading …"]
    assert screen(terminal.getvalue()) == [""]
    assert sys.stdout is sys.stderr is terminal
    doing("later")  # no line, nothing happens
    assert screen(terminal.getvalue()) == [""]


def test_other_output_takes_its_place_and_it_returns(open_terminal):
    terminal = open_terminal()
    with status_line("working"):
        sys.stdout.write("a result\n")
        wait_for(terminal, "working …")
        assert screen(terminal.getvalue())[0] == "a result"
        sys.stderr.write("half a line")
        doing("else")
        time.sleep(0.05)
        assert screen(terminal.getvalue())[-1] == "half a line"
        sys.stdout.write(" and the rest\n")
        wait_for(terminal, "else …")
    assert screen(terminal.getvalue()) == ["a result", "half a line and the rest", ""]


def test_nothing_to_say_is_no_line(open_terminal):
    terminal = open_terminal()
    with status_line("compiling"):
        doing("")
        time.sleep(0.05)
        assert screen(terminal.getvalue()) == [""]


def test_a_long_wait_is_counted_and_the_line_fits(open_terminal, monkeypatch):
    terminal = open_terminal()
    monkeypatch.setattr(status, "SECONDS_FROM", 0.0)
    monkeypatch.setattr(status, "_columns", lambda stream: 12)
    with status_line("reading a table of many columns"):
        assert screen(terminal.getvalue()) == ["reading a t"]
        doing("reading")
        assert screen(terminal.getvalue()) == ["reading … 0"]


@pytest.mark.parametrize("why", ["piped", "dumb", "quiet"])
def test_elsewhere_there_is_none(open_terminal, monkeypatch, why):
    terminal = open_terminal()
    if why == "piped":
        monkeypatch.setattr(sys, "stderr", io.StringIO())
    if why == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    with status_line("starting", wanted=why != "quiet"):
        doing("reading")
        sys.stdout.write("a result\n")
    assert terminal.getvalue() == "a result\n"
