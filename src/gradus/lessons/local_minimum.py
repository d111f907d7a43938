"""A local minimum, and momentum that rolls through it.

Gradient descent goes downhill and stops where the slope is zero. That need not be the lowest point:
in a local minimum, every direction leads up, and plain gradient descent, which sees only the slope
at its current position, never leaves it.

A ball would. It gathers speed on the way down, and that speed carries it through a small dip and up
the other side. Momentum (Polyak 1964) gives gradient descent a velocity v:

    v ← μ v + g        w ← w − η v

μ, for example 0.9, is the fraction of the velocity that remains after a step. With μ = 0, this is
plain gradient descent. Where the gradient stays the same, the velocity grows to `g / (1 − μ)`: with
μ = 0.9, the ball becomes ten times as fast.

The function here has a local minimum on the right and the lowest one on the left,

    f(x, y) = x⁴/4 − x² + x/4 + y²

and the path starts high on the right-hand slope. Momentum is no guarantee: a ball that comes in too
slowly stays in the dip, and one that comes from the other side may roll out of the lowest minimum.
So the lesson also counts, for each μ, how many starting points lead to the lowest minimum.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

import gradus as gr
from gradus.lessons.page import Page

START = (2.3, 1.0)


def height(point: Any) -> Any:
    """Return f at a point `(..., 2)`."""
    x, y = point[..., 0], point[..., 1]
    return x**4 / 4 - x**2 + x / 4 + y**2


def slope(x: Any) -> Any:
    """Return df/dx, which is zero in both minima and on the ridge between them."""
    return x**3 - 2 * x + 0.25


def lesson(
    page: Page, steps: int = 200, rate: float = 0.02, starts: int = 200, seed: int = 0
) -> dict[str, float]:
    """Descend with and without momentum from the same point, then from many points.

    Args:
        page: the page to show the results on.
        steps: length of each path.
        rate: the learning rate η.
        starts: number of other starting points, all to the right of the ridge.
        seed: seed of the starting points.

    Returns:
        Where plain descent and momentum end, the value of f there, and the share of starting points
        from which each reaches the lowest minimum.
    """
    lowest, ridge, local = np.sort(np.roots([1, 0, -2, 0.25]).real)
    page.text(
        f"f has its lowest minimum at x = {lowest:.3f}, a local minimum at x = {local:.3f}, and a "
        f"ridge between them at x = {ridge:.3f}, all at y = 0."
    )
    optimizers = {"plain descent": gr.SGD(rate), "momentum 0.9": gr.SGD(rate, momentum=0.9)}
    paths = {
        name: gr.descend(height, START, optimizer, steps) for name, optimizer in optimizers.items()
    }
    page.figure(
        gr.figures.paths(height, paths, (-2.5, 2.7), (-1.5, 1.5)),
        "Two paths from the same starting point (ring) to where they end (dot). Plain descent "
        "stops in the dip on the right.",
    )
    page.figure(
        gr.figures.lines({name: height(path) for name, path in paths.items()}, "step", "f"),
        "The height along both paths. Momentum climbs over the ridge before it falls farther.",
    )
    rng = np.random.default_rng(seed)
    points = np.stack([rng.uniform(ridge, 3, starts), rng.uniform(-1, 1, starts)], axis=-1)
    rows = []
    for momentum in (0.0, 0.5, 0.8, 0.9, 0.95):
        # The heights are added up, so each point descends independently, all in one program.
        optimizer = gr.SGD(rate, momentum=momentum)
        ends = gr.descend(lambda point: jnp.sum(height(point)), points, optimizer, 4 * steps)[-1]
        share = float(np.mean(np.abs(ends[:, 0] - lowest) < 0.1))
        rows.append({"momentum": momentum, "share in the lowest minimum": share})
    page.table(
        rows,
        f"The share of {starts} starting points, between the ridge and x = 3, that lead to the "
        "lowest minimum.",
    )
    plain_end, momentum_end = (path[-1] for path in paths.values())
    return {
        "plain_ends_at": float(plain_end[0]),
        "plain_slope": float(abs(slope(plain_end[0]))),
        "plain_height": float(height(plain_end)),
        "momentum_ends_at": float(momentum_end[0]),
        "momentum_height": float(height(momentum_end)),
        "share_plain": rows[0]["share in the lowest minimum"],
        "share_momentum": rows[3]["share in the lowest minimum"],
    }
