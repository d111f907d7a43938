"""Figures of a function of two variables, and of the paths that optimizers take down it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradus.checks import as_items, is_number, object_of
from gradus.checks import function as function_of
from gradus.data.arrays import as_array
from gradus.drawing import style
from gradus.drawing.charts import legend_below
from gradus.errors import DataError

GRID_STEPS = 120  # along each axis
DECADES = 4  # of height above the minimum that a logarithmic surface resolves
LEVELS = 20  # contour lines

Range = tuple[float, float]


def surface(
    function: Callable[[Any], Any], x_range: Range, y_range: Range, *, log: bool = True
) -> Any:
    """Draw contour lines of a function of two variables; the lower, the lighter.

    Args:
        function: maps a point `(2,)` to a number, written with `jax.numpy`.
        x_range: lowest and highest value of the first variable.
        y_range: lowest and highest value of the second variable.
        log: whether contour levels above the minimum are spaced logarithmically, to show a
            valley's floor as well as its sides, or linearly.

    Examples:
        >>> figure = gr.figures.surface(lambda p: p[0] ** 2 + p[1] ** 2, (-1, 1), (-2, 2))
        >>> figure.data[0].z.shape, figure.layout.yaxis.range
        ((120, 120), (-2, 2))
    """
    function_of("function", function, "f(point)", "surface")
    for name, ends in (("x_range", x_range), ("y_range", y_range)):
        if len(as_items(ends) or ()) != 2 or not all(map(is_number, ends)):
            raise DataError(f"surface({name}={ends!r}): write the lowest and the highest number.")
    axes = [np.linspace(*ends, GRID_STEPS, dtype=np.float32) for ends in (x_range, y_range)]
    points = np.stack(np.meshgrid(*axes), axis=-1)  # (steps of y, steps of x, 2)
    heights = np.asarray(jax.jit(jax.vmap(jax.vmap(function)))(jnp.asarray(points)), float)
    drawn = heights
    if log:
        above = heights - np.nanmin(heights)
        most = np.nanmax(above)
        drawn = np.log10(np.maximum(above / (most if most > 0 else 1), 10.0**-DECADES))
    figure = style.figure("Surface", height=480)
    figure.add_contour(
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
    figure.update_xaxes(range=list(x_range), title_text="x")
    figure.update_yaxes(range=list(y_range), title_text="y", showgrid=False)
    figure.update_layout(hovermode="closest")
    return figure


def paths(
    function: Callable[[Any], Any],
    paths: Mapping[str, Any],
    x_range: Range | None = None,
    y_range: Range | None = None,
    *,
    log: bool = True,
) -> Any:
    """Draw paths over the contours of a function, each from a ring to a dot.

    Args:
        function: as in `surface`.
        paths: by name, points `(steps + 1, 2)`, as `gr.descend` returns them.
        x_range: range of the first variable; by default that of the paths and a margin.
        y_range: range of the second variable, likewise.
        log: as in `surface`.

    Raises:
        DataError: if there are no paths, or one has another shape.

    Examples:
        >>> path = [[1.0, 1.0], [0.5, 0.2], [0.1, 0.0]]
        >>> figure = gr.figures.paths(lambda p: p[0] ** 2 + p[1] ** 2, {"descent": path})
        >>> figure.data[1].name, figure.data[1].x.tolist()
        ('descent', [1.0, 0.5, 0.1])
    """
    object_of("paths", "paths", paths, Mapping, "a dict from names to points")
    tracks = {name: as_array(path, name, wide=True) for name, path in paths.items()}
    for name, track in tracks.items():
        if track.ndim != 2 or track.shape[1] != 2:
            raise DataError(f"The path {name!r} has shape {track.shape}: write (steps + 1, 2).")
    if not tracks:
        raise DataError("paths needs at least one path: write {name: points}.")
    every = np.concatenate(list(tracks.values()))
    spans = [
        chosen or _padded_range(every[:, axis]) for axis, chosen in enumerate((x_range, y_range))
    ]
    figure = surface(function, *spans, log=log)
    figure.update_layout(title_text="Paths")
    for index, (name, track) in enumerate(tracks.items()):
        color = style.pick(index)
        figure.add_scatter(
            x=track[:, 0],
            y=track[:, 1],
            name=style.escape(name),
            mode="lines+markers",
            line={
                "color": color,
                "width": 2,
                "dash": style.pick(index // len(style.COLORS), style.DASHES),
            },
            marker={
                "color": color,
                "symbol": ["circle-open"] + ["circle"] * (len(track) - 1),
                "size": [10] + [3] * (len(track) - 2) + [9] * (len(track) > 1),
                "opacity": 1,
                "line": {"width": [2] + [0] * (len(track) - 1), "color": color},
            },
            hovertemplate=f"{style.escape(name)} at (%{{x:.3g}}, %{{y:.3g}})<extra></extra>",
        )
    legend_below(figure)
    return figure


def _padded_range(values: np.ndarray) -> Range:
    """Return the range of the finite values with a margin."""
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    margin = 0.15 * (high - low) or 1.0
    return low - margin, high + margin
