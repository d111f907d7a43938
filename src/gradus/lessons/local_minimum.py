"""A local minimum, and momentum that rolls through it.

Gradient descent goes downhill and stops where the slope is zero. That need not be the lowest place:
in a local minimum every direction goes up, and plain descent, which only looks at the slope under
its feet, never leaves it.

A ball would. It gathers speed on the way down, and its speed carries it through a small dip and up
the other side. Momentum (Polyak 1964) gives the descent a velocity v:

    v ← μ v + g        w ← w − η v

μ, such as 0.9, is what is left of the velocity after a step. With μ = 0 this is plain descent.
Where the gradient stays the same, the velocity grows to `g / (1 − μ)`: with μ = 0.9 a ball comes to
go ten times as fast.

The function here has a local minimum on the right and the lowest one on the left,

    f(x, y) = x⁴/4 − x² + x/4 + y²

and the path begins high on the right-hand slope. Momentum is no promise: a ball that comes in too
slowly stays in the dip, and one that comes from the other side may roll out of the best one. So the
share of starting points that end in the lowest minimum is counted for each μ.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

import gradus as gr
from gradus.lessons.page import Page

START = (2.3, 1.0)


def height(point: Any) -> Any:
    """Return f of a point `(..., 2)`."""
    x, y = point[..., 0], point[..., 1]
    return x**4 / 4 - x**2 + x / 4 + y**2


def slope(x: Any) -> Any:
    """Return df/dx, which is zero in both minima and on the ridge between them."""
    return x**3 - 2 * x + 0.25


def lesson(
    page: Page, steps: int = 200, rate: float = 0.02, starts: int = 200, seed: int = 0
) -> dict[str, float]:
    """Let plain descent and momentum go down from the same place, then from many.

    Args:
        page: where the results are shown.
        steps: of each path.
        rate: the learning rate η.
        starts: how many other starting points are tried, all to the right of the ridge.
        seed: of the starting points.

    Returns:
        Where plain descent and momentum end, how high that is, and the share of starting points
        from which each reaches the lowest minimum.
    """
    lowest, ridge, local = np.sort(np.roots([1, 0, -2, 0.25]).real)
    page.text(
        f"f has its lowest minimum at x = {lowest:.3f}, a local one at x = {local:.3f}, and "
        f"between them a ridge at x = {ridge:.3f}, all at y = 0."
    )
    rules = {"plain descent": gr.SGD(rate), "momentum 0.9": gr.SGD(rate, momentum=0.9)}
    paths = {name: gr.descend(height, START, rule, steps) for name, rule in rules.items()}
    page.figure(
        gr.figures.paths(height, paths, (-2.5, 2.7), (-1.5, 1.5)),
        "Two paths from the same place (ring) to where they end (dot). Plain descent stops in the "
        "dip on the right.",
    )
    page.figure(
        gr.figures.lines({name: height(path) for name, path in paths.items()}, "step", "f"),
        "The height along both paths: momentum climbs over the ridge before it falls further.",
    )
    draw = np.random.default_rng(seed)
    many = np.stack([draw.uniform(ridge, 3, starts), draw.uniform(-1, 1, starts)], axis=-1)
    rows = []
    for momentum in (0.0, 0.5, 0.8, 0.9, 0.95):
        # The heights of all points add up, so that each goes down by itself, all in one program.
        rule = gr.SGD(rate, momentum=momentum)
        ends = gr.descend(lambda points: jnp.sum(height(points)), many, rule, 4 * steps)[-1]
        share = float(np.mean(np.abs(ends[:, 0] - lowest) < 0.1))
        rows.append({"momentum": momentum, "share in the lowest minimum": share})
    page.table(
        rows,
        f"{starts} starting points between the ridge and x = 3: how many of them end in the lowest "
        "minimum.",
    )
    plain, rolled = (path[-1] for path in paths.values())
    return {
        "plain_ends_at": float(plain[0]),
        "plain_slope": float(abs(slope(plain[0]))),
        "plain_height": float(height(plain)),
        "momentum_ends_at": float(rolled[0]),
        "momentum_height": float(height(rolled)),
        "share_plain": rows[0]["share in the lowest minimum"],
        "share_momentum": rows[3]["share in the lowest minimum"],
    }
