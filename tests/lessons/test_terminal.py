"""A lesson on the terminal: plain text in a file, colors only on a terminal."""

import io

import pytest

from gradus.lessons.page import FigureBlock, Page, TableBlock, TextBlock
from gradus.lessons.terminal import print_block, print_lesson, print_numbers


class Terminal(io.StringIO):
    def isatty(self):
        return True


def printed(block, stream=None):
    stream = stream or io.StringIO()
    print_block(block, stream)
    return stream.getvalue()


def test_words_are_wrapped_and_lose_their_markup():
    text = printed(TextBlock("A **bold** claim, `w ← w + 1`, " + "and so on " * 20))
    assert text.startswith("A bold claim, w ← w + 1, and so on")
    assert max(map(len, text.splitlines())) <= 80
    assert text.endswith("\n\n")
    assert "\x1b" not in text


def test_a_formula_gets_its_own_line():
    lines = printed(TextBlock("It is\n\n    ŷ = w x + b\n\nfor all x.")).splitlines()
    assert [line.strip() for line in lines if line] == ["It is", "ŷ = w x + b", "for all x."]


def test_a_tables_numbers_are_aligned():
    rows = [{"": "raw", "loss": 12.5}, {"": "[b]scaled[/b]", "loss": 0.25}]
    lines = [line for line in printed(TableBlock(rows, "What was lost.")).splitlines() if line]
    assert lines[0] == "What was lost."
    assert lines[-2].split() == ["raw", "12.50"]
    assert lines[-1].split() == ["[b]scaled[/b]", "0.25"]
    assert lines[-2].index(".") == lines[-1].index(".")
    assert not any(line.endswith(" ") for line in lines)


def test_a_wide_table_is_not_broken_in_a_file():
    row = {f"a long column {i}": 1.5 for i in range(10)}
    lines = [line for line in printed(TableBlock([row], "Wide.")).splitlines() if line]
    assert len(lines) == 4


def test_only_the_caption_of_a_figure_is_printed():
    assert printed(FigureBlock(object(), "Look.")) == "Figure: Look.\n\n"


def test_colors_only_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in printed(FigureBlock(object(), "Look."), Terminal())


def test_title_and_numbers():
    stream = io.StringIO()
    print_lesson("A title", "A text.", stream)
    print_numbers({"test_accuracy": 0.5, "steps": 10}, stream)
    shown = "A title\n\nA text.\n\ntest accuracy  50.0%\nsteps             10\n\n"
    assert stream.getvalue() == shown


@pytest.mark.parametrize("quiet", [True, False])
def test_a_page_prints_as_it_goes_unless_it_is_quiet(quiet, capsys):
    page = Page(quiet)
    page.text("Words.")
    page.table([{"a": 1}], "Numbers.")
    assert [type(block) for block in page.blocks] == [TextBlock, TableBlock]
    assert (capsys.readouterr().out == "") == quiet
