"""The list of runs: settings that differ, sorting, and the page that compares them."""

from types import SimpleNamespace

import pytest

from gradus.errors import SavedError
from gradus.experiments import run_list
from gradus.experiments.run_list import (
    flat_settings,
    keep_differences,
    sort_by,
)


def test_settings_that_are_the_same_are_left_out():
    runs = [{"epochs": 5, "seed": 0}, {"epochs": 9, "seed": 0, "loss": "mse"}]
    keep_differences(runs)
    assert runs == [{"epochs": 5}, {"epochs": 9, "loss": "mse"}]
    same = {"metrics": ["r2", "mae"], "network.activation": "relu", "target": "Relu"}
    others = {"metrics": ["r2_score", "MAE"], "network.activation": "ReLU", "target": "relu"}
    keep_differences(both := [same, others])
    assert both == [{"target": "Relu"}, {"target": "relu"}]
    alone = [{"epochs": 5}]
    keep_differences(alone)
    assert alone == [{}]


def test_a_run_is_no_folder_of_runs(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "experiment.toml").write_text('data = "iris"\n')
    with pytest.raises(SavedError, match=r"is one run. .* gradus runs "):
        run_list.list_runs(tmp_path / "one")
    assert len(run_list.list_runs(tmp_path)) == 1


def test_a_run_that_lost_its_settings_is_listed(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "run.json").write_text("{}")
    (listed,) = run_list.list_runs(tmp_path)
    assert (listed["run"], listed["status"]) == (str(tmp_path / "one"), "damaged")


def test_curves_of_runs_that_predict_other_columns_are_apart(monkeypatch):
    monkeypatch.setattr(run_list, "Run", lambda path: SimpleNamespace(
        scored_model=SimpleNamespace(history=path.name)))  # fmt: skip
    listed = [
        {"run": f"runs/{name}", "data": "t.csv", "metrics": {}, "settings": settings}
        for name, settings in (("a", {"target": "x"}), ("b", {"target": ["x", "y"]}),
                               ("c", {"target": "x"}))
    ]  # fmt: skip
    assert run_list.histories(listed) == {
        "t.csv, target x": {"runs/a": "a", "runs/c": "c"}, "t.csv, target x, y": {"runs/b": "b"},
    }  # fmt: skip


def test_nested_settings_have_dotted_names():
    nested = {"seed": 0, "network": {"layers": [4], "dropout": None, "more": {"a": 1}}}
    assert dict(flat_settings(nested)) == {"seed": 0, "network.layers": [4], "network.more.a": 1}


def test_the_best_is_first_and_what_has_no_metric_last():
    runs = [{"run": "a", "metrics": {"accuracy": 0.5, "loss": 1.0}}, {"run": "none"},
            {"run": "b", "metrics": {"accuracy": 0.9, "loss": 3.0}},
            {"run": "nan", "metrics": {"accuracy": None, "loss": 2.0}}]  # fmt: skip
    assert [run["run"] for run in sort_by(runs, "accuracy")] == ["b", "a", "none", "nan"]
    assert [run["run"] for run in sort_by(runs, "loss")] == ["a", "nan", "b", "none"]
    with pytest.raises(SavedError, match="Did you mean 'accuracy'"):
        sort_by(runs, "acuracy")
