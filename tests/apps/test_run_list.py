"""`gradus runs`: what each run reached, where runs on the same data differ, and their page."""

import pytest


@pytest.mark.slow
def test_runs_are_compared(gradus, gradus_json, work, flowers, read):
    for rate in (0.1, 0.001):
        options = ["--target", "kind", "--epochs", "2", "--layers", "4", "--refit", "no"]
        assert gradus("train", flowers, *options, "--learning-rate", rate, "--quiet")[0] == 0
    listed = gradus_json("runs", "--sort", "loss")["runs"]
    losses = [run["metrics"]["loss"] for run in listed]
    assert losses == sorted(losses)
    settings = {run["run"]: run["settings"] for run in listed}
    assert [settings[run] for run in sorted(settings)] == [
        {"optimizer.learning_rate": 0.1},
        {"optimizer.learning_rate": 0.001},
    ]
    assert all(run["date"][:2] == "20" for run in listed)
    status, out, _ = gradus("runs", "--html", "runs.html")
    assert status == 0
    assert "optimizer.learning_rate 0.001" in out
    page = read((work / "runs.html").read_text())
    assert "optimizer.learning_rate 0.001" in page.text
    loss, *_ = page.charts
    assert [curve["name"] for curve in loss["data"]] == [run["run"] for run in
                                                         gradus_json("runs")["runs"]]  # fmt: skip
    assert all(len(curve["x"]) == 2 for curve in loss["data"])
    status, _, err = gradus("runs", "--sort", "losss")
    assert (status, "Did you mean 'loss'" in err) == (1, True)
