"""Plain charts of your own numbers: lines and bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradus.checks import object_of
from gradus.drawing import style
from gradus.errors import DataError

MAX_MARKED_POINTS = 25  # a line of at most so many points marks each
MAX_NAME_LENGTH = 24  # characters of a bar's label
MAX_ENTRIES_ABOVE = 4  # a longer legend goes below the figure


def lines(
    curves: Mapping[str, Any],
    x: str = "",
    y: str = "",
    *,
    log: str = "",
    title: str = "",
    height: int = 380,
) -> Any:
    """Draw several curves in one figure.

    Args:
        curves: by name, either values `(n,)`, drawn over 1 … n, or a pair `(x, y)` of `(n,)` each.
        x: label of the horizontal axis, with its unit.
        y: label of the vertical axis.
        log: which axes are logarithmic: "", "x", "y" or "xy".
        title: title of the figure.
        height: height of the figure in pixels.

    Raises:
        DataError: if there are no curves, or x and y of a curve differ in length.

    Examples:
        >>> figure = gr.figures.lines({"train": [1, 0.4], "test": [1.2, 0.7]}, y="loss")
        >>> [curve.name for curve in figure.data]
        ['train', 'test']
    """
    object_of("lines", "curves", curves, Mapping, "a dict from names to values")
    if not curves:
        raise DataError("lines needs at least one curve: write {name: values}.")
    figure = style.figure(title, height=height)
    for index, (name, values) in enumerate(curves.items()):
        xs, ys = _xy(name, values)
        figure.add_scatter(
            x=xs,
            y=ys,
            name=style.escape(name),
            showlegend=len(curves) > 1,
            mode="lines+markers" if len(ys) <= MAX_MARKED_POINTS else "lines",
            line={
                "color": style.pick(index),
                "width": 2,
                "dash": style.pick(index // len(style.COLORS), style.DASHES),
            },
            hovertemplate=f"{style.escape(name)} at %{{x:.4~g}}: %{{y:.4~g}}<extra></extra>",
        )
    figure.update_xaxes(title_text=style.escape(x))
    figure.update_yaxes(title_text=style.escape(y))
    for axis, update in (("x", figure.update_xaxes), ("y", figure.update_yaxes)):
        if axis in log:
            drawn = [np.asarray(trace[axis], float) for trace in figure.data]
            update(**style.log_axis(np.concatenate(drawn)))
    legend_below(figure)
    return figure


def bars(
    values: Mapping[str, float],
    x: str = "",
    *,
    log: bool = False,
    title: str = "",
) -> Any:
    """Draw numbers as horizontal bars, labeled with their names.

    Args:
        values: the numbers, by name.
        x: label of the axis, with its unit.
        log: whether the axis is logarithmic.
        title: title of the figure.

    Raises:
        DataError: if there are no values.

    Examples:
        >>> figure = gr.figures.bars({"SGD": 0.91, "Adam": 0.97}, "accuracy", title="Optimizers")
        >>> figure.data[0].x, figure.layout.title.text
        ((0.91, 0.97), 'Optimizers')
    """
    object_of("bars", "values", values, Mapping, "a dict from names to numbers")
    if not values:
        raise DataError("bars needs at least one number: write {name: value}.")
    figure = style.figure(title, height=130 + 28 * len(values))
    names = [
        n if len(n) <= MAX_NAME_LENGTH else f"{n[: MAX_NAME_LENGTH - 1]}…" for n in map(str, values)
    ]
    positions = np.arange(len(values))
    figure.add_bar(
        x=list(values.values()),
        y=positions,
        orientation="h",
        showlegend=False,
        marker={"color": style.BLUE},
        customdata=[style.escape(name) for name in values],
        texttemplate="%{x:.3~g}",
        textposition="auto",
        hovertemplate="%{customdata}: %{x:.4~g}<extra></extra>",
    )
    figure.update_xaxes(title_text=style.escape(x), showgrid=True, showline=False)
    if min(values.values()) < 0 and not log:
        _label_negative_bars(figure, list(values.values()))
    if log:
        figure.update_xaxes(**style.log_axis(np.array(list(values.values()), float)))
    figure.update_yaxes(
        tickmode="array",
        tickvals=positions,
        ticktext=[style.escape(name) for name in names],
        autorange="reversed",
        showgrid=False,
        ticklabelstandoff=4,
    )
    figure.update_layout(bargap=0.3)
    return figure


def _label_negative_bars(figure: Any, values: list[float]) -> None:
    """Write the numbers of negative bars on the right of zero: on the left are the names."""
    rows = [row for row, value in enumerate(values) if value < 0]
    figure.update_traces(textposition=["none" if value < 0 else "auto" for value in values])
    figure.add_scatter(
        x=[0] * len(rows),
        y=rows,
        text=[f" −{-values[row]:.3g}" for row in rows],
        textposition="middle right",
        mode="text",
        showlegend=False,
        hoverinfo="skip",
    )
    low, high = min(values), max(values)
    room = 0.05 * (max(high, 0) - low)
    figure.update_xaxes(range=[low - room, max(high + room, -0.4 * low)])


def _xy(name: str, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the x and y values of a curve, both `(n,)`.

    Raises:
        DataError: if their shapes differ.
    """
    if isinstance(values, tuple) and len(values) == 2 and np.ndim(values[0]) == 1:
        xs, ys = (np.asarray(part, float) for part in values)
    else:
        ys = np.asarray(values, float)
        xs = np.arange(1, ys.size + 1)
    if ys.ndim != 1 or xs.shape != ys.shape:
        raise DataError(
            f"The curve {name!r} has x of shape {xs.shape} and y of shape {ys.shape}: write "
            "two rows of one length."
        )
    return xs, ys


def legend_below(figure: Any, most: int = MAX_ENTRIES_ABOVE) -> None:
    """Move a legend of more than so many entries below the figure, where it has room to wrap."""
    entries = sum(trace.showlegend is not False for trace in figure.data)
    if entries > most:
        figure.update_layout(
            height=figure.layout.height + 10 * entries,
            legend={"y": -70 / (figure.layout.height - 120), "yanchor": "top"},
        )
