"""The page that a lesson writes as it runs: text, tables, and figures in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from gradus.lessons import formats
from gradus.lessons.blocks import Block, FigureBlock, TableBlock, TextBlock


class Page:
    """Collects what a lesson shows, and prints text and tables as they come.

    Args:
        quiet: if True, print nothing.
        stream: the stream to print to; standard output if None.

    Attributes:
        blocks: everything shown so far.
    """

    def __init__(self, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.quiet, self.stream = quiet, stream
        self.blocks: list[Block] = []

    def text(self, markdown: str) -> None:
        """Show a paragraph of Markdown."""
        self._show(TextBlock(formats.powers_of_ten(markdown)))

    def table(self, rows: Sequence[Mapping[str, Any]], caption: str) -> None:
        """Show a table; each row maps column names to values."""
        self._show(TableBlock(list(rows), formats.powers_of_ten(caption)))

    def figure(self, figure: Any, caption: str) -> None:
        """Show a Plotly figure; the terminal shows only its caption."""
        self._show(FigureBlock(figure, formats.powers_of_ten(caption)))

    def _show(self, block: Block) -> None:
        self.blocks.append(block)
        if not self.quiet:
            from gradus.lessons.terminal import print_block  # imports Rich, so only if needed

            print_block(block, self.stream)
