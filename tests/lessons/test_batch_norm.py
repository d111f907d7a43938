"""Batch normalization: faster learning from almost any initial weights."""

import numpy as np
import pytest

from gradus.lessons.batch_norm import epochs_to, lesson
from gradus.lessons.page import Page


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_with_it_more_scales_learn_and_they_learn_faster(seed):
    found = lesson(Page(quiet=True), scales=8, depth=4, width=32, epochs=15, seed=seed)
    assert found["share_of_scales_with"] >= 0.5
    assert found["share_of_scales_without"] <= 0.25
    assert found["epochs_to_90_percent_with"] < found["epochs_to_90_percent_without"]


def test_epochs_to_a_goal():
    assert epochs_to(0.9, np.array([0.5, 0.9, 0.8]), 3) == 2
    assert epochs_to(0.9, np.array([0.5]), 3) == 4
