"""Where the labels of points stand so that they do not cover each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LETTER, LINE = 6.6, 15.0  # of a label, in pixels: the width of a letter, and the height
DOT = 10.0  # the size of a point
DISTANCES = (13.0, 25.0, 40.0, 55.0, 70.0, 85.0, 100.0)
ANGLES = np.arange(16) * np.pi / 8
SIZES = ((240.0, 330.0), (640.0, 330.0))  # of a figure's inner part, on a phone and on a desk


def place_labels(
    points: np.ndarray, labels: Sequence[str], sizes: Sequence[tuple[float, float]] = SIZES
) -> list[tuple[float, float] | None]:
    """Return where the center of each label stands beside its point, in pixels to the right and up.

    Labels are placed in their order, each at the nearest place where, at all sizes of the figure,
    it covers no point, no earlier label, and does not leave the figure.

    Args:
        points: `(n, 2)`, each coordinate between 0 and 1, the shares of the figure's inner part.
        labels: of the points.
        sizes: widths and heights that the inner part of the figure may have, in pixels.

    Returns:
        For each label its offset, or None if there is no such place.
    """
    steps = np.array(
        [(r * np.cos(a), r * np.sin(a)) for r in DISTANCES for a in np.pi / 2 + ANGLES]
    )
    steps[:, 0] *= 1.4  # labels are wider than high
    at = points * np.array(sizes)[:, None]  # (sizes, n, 2)
    centers, halves = list(at.swapaxes(0, 1)), [np.full(2, DOT / 2)] * len(points)
    offsets: list[tuple[float, float] | None] = []
    for index, label in enumerate(labels):
        half = np.array([LETTER * len(label), LINE]) / 2
        middles = at[:, index] + steps[:, None]  # (steps, sizes, 2)
        inside = ((middles >= half) & (middles <= np.array(sizes) - half)).all(axis=(1, 2))
        apart = abs(middles[:, None] - np.array(centers)) >= half + np.array(halves)[:, None]
        free = np.flatnonzero(inside & apart.any(axis=3).all(axis=(1, 2)))
        if not len(free):
            offsets.append(None)
            continue
        offsets.append((float(steps[free[0], 0]), float(steps[free[0], 1])))
        centers.append(middles[free[0]])
        halves.append(half)
    return offsets
