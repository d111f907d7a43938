"""What a lesson shows while it runs: words, tables and figures, one after another."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TextIO


@dataclasses.dataclass(frozen=True)
class Words:
    """A paragraph or more.

    Attributes:
        markdown: the text; formulas in plain Unicode.
    """

    markdown: str


@dataclasses.dataclass(frozen=True)
class Table:
    """Numbers that make the point.

    Attributes:
        rows: one mapping from column to value for each row.
        caption: what they show, in a sentence.
    """

    rows: Sequence[Mapping[str, Any]]
    caption: str


@dataclasses.dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes:
        figure: a Plotly figure.
        caption: how to read it, in a sentence.
    """

    figure: Any
    caption: str


class Page:
    """Collects what a lesson shows, and prints the words and tables as they come.

    Args:
        quiet: whether nothing is printed.
        stream: where it is printed; standard output if None.

    Attributes:
        blocks: what was shown so far.
    """

    def __init__(self, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.quiet, self.stream = quiet, stream
        self.blocks: list[Words | Table | Figure] = []

    def text(self, markdown: str) -> None:
        """Show a paragraph, such as what the next numbers will show or have shown."""
        self._show(Words(markdown))

    def table(self, rows: Sequence[Mapping[str, Any]], caption: str) -> None:
        """Show numbers: one mapping from column to value for each row."""
        self._show(Table(list(rows), caption))

    def figure(self, figure: Any, caption: str) -> None:
        """Show a Plotly figure; on the terminal only its caption is named."""
        self._show(Figure(figure, caption))

    def _show(self, block: Words | Table | Figure) -> None:
        self.blocks.append(block)
        if not self.quiet:
            from gradus.lessons.terminal import print_block

            print_block(block, self.stream)
