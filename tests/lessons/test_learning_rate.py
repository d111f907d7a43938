"""Too small a rate learns nothing in time, too large a rate diverges."""

import pytest

from gradus.lessons.catalog import run_lesson


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_the_best_rate_lies_between_creeping_and_divergence(seed):
    _, page, numbers = run_lesson(
        "learning-rate", quiet=True, trials=10, samples=400, epochs=8, seed=seed
    )
    assert 0.05 < numbers["best_rate"] < 5
    assert numbers["accuracy_best"] > 0.8
    assert numbers["accuracy_smallest"] < 0.35
    assert numbers["accuracy_largest"] < 0.35
    # The sweep's best rate is near that of the lowest loss, ten times the suggested one.
    assert numbers["best_rate"] / 5 < numbers["rate_of_lowest_loss"] < 5 * numbers["best_rate"]
    assert numbers["suggested_rate"] == pytest.approx(numbers["rate_of_lowest_loss"] / 10)
    assert f"suggests a tenth of that, {numbers['suggested_rate']:.2g}" in page.blocks[-1].caption
