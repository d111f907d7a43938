"""Surfaces have the function's heights, and paths their own points."""

import numpy as np
import pytest

import gradus as gr
from gradus.errors import DataError


def bowl(point):
    """3 x² + y."""
    return 3 * point[0] ** 2 + point[1]


def test_heights_are_the_functions():
    drawn = gr.figures.surface(bowl, (-1, 1), (0, 2)).data[0]
    x, y = np.meshgrid(drawn.x, drawn.y)
    np.testing.assert_allclose(drawn.customdata, 3 * x**2 + y, atol=1e-5)
    above = drawn.customdata - drawn.customdata.min()
    seen = above > 1e-3 * above.max()
    np.testing.assert_allclose(drawn.z[seen], np.log10(above[seen] / above.max()))
    plain = gr.figures.surface(bowl, (-1, 1), (0, 2), log=False).data[0]
    np.testing.assert_array_equal(plain.z, plain.customdata)


def test_paths_lie_on_the_surface():
    tracks = {"one": [[0, 0], [1, 2], [2, 1]], "<two>": [[0, 0], [-1, -2]]}
    figure = gr.figures.paths(bowl, tracks)
    _, one, two = figure.data
    np.testing.assert_array_equal(np.stack([one.x, one.y], 1), tracks["one"])
    assert two.name == "&lt;two&gt;"
    low, high = figure.layout.xaxis.range
    assert low < -1 < 2 < high
    given = gr.figures.paths(bowl, tracks, (0, 1), (0, 1))
    assert given.layout.xaxis.range == (0, 1)


def test_what_is_no_path_is_refused():
    with pytest.raises(DataError, match="at least one path"):
        gr.figures.paths(bowl, {})
    with pytest.raises(DataError, match=r"'one' has shape \(2, 3\)"):
        gr.figures.paths(bowl, {"one": np.ones((2, 3))})
