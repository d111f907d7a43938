"""What every page with figures holds: colors for light, dark, and print; Plotly; how to draw."""

from __future__ import annotations

import base64
import functools
import gzip
from importlib import resources


def page_style() -> str:
    """Return the colors of a page in light and in dark, and how it is printed, as CSS.

    It comes after the other styles of the page, as print differs from them.

    >>> "prefers-color-scheme: dark" in page_style()
    True
    """
    return _read_resource("page.css")


def drawing_script() -> str:
    """Return the script that draws each element of class "chart" from the JSON that follows it.

    It needs Plotly: in an element with the id "plotly", as `compressed_plotly`, or loaded before.
    Where it cannot draw, it shows the element of class "old-browser".

    >>> "Plotly.newPlot" in drawing_script()
    True
    """
    return _read_resource("figures.js")


@functools.cache
def compressed_plotly() -> str:
    """Return Plotly's script, by gzip and in base64: 2.0 MB in place of 4.8.

    >>> gzip.decompress(base64.b64decode(compressed_plotly()))[:2]
    b'/*'
    """
    from plotly.offline import get_plotlyjs

    # Level 9 saves another 0.2 %.
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 6, mtime=0)).decode()


def _read_resource(name: str) -> str:
    return resources.files("gradus.drawing").joinpath(name).read_text("utf-8")
