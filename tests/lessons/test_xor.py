"""It takes a nonlinearity between the layers to solve XOR."""

import pytest

from gradus.lessons.page import Page
from gradus.lessons.xor import lesson


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1000])
def test_a_nonlinearity_solves_xor_for_nearly_every_seed_and_a_linear_network_for_none(seed):
    found = lesson(Page(quiet=True), seeds=40, epochs=200, seed=seed)
    assert found["share_solved_tanh"] >= 0.95
    assert found["share_solved_relu"] >= 0.75
    assert found["share_solved_linear"] == 0
    assert found["difference_from_one_matrix"] < 1e-6
