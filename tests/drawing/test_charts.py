"""Lines and bars show the numbers they were given."""

import numpy as np
import pytest

import gradus as gr
from gradus.drawing.style import heading
from gradus.errors import DataError


def test_lines_over_their_own_or_counted_places():
    figure = gr.figures.lines({"a": [3, 1], "b": ([0.1, 10], [2, 4])}, "rate", "loss", log="x")
    counted, given = figure.data
    np.testing.assert_array_equal([counted.x, counted.y], [[1, 2], [3, 1]])
    np.testing.assert_array_equal([given.x, given.y], [[0.1, 10], [2, 4]])
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", None)
    assert figure.layout.xaxis.title.text == "rate"


def test_a_metric_of_one_of_several_targets_is_named_by_its_column():
    assert heading("val_r2 unit_price") == "Validation R² unit_price"


def test_a_pair_of_numbers_is_a_curve_of_two():
    np.testing.assert_array_equal(gr.figures.lines({"a": (3, 1)}).data[0].y, [3, 1])


@pytest.mark.parametrize(
    ("curves", "words"),
    [({}, "at least one curve"), ({"a": ([1, 2], [1])}, "two rows of one length")],
)
def test_lines_without_points_are_refused(curves, words):
    with pytest.raises(DataError, match=words):
        gr.figures.lines(curves)


def test_bars_keep_their_order():
    figure = gr.figures.bars({"<a>": 2.0, "b": 1.0}, "seconds")
    np.testing.assert_array_equal(figure.data[0].x, [2, 1])
    assert figure.layout.yaxis.ticktext == ("&lt;a&gt;", "b")
    assert figure.layout.xaxis.range is None
    negative = gr.figures.bars({"a": 1.0, "b": -0.01}).data[1]  # its number, on the right of zero
    assert (negative.x, negative.y, negative.text) == ((0,), (1,), (" −0.01",))
    with pytest.raises(DataError, match="at least one number"):
        gr.figures.bars({})
