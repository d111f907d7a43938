"""AND and OR reach zero errors; XOR never does."""

import numpy as np
import pytest

from gradus.lessons.catalog import run_lesson
from gradus.lessons.page import FigureBlock
from gradus.lessons.perceptron import CORNERS, TARGETS


@pytest.mark.parametrize("seed", range(2))
def test_and_and_or_are_learned_and_xor_is_not(seed):
    _, page, numbers = run_lesson("perceptron", quiet=True, epochs=15, seed=seed)
    assert numbers["wrong_on_AND"] == numbers["wrong_on_OR"] == 0
    assert numbers["wrong_on_XOR"] >= 1
    errors = [b.figure for b in page.blocks if isinstance(b, FigureBlock)][-1]
    assert [curve.name for curve in errors.data] == ["AND", "OR", "XOR"]
    for curve in errors.data:
        assert (min(curve.y) == 0) == (curve.name != "XOR")


def test_the_last_line_drawn_has_the_classes_on_its_sides():
    _, page, _ = run_lesson("perceptron", quiet=True, epochs=15)
    for name in ("AND", "OR"):
        figure = next(
            b.figure
            for b in page.blocks
            if isinstance(b, FigureBlock) and b.figure.layout.title.text == name
        )
        last = next(t for t in figure.data if t.type == "scatter" and t.mode == "lines")
        (x1, x2), (y1, y2) = last.x, last.y
        side = (x2 - x1) * (CORNERS[:, 1] - y1) - (y2 - y1) * (CORNERS[:, 0] - x1)
        ones = np.array(TARGETS[name]) == 1
        assert side[ones].min() > 1e-6 or side[ones].max() < -1e-6
        away = np.sign(side[ones][0]) * side[~ones]
        assert away.max() < 1e-5  # a corner on the line counts as 0
