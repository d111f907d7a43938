"""Errors on unseen images fall fast, then slowly, and rise again."""

import pytest

from gradus.lessons.epochs import lesson
from gradus.lessons.page import Page


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_wrong_answers_on_unseen_images_fall_and_rise_again(seed):
    found = lesson(Page(quiet=True), samples=400, epochs=120, seeds=2, seed=seed)
    assert found["wrong_unseen_at_best"] < 0.5 * found["wrong_unseen_after_one_epoch"]
    assert 3 < found["best_epoch"] < 90
    assert found["wrong_unseen_at_the_end"] > found["wrong_unseen_at_best"] + 3
    assert found["wrong_in_training_at_the_end"] < found["wrong_unseen_at_best"]
