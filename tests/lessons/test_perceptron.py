"""AND and OR reach zero errors; XOR never does."""

import numpy as np
import pytest

from gradus.lessons.catalog import run_lesson
from gradus.lessons.page import FigureBlock
from gradus.lessons.perceptron import CORNERS, TARGETS, caption


@pytest.mark.parametrize("seed", range(2))
def test_and_and_or_are_learned_and_xor_is_not(seed):
    _, page, numbers = run_lesson("perceptron", quiet=True, epochs=15, seed=seed)
    assert numbers["wrong_on_AND"] == numbers["wrong_on_OR"] == 0
    assert numbers["wrong_on_XOR"] >= 1
    errors = [b.figure for b in page.blocks if isinstance(b, FigureBlock)][-1]
    assert [curve.name for curve in errors.data] == ["AND", "OR", "XOR"]
    for curve in errors.data:
        assert (min(curve.y) == 0) == (curve.name != "XOR")


def test_the_darkest_line_is_the_last_one_and_no_line_touches_a_corner():
    _, page, _ = run_lesson("perceptron", quiet=True)
    blocks = {b.figure.layout.title.text: b for b in page.blocks if isinstance(b, FigureBlock)}
    for name in TARGETS:
        drawn = [t for t in blocks[name].figure.data if t.type == "scatter" and t.mode == "lines"]
        sides = [side_of_corners(line) for line in drawn]
        assert min(abs(side).min() for side in sides) > 0.1
        darkest = [s for s, t in zip(sides, drawn, strict=True) if t.line.color.endswith(", 1)")]
        if name == "XOR":  # ends without a line, and says so
            assert not darkest
            assert "both weights are zero, so there is no line" in blocks[name].caption
        else:
            ones = np.array(TARGETS[name]) == 1
            assert len(darkest) == 1
            assert len(set(np.sign(darkest[0][ones]))) == len(set(np.sign(darkest[0][~ones]))) == 1
            assert np.sign(darkest[0][ones][0]) != np.sign(darkest[0][~ones][0])
            assert blocks[name].caption.endswith("It separates the classes.")


def side_of_corners(line):
    (x1, x2), (y1, y2) = line.x, line.y
    away = (x2 - x1) * (CORNERS[:, 1] - y1) - (y2 - y1) * (CORNERS[:, 0] - x1)
    return away / np.hypot(x2 - x1, y2 - y1)  # the distance, with a sign


def test_captions():
    def path(w, b):
        return [{"kernel": np.array([[w], [w]]), "bias": np.array([b])}]

    assert caption(path(1, -0.5), 0) == (
        "The line after each epoch, where it crosses the figure; the last one is the clearest. "
        "It separates the classes."
    )
    assert caption(12 * path(1, 0.5), 1) == (
        "The line after each of the last 10 epochs, where it crosses the figure; the last one is "
        "the clearest. It gets 1 of the four corners wrong."
    )
    assert caption(path(0, 0.5), 2).endswith(
        "there is no line. The unit answers 1 everywhere and gets 2 of the four corners wrong."
    )
