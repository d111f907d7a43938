"""Figures of a function of two numbers, and of the paths that optimisers take down it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.errors import DataError
from gradus.report import style
from gradus.report.charts import legend_below

GRID_STEPS = 120  # along each axis
DECADES = 4  # of heights above the lowest that a logarithmic surface tells apart
LEVELS = 20  # lines of equal height

Range = tuple[float, float]


def surface(
    function: Callable[[Any], Any], x_range: Range, y_range: Range, *, log: bool = True
) -> Any:
    """Return a function of two numbers as lines of equal height; the lower, the lighter.

    Args:
        function: of a point `(2,)`, written with `jax.numpy`, to a number.
        x_range: the first number's lowest and highest.
        y_range: the second's.
        log: whether the lines' heights above the lowest form a geometric sequence, so that a
            valley's floor is seen as well as its sides; else they are evenly spaced.
    """
    axes = [np.linspace(*ends, GRID_STEPS, dtype=np.float32) for ends in (x_range, y_range)]
    points = np.stack(np.meshgrid(*axes), axis=-1)  # (steps of y, steps of x, 2)
    heights = np.asarray(jax.jit(jax.vmap(jax.vmap(function)))(jnp.asarray(points)), float)
    drawn = heights
    if log:
        above = heights - np.nanmin(heights)
        most = np.nanmax(above)
        drawn = np.log10(np.maximum(above / (most if most > 0 else 1), 10.0**-DECADES))
    shown = style.figure("Surface", height=480)
    shown.add_contour(
        x=axes[0],
        y=axes[1],
        z=drawn,
        customdata=heights,
        ncontours=LEVELS,
        showscale=False,
        colorscale=[[0, "#FFFFFF"], [1, "#C3D1DE"]],
        line={"width": 0.6, "color": "#9AA5B1"},
        hovertemplate="%{customdata:.4g} at (%{x:.3g}, %{y:.3g})<extra></extra>",
    )
    shown.update_xaxes(range=list(x_range))
    shown.update_yaxes(range=list(y_range), showgrid=False)
    shown.update_layout(hovermode="closest")
    return shown


def paths(
    function: Callable[[Any], Any],
    paths: Mapping[str, Any],
    x_range: Range | None = None,
    y_range: Range | None = None,
    *,
    log: bool = True,
) -> Any:
    """Return paths over a function of two numbers, each from a ring to a dot, as lines.

    Args:
        function: as in `surface`.
        paths: by name, points `(steps + 1, 2)`, such as `gr.descend` returns.
        x_range: the first number's lowest and highest; by default what the paths need.
        y_range: the second's.
        log: as in `surface`.

    Raises:
        DataError: if there are no paths, or one has another shape.
    """
    tracks = {name: np.asarray(path, float) for name, path in paths.items()}
    for name, track in tracks.items():
        if track.ndim != 2 or track.shape[1] != 2:
            raise DataError(f"The path {name!r} has shape {track.shape}: write (steps + 1, 2).")
    if not tracks:
        raise DataError("paths needs at least one path: write {name: points}.")
    every = np.concatenate(list(tracks.values()))
    spans = [given or _span(every[:, axis]) for axis, given in enumerate((x_range, y_range))]
    shown = surface(function, *spans, log=log)
    shown.update_layout(title_text="Paths")
    for index, (name, track) in enumerate(tracks.items()):
        colour = style.pick(index)
        shown.add_scatter(
            x=track[:, 0],
            y=track[:, 1],
            name=style.text(name),
            mode="lines+markers",
            line={
                "color": colour,
                "width": 2,
                "dash": style.pick(index // len(style.COLOURS), style.DASHES),
            },
            marker={
                "color": colour,
                "symbol": ["circle-open"] + ["circle"] * (len(track) - 1),
                "size": [10] + [3] * (len(track) - 2) + [9] * (len(track) > 1),
                "opacity": 1,
                "line": {"width": [2] + [0] * (len(track) - 1), "color": colour},
            },
            hovertemplate=f"{style.text(name)} at (%{{x:.3g}}, %{{y:.3g}})<extra></extra>",
        )
    legend_below(shown)
    return shown


def _span(values: np.ndarray) -> Range:
    """Return the range of the finite values and a margin."""
    seen = values[np.isfinite(values)]
    low, high = float(seen.min()), float(seen.max())
    margin = 0.15 * (high - low) or 1.0
    return low - margin, high + margin
