"""Too small a rate learns nothing in time, too large a rate diverges."""

import pytest

from gradus.lessons.catalog import run_lesson


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_the_best_rate_lies_between_creeping_and_divergence(seed):
    _, _, numbers = run_lesson(
        "learning-rate", quiet=True, trials=10, samples=400, epochs=8, seed=seed
    )
    assert 0.05 < numbers["best_rate"] < 5
    assert numbers["accuracy_best"] > 0.8
    assert numbers["accuracy_smallest"] < 0.35
    assert numbers["accuracy_largest"] < 0.35
    assert numbers["best_rate"] / 30 < numbers["suggested_rate"] < 3 * numbers["best_rate"]
