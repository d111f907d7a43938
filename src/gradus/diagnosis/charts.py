"""A chart of what a finding was made from, in numbers; it is drawn only when someone looks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradus.drawing import charts, style

HEIGHT = 300  # pixels
DECADE = 10.0  # a larger span of positive numbers is drawn on a logarithmic axis
TICKS = 6  # of a logarithmic axis, at most
SHARE = "share"  # the label of an axis of percentages


@dataclasses.dataclass(frozen=True)
class Chart:
    """Curves with their limits, or bars.

    Attributes:
        title: what it shows.
        x: label of the horizontal axis.
        y: label of the vertical axis of curves.
        curves: by name, their places and values.
        limits: by name, numbers that the curves should not cross.
        mark: the epoch that matters; None for none.
        bars: by name, numbers; empty for curves.
    """

    title: str
    x: str = ""
    y: str = ""
    curves: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = dataclasses.field(
        default_factory=dict
    )
    limits: Mapping[str, float] = dataclasses.field(default_factory=dict)
    mark: int | None = None
    bars: Mapping[str, float] = dataclasses.field(default_factory=dict)


def draw(chart: Chart) -> Any:
    """Return the Plotly figure of a chart."""
    if chart.bars:
        return charts.bars(chart.bars, chart.x, title=chart.title)
    figure = charts.lines(chart.curves, chart.x, chart.y, title=chart.title, height=HEIGHT)
    places = [x for xs, _ in chart.curves.values() for x in xs]
    for index, (name, value) in enumerate(chart.limits.items(), 1):
        figure.add_scatter(
            x=[min(places), max(places)],
            y=[value, value],
            name=style.escape(name),
            mode="lines",
            line={"color": style.INK, "width": 1, "dash": style.pick(index, style.DASHES)},
            hovertemplate=f"{style.escape(name)}: %{{y:.4~g}}<extra></extra>",
        )
    figure.update_traces(showlegend=True)
    charts.legend_below(figure, most=2)  # a narrow page has no room for three above
    if chart.mark is not None:
        line = {"color": style.INK, "width": 1, "dash": "dot"}
        figure.add_vline(x=chart.mark, line=line, annotation_text=f"epoch {chart.mark}")
    figure.update_yaxes(**_value_axis(chart))
    return figure


def _value_axis(chart: Chart) -> dict[str, Any]:
    """Return the settings of the axis of values: logarithmic if it spans more than a decade."""
    values = [y for _, ys in chart.curves.values() for y in ys]
    numbers = np.array([*chart.limits.values(), *values])
    numbers = numbers[np.isfinite(numbers)]
    if len(numbers) and 0 < DECADE * numbers.min() < numbers.max():
        decades = math.log10(numbers.max()) - math.log10(numbers.min())
        axis = style.log_axis(numbers)
        return axis | ({"dtick": math.ceil(decades / TICKS)} if decades > TICKS else {})
    is_share = chart.y == SHARE or style.is_percentage(chart.y)
    return {"rangemode": "tozero"} | ({"tickformat": ".0%"} if is_share else {})


def curve(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return a curve of a chart, of at most some hundred points."""
    shown = style.evenly_spaced(len(x), 400)
    return tuple(map(float, x[shown])), tuple(map(float, y[shown]))
