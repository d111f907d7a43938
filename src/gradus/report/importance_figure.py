"""The figure of which hyperparameters of a sweep mattered, and the score at their values."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradus.drawing import style
from gradus.errors import GradusError
from gradus.report.sweeps import score_label
from gradus.sweep.results.importance import Curve, Importance
from gradus.sweep.sweep import Sweep

MAX_CURVES = 6  # drawn for the hyperparameters that matter most
BAR_HEIGHT, PANEL_HEIGHT = 28, 190  # in pixels


def importance(sweep: Sweep | Importance) -> Any:
    """Draw the share of the score's variance that each hyperparameter explains, and its curve.

    A curve is the expected score at each value, averaged over all other hyperparameters; the band
    is one standard deviation over the trees of the random forest that predicts it.

    Args:
        sweep: a sweep, or the result of its `importance`.

    Raises:
        GradusError: for anything else, or a sweep of fewer than 8 trials.

    Examples:
        >>> x = np.linspace(-1, 1, 16)[:, None]
        >>> model = gr.Model(gr.Dense(1), "mse", gr.SGD(gr.log_uniform(1e-3, 1e-1)))
        >>> sweep = gr.Sweep(model, 8).fit(x, 2 * x, epochs=2, verbose=False)
        >>> gr.figures.importance(sweep).data[0].customdata
        ('optimizer.learning_rate',)
    """
    result = sweep.importance() if isinstance(sweep, Sweep) else sweep
    if not isinstance(result, Importance):
        raise GradusError(f"importance takes a sweep, not {type(sweep).__name__}.")
    drawn = list(result.curves.items())[:MAX_CURVES]
    bars = BAR_HEIGHT * len(result.shares) + 40
    heights = [bars, *[PANEL_HEIGHT] * len(drawn)]
    score = score_label(result.score)
    figure = style.figure(
        "Hyperparameter importance",
        len(heights),
        150 + sum(heights) + 60 * len(drawn),
        row_heights=heights,
        vertical_spacing=60 / (30 + sum(heights) + 60 * len(drawn)),
        subplot_titles=[f"R² on unseen trials: {result.explained:.2f}"]
        + [f"{score[:1].upper()}{score[1:]} by {style.escape(name)}" for name, _ in drawn],
    )
    _draw_shares(figure, result)
    for row, (name, curve) in enumerate(drawn, 2):
        _draw_curve(figure, row, name, curve)
    figure.update_layout(showlegend=False)
    return figure


def _draw_shares(figure: Any, result: Importance) -> None:
    names = [style.escape(name) for name in result.shares]
    positions = np.arange(len(names))
    figure.add_bar(
        x=list(result.shares.values()),
        y=positions,
        orientation="h",
        marker={"color": style.BLUE},
        customdata=names,
        texttemplate="%{x:.0%}",
        hovertemplate="%{customdata}: %{x:.1%}<extra></extra>",
        row=1,
        col=1,
    )
    figure.update_xaxes(tickformat=".0%", rangemode="tozero", showgrid=True, row=1, col=1)
    figure.update_yaxes(
        tickmode="array", tickvals=positions, ticktext=names, autorange="reversed", showgrid=False,
        ticklabelstandoff=4, row=1, col=1,
    )  # fmt: skip


def _draw_curve(figure: Any, row: int, name: str, curve: Curve) -> None:
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in curve.values)
    x = curve.values if numbers else [style.escape(value) for value in curve.values]
    low, high = curve.mean - curve.spread, curve.mean + curve.spread
    if numbers:
        figure.add_scatter(
            x=[*x, *reversed(x)],
            y=np.concatenate([high, low[::-1]]),
            fill="toself",
            fillcolor=style.translucent(style.BLUE, 0.15),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            row=row,
            col=1,
        )
    figure.add_scatter(
        x=x,
        y=curve.mean,
        name=style.escape(name),
        mode="lines+markers" if numbers else "markers",
        line={"color": style.BLUE, "width": 2},
        marker={"size": 5 if numbers else 9},
        error_y=None if numbers else {"array": curve.spread},
        hovertemplate="%{x:.4~g}: %{y:.4~g}<extra></extra>" if numbers else None,
        row=row,
        col=1,
    )
    if curve.log:
        figure.update_xaxes(**style.log_axis(np.array(x, float)), row=row, col=1)
    elif not numbers:
        figure.update_xaxes(type="category", row=row, col=1)
