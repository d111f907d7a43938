"""Fixtures of the command line tests: a working folder, and a way to run commands."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from gradus.apps.cli import main
from gradus.experiments import runs
from gradus.report.page import write_html

DATA = Path(os.environ.get("GRADUS_DATA", Path(__file__).parents[2] / "../shared/data")).resolve()


@pytest.fixture
def tabular():
    folder = DATA / "tabular"
    if not folder.is_dir():
        pytest.skip(f"the real tables are not here: set GRADUS_DATA (looked in {folder})")
    return folder


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRADUS_TRACEBACK", raising=False)
    return tmp_path


@pytest.fixture
def pages():
    """Requested by a test that reads the pages of runs."""


@pytest.fixture(autouse=True)
def empty_pages(request, monkeypatch):
    """Write empty pages, as figures of each take a fifth of a second, unless a test reads them."""
    if "pages" in request.fixturenames:
        return

    def write_page(run, parts, prepared):
        return write_html(run.folder / runs.REPORT, "")

    monkeypatch.setattr("gradus.experiments.train_run.write_page", write_page)
    monkeypatch.setattr("gradus.experiments.run_report.write_page", write_page)
    monkeypatch.setattr(
        "gradus.experiments.sweep_run.write_sweep", lambda path, *_, **__: write_html(path, "")
    )


@pytest.fixture
def gradus(capsys):
    """Run a command; return its exit status, standard output and standard error."""

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def gradus_json(gradus):
    """Run a command that succeeds with --json; return the object that it prints."""

    def run(*arguments):
        status, out, err = gradus(*arguments, "--json")
        assert status == 0, err
        assert out.count("\n") == 1
        return json.loads(out)

    return run


@pytest.fixture
def flowers(work):
    """A small table: two classes told apart by one of two numbers, and a color."""
    rng = np.random.default_rng(0)
    size, width = rng.normal(0, 1, (2, 80))
    kind = np.where(size > 0, "rose", "lily")
    color = rng.choice(["red", "white"], 80)
    rows = [f"{s:.4f},{w:.4f},{c},{k}" for s, w, c, k in zip(size, width, color, kind, strict=True)]
    path = work / "flowers.csv"
    path.write_text("\n".join(["size,width,color,kind", *rows]) + "\n")
    return path
