"""By hand, from the library, and by finite differences, the gradient is the same."""

import pytest

from gradus.lessons.backprop import lesson
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
