"""The style that all figures share: colors, fonts, axes, and labels."""

from __future__ import annotations

import copy
import functools
import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.drawing.notebook import keep_figures_as_html

# The palette of Okabe & Ito, which is safe for color blindness.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#B0578D"
ORANGE, SKY, INK, MUTED, GRID = "#E69F00", "#56B4E9", "#1F2933", "#616E7C", "#E4E9EE"
COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, "#595959")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "x")
DASHES = ("solid", "dash", "dot", "dashdot")
TICK_SIZE = 12  # in pixels
# Ticks at powers of ten, 10⁻³. Plotly draws them larger than other ticks by a quarter.
POWERS = {"exponentformat": "power", "tickfont": {"size": TICK_SIZE / 1.25}}
PERCENTAGES = (
    "accuracy",
    "balanced_accuracy",
    "binary_accuracy",
    "precision",
    "recall",
    "f1",
    "top_",
)
ABBREVIATIONS = {
    "auc": "AUC",
    "f1": "F1",
    "mae": "MAE",
    "mape": "MAPE",
    "mse": "MSE",
    "msle": "MSLE",
    "pr": "PR",
    "r2": "R²",
    "rmse": "RMSE",
    "roc": "ROC",
}
FONT = (
    "Inter, 'Helvetica Neue', 'Segoe UI', Roboto, Helvetica, Arial, 'Liberation Sans', sans-serif"
)
# From the first layer to the last: Viridis without its palest end, which vanishes on white.
_LAYER_SCALE = ("#440154", "#414487", "#2A788E", "#22A884", "#7AD151")


def figure(title: str, rows: int = 1, height: int = 320, **subplots: Any) -> Any:
    """Return an empty figure in the shared style, with `rows` panels stacked vertically.

    Args:
        title: what the figure shows.
        rows: the number of panels.
        height: the height of the figure in pixels; its width adapts to the page.
        subplots: more arguments of `plotly.subplots.make_subplots`.
    """
    # Plotly takes 10 ms to make an empty figure, and 2 ms to copy one.
    figure = copy.deepcopy(_empty_figure(rows)) if not subplots else _styled(rows, **subplots)
    figure.update_layout(title_text=title, height=height)
    if subplots.get("subplot_titles"):  # they take the place of the legend
        figure.update_layout(legend_y=1 + 24 / (height - 120))
    # Panel titles are left-aligned, like all text.
    figure.update_annotations(x=0, xanchor="left", font={"size": 12, "color": MUTED})
    return figure


@functools.cache
def _empty_figure(rows: int) -> Any:
    return _styled(rows)


def _styled(rows: int, **subplots: Any) -> Any:
    """Return panels that use the shared template."""
    from plotly.subplots import make_subplots

    keep_figures_as_html()
    return make_subplots(rows=rows, cols=1, **subplots).update_layout(template=template())


def make_room_for_legend(figure: Any) -> None:
    """Move the title of a figure above its legend, which is above the titles of the panels."""
    figure.update_layout(margin_t=96)
    figure.update_layout(title={"y": 1 - 26 / figure.layout.height, "yanchor": "middle"})


@functools.cache
def template() -> Any:
    """Return the Plotly template that all figures use."""
    import plotly.graph_objects as go

    axis = {
        "gridcolor": GRID,
        "zeroline": False,
        "automargin": True,
        "ticks": "",
        "tickfont": {"color": MUTED, "size": TICK_SIZE},
        "title": {"font": {"color": MUTED, "size": 12}, "standoff": 10},
    }
    return go.layout.Template(
        layout={
            "autosize": True,
            "font": {"family": FONT, "size": 13, "color": INK},
            "title": {"font": {"size": 16}, "x": 0, "xref": "paper", "xanchor": "left"},
            "paper_bgcolor": "white",
            "plot_bgcolor": "white",
            "colorway": COLORS,
            "margin": {"l": 52, "r": 16, "t": 72, "b": 48},
            "hoverlabel": {
                "bgcolor": "white",
                "bordercolor": "#CBD2D9",
                "font": {"family": FONT, "size": 12, "color": INK},
            },
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "xaxis": {**axis, "showgrid": False, "linecolor": "#9AA5B1", "showline": True},
            "yaxis": {**axis, "ticklabelstandoff": 4},
        }
    )


def escape(name: object) -> str:
    """Escape a name so that Plotly shows it literally and not as markup."""
    return html.escape(str(name), quote=False)


def pick(index: int, choices: Sequence[str] = COLORS) -> str:
    """Return the `index`-th of some colors, symbols or dashes, cycling through them."""
    return choices[index % len(choices)]


def layer_colors(count: int) -> list[str]:
    """Return a color for each of `count` layers, dark for the first and light for the last."""
    from plotly.colors import sample_colorscale

    positions = [index / max(count - 1, 1) for index in range(count)]
    return sample_colorscale(list(_LAYER_SCALE), positions)


def translucent(color: str, alpha: float) -> str:
    """Return a color, "#rrggbb" or "rgb(r, g, b)", with opacity `alpha`."""
    if color.startswith("#"):
        color = f"rgb({', '.join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))})"
    return color.replace("rgb(", "rgba(").replace(")", f", {alpha:g})")


def evenly_spaced(count: int, limit: int) -> np.ndarray:
    """Return at most `limit` evenly spaced row numbers of 0 … count − 1, including the last.

    A figure of ten thousand points is slow to draw and shows no more than one of a thousand.
    """
    if count <= limit:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, limit).round().astype(int))


def log_axis(values: np.ndarray) -> dict[str, Any]:
    """Return axis settings for a logarithmic axis over `values`, with ticks even on a short one."""
    positive = values[np.isfinite(values) & (values > 0)]
    if len(positive) and positive.max() < 500 * positive.min():
        return {"type": "log", "dtick": "D2", "tickformat": "~g"}
    decades = np.ptp(np.log10(positive)) if len(positive) else 1
    return {"type": "log", "dtick": max(1, int(np.ceil(decades / 8))), **POWERS}


def is_percentage(name: str) -> bool:
    """Return whether a metric is shown as a percentage, like accuracy, also that of one output."""
    name = name.removeprefix("val_")
    return name.startswith(PERCENTAGES) or name.endswith(tuple(f"_{last}" for last in PERCENTAGES))


def axis_label(name: str) -> str:
    """Return a curve's name in words: "val_top_5_accuracy" is "validation top 5 accuracy".

    A column of several targets, as in "r2 unit_price", stays as it is.
    """
    prefix = ["validation"] if name.startswith("val_") else []
    metric, *column = name.removeprefix("val_").split(" ", 1)
    words = [ABBREVIATIONS.get(word, word) for word in metric.split("_")]
    return " ".join(prefix + words + column)


def heading(name: str) -> str:
    """Return `axis_label(name)`, capitalized."""
    words = axis_label(name)
    return words[:1].upper() + words[1:]


def percent(value: float) -> str:
    """Format a fraction as a percentage: 0.9731 is "97.3%"."""
    return f"{100 * value:.1f}%"
