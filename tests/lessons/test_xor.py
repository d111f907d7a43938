"""XOR: a bend between the layers is what it takes."""

import pytest

from gradus.lessons.page import Page
from gradus.lessons.xor import lesson


@pytest.mark.parametrize("seed", [0, 1000])
def test_a_bend_solves_xor_for_nearly_every_seed_and_none_does_for_none(seed):
    found = lesson(Page(quiet=True), seeds=40, epochs=200, seed=seed)
    assert found["share_solved_tanh"] >= 0.95
    assert found["share_solved_relu"] >= 0.75
    assert found["share_solved_linear"] == 0
    assert found["difference_from_one_matrix"] < 1e-6
