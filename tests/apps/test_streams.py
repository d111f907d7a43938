"""The command line where standard output is absent, closed, or lacks characters."""

import io
import json
import sys

import pytest

from gradus.apps.cli import main

QUICK = ("--epochs", "2", "--layers", "4", "--quiet")
ENCODINGS = ("ascii", "latin-1", "cp1252")


@pytest.fixture
def run_in(monkeypatch):
    """Run a command with streams of an encoding; return its status and what it has written."""

    def run(encoding, *arguments):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            status = main([str(argument) for argument in arguments])
            for stream in streams:
                stream.flush()
        return status, *(stream.buffer.getvalue() for stream in streams)

    return run


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_help_and_errors_are_plain(run_in, encoding):
    for command in ("train", "sweep", "predict", "lesson"):
        status, out, _ = run_in(encoding, command, "--help")
        assert status == 0
        assert b"Usage: gradus" in out
    status, _, err = run_in(encoding, "train", "→.csv")
    assert (status, b"/->.csv'" in err) == (1, True)


def test_a_training_describes_its_network_in_ascii(run_in):
    status, out, err = run_in("ascii", "train", "iris", *QUICK)
    assert status == 0, err
    assert b"Dense 4 relu -> Dropout 0.1 -> Dense 3 softmax" in out


def test_names_are_not_changed_in_json_and_in_predictions(run_in, work):
    rows = [f"{k},{('žena', '日')[k % 2]}" for k in range(30)]
    (work / "d.csv").write_text("\n".join(["x,kind", *rows]), "utf-8")
    options = ("--target", "kind", "--out", "日", *QUICK)
    status, out, err = run_in("ascii", "train", "d.csv", *options, "--json")
    assert status == 0, err
    assert json.loads(out.decode("ascii"))["run"] == "日"
    status, out, err = run_in("cp1252", "predict", "日", "d.csv")
    assert status == 0, err
    assert out.decode("utf-8").splitlines()[0] == "prediction,probability_žena,probability_日"
    status, out, _ = run_in("cp1252", "runs", ".")
    assert (status, b"?" in out) == (0, True)


@pytest.mark.parametrize("closed", [False, True])
def test_no_console_is_no_error(monkeypatch, work, closed):
    stream = io.StringIO() if closed else None
    if closed:
        stream.close()
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, stream)
    assert main(["--help"]) == 0
    assert main(["train", "iris", *QUICK, "--json"]) == 0
    assert main(["predict", "runs/iris-1", "iris"]) == 0
    assert main(["predict", "runs/iris-1", "-"]) == 1
    assert main(["train", "digts"]) == 1
    assert main(["trian"]) == 2
