"""Gradient descent arrives at the least-squares solution."""

import functools
import itertools

import numpy as np
import pytest
from scipy.stats import linregress

from gradus.lessons.catalog import run_lesson
from gradus.lessons.page import FigureBlock, TableBlock


@functools.cache
def run(seed):
    return run_lesson("linear-regression", quiet=True, samples=30, epochs=400, seed=seed)[1:]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_it_equals_least_squares(seed):
    page, numbers = run(seed)
    shown = [b.figure for b in page.blocks if isinstance(b, FigureBlock)][-1]
    points = next(trace for trace in shown.data if trace.mode == "markers")
    theirs = linregress(points.x, points.y)
    assert numbers["weight"] == pytest.approx(theirs.slope, abs=1e-3)
    assert numbers["bias"] == pytest.approx(theirs.intercept, abs=1e-3)
    assert numbers["difference"] < 1e-3
    table = next(b for b in page.blocks if isinstance(b, TableBlock))
    losses = [float(row["loss"]) for row in table.rows]
    assert all(after < before + 1e-6 for before, after in itertools.pairwise(losses))


@pytest.mark.slow
def test_the_path_drawn_ends_in_the_lowest_point():
    page, numbers = run(0)
    surface, lines = (b.figure for b in page.blocks if isinstance(b, FigureBlock))
    contour, path = surface.data
    points = next(trace for trace in lines.data if trace.mode == "markers")
    x, y = np.array(points.x), np.array(points.y)
    heights = np.array(contour.customdata)
    by_hand = np.mean((np.outer(contour.x, x)[:, None] + contour.y[:, None] - y) ** 2, axis=-1)
    np.testing.assert_allclose(heights, by_hand.T, rtol=1e-4)
    assert (path.x[-1], path.y[-1]) == pytest.approx((numbers["weight"], numbers["bias"]))
    assert np.mean((path.x[-1] * x + path.y[-1] - y) ** 2) <= heights.min()
