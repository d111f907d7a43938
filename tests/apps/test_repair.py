"""`gradus repair`, and `gradus diagnose --counterfactuals`."""

import tomllib
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_run_is_repaired_and_what_helped_can_be_applied(gradus, gradus_json):
    gradus("train", "iris", "--optimizer", "sgd", "--learning-rate", "300", "--epochs", "20")
    proved = gradus_json("diagnose", "runs/iris-1", "--counterfactuals")
    root = proved["findings"][0]
    assert (root["severity"], root["kind"]) == ("fault", "proved")
    found = gradus_json("repair", "runs/iris-1", "--apply", "--out", "mended")
    assert found["helped"]
    assert found["experiment"] == str(Path("runs/iris-1/repaired.toml"))
    settings = tomllib.loads(Path(found["experiment"]).read_text())
    for section, values in found["settings"].items():
        assert {name: settings[section][name] for name in values} == values
    score = found["repaired"]["metrics"]["accuracy"]
    assert score > 0.8
    assert score > gradus_json("evaluate", "runs/iris-1", "iris")["metrics"]["accuracy"]


def test_a_sound_run_needs_no_repair(gradus):
    gradus("train", "iris", "--epochs", "60")
    status, out, _ = gradus("repair", "runs/iris-1")
    assert status == 0
    assert "No problems were found" in out
    assert "No remedy helped beyond the noise" in out
    assert not Path("runs/iris-1/repaired.toml").exists()


def test_a_folder_that_is_not_empty_is_refused_before_the_search(gradus, monkeypatch):
    gradus("train", "iris", "--epochs", "1")
    monkeypatch.setattr("gradus.doctor.repair.repair", None)
    status, _, error = gradus("repair", "runs/iris-1", "--apply", "--out", "runs/iris-1")
    assert status == 1
    assert "is not empty, and a run never overwrites files" in error


def test_only_a_run_can_be_repaired(gradus):
    status, _, error = gradus("repair", "nothing")
    assert status == 1
    assert "There is no run 'nothing'" in error
