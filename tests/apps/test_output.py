"""Lines and tables at the width of a terminal; elsewhere they are whole."""

import io
import sys

import pytest

from gradus.apps.output import Output
from gradus.apps.summaries import OPTIONAL_COLUMNS, RUN_COLUMNS, TEXT_COLUMNS


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def shown_at(monkeypatch):
    """What a terminal of some columns shows; that of None is a file."""

    def show(columns, act):
        stream = io.StringIO() if columns is None else Terminal()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            patch.setenv("COLUMNS", str(columns))
            act(Output(json=False))
        return stream.getvalue().splitlines()

    return show


RUNS = [
    ["runs/a-1", "2026-11-29 07:58", "titanic.csv", "accuracy 0.7640, auc 0.8749 (validation)",
     "30", "3,401", "3.2", "optimizer.name adam, optimizer.learning_rate 0.001"],
    ["runs/b", "2026-11-29 07:59", "digits", "accuracy 0.9611 (validation)",
     "5", "50,826", "12.8", ""],
]  # fmt: skip


def print_runs(output):
    output.print_table(RUN_COLUMNS, RUNS, TEXT_COLUMNS, OPTIONAL_COLUMNS)


@pytest.mark.parametrize("columns", [60, 80, 100, 120])
def test_runs_fit_and_the_first_metric_is_whole(shown_at, columns):
    header, first, second, *told = shown_at(columns, print_runs)
    assert max(map(len, (header, first, second, *told))) <= columns
    assert first.startswith("runs/a-1")
    assert "accuracy 0.7640" in first
    assert second.startswith("runs/b")
    assert "accuracy 0.9611" in second
    left_out = [name for name in OPTIONAL_COLUMNS if name not in header]
    line = f"Not shown for lack of room: {', '.join(left_out)}."
    assert told == ([line] if left_out else [])
    assert ("weights" in header) == (columns == 120)


def test_a_file_has_all_of_a_table(shown_at):
    lines = shown_at(None, print_runs)
    assert len(lines) == 3
    assert all(cell in line for line, row in zip(lines[1:], RUNS, strict=True) for cell in row)


def test_numbers_are_never_shortened(shown_at):
    name, number = "a_metric_with_quite_a_long_name", "0.123456789"
    lines = shown_at(30, lambda output: output.print_table(["", "x"], [[name, number]]))
    assert lines == ["                             x", "a_metric_with_qu…  0.123456789"]


def test_a_line_with_a_label_is_wrapped_at_words(shown_at):
    line = "network   Dense 100 relu → Dropout 0.25 → Dense 1 sigmoid"
    assert shown_at(40, lambda output: output.print_line(line)) == [
        "network   Dense 100 relu → Dropout 0.25",
        "          → Dense 1 sigmoid",
    ]
    assert shown_at(None, lambda output: output.print_line(line)) == [line]
    command = "Next: gradus predict runs/digits-1 DATA --out predictions.csv"
    assert shown_at(40, lambda output: output.print_line(command)) == [command]  # to be copied
