"""By hand, from the library, and by finite differences, the gradient is the same."""

import numpy as np
import pytest

from gradus.lessons.backprop import PATHS, backward, differences, error, lesson, loss
from gradus.lessons.page import Page, TableBlock


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_three_ways_give_the_same_gradient(seed):
    page = Page(quiet=True)
    found = lesson(page, seed=seed)
    assert found["library_against_hand"] < 1e-6
    assert found["differences_against_hand"] < 1e-8
    assert found["check_gradients"] < 1e-7
    rows = [block for block in page.blocks if isinstance(block, TableBlock)][1].rows
    assert len(rows) == 2 * 3 + 3 + 3 * 2 + 2  # every weight of the network
    assert max(abs(row["chain rule"]) for row in rows) > 0.01


def test_the_error_of_a_difference_in_both_directions_is_that_of_the_third_derivative():
    rng = np.random.default_rng(0)
    shapes = ((2, 3), (3,), (3, 2), (2,))
    weights = {name: rng.normal(size=shape) for name, shape in zip(PATHS, shapes, strict=True)}
    exact = backward(weights)[1]
    # Of order h²: ten times the step, a hundred times the error.
    assert error(weights, exact, 1e-2, np.float64) == pytest.approx(
        100 * error(weights, exact, 1e-3, np.float64), rel=0.01
    )

    def along(t):  # the loss as a function of one weight
        return loss(weights | {"b₁": weights["b₁"] + np.array([t, 0, 0])})

    h = 0.01
    third = (along(2 * h) - 2 * along(h) + 2 * along(-h) - along(-2 * h)) / (2 * h**3)
    found = differences(weights, "b₁", h)[0] - exact["b₁"][0]
    assert found == pytest.approx(third * h**2 / 6, rel=0.01)
