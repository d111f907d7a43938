"""`gradus serve`: the address, the token, and the end. tests/serving has the rest."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest


@pytest.mark.slow
def test_a_run_is_served_until_ctrl_c(cat_run):
    command = [sys.executable, "-m", "gradus", "serve", str(cat_run), "--port", "0", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        told = json.loads(process.stdout.readline())
        assert told["run"] == str(cat_run)
        row = {"weight": 4.2, "age": None, "color": "red", "born": "2020-03-11"}
        request = urllib.request.Request(  # noqa: S310
            f"{told['url']}/predict",
            json.dumps(row).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            assert json.load(answer)["prediction"] in ("no", "yes")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "gradus: Interrupted."
    assert "Traceback" not in err


def test_what_cannot_be_served(gradus, cat_run, monkeypatch):
    monkeypatch.delenv("GRADUS_TOKEN", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, words in (
            (["--host", "0.0.0.0"], "needs a token"),  # noqa: S104
            (["--host", "::"], "needs a token"),
            (["--token", "two words"], "has a space"),
            (["--port", port], f"127.0.0.1, port {port}, cannot be listened at"),
            (["--port", 70000], "from 0 to 65535"),
            (["--host", "no.such.host.invalid"], "'no.such.host.invalid' is no address"),
            (["--host", "192.0.2.1", "--token", "x"], "192.0.2.1, port 8000, cannot be"),
        ):
            status, out, err = gradus("serve", cat_run, *arguments)
            assert (status, out, words in err) == (1, "", True), err
    status, _, err = gradus("serve", "nothing")
    assert (status, "There is no run 'nothing'" in err) == (1, True)
    monkeypatch.setenv("GRADUS_TOKEN", "")
    assert "token is empty" in gradus("serve", cat_run)[2]


def test_without_the_extra_its_command_is_named(gradus, cat_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    status, _, err = gradus("serve", cat_run)
    assert (status, "gradus serve needs the package uvicorn" in err) == (1, True)
    assert "[serve]" in err
