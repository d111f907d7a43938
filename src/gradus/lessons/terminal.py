"""How a lesson looks on the terminal; in a file or a pipe it is plain text."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Column
from rich.table import Table as Grid
from rich.text import Text
from rich.theme import Theme

from gradus.lessons import formats
from gradus.lessons.blocks import FigureBlock, TableBlock, TextBlock

MEASURE = 80  # letters in a line of text
THEME = Theme({"markdown.code": "bold"})  # whatever the terminal's ground
WIDEST = 240  # of a table in a file, which has no edge to break at


def print_block(block: TextBlock | TableBlock | FigureBlock, stream: TextIO | None = None) -> None:
    """Print a part of a lesson's page.

    Args:
        block: words, a table, or a figure, of which only the caption is printed.
        stream: where to; standard output if None.
    """
    if isinstance(block, TextBlock):
        _print(stream, _prose(block.markdown))
    elif isinstance(block, TableBlock):
        _print(stream, Text(block.caption, style="italic"), _grid(block))
    else:
        _print(stream, Text.assemble(("Figure: ", "bold"), block.caption))


def print_lesson(title: str, text: str, stream: TextIO | None = None) -> None:
    """Print what a lesson teaches, before its experiment runs."""
    _print(stream, Text(title, style="bold"), Text(), _prose(text))


def print_numbers(numbers: Mapping[str, float], stream: TextIO | None = None) -> None:
    """Print the numbers that make a lesson's point."""
    grid = Grid.grid(Column(), Column(justify="right"), padding=(0, 2))
    for name, value in numbers.items():
        grid.add_row(
            Text(formats.format_label(name)),
            Text(formats.format_lesson_number(name, value), style="bold"),
        )
    _print(stream, grid)


def _grid(block: TableBlock) -> Grid:
    columns = formats.format_table(block.rows)
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        numeric = formats.numeric(block.rows, name)
        grid.add_column(Text(name), justify="right" if numeric else "left", no_wrap=numeric)
    for row in zip(*columns.values(), strict=True):
        grid.add_row(*(Text(cell) for cell in row))
    return grid


def _prose(markdown: str) -> Markdown:
    return Markdown(markdown, code_theme="ansi_dark", hyperlinks=False)


def _print(stream: TextIO | None, *parts: Any) -> None:
    """Print some parts and an empty line, without spaces at the ends of lines."""
    stream, written = stream or sys.stdout, io.StringIO()
    terminal = stream.isatty()
    page = Console(file=written, force_terminal=terminal, highlight=False, theme=THEME)
    if not terminal:
        page.width = WIDEST
    for part in parts:
        page.print(part, width=None if isinstance(part, Grid) else min(MEASURE, page.width))
    text = "\n".join(line.rstrip() for line in written.getvalue().splitlines())
    stream.write(re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n\n")
    stream.flush()
