"""The page that a lesson writes while it runs: text, tables, and figures, one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from gradus.lessons.blocks import Block, FigureBlock, TableBlock, TextBlock


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
        self.blocks: list[Block] = []

    def text(self, markdown: str) -> None:
        """Show a paragraph, such as what the next numbers will show or have shown."""
        self._show(TextBlock(markdown))

    def table(self, rows: Sequence[Mapping[str, Any]], caption: str) -> None:
        """Show numbers: one mapping from column to value for each row."""
        self._show(TableBlock(list(rows), caption))

    def figure(self, figure: Any, caption: str) -> None:
        """Show a Plotly figure; on the terminal only its caption is named."""
        self._show(FigureBlock(figure, caption))

    def _show(self, block: Block) -> None:
        self.blocks.append(block)
        if not self.quiet:
            from gradus.lessons.terminal import print_block  # Rich is imported when it is needed

            print_block(block, self.stream)
