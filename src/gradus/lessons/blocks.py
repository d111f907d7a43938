"""The parts of a lesson's page: text, tables, and figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class TextBlock:
    """One or more paragraphs.

    Attributes:
        markdown: the text, with formulas in plain Unicode.
    """

    markdown: str


@dataclasses.dataclass(frozen=True)
class TableBlock:
    """A table of numbers.

    Attributes:
        rows: the rows, each a mapping from column names to values.
        caption: what the table shows, in a sentence.
    """

    rows: Sequence[Mapping[str, Any]]
    caption: str


@dataclasses.dataclass(frozen=True)
class FigureBlock:
    """A figure.

    Attributes:
        figure: a Plotly figure.
        caption: how to read it, in a sentence.
    """

    figure: Any
    caption: str


Block = TextBlock | TableBlock | FigureBlock
