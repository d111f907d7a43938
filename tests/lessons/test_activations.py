"""The sigmoid's slope is at most a quarter, and the lesson covers every activation."""

import numpy as np
import pytest

import gradus as gr
from gradus.lessons import activations
from gradus.lessons.catalog import run_lesson
from gradus.lessons.page import FigureBlock, TableBlock


@pytest.mark.slow
def test_every_activation_and_its_slope():
    _, page, numbers = run_lesson("activations", quiet=True)
    assert numbers["steepest_sigmoid"] == pytest.approx(0.25, abs=1e-6)
    assert numbers["left_after_ten_sigmoids"] == pytest.approx(0.25**10, rel=1e-4)
    assert numbers["steepest_tanh"] == numbers["steepest_relu"] == 1
    assert numbers["steepest_step"] == 0
    assert numbers["softmax_of_two_from_sigmoid"] < 1e-6
    (table,) = (block for block in page.blocks if isinstance(block, TableBlock))
    (row,) = (row for row in table.rows if row["activation"] == "tanh")
    assert row["slope at −5"] == pytest.approx(1 / np.cosh(5) ** 2, rel=1e-3)
    assert row["slope at 5"] == pytest.approx(1 / np.cosh(5) ** 2, rel=1e-3)
    drawn = {row["activation"] for row in table.rows}
    every = {
        gr.activations.REGISTRY.name_of(gr.activations.get(name))
        for name in gr.activations.REGISTRY
        if not name.endswith(("softmax", "_ste"))  # of several numbers; a step to train through
    }
    assert drawn == every
    sigmoid, slope = (
        next(t for t in block.figure.data if t.name == "sigmoid")
        for block in page.blocks[:2]
        if isinstance(block, FigureBlock)
    )
    np.testing.assert_allclose(sigmoid.y, 1 / (1 + np.exp(-sigmoid.x)), atol=1e-6)
    np.testing.assert_allclose(slope.y, sigmoid.y * (1 - sigmoid.y), atol=1e-6)


def test_maxout_is_the_largest_of_its_lines():
    largest, *lines = activations.maxout(np.linspace(-2, 2, 5, dtype=np.float32)).data
    np.testing.assert_allclose(largest.y, np.max([line.y for line in lines], axis=0))
