"""What a lesson's page is made of: text, tables, and figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class TextBlock:
    """A paragraph or more.

    Attributes:
        markdown: the text; formulas in plain Unicode.
    """

    markdown: str


@dataclasses.dataclass(frozen=True)
class TableBlock:
    """Numbers that make the point.

    Attributes:
        rows: one mapping from column to value for each row.
        caption: what they show, in a sentence.
    """

    rows: Sequence[Mapping[str, Any]]
    caption: str


@dataclasses.dataclass(frozen=True)
class FigureBlock:
    """A picture.

    Attributes:
        figure: a Plotly figure.
        caption: how to read it, in a sentence.
    """

    figure: Any
    caption: str


Block = TextBlock | TableBlock | FigureBlock
