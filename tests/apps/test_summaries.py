"""What is printed of a repair."""

from types import SimpleNamespace

from gradus.apps.output import Output
from gradus.apps.summaries import print_repair
from gradus.doctor.counterfactuals import Outcome
from gradus.doctor.scores import Comparison


def test_a_table_has_errors_of_whole_trainings_only(capsys):
    def outcome(name, before, after, noise, seeds):
        return Outcome(None, SimpleNamespace(name=name), Comparison(before, after, noise), seeds)

    tried = (
        outcome("Adam", 0.5, 0.1, 0.05, 3),
        outcome("relu", 0.5, 0.45, 0.1, 3),
        outcome("clipped", 0.9, 0.8, 0.1, 0),
        outcome("wider", 0.9, 0.85, 0.1, 0),
    )
    found = SimpleNamespace(outcomes=tried, trainings=3.2, seconds=1.5, helped=True)
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
