"""The one look of all figures: colours, type, axes, and the words that label them."""

from __future__ import annotations

import functools
import html
from collections.abc import Sequence
from typing import Any

import numpy as np

# Okabe & Ito's colours, which people with any colour vision can tell apart.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#B0578D"
ORANGE, SKY, INK, MUTED, GRID = "#E69F00", "#56B4E9", "#1F2933", "#616E7C", "#E4E9EE"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, "#595959")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "x")
DASHES = ("solid", "dash", "dot", "dashdot")
SHARES = ("accuracy", "binary_accuracy", "precision", "recall", "f1", "top_")
ABBREVIATIONS = {
    "auc": "AUC",
    "f1": "F1",
    "mae": "MAE",
    "mape": "MAPE",
    "mse": "MSE",
    "msle": "MSLE",
    "r2": "R²",
    "rmse": "RMSE",
    "roc": "ROC",
}
FONT = (
    "Inter, 'Helvetica Neue', 'Segoe UI', Roboto, Helvetica, Arial, 'Liberation Sans', sans-serif"
)
# From first layer to last: Viridis without its palest end, which vanishes on white.
_DEPTH = ("#440154", "#414487", "#2A788E", "#22A884", "#7AD151")


def figure(title: str, rows: int = 1, height: int = 320, **subplots: Any) -> Any:
    """Return an empty figure in the house style, with `rows` panels above one another.

    Args:
        title: what the figure shows.
        rows: the number of panels.
        height: of the figure, in pixels; its width is that of its place on the page.
        subplots: further arguments of `plotly.subplots.make_subplots`.
    """
    from plotly.subplots import make_subplots

    made = make_subplots(rows=rows, cols=1, **subplots)
    made.update_layout(template=template(), title_text=title, height=height)
    if subplots.get("subplot_titles"):  # which stand where the legend would
        made.update_layout(legend_y=1 + 24 / (height - 120))
    # The titles of panels stand at their left, as all text does.
    made.update_annotations(x=0, xanchor="left", font={"size": 12, "color": MUTED})
    return made


@functools.cache
def template() -> Any:
    """Return the house template: light, quiet, and the same in all figures."""
    import plotly.graph_objects as go

    axis = {
        "gridcolor": GRID,
        "zeroline": False,
        "automargin": True,
        "ticks": "",
        "tickfont": {"color": MUTED, "size": 12},
        "title": {"font": {"color": MUTED, "size": 12}, "standoff": 10},
    }
    return go.layout.Template(
        layout={
            "autosize": True,
            "font": {"family": FONT, "size": 13, "color": INK},
            "title": {"font": {"size": 16}, "x": 0, "xref": "paper", "xanchor": "left"},
            "paper_bgcolor": "white",
            "plot_bgcolor": "white",
            "colorway": COLOURS,
            "margin": {"l": 52, "r": 16, "t": 72, "b": 48},
            "hoverlabel": {
                "bgcolor": "white",
                "bordercolor": "#CBD2D9",
                "font": {"family": FONT, "size": 12, "color": INK},
            },
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "xaxis": {**axis, "showgrid": False, "linecolor": "#9AA5B1", "showline": True},
            "yaxis": axis,
        }
    )


def text(name: object) -> str:
    """Return a name as Plotly shows it letter by letter, and not as markup."""
    return html.escape(str(name), quote=False)


def pick(index: int, choices: Sequence[str] = COLOURS) -> str:
    """Return the `index`-th of some colours, symbols or dashes, beginning again at the end."""
    return choices[index % len(choices)]


def depth_colours(count: int) -> list[str]:
    """Return a colour for each of `count` layers, dark for the first and light for the last."""
    from plotly.colors import sample_colorscale

    places = [index / max(count - 1, 1) for index in range(count)]
    return sample_colorscale(list(_DEPTH), places)


def faint(colour: str, alpha: float) -> str:
    """Return a colour, "#rrggbb" or "rgb(r, g, b)", with a transparency."""
    if colour.startswith("#"):
        colour = f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"
    return colour.replace("rgb(", "rgba(").replace(")", f", {alpha:g})")


def thin(count: int, most: int) -> np.ndarray:
    """Return at most `most` of the row numbers 0 … count − 1, evenly spaced, the last among them.

    A figure of ten thousand points is slow to draw and says no more than one of a thousand.
    """
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))


def log_axis(values: np.ndarray) -> dict[str, Any]:
    """Return what makes an axis of some numbers logarithmic, with ticks also if it is short."""
    seen = values[np.isfinite(values) & (values > 0)]
    if len(seen) and seen.max() < 50 * seen.min():
        return {"type": "log", "dtick": "D2", "tickformat": "~g"}
    return {"type": "log", "exponentformat": "power", "dtick": 1}


def is_share(name: str) -> bool:
    """Return whether a metric is shown as a percentage, as an accuracy is."""
    return name.removeprefix("val_").startswith(SHARES)


def axis_label(name: str) -> str:
    """Return the name of a curve in words: "val_top_5_accuracy" is "validation top 5 accuracy"."""
    side = ["validation"] if name.startswith("val_") else []
    words = name.removeprefix("val_").split("_")
    return " ".join(side + [ABBREVIATIONS.get(word, word) for word in words])


def heading(name: str) -> str:
    """Return `label(name)` with a capital at its beginning."""
    words = axis_label(name)
    return words[:1].upper() + words[1:]


def share(value: float) -> str:
    """Return a share as a percentage: 0.9731 is "97.3%"."""
    return f"{100 * value:.1f}%"
