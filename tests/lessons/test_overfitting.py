"""Overfitting: the curves part, and each of the four remedies helps."""

import pytest

from gradus.lessons.overfitting import lesson
from gradus.lessons.page import Page


@pytest.mark.parametrize("seed", range(1))
def test_the_curves_part_and_every_remedy_helps(seed):
    found = lesson(Page(quiet=True), width=64, epochs=200, seeds=1, seed=seed)
    assert found["training_loss_nothing"] < 0.6 * found["lowest_loss_nothing"]
    assert found["loss_nothing"] > 1.5 * found["lowest_loss_nothing"]
    for remedy in ("dropout", "L2", "early_stopping", "more_data"):
        assert found[f"loss_{remedy}"] < 0.8 * found["loss_nothing"], remedy
