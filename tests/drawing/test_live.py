"""What is shown while something runs, at the widths of terminals and in a notebook."""

import io

import pytest
from rich.console import Console

from gradus.drawing.live import NotebookDisplay, format_remaining
from gradus.train.progress import ProgressLine

NUMBERS = ["val_loss 0.1234", "loss 0.1201", "accuracy 0.9512", "val_accuracy 0.9433"]


def drawn(line, width):
    screen = io.StringIO()
    Console(file=screen, width=width).print(line)
    return screen.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_epoch_bar_time_left_and_the_watched_number_are_always_there(width):
    line = ProgressLine(1000)
    assert drawn(line, width).startswith("epoch 0/1000 ")
    assert "compiling …" in drawn(line, width)
    line.update(250, seconds=4.0, samples=50_000, numbers=NUMBERS)
    (shown,) = drawn(line, width).splitlines()
    assert len(shown) <= width
    assert shown.startswith("epoch 250/1000 ━━")
    assert "50 min left  val_loss 0.1234" in shown
    assert drawn(line, 200).rstrip().endswith("12,500 samples/s")
    line.update(1000, seconds=4.0, samples=50_000, numbers=NUMBERS)
    assert "left" not in drawn(line, width)


def test_the_time_that_is_left():
    times = {0.2: "0 s", 16.4: "16 s", 119: "119 s", 300: "5 min", 7300: "2 h 2 min"}
    assert {seconds: format_remaining(seconds) for seconds in times} == times


def test_a_notebook_keeps_the_lines_and_the_last_block():
    class Handle:
        def update(self, content, raw):
            assert raw
            outputs.append(content)

    outputs, block = [], ["first"]
    display = NotebookDisplay(lambda: block[0], lambda content, **options: Handle())
    display.print_line("Note: a < b")
    block[0] = "last"
    display.refresh()  # too early to be drawn again
    display.close()
    assert [one["text/plain"] for one in outputs] == ["Note: a < b\nfirst", "Note: a < b\nlast"]
    assert "<pre" in outputs[-1]["text/html"]
    assert "a &lt; b" in outputs[-1]["text/html"]
