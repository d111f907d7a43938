"""Prints a lesson on the terminal; in a file or a pipe, it is plain text."""

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
from gradus.lessons.labels import format_label

TEXT_WIDTH = 80  # columns of text
THEME = Theme({"markdown.code": "bold"})  # readable on any background
FILE_WIDTH = 240  # of a table in a file, where lines need not wrap


def print_block(block: TextBlock | TableBlock | FigureBlock, stream: TextIO | None = None) -> None:
    """Print a block of a lesson's page.

    Args:
        block: the block; for a figure, only the caption is printed.
        stream: the stream to print to; standard output if None.
    """
    if isinstance(block, TextBlock):
        _print(stream, _prose(block.markdown))
    elif isinstance(block, TableBlock):
        _print(stream, Text(block.caption, style="italic"), _grid(block))
    else:
        _print(stream, Text.assemble(("Figure: ", "bold"), block.caption))


def print_lesson(title: str, text: str, stream: TextIO | None = None) -> None:
    """Print the title and the text of a lesson, before its experiment runs."""
    _print(stream, Text(title, style="bold"), Text(), _prose(text))


def print_numbers(numbers: Mapping[str, float], stream: TextIO | None = None) -> None:
    """Print the numbers that make a lesson's point."""
    grid = Grid.grid(Column(), Column(justify="right"), padding=(0, 2))
    for name, value in numbers.items():
        grid.add_row(
            Text(format_label(name)),
            Text(formats.format_lesson_number(name, value), style="bold"),
        )
    _print(stream, grid)


def _grid(block: TableBlock) -> Grid:
    columns = formats.format_table(block.rows)
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        numeric = formats.is_numeric(block.rows, name)
        grid.add_column(Text(name), justify="right" if numeric else "left", no_wrap=numeric)
    for row in zip(*columns.values(), strict=True):
        grid.add_row(*(Text(cell) for cell in row))
    return grid


def _prose(markdown: str) -> Markdown:
    return Markdown(markdown, code_theme="ansi_dark", hyperlinks=False)


def _print(stream: TextIO | None, *parts: Any) -> None:
    """Print some parts and an empty line, without trailing spaces."""
    stream, buffer = stream or sys.stdout, io.StringIO()
    terminal = stream.isatty()
    console = Console(file=buffer, force_terminal=terminal, highlight=False, theme=THEME)
    if not terminal:
        console.width = FILE_WIDTH
    for part in parts:
        console.print(
            part, width=None if isinstance(part, Grid) else min(TEXT_WIDTH, console.width)
        )
    text = "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())
    stream.write(re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n\n")
    stream.flush()
