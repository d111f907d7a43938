"""Training turns a random answer into a sensible probability."""

import pytest

from gradus.lessons.catalog import run_lesson


@pytest.mark.slow
def test_it_learns_who_passes():
    pages = [run_lesson("exam", quiet=True, seed=seed)[1:] for seed in range(2)]
    runs = [numbers for _, numbers in pages]
    for page, numbers in pages:
        assert f"right for {numbers['accuracy_before']:.0%} of 1,000" in page.blocks[0].caption
        assert numbers["accuracy_after"] > numbers["accuracy_with_the_true_probabilities"] - 0.03
        assert numbers["probability_after"] > 0.95
        # The truth of which the students were drawn: e^0.8 and e^0.5.
        assert numbers["odds_ratio_of_study"] == pytest.approx(2.226, rel=0.25)
        assert numbers["odds_ratio_of_sleep"] == pytest.approx(1.649, rel=0.25)
    before = [numbers["accuracy_before"] for numbers in runs]
    assert min(before) < 0.5  # an opinion by chance is sometimes worse than a coin
    assert sum(before) / len(before) < 0.7
