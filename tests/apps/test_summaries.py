"""What is printed of a repair, and of a run."""

from types import SimpleNamespace

import pytest

from gradus.apps.output import Output
from gradus.apps.summaries import print_repair, print_training_summary, run_row
from gradus.doctor.counterfactuals import Outcome
from gradus.doctor.scores import Comparison
from gradus.experiments.run_list import sort_by


def test_a_table_has_errors_of_whole_trainings_only(capsys):
    def outcome(name, before, after, noise, seeds):
        return Outcome(None, SimpleNamespace(name=name), Comparison(before, after, noise), seeds)

    tried = (
        outcome("Adam", 0.5, 0.1, 0.05, 3),
        outcome("relu", 0.5, 0.45, 0.1, 3),
        outcome("clipped", 0.9, 0.8, 0.1, 0),
        outcome("wider", 0.9, 0.85, 0.1, 0),
    )
    notes = ("labels were weighted",)
    found = SimpleNamespace(outcomes=tried, trainings=3.2, seconds=1.5, helped=True, notes=notes)
    print_repair(found, Output(False))
    printed = capsys.readouterr().out
    table = [line.split() for line in printed.splitlines()[1:4]]
    assert table == [
        ["remedy", "error", "as", "it", "is", "with", "it", "noise", "seeds", "helps"],
        ["Adam", "0.5000", "0.1000", "0.0500", "3", "yes"],
        ["relu", "0.5000", "0.4500", "0.1000", "3", "no"],
    ]
    assert "Dropped after the first epochs, best first: clipped; wider." in printed
    assert "0.9" not in printed
    assert "labels were weighted" in printed


RECORD = {
    "run": "runs/t-1",
    "data": "t.csv",
    "status": "diverged",
    "split": "validation",
    "metrics": {"r2": 0.25, "r2 a": 0.5, "r2 b": 0.0, "loss": 0.75},
    "parts": {"training": {"r2": 0.5, "balanced_accuracy": 0.5}, "validation": {"r2": 0.25}},
    "constant": {},
    "epochs": 1,
    "best_epoch": None,
    "training_seconds": 0.25,
}


def test_a_list_of_runs_has_no_scores_of_single_targets():
    assert run_row(RECORD)[3] == "diverged: R² 0.2500 (validation)"
    only = {**RECORD, "status": "finished", "metrics": {"mae a": 0.5}}
    assert run_row(only)[3] == "MAE a 0.5000 (validation)"
    chosen = {**RECORD, "settings": {"metrics": ["accuracy", "auc"], "rate": 0.1}}
    assert run_row(chosen)[-1] == "metrics accuracy,auc, rate 0.1"


@pytest.mark.parametrize("metric", ["r2", "R²"])
def test_runs_are_sorted_by_a_metric_as_it_is_named_or_shown(metric):
    better = {**RECORD, "metrics": {"r2": 0.5}}
    assert sort_by([RECORD, better], metric) == [better, RECORD]


def test_a_training_of_one_epoch_has_the_metrics_of_its_headline(capsys):
    print_training_summary(RECORD, Output(False))
    printed = capsys.readouterr().out
    assert "\n1 epoch in 0.2 s." in printed or "\n1 epoch in 0.3 s." in printed
    assert "balanced accuracy" not in printed
