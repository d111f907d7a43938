"""Small runs that several tests read, each trained once."""

import contextlib
import io

import numpy as np
import polars as pl
import pytest

from gradus.apps.cli import main

ROWS = 90


def trained(folder, *arguments):
    """Train a run in a folder with an empty report, and return its path."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setattr("gradus.report.page.write_report", lambda path, report: path)
        settings = ["--epochs", "3", "--layers", "4", "--quiet"]
        status = main(["train", *map(str, arguments), *settings, "--out", str(folder)])
    assert status == 0
    return folder


@pytest.fixture(scope="session")
def cats(tmp_path_factory):
    """A table: a number, a number with missing values, a category, a date, and two classes."""
    rng = np.random.default_rng(0)
    weight = rng.normal(4, 1, ROWS).round(2)
    age = [None if i % 9 == 0 else float(i % 15) for i in range(ROWS)]
    frame = pl.DataFrame(
        {
            "tag": [f"{i:03}" for i in range(ROWS)],
            "weight": weight,
            "age": age,
            "color": rng.choice(["black", "white", "red"], ROWS),
            "born": [f"2020-0{i % 9 + 1}-1{i % 7}" for i in range(ROWS)],
            "tame": np.where(weight > 4, "yes", "no"),
        }
    )
    path = tmp_path_factory.mktemp("data") / "cats.csv"
    frame.write_csv(path)
    return path


@pytest.fixture(scope="session")
def cat_run(cats, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "cats"
    return trained(folder, cats, "--target", "tame", "--drop-columns", "tag")


@pytest.fixture(scope="session")
def iris_run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "iris", "iris")


@pytest.fixture
def make_run(tmp_path):
    """Train a run and return its folder."""
    return lambda *arguments: trained(tmp_path / "run", *arguments)
