"""Notebooks: whether this is one, and what it shows."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from gradus.errors import four_digits


def notebook_display() -> Any:
    """Return IPython's `display` if this is a notebook, such as Jupyter's or VS Code's, else None.

    A terminal with IPython is none: its shell has no kernel.
    """
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return ipython.display.display if getattr(shell, "kernel", None) is not None else None


def keep_figures_as_html() -> None:
    """Have a notebook keep Plotly's figures as HTML too, unless the user has chosen a renderer.

    Of itself Plotly keeps them in a format of its own in Jupyter, which a notebook that is exported
    to HTML cannot show. The first figure brings Plotly's script along, some 5 MB, so that such a
    page shows its figures offline, too.
    """
    import plotly.io

    if notebook_display() is not None and plotly.io.renderers.default == "plotly_mimetype":
        plotly.io.renderers.default = "plotly_mimetype+notebook"


class Lines(str):
    """Text of several lines that a notebook shows as such, where it would show a string's quotes.

    >>> Lines("a & b")._repr_html_()
    '<pre style="font-family: monospace">a &amp; b</pre>'
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        return preformatted(self)


def preformatted(text: str) -> str:
    """Return text as HTML that keeps its lines and columns."""
    return f'<pre style="font-family: monospace">{escape(text)}</pre>'


def html_table(header: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> str:
    """Return a table as HTML; all text is escaped.

    >>> html_table(["name", "value"], [["a<b", 1]])
    '<table><tr><th>name</th><th>value</th></tr><tr><td>a&lt;b</td><td>1</td></tr></table>'
    """
    caption = f"<p>{escape(title)}</p>" if title else ""
    lines = [_row("th", header), *(_row("td", row) for row in rows)]
    return f"{caption}<table>{''.join(lines)}</table>"


def records_table(records: Sequence[Mapping[str, Any]], title: str = "") -> str:
    """Return records as such a table, with a column for each name and numbers of four digits.

    >>> records_table([{"epoch": 1, "loss": 0.123456}])
    '<table><tr><th>epoch</th><th>loss</th></tr><tr><td>1</td><td>0.1235</td></tr></table>'
    """
    if not records:
        return f"<p>{escape(title)}</p>"
    names = list(dict.fromkeys(name for record in records for name in record))
    rows = [[_shown(record.get(name, "")) for name in names] for record in records]
    return html_table(names, rows, title)


def _shown(value: Any) -> Any:
    return four_digits(value) if isinstance(value, float) else value


def _row(tag: str, cells: Iterable[Any]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"
