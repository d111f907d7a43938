"""The figure of which hyperparameters of a sweep mattered, and of the score at their values."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.errors import GradusError
from gradus.report import style
from gradus.sweep.results.importance import Curve, Importance
from gradus.sweep.sweep import Sweep

MOST_CURVES = 6  # hyperparameters, those that mattered most, whose curves are drawn
BARS, PANEL = 28, 190  # pixels of a bar, and of a curve's panel


def importance(sweep: Sweep | Importance) -> Any:
    """Return how much of the score's variance each hyperparameter explains, and its curve.

    A curve is the score to expect at each value in the mean over all other settings; the band
    around it is one standard deviation over the trees of the forest that expects it.

    Args:
        sweep: a sweep, or what its `importance` returned.

    Raises:
        GradusError: for anything else, or a sweep of fewer than 8 trials.
    """
    found = sweep.importance() if isinstance(sweep, Sweep) else sweep
    if not isinstance(found, Importance):
        raise GradusError(f"importance takes a sweep, not {type(sweep).__name__}.")
    drawn = list(found.curves.items())[:MOST_CURVES]
    bars = BARS * len(found.shares) + 40
    heights = [bars, *[PANEL] * len(drawn)]
    shown = style.figure(
        "Which hyperparameter mattered",
        len(heights),
        150 + sum(heights) + 60 * len(drawn),
        row_heights=heights,
        vertical_spacing=60 / (30 + sum(heights) + 60 * len(drawn)),
        subplot_titles=[f"R² on unseen trials: {found.explained:.2f}"]
        + [f"{style.heading(found.score)} by {style.text(name)}" for name, _ in drawn],
    )
    _bars(shown, found)
    for row, (name, curve) in enumerate(drawn, 2):
        _curve(shown, row, name, curve)
    shown.update_layout(showlegend=False)
    return shown


def _bars(shown: Any, found: Importance) -> None:
    names = [style.text(name) for name in found.shares]
    places = np.arange(len(names))
    shown.add_bar(
        x=list(found.shares.values()),
        y=places,
        orientation="h",
        marker={"color": style.BLUE},
        customdata=names,
        texttemplate="%{x:.0%}",
        hovertemplate="%{customdata}: %{x:.1%}<extra></extra>",
        row=1,
        col=1,
    )
    shown.update_xaxes(tickformat=".0%", rangemode="tozero", showgrid=True, row=1, col=1)
    shown.update_yaxes(
        tickmode="array", tickvals=places, ticktext=names, autorange="reversed", showgrid=False,
        ticklabelstandoff=4, row=1, col=1,
    )  # fmt: skip


def _curve(shown: Any, row: int, name: str, curve: Curve) -> None:
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in curve.values)
    x = curve.values if numbers else [style.text(value) for value in curve.values]
    low, high = curve.mean - curve.spread, curve.mean + curve.spread
    if numbers:
        shown.add_scatter(
            x=[*x, *reversed(x)],
            y=np.concatenate([high, low[::-1]]),
            fill="toself",
            fillcolor=style.faint(style.BLUE, 0.15),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            row=row,
            col=1,
        )
    shown.add_scatter(
        x=x,
        y=curve.mean,
        name=style.text(name),
        mode="lines+markers" if numbers else "markers",
        line={"color": style.BLUE, "width": 2},
        marker={"size": 5 if numbers else 9},
        error_y=None if numbers else {"array": curve.spread},
        hovertemplate="%{x:.4~g}: %{y:.4~g}<extra></extra>" if numbers else None,
        row=row,
        col=1,
    )
    if curve.log:
        shown.update_xaxes(**style.log_axis(np.array(x, float)), row=row, col=1)
    elif not numbers:
        shown.update_xaxes(type="category", row=row, col=1)
