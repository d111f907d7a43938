"""Plain charts of one's own numbers: lines and bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradus.errors import DataError
from gradus.report import style

FEW_POINTS = 25  # of a line, up to which each is marked
LETTERS = 24  # of a bar's name
MOST_ABOVE = 4  # entries of a legend above a figure


def lines(
    curves: Mapping[str, Any],
    x: str = "",
    y: str = "",
    *,
    log: str = "",
    title: str = "",
    height: int = 380,
) -> Any:
    """Return several curves in one figure.

    Args:
        curves: by name either values `(n,)`, drawn over 1 … n, or a pair `(x, y)` of `(n,)` each.
        x: what the horizontal axis is, with its unit.
        y: what the vertical axis is.
        log: which axes are logarithmic: "", "x", "y" or "xy".
        title: what the figure shows.
        height: of the figure, in pixels.

    Raises:
        DataError: if there are no curves, or one has not as many x as y.
    """
    if not curves:
        raise DataError("lines needs at least one curve: write {name: values}.")
    shown = style.figure(title, height=height)
    for index, (name, values) in enumerate(curves.items()):
        across, up = _points(name, values)
        shown.add_scatter(
            x=across,
            y=up,
            name=style.text(name),
            showlegend=len(curves) > 1,
            mode="lines+markers" if len(up) <= FEW_POINTS else "lines",
            line={
                "color": style.pick(index),
                "width": 2,
                "dash": style.pick(index // len(style.COLOURS), style.DASHES),
            },
            hovertemplate=f"{style.text(name)} at %{{x:.4~g}}: %{{y:.4~g}}<extra></extra>",
        )
    shown.update_xaxes(title_text=style.text(x))
    shown.update_yaxes(title_text=style.text(y))
    for axis, update in (("x", shown.update_xaxes), ("y", shown.update_yaxes)):
        if axis in log:
            drawn = [np.asarray(trace[axis], float) for trace in shown.data]
            update(**style.log_axis(np.concatenate(drawn)))
    legend_below(shown)
    return shown


def bars(
    values: Mapping[str, float],
    x: str = "",
    *,
    log: bool = False,
    title: str = "",
) -> Any:
    """Return numbers as bars, one below the other, with their names beside them.

    Args:
        values: the numbers by name.
        x: what they are, with their unit.
        log: whether the axis is logarithmic.
        title: what the figure shows.

    Raises:
        DataError: if there are none.
    """
    if not values:
        raise DataError("bars needs at least one number: write {name: value}.")
    shown = style.figure(title, height=130 + 28 * len(values))
    names = [n if len(n) <= LETTERS else f"{n[: LETTERS - 1]}…" for n in map(str, values)]
    places = np.arange(len(values))
    shown.add_bar(
        x=list(values.values()),
        y=places,
        orientation="h",
        showlegend=False,
        marker={"color": style.BLUE},
        customdata=[style.text(name) for name in values],
        texttemplate="%{x:.3~g}",
        textposition="auto",
        hovertemplate="%{customdata}: %{x:.4~g}<extra></extra>",
    )
    shown.update_xaxes(title_text=style.text(x), showgrid=True, showline=False)
    if log:
        shown.update_xaxes(**style.log_axis(np.array(list(values.values()), float)))
    shown.update_yaxes(
        tickmode="array",
        tickvals=places,
        ticktext=[style.text(name) for name in names],
        autorange="reversed",
        showgrid=False,
        ticklabelstandoff=4,
    )
    shown.update_layout(bargap=0.3)
    return shown


def _points(name: str, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of a curve, both `(n,)`.

    Raises:
        DataError: if they do not fit.
    """
    if isinstance(values, tuple) and len(values) == 2 and np.ndim(values[0]) == 1:
        across, up = (np.asarray(part, float) for part in values)
    else:
        up = np.asarray(values, float)
        across = np.arange(1, up.size + 1)
    if up.ndim != 1 or across.shape != up.shape:
        raise DataError(
            f"The curve {name!r} has x of shape {across.shape} and y of shape {up.shape}: write "
            "two rows of one length."
        )
    return across, up


def legend_below(shown: Any) -> None:
    """Put a legend of many entries below the figure, where it has room to wrap."""
    entries = sum(trace.showlegend is not False for trace in shown.data)
    if entries > MOST_ABOVE:
        shown.update_layout(
            height=shown.layout.height + 10 * entries,
            legend={"y": -70 / (shown.layout.height - 120), "yanchor": "top"},
        )
